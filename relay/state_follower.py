"""Carries the state of lectures from the media part into the catalogue, off the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from recordings.catalogue import Catalogue, CatalogueError, LectureRecord
from relay.media.live import LectureState

log = logging.getLogger("hallcast.relay")

RETRY_S = 5.0
"""A catalogue that could not be written (disk full) is tried again after this time."""


@dataclass(frozen=True, slots=True)
class _News:
    state: LectureState
    t_ms: int
    wall: float


class StateFollower:
    """Writes states into the catalogue, the newest of each lecture only. Use within ``async with``."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        # Bounded by the number of lectures: a newer state replaces an older one that was not written yet.
        self._news: dict[str, _News] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def changed(self, lecture_id: str, state: LectureState, t_ms: int, wall: float) -> None:
        """A lecture is in ``state`` (whether or not it was before).

        :param t_ms: lecture time.
        :param wall: seconds since 1970.
        """
        self._news[lecture_id] = _News(state, t_ms, wall)
        self._idle.clear()
        self._wake.set()

    async def settled(self) -> None:
        """Wait until the catalogue knows everything."""
        await self._idle.wait()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        with contextlib.suppress(CatalogueError):
            await self._write_all()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._write_all()
            except CatalogueError as error:
                log.warning("the catalogue is behind: %s", error.text)
                await asyncio.sleep(RETRY_S)
                self._wake.set()

    async def _write_all(self) -> None:
        while self._news:
            lecture_id, news = next(iter(self._news.items()))

            await asyncio.to_thread(self._write, lecture_id, news)
            if self._news.get(lecture_id) is news:
                del self._news[lecture_id]
        self._idle.set()

    def _write(self, lecture_id: str, news: _News) -> None:
        record = self._catalogue.get(lecture_id)
        if record is not None and record.state != news.state:
            self._catalogue.update(lecture_id, lambda found: _with_news(found, news))


def _with_news(record: LectureRecord, news: _News) -> LectureRecord:
    record = replace(record, state=news.state)
    if news.state != "planned" and record.started_at is None:
        record = replace(record, started_at=news.wall - news.t_ms / 1000)
    if news.state == "ended":
        record = replace(record, duration_ms=news.t_ms, ended_at=record.ended_at or news.wall)
    return record
