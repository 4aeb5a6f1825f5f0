"""``python -m hallcast``: the ``hallcast`` command."""

from __future__ import annotations

import sys

from hallcast.cli import main

sys.exit(main())
