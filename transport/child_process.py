"""A child process that works on what came from outside and may neither harm nor hinder the program that started it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from asyncio.subprocess import Process

_ENVIRONMENT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT", "LD_LIBRARY_PATH", "LANG")


def limit_self(*, memory_bytes: int, cpu_s: int, file_bytes: int, niceness: int) -> None:
    """Bound memory, CPU time, size of written files and priority of this process, where the system can.

    :param memory_bytes: address space.
    :param file_bytes: of each file written; 0: none can be written.
    :param niceness: 19: runs only when nobody else wants the processor or the disk.
    """
    with contextlib.suppress(ImportError):
        import resource

        for what, limit in (
            (resource.RLIMIT_AS, memory_bytes),
            (resource.RLIMIT_CPU, cpu_s),
            (resource.RLIMIT_FSIZE, file_bytes),
            (resource.RLIMIT_CORE, 0),
        ):
            with contextlib.suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS
                resource.setrlimit(what, (limit, limit))
    with contextlib.suppress(OSError, AttributeError):
        os.nice(niceness)
    if niceness == 19:
        with contextlib.suppress(OSError, AttributeError):
            # Linux gives a process of this class the idle class of the disk too (ioprio_get(2)).
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


async def start(module: str, *arguments: str, limit: int) -> Process:
    """Start ``python -m module``, with pipes for stdin and stdout. Cancelled meanwhile, it leaves no child behind.

    :param limit: longest line, in bytes, that is read from its stdout.
    """
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            sys.executable,
            "-B",  # under a limit on file sizes CPython 3.11 leaves a cut cache of our code, which then breaks everyone
            "-m",
            module,
            *arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Our own environment may hold tokens: hostile content shall not find them.
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            limit=limit,
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # Cancelled in mid-spawn, asyncio forgets a child that already runs: wait for it and end it.
        await end(await starting)
        raise


async def end(process: Process) -> None:
    """Kill a child and wait until it is gone, also when cancelled meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    gone = asyncio.ensure_future(process.wait())
    try:
        await asyncio.shield(gone)
    except asyncio.CancelledError:
        await gone  # a killed child is gone in a moment; left behind, it would outlive the loop that reaps it
        raise
