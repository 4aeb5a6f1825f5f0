"""The librarian: keeps catalogue and recordings of a running relay in order, off the event loop and behind everyone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from lecture.errors import HallcastError, LectureFileError, RefusedError
from recordings import reunite
from recordings.catalogue import LectureRecord
from recordings.errors import RecordingError
from recordings.import_process import place_in_child
from recordings.importing import Imported, check_admitted, note
from recordings.lecture_facts import told_facts
from recordings.recycle_bin import RecycleBin
from recordings.remote_copies import RemoteCopies
from recordings.retention import Due, LibrarySettings, due
from recordings.scan_process import problems_in_child
from recordings.shelf import Shelf, Storage
from relay.media.directory import LectureDirectory
from relay.media.tasks import Crew
from relay.store_keeper import StoreKeeper

log = logging.getLogger("hallcast.library")

ROUND_S = 60.0
"""How often the folder is looked at for files that came, went or changed."""
SOON_S, SOON_ROUNDS = 1.0, 10
"""After something is known to have changed, so often: what a lecture's end still writes takes a moment."""
RETENTION_S = 3600.0
SCAN_PAUSE_S = 20.0
_NO_LIMIT = 1 << 62
SCAN_SHARE = 4
"""After a file was checked, nothing is for so many times as long as that took."""


