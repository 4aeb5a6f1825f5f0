"""The recycle bin: lectures that were deleted and can be restored, and where their files lie. Blocking."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, delete

from lecture.errors import LectureFileError
from lecture.file import LectureFile
from lecture.lock import WriterLock
from lecture.schema import clear_wal, wal_of
from recordings.catalogue import LectureRecord
from recordings.errors import RecordingError
from recordings.lecture_facts import LAST_TIME
from recordings.remote_copies import RemoteCopies
from recordings.retention import DAY_S, Due, LibrarySettings, kept_until
from recordings.shelf import Shelf, files_in
from recordings.tables import FILES, LECTURES, PASSAGES

_COMPANIONS = ("-wal", "-shm")


class RecycleBin:
    """The recycle bin of a shelf. The catalogue says what lies in it; the files follow (:meth:`settle`)."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._catalogue = shelf.catalogue
        self._copies = RemoteCopies(shelf, shelf.store) if shelf.store is not None else None

    def delete(self, lecture_id: str, now: float) -> LectureRecord:
        """Put a lecture into the recycle bin; doing so twice changes nothing. Its file follows (:meth:`settle`).

        :param now: seconds since 1970.
        :raises CatalogueError: ``lecture_unknown``, ``catalogue_unusable``.
        :raises RecordingError: ``lecture_live``: end it first.
        """

        def change(record: LectureRecord) -> LectureRecord:
            if record.state == "live":
                raise RecordingError("lecture_live", "The lecture is going on; end it first.")
            return record if record.deleted_at is not None else replace(record, deleted_at=now)

        return self._catalogue.update(lecture_id, change)

    def restore(self, lecture_id: str, now: float, settings: LibrarySettings) -> LectureRecord:
        """Take a lecture out of the recycle bin again; its file follows (:meth:`settle`).

        What the rules would delete again at once is kept as if it had ended now.

        :param now: seconds since 1970.
        :raises CatalogueError: ``lecture_unknown``, ``catalogue_unusable``.
        """

        def change(record: LectureRecord) -> LectureRecord:
            restored = replace(record, deleted_at=None)
            until = kept_until(restored, settings)
            if until is None or until > now:
                return restored
            anew = min(now + settings.keep_days * DAY_S, LAST_TIME) if settings.keep_days else None
            return replace(restored, keep_until=anew)

        return self._catalogue.update(lecture_id, change)

    def purge(self, lecture_id: str) -> None:
        """Delete what lies in the recycle bin for good: file, what was derived from it, what was set aside as damaged,
        and all the catalogue knows.

        :raises RecordingError: ``not_recycled``: delete it first; ``storage_unavailable``: nothing was deleted.
        :raises CatalogueError: ``catalogue_unusable``.
        """
        record = self._catalogue.get(lecture_id, in_bin=True)
        if record is None or record.deleted_at is None:
            raise RecordingError("not_recycled", "The lecture is not in the recycle bin.")
        if self._shelf.path_of(lecture_id).exists():
            raise RecordingError("lecture_open", "The relay has not put its file away yet; try again in a minute.")

        if self._copies is not None:
            self._copies.purge(lecture_id)

        def forget(connection: Connection) -> None:
            for table in (PASSAGES, FILES, LECTURES):
                connection.execute(delete(table).where(table.c.lecture_id == lecture_id))

        # The catalogue first: a file that is left over lies in the bin and is found there again, a record without a
        # file would be an error.
        self._catalogue.database.write(forget)
        binned = self._shelf.path_of(lecture_id, in_bin=True)
        for suffix in ("", *_COMPANIONS):
            binned.with_name(binned.name + suffix).unlink(missing_ok=True)
        for folder in (self._shelf.lectures_dir, self._shelf.recycle_dir):
            for aside in (*folder.glob(f"{lecture_id}.damaged-*"), *folder.glob(f"{binned.name}-wal.left-over")):
                aside.unlink(missing_ok=True)
        self._shelf.forget_derived(lecture_id)
        for begun in (self._shelf.data_dir / "cache" / "fetch").glob(f"{lecture_id}-*"):
            # An id may go on with a dash itself, what follows it here has none.
            if "-" not in begun.name.removeprefix(f"{lecture_id}-"):
                begun.unlink(missing_ok=True)

    def apply(self, one: Due, now: float) -> None:
        """Do what a rule says.

        :raises HallcastError: as :meth:`delete` and :meth:`purge`.
        """
        if one.action == "purge":
            self.purge(one.lecture_id)
        else:
            self.delete(one.lecture_id, now)

    def settle(self, lecture_id: str) -> None:
        """Have a lecture's file lie where the catalogue says.

        :raises RecordingError: ``recycle_failed``, ``storage_unavailable``.
        :raises LectureFileError: ``file_busy``: it is open for writing and stays where it is.
        """
        way = self._way(lecture_id)
        if way is not None:
            _move(*way)
        if self._copies is not None:
            self._copies.settle(lecture_id)

    def is_settled(self, lecture_id: str) -> bool:
        """Whether a lecture's file and its copy in object storage lie where the catalogue says."""
        return lecture_id not in self.unsettled()

    def _way(self, lecture_id: str) -> tuple[Path, Path] | None:
        """From where to where a lecture's file must move; None if it need not."""
        record = self._catalogue.get(lecture_id, in_bin=True)
        if record is None:
            return None
        here, binned = self._shelf.path_of(lecture_id), self._shelf.path_of(lecture_id, in_bin=True)
        source, target = (here, binned) if record.deleted_at is not None else (binned, here)
        return (source, target) if source.is_file() and not target.exists() else None

    def unsettled(self) -> list[str]:
        """Ids of the lectures whose files do not lie where the catalogue says."""
        here, binned = files_in(self._shelf.lectures_dir), files_in(self._shelf.recycle_dir)
        remote = self._copies.unsettled() if self._copies is not None else []
        return remote + [
            record.lecture_id
            for record in self._shelf.all_records()
            if record.lecture_id in (binned if record.deleted_at is None else here)
            and record.lecture_id not in (here if record.deleted_at is None else binned)
            and record.lecture_id not in remote
        ]


@contextlib.contextmanager
def held(data_dir: Path) -> Iterator[bool]:
    """Hold a data folder alone, as a relay does while it runs; gives whether that could be. The system lets go of it
    when the process is killed.

    :raises OSError: the folder cannot be written.
    """
    lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(lock)


def _move(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(mode=0o700, exist_ok=True)
        if wal_of(source).exists():
            _fold(source)
        # Who has it open would go on writing a file that lies elsewhere, or bring it back.
        lock = WriterLock(source)
        try:
            clear_wal(target)
            for suffix in (*_COMPANIONS, ""):
                part = source.with_name(source.name + suffix)
                if part.exists():
                    os.replace(part, target.with_name(target.name + suffix))
        finally:
            lock.release()
    except OSError as error:
        raise RecordingError("recycle_failed", f"{source.name} cannot be moved: {error.strerror}.") from error


def _fold(path: Path) -> None:
    """Fold in what a killed program left in the WAL, so that one file moves and not two; a damaged one moves as it is.

    :raises LectureFileError: ``file_busy``.
    """
    try:
        LectureFile.open(path).close()
    except LectureFileError as error:
        if error.error_id == "file_busy":
            raise
