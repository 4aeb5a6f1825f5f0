"""Checking one lecture file in a process of its own that takes only what nobody else needs.

``python -m recordings.scan FILE`` prints the problems as a JSON list.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

from lecture.errors import LectureFileError
from lecture.verify import verify_file

NICE = 19
PROBLEMS_KEPT = 20


def problems_of(path: Path) -> list[str]:
    """What is wrong with a lecture file, in plain words; empty for a sound one."""
    try:
        return verify_file(path).problems[:PROBLEMS_KEPT]
    except LectureFileError as error:
        return [error.text]


def yield_to_others() -> None:
    """Let this process run only when the machine has nothing else to do."""
    with contextlib.suppress(OSError):
        os.nice(NICE)
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    yield_to_others()
    print(json.dumps(problems_of(Path(sys.argv[1]))))
