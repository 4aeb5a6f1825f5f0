"""What can be wrong with a recording."""

from __future__ import annotations

from lecture.errors import HallcastError


class RecordingError(HallcastError):
    """A recording that cannot be read or exported; ``error_id`` says why, ``text`` what to do."""
