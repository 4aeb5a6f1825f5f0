"""Running ``hallcast`` commands as processes of their own and reading the JSON lines they print."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

STOP_S = 10.0
"""A process that was asked to stop is killed after this time."""


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
        if process.returncode is None:
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
