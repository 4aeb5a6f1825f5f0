"""A child process that works on what came from outside and may neither harm nor hinder the program that started it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

_ENDED_FROM_OUTSIDE = frozenset({signal.SIGTERM, signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGTERM)})
_KILLED_AFTER_S = 5
_ENVIRONMENT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT", "LD_LIBRARY_PATH", "LANG")


def limit_self(*, memory_bytes: int, cpu_s: int, file_bytes: int, niceness: int) -> None:
    """Bound memory, CPU time, size of written files and priority of this process, where the system can.

    :param memory_bytes: address space.
    :param cpu_s: beyond it the process ends by SIGXCPU.
    :param file_bytes: of each file written; 0: none can be written.
    :param niceness: 19: runs only when nobody else wants the processor or the disk.
    """
    with contextlib.suppress(ImportError):
        import resource

        for what, limit, hard_limit in (
            (resource.RLIMIT_AS, memory_bytes, memory_bytes),
            # At the hard limit Linux kills as it does where memory runs out: nobody could tell the two apart.
            (resource.RLIMIT_CPU, cpu_s, cpu_s + _KILLED_AFTER_S),
            (resource.RLIMIT_FSIZE, file_bytes, file_bytes),
            (resource.RLIMIT_CORE, 0, 0),
        ):
            with contextlib.suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS
                resource.setrlimit(what, (limit, hard_limit))
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, 0, max(niceness, os.getpriority(os.PRIO_PROCESS, 0)))
    if niceness == 19:
        with contextlib.suppress(OSError, AttributeError):
            # Linux gives a process of this class the idle class of the disk too (ioprio_get(2)).
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    _yield_to_other_sessions(niceness)


def _yield_to_other_sessions(niceness: int) -> None:
    # With autogroups, which is how Debian's kernel comes, Linux shares the processor among sessions first, whatever
    # class and niceness their processes have (sched(7)): a child's own session would get as much as a live lecture.
    with contextlib.suppress(OSError, AttributeError):
        if os.getsid(0) == os.getpid():
            Path("/proc/self/autogroup").write_text(str(niceness))


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


async def converse(process: Process, job: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    """Give a child its job as one line of JSON, and what it says, line by line, until it ends or says what is no JSON.

    Its stdin stays open: when that ends, the child knows that nobody waits for it.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(ConnectionError):  # a child that could not even start says so by its end
        process.stdin.write(json.dumps(job).encode() + b"\n")
        await process.stdin.drain()
    with contextlib.suppress(ValueError):
        async for line in process.stdout:
            said = json.loads(line)
            if not isinstance(said, dict):
                return
            yield said


async def was_ended_from_outside(process: Process) -> bool:
    """Wait for a child's end; whether it was told to end, as a system that stops a service tells all its processes.

    That says nothing of what it worked on.
    """
    return -await process.wait() in _ENDED_FROM_OUTSIDE


# Within the child


def read_job() -> dict[str, Any]:
    """The job that :func:`converse` gives; from now on the child ends when its parent is gone."""
    job: dict[str, Any] = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return job


def say(facts: dict[str, Any]) -> None:
    """Tell the parent something."""
    print(json.dumps(facts), flush=True)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)
