"""The child of an import: ``python -m recordings.import_worker``, started by :mod:`recordings.import_process`.

It reads one line of JSON from stdin and writes lines of JSON to stdout: ``{"done_ms", "of_ms"}`` now and then, at the
end ``{"done": …}`` or ``{"error": {"id", "text"}}``.
"""

from __future__ import annotations

import sqlite3
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lecture.errors import HallcastError
from recordings.import_source import find_sources
from recordings.importing import Prepared, place, prepare
from transport.child_process import limit_self, read_job, say

_IDLE_NICENESS = 19


def main() -> int:
    """Do one step of an import; exit code 0 if it is done."""
    job = read_job()
    limit_self(
        memory_bytes=job["memory_bytes"], cpu_s=job["cpu_s"], file_bytes=job["file_bytes"], niceness=_IDLE_NICENESS
    )
    try:
        done = _prepare(job) if job["step"] == "prepare" else _place(job)
    except HallcastError as error:
        say({"error": {"id": error.error_id, "text": error.text}})
        return 1
    except (MemoryError, OSError, ValueError, sqlite3.Error) as error:
        print(repr(error), file=sys.stderr)
        say({"error": {"id": "import_failed", "text": "This file is damaged, or needs more than an import may take."}})
        return 1
    say({"done": done})
    return 0


def _prepare(job: dict[str, Any]) -> list[dict[str, Any]]:
    folder = Path(job["folder"])
    found = [
        asdict(prepare(source, folder, most_bytes=job["file_bytes"], damaged=job["damaged"]))
        for source in find_sources(Path(job["path"]))
    ]
    return [facts | {"path": str(facts["path"])} for facts in found]


def _place(job: dict[str, Any]) -> dict[str, Any]:
    prepared = Prepared(**job["prepared"] | {"path": Path(job["prepared"]["path"])})
    return asdict(
        place(prepared, Path(job["target"]), lambda done_ms, of_ms: say({"done_ms": done_ms, "of_ms": of_ms}))
    )


if __name__ == "__main__":
    sys.exit(main())
