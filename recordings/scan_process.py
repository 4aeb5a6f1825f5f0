"""Checks of lecture files in a child process that takes only what nobody else needs."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

from transport import child_process

_LINE_BYTES = 1_000_000
_LIMITS = {"memory_bytes": 2_000_000_000, "cpu_s": 3600, "file_bytes": 1 << 40}
"""Of a file whose WAL lies where nobody can write a copy is made."""


async def problems_in_child(path: Path) -> list[str] | None:
    """:func:`recordings.scan.problems_of`; None if the child was ended before it knew. Cancelled, it kills it."""
    process = await child_process.start("recordings.scan", limit=_LINE_BYTES)
    try:
        async with contextlib.aclosing(child_process.converse(process, {"path": str(path)} | _LIMITS)) as told:
            async for said in told:
                return [str(problem) for problem in said["problems"]]
        # Killed it is where memory runs out, which is not the file's fault either.
        if await child_process.was_ended_from_outside(process) or process.returncode == -signal.SIGKILL:
            return None
    finally:
        await child_process.end(process)
    if process.returncode == -signal.SIGXCPU:
        return [f"It could not be checked within {_LIMITS['cpu_s']} s of the processor."]
    return [f"It could not be checked: the check ended with status {process.returncode}."]