class Librarian:
    """Owner of what goes on in the library while the relay runs. Use within ``async with``.

    :ivar storage: what there is, as of the last round; None before the first.
    :ivar behind: recordings that are not yet in the index.
    :ivar keeper: sees to the object storage; None if there is none.
    :ivar on_deleted: is told of each lecture that was put into the recycle bin, by staff or by the rules.
    """

    def __init__(
        self,
        shelf: Shelf,
        directory: LectureDirectory,
        settings: LibrarySettings,
        give_code: Callable[[str], Awaitable[object]],
    ) -> None:
        """
        :param give_code: gives a lecture that has none a hall code.
        """
        self._shelf = shelf
        self._bin = RecycleBin(shelf)
        self._directory = directory
        self._settings = settings
        self._give_code = give_code
        self._crew = Crew()
        self._wake = asyncio.Event()
        # One at a time looks after files, so that none is moved while it is read.
        self._busy = asyncio.Lock()
        self.keeper = (
            StoreKeeper(RemoteCopies(shelf, shelf.store), directory, settings.local_mb, self._busy, self._is_sound)
            if shelf.store is not None
            else None
        )
        self._retained_at = float("-inf")
        # Lectures whose damaged files could not be merged: tried again by the next relay.
        self._given_up: set[str] = set()
        self._checks: list[tuple[str, asyncio.Task[list[str] | None]]] = []
        self._written: set[str] = set()
        directory.about_to_open = self._break_off_checks
        self._soon = 0
        self.storage: Storage | None = None
        self.behind = 0
        self.on_deleted: Callable[[str], Awaitable[None]] | None = None

    async def __aenter__(self) -> Self:
        """Begin; lectures that are live must be known to the catalogue from the first moment."""
        for lecture in self._directory.lectures():
            if await asyncio.to_thread(self._shelf.catalogue.get, lecture.lecture_id) is None:
                await asyncio.to_thread(self._shelf.take_in, lecture.lecture_id)
                await self._give_code(lecture.lecture_id)
        await self._crew.__aenter__()
        self._crew.spawn("the library's rounds", self._run())
        if self.keeper is not None:
            await self.keeper.__aenter__()
        if self._settings.scan_days:
            self._crew.spawn("the library's checks", self._scan())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._crew.__aexit__(kind, error, trace)
        if self.keeper is not None:
            await self.keeper.__aexit__(kind, error, trace)

    def changed(self) -> None:
        """Some lecture's file has changed (it ended, was repaired or imported): look now."""
        self._soon = SOON_ROUNDS
        self._wake.set()

    # What staff do

    def remembering(self, record: LectureRecord) -> asyncio.Task[None]:
        """:meth:`remember` as a task of the librarian's: its turn may come only when an import is over."""
        return self._crew.spawn(f"remembering {record.lecture_id}", self.remember(record))

    async def remember(self, record: LectureRecord) -> None:
        """Have what staff said of a lecture in its file too; a file that cannot be written now only costs a warning."""
        lecture = self._directory.get(record.lecture_id)
        try:
            if lecture is not None and not lecture.shutting:
                for key, value in told_facts(record).items():
                    lecture.log.set_meta(key, value)
                return
            async with self._busy:
                with self._unchecked(record.lecture_id):
                    await asyncio.to_thread(self._shelf.remember, record.lecture_id)
        except LectureFileError as error:
            log.warning("%s: its file does not know what staff changed: %s", record.lecture_id, error.text)

    async def delete(self, lecture_id: str) -> LectureRecord:
        """Put a lecture into the recycle bin.

        :raises RefusedError: ``lecture_live`` (409).
        :raises CatalogueError: ``lecture_unknown``, ``catalogue_unusable``.
        """
        if self._is_live(lecture_id):
            raise RefusedError("lecture_live", "The lecture is going on; end it first.", 409)
        async with self._busy:
            record = await asyncio.to_thread(self._bin.delete, lecture_id, time.time())
            await self._settle_soon(lecture_id)
        if self.on_deleted is not None:
            await self.on_deleted(lecture_id)
        await self._count()
        return record

    async def restore(self, lecture_id: str) -> LectureRecord:
        """Take a lecture out of the recycle bin.

        :raises CatalogueError: ``lecture_unknown``, ``catalogue_unusable``.
        """
        async with self._busy:
            before = await asyncio.to_thread(self._shelf.catalogue.get, lecture_id, in_bin=True)
            record = await asyncio.to_thread(self._bin.restore, lecture_id, time.time(), self._settings)
            await self._settle_soon(lecture_id)
        if before is not None and before.keep_until != record.keep_until:
            await self.remember(record)
        await self._count()
        return record

    async def purge(self, lecture_id: str) -> None:
        """Delete what lies in the recycle bin for good.

        :raises RecordingError: ``not_recycled``.
        """
        async with self._busy:
            await self._settle(lecture_id)
            await asyncio.to_thread(self._bin.purge, lecture_id)
        await self._count()

    async def take(self, lecture_id: str, place: Callable[[Path], Awaitable[Imported]]) -> Imported:
        """Take a lecture from elsewhere into the library, or what the recording of it lacks.

        :param place: does so, given the recording's path. Nobody has that open meanwhile, nor moves it.
        :raises RefusedError: ``lecture_live`` (409).
        :raises RecordingError: ``import_recycled``, ``import_elsewhere``; what fetching the recording and what
            ``place`` raise.
        """
        if self.keeper is not None and await asyncio.to_thread(self._shelf.is_remote_only, lecture_id):
            await self.keeper.fetch(lecture_id)  # merged into, not begun anew beside it
        async with self._busy:
            # Only now: the turn of an import may take an hour to come, and the lecture may have begun meanwhile.
            if self._is_live(lecture_id):
                raise RefusedError("lecture_live", "The lecture is going on; import it after its end.", 409)
            await asyncio.to_thread(check_admitted, self._shelf, lecture_id)
            await self._directory.close(lecture_id)
            with self._unchecked(lecture_id):
                imported = await place(self._shelf.path_of(lecture_id))
            await asyncio.to_thread(note, self._shelf, imported)
        await self._count()
        return imported

    async def due(self) -> list[Due]:
        """What the rules would delete now."""
        return await asyncio.to_thread(self._due)

    # What goes on by itself

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._round()
            except (HallcastError, OSError) as error:
                log.warning("the library waits: %s", getattr(error, "text", error))
            except Exception:  # whatever it meets, there is another round
                log.exception("a round of the library failed")
            with contextlib.suppress(TimeoutError):
                self._soon -= 1
                async with asyncio.timeout(SOON_S if self._soon >= 0 else ROUND_S):
                    await self._wake.wait()

    async def _round(self) -> None:
        async with self._busy:
            for lecture_id in await asyncio.to_thread(self._bin.unsettled):
                with _told(lecture_id):
                    await self._settle(lecture_id)
        for lecture_id in await asyncio.to_thread(reunite.waiting, self._shelf):
            # Nobody is sent away for it.
            if self._directory.get(lecture_id) is None and lecture_id not in self._given_up:
                with _told(lecture_id):
                    await self.take(lecture_id, self._reunite)
        outdated = [
            lecture_id for lecture_id in await asyncio.to_thread(self._shelf.outdated) if not self._is_live(lecture_id)
        ]
        for done, lecture_id in enumerate(outdated):
            self.behind = len(outdated) - done
            started = time.monotonic()
            async with self._busy:
                with _told(lecture_id):
                    await asyncio.to_thread(self._shelf.take_in, lecture_id)
            await asyncio.sleep(time.monotonic() - started)  # half of the time is everyone else's
        self.behind = 0
        if outdated and self.keeper is not None:
            self.keeper.changed()
        for state in ("planned", "live"):
            for record in await asyncio.to_thread(self._shelf.catalogue.list, state):
                if not record.hall_code:
                    await self._give_code(record.lecture_id)
        if time.monotonic() - self._retained_at > RETENTION_S:
            self._retained_at = time.monotonic()
            await self._retain()
        await self._count()

    async def _reunite(self, path: Path) -> Imported:
        """Merge what a damaged file has that was set aside, in a process of its own."""
        aside = await asyncio.to_thread(reunite.set_aside_of, path)
        if aside is None:
            raise RecordingError("recording_unknown", "What was set aside is gone.")
        try:
            imported = await place_in_child(aside, path, lambda done_ms, of_ms: None, most_bytes=_NO_LIMIT)
        except HallcastError as error:
            if error.error_id not in ("disk_full", "file_busy", "import_interrupted"):
                self._given_up.add(path.stem)
            if error.error_id not in ("file_damaged", "not_a_lecture_file"):
                raise
            log.error("%s: of %s nothing can be brought back: %s", path.stem, aside.label, error.text)
            imported = Imported(aside.label, aside.lecture_id, aside.title, "unchanged", aside.problems)
        else:
            log.warning("%s has what could be read of %s", path.stem, aside.label)
        await asyncio.to_thread(reunite.settle, path, aside.path)
        return imported

    async def _retain(self) -> None:
        for one in await self.due():
            log.info("%s: %s, as the rules say", one.lecture_id, one.action)
            with _told(one.lecture_id):
                await (self.purge(one.lecture_id) if one.action == "purge" else self.delete(one.lecture_id))

    def _due(self) -> list[Due]:
        return due(self._shelf.all_records(), self._settings, time.time())

    async def _settle(self, lecture_id: str) -> None:
        if self._is_live(lecture_id) or await asyncio.to_thread(self._bin.is_settled, lecture_id):
            return
        # The catalogue has spoken: nobody can open it again between these two.
        await self._directory.close(lecture_id)
        await asyncio.to_thread(self._bin.settle, lecture_id)

    async def _settle_soon(self, lecture_id: str) -> None:
        try:
            await self._settle(lecture_id)
        except HallcastError as error:
            # It is busy, or the object storage is away; that the lecture is deleted, or no longer, holds all the same.
            log.warning("%s: its file is moved with the next round: %s", lecture_id, error.text)

    async def _count(self) -> None:
        self.storage = await asyncio.to_thread(self._shelf.storage)

    def _is_live(self, lecture_id: str) -> bool:
        lecture = self._directory.get(lecture_id)
        return lecture is not None and lecture.state == "live"

    async def _scan(self) -> None:
        # What could not be checked when its turn came waits until all others were.
        passed_over: set[str] = set()
        while True:
            started = time.monotonic()
            try:
                before = time.time() - self._settings.scan_days * 86_400
                lecture_id = await asyncio.to_thread(self._shelf.next_scan, before, frozenset(passed_over))
                if lecture_id is None:
                    passed_over.clear()
                else:
                    passed_over.add(lecture_id)
                    with _told(lecture_id):
                        if await self._scan_one(lecture_id) is not None:
                            passed_over.discard(lecture_id)
            except (HallcastError, OSError) as error:
                log.warning("the check of the recordings waits: %s", getattr(error, "text", error))
            except Exception:  # whatever it meets, there is another recording
                log.exception("a check of the recordings failed")
            await asyncio.sleep(max(SCAN_PAUSE_S, SCAN_SHARE * (time.monotonic() - started)))

    async def _scan_one(self, lecture_id: str) -> bool | None:
        path = self._shelf.path_of(lecture_id)
        if not path.exists() and self.keeper is not None:
            await self.keeper.fetch(lecture_id)
        return await self._check_now(lecture_id)

    async def _is_sound(self, lecture_id: str) -> bool:
        """Whether a recording was found sound as it is now; it is checked if it was not yet."""
        return await asyncio.to_thread(self._shelf.is_checked, lecture_id) or bool(await self._check_now(lecture_id))

    async def _check_now(self, lecture_id: str) -> bool | None:
        """Check a recording byte by byte and note what was found; whether that was nothing, None if it cannot be
        checked now.

        Not while it is open or written: a commit would wait for the check, and all who read the lecture for the commit.
        """
        path = self._shelf.path_of(lecture_id)
        if self._directory.is_open(lecture_id) or lecture_id in self._written or not path.exists():
            return None
        check = lecture_id, asyncio.create_task(problems_in_child(path))
        self._checks.append(check)
        try:
            problems = await check[1]
        except asyncio.CancelledError:
            if asyncio.current_task().cancelling():  # type: ignore[union-attr]
                raise
            return None  # broken off
        finally:
            self._checks.remove(check)
        if problems is None or not path.exists():
            return None  # moved into the recycle bin meanwhile, or the relay is being stopped
        await asyncio.to_thread(self._shelf.note_scan, lecture_id, problems, time.time())
        if problems:
            log.error("%s is damaged: %s", lecture_id, problems[0])
            await self._count()
        return not problems

    @contextlib.contextmanager
    def _unchecked(self, lecture_id: str) -> Iterator[None]:
        """Within it somebody writes to a recording: no check of it goes on, and none begins."""
        self._written.add(lecture_id)
        self._break_off_checks(lecture_id)
        try:
            yield
        finally:
            self._written.discard(lecture_id)

    def _break_off_checks(self, lecture_id: str) -> None:
        """Somebody is about to write to a recording, and would wait for its check."""
        for checked, task in self._checks:
            if checked == lecture_id:
                task.cancel()


@contextlib.contextmanager
def _told(lecture_id: str) -> Iterator[None]:
    """What is wrong with one recording is logged, and hinders no other."""
    try:
        yield
    except (HallcastError, OSError) as error:
        log.warning("%s: %s", lecture_id, getattr(error, "text", error))
