"""The child of a check: ``python -m recordings.scan``, started by :mod:`recordings.scan_process`.

It reads one line of JSON from stdin, with the ``path`` of a lecture file and its own limits, and writes one to stdout:
``{"problems": […]}``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lecture.errors import LectureFileError
from lecture.verify import verify_file
from transport.child_process import limit_self, read_job, say

PROBLEMS_KEPT = 20
_IDLE_NICENESS = 19


def problems_of(path: Path) -> list[str]:
    """What is wrong with a lecture file, in plain words; empty for a sound one."""
    try:
        return verify_file(path).problems[:PROBLEMS_KEPT]
    except LectureFileError as error:
        return [error.text]


def main() -> int:
    """Check one file; exit code 0 if that could be done."""
    job = read_job()
    limit_self(
        memory_bytes=job["memory_bytes"], cpu_s=job["cpu_s"], file_bytes=job["file_bytes"], niceness=_IDLE_NICENESS
    )
    say({"problems": problems_of(Path(job["path"]))})
    return 0


if __name__ == "__main__":
    sys.exit(main())
