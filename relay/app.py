"""The relay put together: everything that lives as long as it does, opened in order and closed in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from lecture.errors import HallcastError, LectureFileError, RefusedError
from recordings.catalogue import Catalogue, CatalogueError, LectureRecord
from recordings.library import Library
from recordings.recycle_bin import held
from recordings.shelf import Shelf
from recordings.store_remote import RemoteStore
from relay.access import Access
from relay.attempts import Attempts
from relay.catalogue_reading import read
from relay.config import RelayConfig
from relay.exports import Exports
from relay.imports import Imports
from relay.lecture_change import LectureChange
from relay.lecture_ids import check_language, check_lecture_id, check_planned_at, check_text, new_lecture_id
from relay.librarian import Librarian
from relay.media.directory import LectureDirectory
from relay.media.live import LectureState, LiveLecture
from relay.media.settings import LectureInfo
from relay.state_follower import StateFollower
from relay.tokens import Tokens, load_secret, load_staff_token, new_hall_code

log = logging.getLogger("hallcast.relay")

CATALOGUE_WAIT_S = 5.0
"""How long the start of a relay and the end of a lecture wait for the catalogue to know of it."""

FILE_WAIT_S = 2.0
"""How long a change of a lecture waits for its file to know of it."""


@dataclass(frozen=True, slots=True)
class LectureHandout:
    """A lecture with everything that staff hand out for it."""

    record: LectureRecord
    lecturer_token: str
    interpreter_token: str

    @property
    def lecture_id(self) -> str:
        """The lecture's id."""
        return self.record.lecture_id


