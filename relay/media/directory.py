"""All lectures that this relay has open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from lecture.errors import HallcastError, LectureFileError
from lecture.file import LectureFile
from recordings.shelf import files_in
from relay.media.lecture_events import LectureEvents
from relay.media.live import LiveLecture
from relay.media.set_aside import begin, open_or_set_aside
from relay.media.settings import HallSettings, LectureInfo, MediaSettings
from relay.media.stage import Stage, read_info, write_info
from relay.media.tasks import Crew
from transport.network import NetworkConfig

logger = logging.getLogger("hallcast.lectures")

JANITOR_MOST_S = 30.0
SUFFIX = ".lecture"


class LectureDirectory:
    """Opens lectures, finds their sessions, closes idle ones. One per relay; used within ``async with``.

    Files lie in ``data_dir/lectures/{lecture_id}.lecture``. Entering resumes every lecture that the files say was
    live when the relay stopped (killed or not): its clock goes on, its halls and publishers may come back. Leaving
    commits and closes all of them without ending them.

    :ivar elsewhere: what to say of a lecture whose file is not here but elsewhere, where none may be begun; from any
        thread, None for a lecture that has none.
    :ivar about_to_open: told which lecture is opened next: whoever reads its file at length stops doing so, since a
        writer waits for readers.
    """

    def __init__(
        self,
        data_dir: Path,
        network: NetworkConfig,
        settings: MediaSettings | None = None,
        halls: HallSettings | None = None,
    ) -> None:
        self._folder = data_dir / "lectures"
        self._cache_dir = data_dir / "cache"
        self._network = network
        self._settings = settings or MediaSettings()
        self._halls = halls or HallSettings()
        self._crew = Crew()
        self._open: dict[str, LiveLecture] = {}
        self._opening = asyncio.Lock()
        self._starting: str | None = None
        self.elsewhere: Callable[[str], HallcastError | None] | None = None
        self.about_to_open: Callable[[str], None] = lambda lecture_id: None

    async def __aenter__(self) -> Self:
        await self._crew.__aenter__()
        self._crew.spawn("janitor", self._janitor())
        for lecture_id, info in await asyncio.to_thread(self._find_live):
            try:
                await self.open(lecture_id, info)
                logger.info("%s goes on", lecture_id)
            except LectureFileError as error:
                logger.error("%s cannot go on: %s", lecture_id, error.text)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(self._close(lecture) for lecture in list(self._open.values())))
        await self._crew.__aexit__(kind, error, trace)

    async def open(self, lecture_id: str, info: LectureInfo) -> LiveLecture:
        """The lecture, opened (and its file created) if it is not yet. Cheap when it is open already.

        Call it for each request and don't keep the result across requests: an idle lecture is closed in memory.

        :raises LectureFileError: its file is damaged or cannot be written; ``file_missing``: it has ended, and its file
            is gone.
        :raises HallcastError: its file is elsewhere.
        """
        found = self._open.get(lecture_id)
        if found is None or found.shutting:
            async with self._opening:
                found = self._open.get(lecture_id)
                if found is not None and found.shutting:
                    await found.closed.wait()
                    found = None
                found = found or await self._start(lecture_id, info)
        found.used_at = asyncio.get_running_loop().time()
        return found

    async def close(self, lecture_id: str) -> None:
        """Close a lecture in memory and its file, if it is open: for whoever moves the file. It must not be live."""
        async with self._opening:
            lecture = self._open.get(lecture_id)
            if lecture is not None:
                await self._close(lecture)

    @asynccontextmanager
    async def kept_closed(self, lecture_id: str) -> AsyncIterator[bool]:
        """Within it nobody opens a lecture; gives whether it is closed: for whoever removes the file."""
        async with self._opening:
            yield lecture_id not in self._open

    def get(self, lecture_id: str) -> LiveLecture | None:
        """The lecture if it is open now."""
        return self._open.get(lecture_id)

    def is_open(self, lecture_id: str) -> bool:
        """Whether a lecture is open or just being opened."""
        return lecture_id in self._open or lecture_id == self._starting

    def lectures(self) -> list[LiveLecture]:
        """Those open now (for ``/metrics`` and staff)."""
        return list(self._open.values())

    def path_of(self, lecture_id: str) -> Path:
        """Where the lecture's file is or will be."""
        return self._folder / f"{lecture_id}{SUFFIX}"

    async def _start(self, lecture_id: str, info: LectureInfo) -> LiveLecture:
        self._starting = lecture_id
        try:
            self.about_to_open(lecture_id)
            return await self._started(lecture_id, info)
        finally:
            self._starting = None

    async def _started(self, lecture_id: str, info: LectureInfo) -> LiveLecture:
        file = await asyncio.to_thread(self._open_file, lecture_id, info)
        try:
            events = await asyncio.to_thread(LectureEvents, file)
            stage = Stage(lecture_id, info, file, self._network, self._settings, self._halls, events)
            lecture = LiveLecture(stage, self._cache_dir)
            await lecture.read()
        except BaseException:
            await asyncio.to_thread(file.close)
            raise
        ready = asyncio.get_running_loop().create_future()
        task = self._crew.spawn(f"lecture {lecture_id}", self._run(lecture, ready))
        await asyncio.wait((ready, task), return_when=asyncio.FIRST_COMPLETED)
        return lecture

    async def _run(self, lecture: LiveLecture, ready: asyncio.Future[None]) -> None:
        self._open[lecture.lecture_id] = lecture
        try:
            await lecture.run(lambda: ready.set_result(None))
        finally:
            if self._open.get(lecture.lecture_id) is lecture:
                del self._open[lecture.lecture_id]

    async def _close(self, lecture: LiveLecture) -> None:
        lecture.shut()
        await lecture.closed.wait()

    async def _janitor(self) -> None:
        while True:
            await asyncio.sleep(min(JANITOR_MOST_S, self._settings.idle_close_s / 2))
            for lecture in list(self._open.values()):
                if self._is_idle(lecture):
                    # Within the lock nobody opens it a second time before its file is closed.
                    async with self._opening:
                        if self._is_idle(lecture):  # to come by the lock may take long
                            await self._close(lecture)

    def _is_idle(self, lecture: LiveLecture) -> bool:
        now = asyncio.get_running_loop().time()
        return lecture.state != "live" and lecture.idle_for(now) > self._settings.idle_close_s

    def _open_file(self, lecture_id: str, info: LectureInfo) -> LectureFile:
        path = self.path_of(lecture_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() and self.elsewhere is not None and (error := self.elsewhere(lecture_id)) is not None:
            raise error
        file = open_or_set_aside(path, info) if path.exists() else begin(path, info)
        write_info(file, lecture_id, info)
        return file

    def _find_live(self) -> list[tuple[str, LectureInfo]]:
        found = []
        for lecture_id, path in sorted(files_in(self._folder).items()):
            try:
                with LectureFile.open(path, readonly=True) as file:
                    if file.get_meta("state") == "live":
                        found.append((lecture_id, read_info(file)))
            except LectureFileError as error:
                logger.error("%s cannot be read: %s", path.name, error.text)
        return found
