"""Running ``hallcast`` commands as processes of their own and reading the JSON lines they print."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, Protocol

STOP_S = 10.0
"""A process that was asked to stop is killed after this time."""


class Stoppable(Protocol):
    """What :func:`stop` needs of a process."""

    @property
    def returncode(self) -> int | None: ...

    def send_signal(self, signal: int) -> None: ...

    def kill(self) -> None: ...

    async def wait(self) -> int: ...


@asynccontextmanager
async def running(*words: str | Path, log: IO[bytes] | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
    """A ``hallcast`` process of its own session, stopped (politely, then firmly) on leaving.

    :param log: where its diagnostics go; the terminal by default.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hallcast", *map(str, words)),
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
        stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        await stop(process)


async def stop(process: Stoppable) -> None:
    """Ask a process to stop, and kill it if it does not; one that has ended is left alone."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()


async def events(printed: asyncio.StreamReader | None) -> AsyncIterator[dict[str, Any]]:
    """The JSON lines that a process prints, on its piped output."""
    assert printed is not None
    async for line in printed:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event
