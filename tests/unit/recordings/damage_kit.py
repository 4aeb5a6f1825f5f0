"""Files of any bytes, for tests of what damaged or forged ones do to their readers."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.recorded import LECTURE

PAGE_BYTES = 4096
"""Of SQLite."""


@contextlib.contextmanager
def kept(content: bytes) -> Iterator[Path]:
    """A file of that content for a while, alone in a folder; Hypothesis gives its examples no ``tmp_path`` each."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{LECTURE}.lecture")
        path.write_bytes(content)
        yield path
