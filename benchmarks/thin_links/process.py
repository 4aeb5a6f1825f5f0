"""The parts of a lecture as processes, and what they say."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

START_S = 60.0
"""A process is ready, or says what is awaited, within this time."""


class BenchError(Exception):
    """The lecture could not be held."""


@dataclass
class Part:
    """A process and the JSON lines that it printed, each with ``at_s``, the monotonic second it was read."""

    name: str
    process: asyncio.subprocess.Process
    folder: Path
    said: list[dict[str, Any]] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def read(self) -> None:
        """Keep reading until the process ends."""
        assert self.process.stdout is not None
        with (self.folder / f"{self.name}.jsonl").open("w", encoding="utf-8") as log:
            async for line in self.process.stdout:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                if not isinstance(event, dict):
                    continue
                event["at_s"] = time.monotonic()
                log.write(json.dumps(event, ensure_ascii=False) + "\n")
                async with self._news:
                    self.said.append(event)
                    self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    async def heard(self, matches: Callable[[dict[str, Any]], bool], timeout_s: float) -> dict[str, Any]:
        """The first line that matches, waiting for it.

        :raises BenchError: it did not come.
        """

        def found() -> dict[str, Any] | None:
            return next((event for event in self.said if matches(event)), None)

        try:
            async with asyncio.timeout(timeout_s), self._news:
                await self._news.wait_for(lambda: found() is not None or self.process.stdout.at_eof())  # type: ignore[union-attr]
        except TimeoutError:
            pass
        event = found()
        if event is None:
            raise BenchError(f"{self.name}: exit status {self.process.returncode}; last said: {self.said[-3:]}")
        return event

    def order(self, **order: object) -> None:
        """Tell it something, as a JSON line on its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")

    async def named(self, name: str, timeout_s: float) -> dict[str, Any]:
        """The first event of that name."""
        return await self.heard(lambda event: event.get("event") == name, timeout_s)


@asynccontextmanager
async def part(name: str, words: list[str], folder: Path, log: IO[bytes]) -> AsyncIterator[Part]:
    """Run a process in ``folder``; it is stopped on leaving."""
    environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
        env=environment,
        start_new_session=True,
        limit=1 << 20,
    )
    running = Part(name, process, folder)
    reading = asyncio.create_task(running.read())
    try:
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()
        await reading