class Relay:
    """The relay without its network face (:class:`relay.signalling.server.RelayServer` gives it one).

    Use it within ``async with``. Entering makes the data folder, its secret and its staff token where there are none,
    and resumes the lectures that were live when the relay last stopped. Leaving keeps live lectures live.

    :ivar catalogue: the lectures that staff planned.
    :ivar access: tokens and codes.
    :ivar directory: the lectures that are open now.
    :ivar library: recordings.
    :ivar librarian: keeps catalogue and recordings in order.
    :ivar exports: films and other files that are being made of recordings.
    :ivar imports: recordings that staff upload.
    """

    catalogue: Catalogue
    tokens: Tokens
    access: Access
    directory: LectureDirectory
    library: Library
    librarian: Librarian
    exports: Exports
    imports: Imports

    def __init__(self, config: RelayConfig) -> None:
        self.config = config
        self.data_dir = config.data_dir
        self._stack = AsyncExitStack()

    @property
    def staff_token_path(self) -> Path:
        """Where the staff token is kept."""
        return self.data_dir / "staff.token"

    @property
    def cache_dir(self) -> Path:
        """What can be made again at any time."""
        return self.data_dir / "cache"

    async def __aenter__(self) -> Self:
        """Open everything.

        :raises HallcastError: ``data_folder_unusable``, ``data_folder_in_use``, ``catalogue_unusable``,
            ``secret_unusable``, ``staff_token_weak``, ``storage_invalid``.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(_data_folder(self.data_dir))
            where = self.config.data.catalogue_url or self.data_dir / "catalogue.db"
            self.catalogue = stack.enter_context(Catalogue(where))
            self.tokens = Tokens(load_secret(self.data_dir / "secret"), load_staff_token(self.staff_token_path))
            limits = self.config.access
            attempts = Attempts(limits.join_failures, limits.join_failures_per_minute)
            self.access = Access(self.catalogue, self.tokens, attempts)
            self.library = Library(self.data_dir / "lectures", self.cache_dir)
            self.exports = await stack.enter_async_context(
                Exports(self.library, self.cache_dir / "exports", self.config.exports)
            )
            self._states = await stack.enter_async_context(StateFollower(self.catalogue))
            self.directory = await stack.enter_async_context(
                LectureDirectory(self.data_dir, self.config.network_config(), self.config.media, self.config.halls)
            )
            settings = self.config.library
            shelf = Shelf(self.catalogue, self.data_dir, RemoteStore(settings) if settings.storage_url else None)
            self.librarian = Librarian(shelf, self.directory, settings, self.renew_hall_code)
            self.librarian.on_deleted = self.exports.forget
            if self.librarian.keeper is not None:
                self.library.elsewhere = self.directory.elsewhere = self.librarian.keeper.fetching
            for lecture in self.directory.lectures():
                log.info("lecture %s goes on (%s)", lecture.lecture_id, lecture.state)
                self._follow(lecture)
            await self._catch_up_catalogue()
            await stack.enter_async_context(self.librarian)
            self.imports = await stack.enter_async_context(
                Imports(self.data_dir, self.librarian, self.config.library.import_mb)
            )
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def create_lecture(
        self,
        title: str,
        *,
        lecture_id: str | None = None,
        course: str = "",
        languages: tuple[str, ...] = ("en",),
        planned_at: float | None = None,
    ) -> LectureHandout:
        """Plan a lecture.

        :param lecture_id: its name in addresses; made from the title if None.
        :param planned_at: seconds since 1970.
        :raises RefusedError: ``lecture_id_invalid``, ``title_invalid``, ``language_invalid``,
            ``planned_at_invalid`` (422).
        :raises CatalogueError: ``lecture_exists``, ``catalogue_unusable``.
        """
        check_text("title", title, required=True)
        check_text("course", course)
        check_language(languages)
        check_planned_at(planned_at)
        if lecture_id is not None:
            check_lecture_id(lecture_id)
        now = time.time()
        while True:
            code = new_hall_code()
            record = LectureRecord(
                lecture_id=lecture_id or new_lecture_id(title),
                title=title,
                course=course,
                languages=languages,
                hall_code=code,
                hall_code_key=self.tokens.code_key(code),
                code_expires_at=self._code_expiry(now, planned_at),
                created_at=now,
                planned_at=planned_at,
            )
            try:
                await asyncio.to_thread(self.catalogue.create, record)
            except CatalogueError as error:
                made_up = error.error_id == "hall_code_taken" or (error.error_id == "lecture_exists" and not lecture_id)
                if not made_up:
                    raise
            else:
                return self.handout(record)

    async def change_lecture(self, lecture_id: str, change: LectureChange) -> LectureHandout:
        """Change what staff said of a lecture, in the catalogue and in its file.

        :raises RefusedError: ``lecture_unknown`` (404); as :meth:`relay.lecture_change.LectureChange.check`.
        """
        change.check()
        await self.record(lecture_id)
        record = await asyncio.to_thread(
            self.catalogue.update, lecture_id, lambda found: change.apply(found, self._moved_expiry)
        )
        # The catalogue knows; the file follows at once, or after what the librarian is busy with.
        await asyncio.wait({self.librarian.remembering(record)}, timeout=FILE_WAIT_S)
        return self.handout(record)

    async def renew_hall_code(self, lecture_id: str) -> LectureHandout:
        """Give a lecture a new hall code; the old one and the hall tokens made from it are void.

        :raises RefusedError: ``lecture_unknown`` (404).
        """
        await self.record(lecture_id)
        while True:
            code = new_hall_code()
            key = self.tokens.code_key(code)

            def change(record: LectureRecord, code: str = code, key: str = key) -> LectureRecord:
                expires_at = self._code_expiry(time.time(), record.planned_at)
                return replace(record, hall_code=code, hall_code_key=key, code_expires_at=expires_at)

            try:
                return self.handout(await asyncio.to_thread(self.catalogue.update, lecture_id, change))
            except CatalogueError as error:
                if error.error_id != "hall_code_taken":
                    raise

    async def end_lecture(self, lecture_id: str) -> LectureHandout:
        """End a lecture; idempotent.

        :raises RefusedError: ``lecture_unknown`` (404).
        """
        lecture = await self.open_lecture(lecture_id)
        await lecture.end()
        await self._catalogue_settled()
        return self.handout(await self.record(lecture_id))

    async def open_lecture(self, lecture_id: str) -> LiveLecture:
        """The lecture, ready for publishers and halls. Check the caller's token first.

        :raises RefusedError: ``lecture_unknown`` (404).
        :raises LectureFileError: its file cannot be used.
        """
        record = await self.record(lecture_id)
        info = LectureInfo(record.title, record.course, record.languages, record.state, record.started_at)
        lecture = await self.directory.open(lecture_id, info)
        self._follow(lecture)
        return lecture

    async def record(self, lecture_id: str) -> LectureRecord:
        """What the catalogue says of a lecture.

        :raises RefusedError: ``lecture_unknown`` (404).
        """
        record = await read(self.catalogue, self.catalogue.get, lecture_id)
        if record is None:
            raise RefusedError("lecture_unknown", "There is no such lecture.", 404)
        return record

    def handout(self, record: LectureRecord) -> LectureHandout:
        """The lecture with its tokens."""
        lecture_id = record.lecture_id
        return LectureHandout(record, self.tokens.lecturer(lecture_id), self.tokens.interpreter(lecture_id))

    async def _catch_up_catalogue(self) -> None:
        """A relay that was killed may have left lectures "live" in the catalogue whose file says that they ended."""
        for record in await read(self.catalogue, self.catalogue.list, "live"):
            if self.directory.get(record.lecture_id) is None:
                try:
                    await self.open_lecture(record.lecture_id)
                except LectureFileError as error:
                    log.error("lecture %s cannot go on: %s", record.lecture_id, error.text)
        await self._catalogue_settled()

    async def _catalogue_settled(self) -> None:
        with contextlib.suppress(TimeoutError):  # a catalogue on a full disk follows later
            async with asyncio.timeout(CATALOGUE_WAIT_S):
                await self._states.settled()

    @property
    def _code_life_s(self) -> float:
        return self.config.access.hall_code_days * 86_400

    def _code_expiry(self, made_at: float, planned_at: float | None) -> float:
        return max(made_at, planned_at or 0.0) + self._code_life_s

    def _moved_expiry(self, record: LectureRecord) -> float:
        """When a code expires whose lecture is planned anew: it was made so long before it would have, at the latest
        now. So one that was just made stays, and one that has expired comes back only with a lecture to come."""
        made_at = min(record.code_expires_at - self._code_life_s, time.time())
        return self._code_expiry(made_at, record.planned_at)

    def _follow(self, lecture: LiveLecture) -> None:
        """Keep the catalogue's state equal to the lecture's."""

        def changed(state: LectureState) -> None:
            self._states.changed(lecture.lecture_id, state, lecture.now_ms(), time.time())
            if state == "ended":
                self.librarian.changed()

        lecture.on_state = changed
        lecture.on_repaired = self.librarian.changed
        # As it is found, for the catalogue only: it is no change that the librarian must look for.
        self._states.changed(lecture.lecture_id, lecture.state, lecture.now_ms(), time.time())


@contextlib.contextmanager
def _data_folder(path: Path) -> Iterator[None]:
    """The data folder, made if need be and held by this process alone (the system lets go of it when we are killed)."""
    with contextlib.ExitStack() as stack:
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in ("lectures", "cache", "recycle"):
                (path / name).mkdir(mode=0o700, exist_ok=True)
            for left_over in (path / "cache").glob("upload-*"):
                shutil.rmtree(left_over, ignore_errors=True)
            alone = stack.enter_context(held(path))
        except OSError as error:
            raise HallcastError(
                "data_folder_unusable", f"The data folder {path} cannot be used: {error.strerror}."
            ) from error
        if not alone:
            raise HallcastError("data_folder_in_use", f"Another relay is using the data folder {path}.")
        yield
