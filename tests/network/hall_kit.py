"""A relay in this process, a lecturer who speaks, and halls behind links of their own."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classroom_client.engine import Hall
from classroom_client.receipt import HallReceipt
from classroom_client.settings import HallSettings
from classroom_client.sinks import WavSink
from relay.media.live import LiveLecture
from tests import sound
from tests.network.link import LinkSpec, LossyLink
from tests.network.media_kit import LOOPBACK
from tests.network.parts import short_deck
from tests.network.relays import Served, served


@dataclass
class Class:
    """A relay with one lecture that has a deck of two pages."""

    relay: Served
    lecture: LiveLecture
    deck: str

    @property
    def port(self) -> int:
        return int(self.relay.server.local_url.rsplit(":", 1)[1])


@asynccontextmanager
async def lecture_hall(folder: Path) -> AsyncIterator[Class]:
    """Serve a relay and give it a deck."""
    pdf = short_deck(folder / "deck.pdf", 2)
    async with served(folder / "data") as relay:
        lecture = await relay.relay.open_lecture(relay.lecture_id)
        yield Class(relay, lecture, await lecture.set_deck(pdf))


@dataclass
class Seat:
    """A hall that runs, and what it leaves behind.

    :ivar link: between the hall and the relay.
    """

    hall: Hall
    link: LossyLink
    folder: Path
    task: asyncio.Task[HallReceipt]

    async def receipt(self, timeout_s: float = 60) -> HallReceipt:
        async with asyncio.timeout(timeout_s):
            return await self.task

    @property
    def shown(self) -> list[dict[str, Any]]:
        return list(json.loads((self.folder / "pages" / "pages.json").read_text()))

    @property
    def segments(self) -> list[dict[str, Any]]:
        """What is where in the dumped voice."""
        return list(json.loads((self.folder / "voice.wav.json").read_text())["segments"])

    @property
    def voice(self) -> sound.Samples:
        """What was heard, laid back on lecture time, at :data:`tests.sound.RATE`."""
        return sound.heard_in_hall(self.folder / "voice.wav")

    def sounded_ms(self, what: str) -> int:
        return sum(segment["samples"] // 48 for segment in self.segments if segment["what"] == what)

    def played_in_order(self) -> bool:
        """Whether lecture time never ran backwards nor stood on the same frame twice."""
        voice = [segment for segment in self.segments if segment["lecture_ms"]]
        return all(a["t_ms"] + a["lecture_ms"] <= b["t_ms"] for a, b in itertools.pairwise(voice))


@asynccontextmanager
async def seat(
    room: Class, folder: Path, *, down: LinkSpec | None = None, up: LinkSpec | None = None, **settings: Any
) -> AsyncIterator[Seat]:
    """A hall behind a link of its own."""
    async with LossyLink(seed=5, down=down, up=up) as link:
        port = await link.tcp("127.0.0.1", room.port)
        hall = Hall(
            HallSettings(
                relay_url=f"http://127.0.0.1:{port}",
                code=room.relay.hall_code,
                keep=folder,
                name=folder.name,
                network=link.near(LOOPBACK),
                **settings,
            ),
            sink=WavSink(folder / "voice.wav"),
            dump_pages=folder / "pages",
        )
        task = asyncio.create_task(hall.run())
        try:
            yield Seat(hall, link, folder, task)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
