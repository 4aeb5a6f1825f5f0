"""The child that makes one export: ``python -m recordings.export_worker``, started by :mod:`recordings.export_process`.

It reads one line of JSON from stdin (what to make, of what, within which limits) and writes lines of JSON to stdout:
``{"t_ms", "of_ms"}`` now and then, at the end ``{"done": true}`` or ``{"error": {"id", "text"}}``. When stdin ends,
the program that wanted the export is gone, and so is the child.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from lecture.errors import HallcastError
from recordings.export import export
from recordings.export_order import ExportOrder
from recordings.recording import Recording
from transport.child_process import limit_self, read_job, say

_TELL_EVERY_S = 0.25
_IDLE_NICENESS = 19


def main() -> int:
    """Make the export; exit code 0 if it is there."""
    job = read_job()
    limit_self(
        memory_bytes=job["memory_bytes"], cpu_s=job["cpu_s"], file_bytes=job["file_bytes"], niceness=_IDLE_NICENESS
    )
    try:
        with Recording.open(Path(job["recording"])) as recording:
            export(recording, ExportOrder(**job["order"]), Path(job["out"]), progress=_Teller(recording.duration_ms))
    except HallcastError as error:
        say({"error": {"id": error.error_id, "text": error.text}})
        return 1
    except MemoryError:
        say({"error": {"id": "export_failed", "text": "This recording needs more memory than an export may take."}})
        return 1
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        say({"error": {"id": "export_failed", "text": f"The export could not be written: {why}."}})
        return 1
    except ValueError as error:
        print(repr(error), file=sys.stderr)
        text = "This recording is damaged; `hallcast recordings verify` says where."
        say({"error": {"id": "export_failed", "text": text}})
        return 1
    say({"done": True})
    return 0


class _Teller:
    """Says how far the export is, not more often than anybody looks."""

    def __init__(self, of_ms: int) -> None:
        self._of_ms = of_ms
        self._told_s = float("-inf")

    def __call__(self, t_ms: int) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= _TELL_EVERY_S:
            self._told_s = now_s
            say({"t_ms": min(t_ms, self._of_ms), "of_ms": self._of_ms})


if __name__ == "__main__":
    sys.exit(main())
