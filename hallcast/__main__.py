"""``python -m hallcast``."""

import sys

from hallcast.cli import main

sys.exit(main())
