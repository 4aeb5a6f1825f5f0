"""Whole parts of Hallcast as processes: a relay, a lecturer, a hall, each given the words that a user gives."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pypdfium2

from hallcast.processes import events
from tests import sound
from tests.network.preloaded import Process, running

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@dataclass
class Part:
    """A running command and the events it printed."""

    process: Process
    events: list[dict[str, Any]] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def read(self) -> None:
        """Keep reading events until the process ends."""
        async for event in events(self.process.stdout):
            async with self._changed:
                self.events.append(event)
                self._changed.notify_all()
        async with self._changed:
            self._changed.notify_all()

    async def event(self, matches: Callable[[dict[str, Any]], bool], timeout_s: float = 60) -> dict[str, Any]:
        """The first event that matches, waiting for it.

        :raises AssertionError: with what was said instead.
        """

        def found() -> dict[str, Any] | None:
            return next((event for event in self.events if matches(event)), None)

        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: found() is not None or self.process.returncode is not None)
        except TimeoutError:
            pass
        event = found()
        assert event is not None, f"exit status {self.process.returncode}; last said: {self.events[-8:]}"
        return event

    async def named(self, name: str, timeout_s: float = 60) -> dict[str, Any]:
        """The first event of that name, waiting for it."""
        return await self.event(lambda event: event.get("event") == name, timeout_s)


@asynccontextmanager
async def part(*words: str | Path) -> AsyncIterator[Part]:
    """Run a ``hallcast`` command and collect its events."""
    async with running(*words) as process:
        started = Part(process)
        reading = asyncio.create_task(started.read())
        try:
            yield started
        finally:
            reading.cancel()


@asynccontextmanager
async def relay(data: Path, port: int = 0) -> AsyncIterator[tuple[Part, str]]:
    """A relay on loopback; yields it with its URL."""
    async with part("relay", "--host", "127.0.0.1", "--port", str(port), "--data", data, "--json") as started:
        yield started, str((await started.named("ready", 30))["url"])


async def create_lecture(url: str, data: Path, **fields: Any) -> dict[str, Any]:
    """Create a lecture by the staff API; returns its handout."""
    token = (data / "staff.token").read_text().strip()
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        answer = await http.post(
            "/api/lectures",
            json={"title": "Test lecture", "languages": ["en"]} | fields,
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


@dataclass(frozen=True)
class Material:
    """A short lecture made of the sample."""

    slides: Path
    voice: Path
    turns: Path
    pages: int


def short_deck(path: Path, pages: int) -> Path:
    """Cut the sample deck: each page that is rendered costs a second of the processor."""
    deck = pypdfium2.PdfDocument.new()
    deck.import_pages(pypdfium2.PdfDocument(SAMPLES / "deck.pdf"), list(range(pages)))
    deck.save(path)
    return path


def short_lecture(folder: Path, *, seconds: int, pages: int) -> Material:
    """Cut the sample lecture: the first ``pages`` pages, turned evenly over ``seconds`` of its voice."""
    folder.mkdir(parents=True, exist_ok=True)
    deck = short_deck(folder / "deck.pdf", pages)
    turns = [{"at_ms": number * seconds * 1000 // pages, "page": number + 1} for number in range(pages)]
    (folder / "turns.json").write_text(json.dumps(turns))
    voice = sound.cut(SAMPLES / "voice.opus", 1, seconds, folder / "voice.wav")
    return Material(deck, voice, folder / "turns.json", pages)


@asynccontextmanager
async def demo(data: Path, *words: str | Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The demonstration without a window, on any port."""
    command = [sys.executable, "-m", "hallcast", "demo", "--headless", "--port", "0", "--data", data, *words]
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()
