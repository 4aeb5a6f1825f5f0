"""The shelf: the lecture files of a data folder, and what the catalogue notes of them.

``lectures/`` holds what is listed, ``recycle/`` what was deleted and can be restored. Where the two disagree the
catalogue says where a file belongs, and a file that it does not know is taken into it: so it is also made again when it
is lost. Blocking: call it off the event loop.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, delete, func, insert, select, update

from lecture.errors import HallcastError
from lecture.file import LectureFile
from recordings.catalogue import Catalogue, LectureRecord, as_list
from recordings.errors import RecordingError
from recordings.index import passages_of, write_content
from recordings.lecture_facts import file_facts, record_from_file, told_facts
from recordings.passages import Passage
from recordings.recording import LECTURE_ID, MISSING_TOLD_MS, Recording
from recordings.store_remote import RemoteStore
from recordings.tables import FILES, LECTURES

SUFFIX = ".lecture"

Progress = Callable[[int, int], None]
"""Told how many of how many are done."""


@dataclass(frozen=True, slots=True)
class Storage:
    """What the recordings take, in bytes, and which of them need somebody.

    :param recordings: all of them; ``file_bytes`` of those whose files are on the disk here.
    :param remote: how many files lie in object storage, ``remote_only`` of these not here; the bin's included.
    :param damaged: ids of lectures whose file failed its check or cannot be read.
    :param missing: ids of lectures whose file was there and is no more.
    :param incomplete: ids of lectures of which copies may still bring a second of voice or more.
    """

    recordings: int
    file_bytes: int
    recycled: int
    recycled_bytes: int
    remote: int
    remote_only: int
    remote_bytes: int
    free_bytes: int
    damaged: tuple[str, ...]
    missing: tuple[str, ...]
    incomplete: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _File:
    """What the catalogue knows of a file at the last look."""

    stamp: str = ""
    missing: bool = False
    trouble: str = ""


class Shelf:
    """The lecture files of a data folder beside their catalogue."""

    def __init__(self, catalogue: Catalogue, data_dir: Path, store: RemoteStore | None = None) -> None:
        """
        :param store: where finished lecture files lie too (:mod:`recordings.remote_copies`).
        """
        self.store = store
        self.catalogue = catalogue
        self.lectures_dir = data_dir / "lectures"
        self.recycle_dir = data_dir / "recycle"
        self.data_dir = data_dir

    def path_of(self, lecture_id: str, *, in_bin: bool = False) -> Path:
        """Where the file of a lecture is or would be.

        :raises RecordingError: ``recording_unknown`` for what cannot be an id.
        """
        if not LECTURE_ID.fullmatch(lecture_id):
            raise RecordingError("recording_unknown", f"There is no recording “{lecture_id[:64]}” here.")
        return (self.recycle_dir if in_bin else self.lectures_dir) / f"{lecture_id}{SUFFIX}"

    def sync(self, *, force: bool = False, progress: Progress | None = None) -> list[str]:
        """Have the catalogue know of new, changed and vanished files; returns the ids of these.

        Costs a look at each file's size and time; only what changed since is opened.

        :param force: open every file.
        :raises CatalogueError: ``catalogue_unusable``.
        """
        changed = self.outdated(force=force)
        for done, lecture_id in enumerate(changed):
            if progress is not None:
                progress(done, len(changed))
            self.take_in(lecture_id)
        if progress is not None:
            progress(len(changed), len(changed))
        return changed

    def outdated(self, *, force: bool = False) -> list[str]:
        """Ids of the lectures whose files are not as the catalogue knows them; with ``force`` of all that have one.

        :raises CatalogueError: ``catalogue_unusable``.
        """
        known, recorded = self._known_files(), {one.lecture_id for one in self.all_records()}
        found = {**files_in(self.recycle_dir), **files_in(self.lectures_dir)}
        changed = []
        for lecture_id in sorted(known.keys() | found.keys()):
            path = found.get(lecture_id)
            file = known.get(lecture_id, _File())
            as_it_is = stamp_of(path) if path is not None else None
            unknown = lecture_id not in recorded and not file.trouble
            if as_it_is is None:
                differs = file.stamp != ""
            else:
                differs = force or unknown or file.missing or file.stamp != as_it_is
            if differs:
                changed.append(lecture_id)
        return changed

    def take_in(self, lecture_id: str) -> None:
        """Note what a lecture's file holds, or that it is gone, and index its words.

        A file that the catalogue does not know is added to it, without a hall code. Call it when a lecture has ended
        and whenever its file was changed from elsewhere (repaired, imported, put there by hand).

        :raises CatalogueError: ``catalogue_unusable``.
        """
        record = self.catalogue.get(lecture_id, in_bin=True)
        here, binned = self.path_of(lecture_id), self.path_of(lecture_id, in_bin=True)
        in_bin = not here.is_file() and binned.is_file()
        path = binned if in_bin else here
        stamp = stamp_of(path)
        if stamp is None:
            self._note_missing(lecture_id, is_recorded=record is not None)
            return
        try:
            with Recording.open(path) as recording:
                facts = file_facts(recording)
                words = passages_of(recording) if recording.state == "ended" else []
                found = record_from_file(lecture_id, recording)
                damage = (recording.damage,) if recording.damage else ()
        except (HallcastError, ValueError, OSError) as error:
            facts, words, found, damage = {"trouble": getattr(error, "text", str(error))}, [], None, ()
        if found is not None and in_bin:
            found = replace(found, deleted_at=time.time())
        # What was found in the file as it was says nothing of the file as it is: it is checked again.
        facts |= {"stamp": stamp, "missing": 0, "scanned_at": None, "scan_problems": as_list(damage)}
        self._note(lecture_id, facts, words, found if record is None else None)

    def expect(self, lecture_id: str, remote_key: str) -> None:
        """Note that a lecture's file lies in object storage, and that nothing else is known of it yet.

        :raises CatalogueError: ``catalogue_unusable``.
        """

        def write(connection: Connection) -> None:
            known = update(FILES).where(FILES.c.lecture_id == lecture_id)
            if connection.execute(known.values(remote_key=remote_key, missing=0, stamp="")).rowcount == 0:
                values = {**_NOTHING, "lecture_id": lecture_id, "remote_key": remote_key}
                connection.execute(insert(FILES).values(values))

        self.catalogue.database.write(write)

    def remember(self, lecture_id: str) -> None:
        """Write into a lecture's file what staff said of it, so that a catalogue made from the files knows it too.

        :raises LectureFileError: the file cannot be written; the catalogue holds it all the same.
        """
        record, path = self.catalogue.get(lecture_id), self.path_of(lecture_id)
        if record is None or not path.is_file():
            return
        with LectureFile.open(path) as file:
            for key, value in told_facts(record).items():
                if (file.get_meta(key) or "") != value:
                    file.set_meta(key, value)
        self.take_in(lecture_id)

    # What there is

    def storage(self) -> Storage:
        """See :class:`Storage`; figures are those of the last look at the files.

        :raises CatalogueError: ``catalogue_unusable``.
        """
        in_bin = LECTURES.c.deleted_at.is_not(None)
        sizes = (
            select(in_bin, func.count(), func.coalesce(func.sum(case((FILES.c.stamp != "", FILES.c.file_bytes))), 0))
            .select_from(FILES.join(LECTURES, FILES.c.lecture_id == LECTURES.c.lecture_id))
            .where(FILES.c.missing == 0)
            .group_by(in_bin)
        )
        known = FILES.outerjoin(LECTURES, FILES.c.lecture_id == LECTURES.c.lecture_id)
        bad = (FILES.c.trouble != "") | (FILES.c.scan_problems != "[]")
        state = case((FILES.c.missing == 1, "missing"), (bad, "damaged"), else_="incomplete")
        lacking = (FILES.c.missing_ms >= MISSING_TOLD_MS) & (LECTURES.c.state == "ended")
        faults = (
            select(FILES.c.lecture_id, state)
            .select_from(known)
            .where((FILES.c.missing == 1) | bad | lacking, LECTURES.c.deleted_at.is_(None))
            .order_by(FILES.c.lecture_id)
        )

        remote = select(
            func.count(), func.count(case((FILES.c.stamp == "", 1))), func.coalesce(func.sum(FILES.c.remote_bytes), 0)
        ).where(FILES.c.remote_key != "")

        def read(
            connection: Connection,
        ) -> tuple[dict[bool, tuple[int, int]], list[tuple[str, str]], tuple[int, int, int]]:
            totals = {bool(binned): (count, int(total)) for binned, count, total in connection.execute(sizes)}
            copies, alone, size = connection.execute(remote).one()
            faulty = [(lecture_id, state) for lecture_id, state in connection.execute(faults)]
            return totals, faulty, (copies, alone, int(size))

        totals, found, copies = self.catalogue.database.read(read)
        return Storage(
            *totals.get(False, (0, 0)),
            *totals.get(True, (0, 0)),
            *copies,
            free_bytes=shutil.disk_usage(self.lectures_dir.parent).free,
            damaged=tuple(lecture_id for lecture_id, state in found if state == "damaged"),
            missing=tuple(lecture_id for lecture_id, state in found if state == "missing"),
            incomplete=tuple(lecture_id for lecture_id, state in found if state == "incomplete"),
        )

    def unreadable(self) -> list[str]:
        """In plain words, the files that cannot be read and of which the catalogue knows nothing else."""
        statement = (
            select(FILES.c.lecture_id, FILES.c.trouble)
            .select_from(FILES.outerjoin(LECTURES, FILES.c.lecture_id == LECTURES.c.lecture_id))
            .where(LECTURES.c.lecture_id.is_(None), FILES.c.missing == 0, FILES.c.trouble != "")
            .order_by(FILES.c.lecture_id)
        )
        rows = self.catalogue.database.read(lambda connection: connection.execute(statement).all())
        return [f"{lecture_id}{SUFFIX}: {trouble}" for lecture_id, trouble in rows]

    def note_scan(self, lecture_id: str, problems: Iterable[str], now: float) -> None:
        """Keep what a check of the file found.

        :param now: seconds since 1970.
        :raises CatalogueError: ``catalogue_unusable``.
        """
        values = {"scanned_at": now, "scan_problems": as_list(tuple(problems))}
        statement = update(FILES).where(FILES.c.lecture_id == lecture_id).values(values)
        self.catalogue.database.write(lambda connection: connection.execute(statement))

    def is_checked(self, lecture_id: str) -> bool:
        """Whether a lecture's file, as it is now, was checked and found sound."""
        sound = (FILES.c.lecture_id == lecture_id) & FILES.c.scanned_at.is_not(None) & (FILES.c.scan_problems == "[]")
        return self._is_any(sound)

    def next_scan(self, before: float, passed_over: Collection[str] = ()) -> str | None:
        """The lecture whose file was not checked for longest, if that was before a time (seconds since 1970).

        :param passed_over: lectures that are not to be checked now.
        """
        statement = (
            select(FILES.c.lecture_id)
            .select_from(FILES.join(LECTURES, FILES.c.lecture_id == LECTURES.c.lecture_id))
            .where(LECTURES.c.state == "ended", LECTURES.c.deleted_at.is_(None), FILES.c.missing == 0)
            .where(func.coalesce(FILES.c.scanned_at, 0.0) < before, FILES.c.lecture_id.not_in(passed_over))
            .order_by(func.coalesce(FILES.c.scanned_at, 0.0), FILES.c.lecture_id)
            .limit(1)
        )
        return self.catalogue.database.read(lambda connection: connection.execute(statement).scalar())

    def is_remote_only(self, lecture_id: str) -> bool:
        """Whether a lecture's file lies in object storage and not here."""
        return self._is_any((FILES.c.lecture_id == lecture_id) & (FILES.c.remote_key != "") & (FILES.c.stamp == ""))

    def forget_derived(self, lecture_id: str) -> None:
        """Remove what was made of a lecture's file for replay: it can be made again."""
        shutil.rmtree(self.data_dir / "cache" / lecture_id, ignore_errors=True)

    def has_remote(self, lecture_id: str) -> bool:
        """Whether a lecture's file lies in object storage, here or not."""
        return self._is_any((FILES.c.lecture_id == lecture_id) & (FILES.c.remote_key != ""))

    def all_records(self) -> list[LectureRecord]:
        """All lectures, those in the recycle bin included."""
        return [*self.catalogue.list(), *self.catalogue.recycled()]

    def _is_any(self, condition: ColumnElement[bool]) -> bool:
        statement = select(FILES.c.lecture_id).where(condition).limit(1)
        return self.catalogue.database.read(lambda connection: connection.execute(statement).first()) is not None

    def _known_files(self) -> dict[str, _File]:
        statement = select(FILES.c.lecture_id, FILES.c.stamp, FILES.c.missing, FILES.c.trouble)
        rows = self.catalogue.database.read(lambda connection: connection.execute(statement).all())
        return {lecture_id: _File(stamp, bool(missing), trouble) for lecture_id, stamp, missing, trouble in rows}

    def _note_missing(self, lecture_id: str, *, is_recorded: bool) -> None:
        here = FILES.c.lecture_id == lecture_id
        # Nothing is missed of a file that lies in object storage, nor of one that never could be read.
        gone = update(FILES).where(here).values(stamp="", missing=case((FILES.c.remote_key == "", 1), else_=0))
        statement = gone if is_recorded else delete(FILES).where(here, FILES.c.remote_key == "")
        self.catalogue.database.write(lambda connection: connection.execute(statement))

    def _note(
        self, lecture_id: str, facts: dict[str, Any], words: list[Passage], unknown: LectureRecord | None
    ) -> None:
        if unknown is not None:
            self.catalogue.create(unknown)

        def write(connection: Connection) -> None:
            here = FILES.c.lecture_id == lecture_id
            if connection.execute(update(FILES).where(here).values(facts)).rowcount == 0:
                connection.execute(insert(FILES).values({**_NOTHING, **facts, "lecture_id": lecture_id}))
            write_content(connection, lecture_id, words)

        self.catalogue.database.write(write)


_NOTHING: dict[str, Any] = {
    "stamp": "",
    "revision": "",
    "missing": 0,
    "trouble": "",
    "file_bytes": 0,
    "duration_ms": 0,
    "languages": "[]",
    "page_count": 0,
    "has_camera": 0,
    "missing_ms": 0,
    "scan_problems": "[]",
    "remote_key": "",
    "remote_stamp": "",
    "remote_sha256": "",
    "remote_bytes": 0,
}


def files_in(folder: Path) -> dict[str, Path]:
    """The lecture files of a folder by their lectures' ids."""
    return {path.stem: path for path in folder.glob(f"*{SUFFIX}") if LECTURE_ID.fullmatch(path.stem)}


def stamp_of(path: Path) -> str | None:
    """Changes whenever the file does; None if it is not there."""
    parts = []
    for suffix in ("", "-wal"):
        try:
            found = path.with_name(path.name + suffix).stat()
        except OSError:
            if not suffix:
                return None
        else:
            parts.append(f"{found.st_size:x}-{found.st_mtime_ns:x}")
    return "/".join(parts)
