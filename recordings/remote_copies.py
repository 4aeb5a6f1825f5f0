"""The copies of a shelf's lecture files in object storage, and what the catalogue notes of them. Blocking.

Under ``lectures/`` and ``recycle/`` of the storage lies what lies there in the data folder.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, case, func, select, update

from lecture.file import LectureFile
from lecture.schema import wal_of
from recordings.errors import RecordingError
from recordings.recording import LECTURE_ID
from recordings.shelf import SUFFIX, Shelf, stamp_of
from recordings.store_remote import Bytes, RemoteStore
from recordings.tables import FILES, LECTURES

_IS_LOCAL = FILES.c.stamp != ""
_IS_REMOTE = FILES.c.remote_key != ""
_IS_UPLOADED = _IS_REMOTE & (FILES.c.stamp == FILES.c.remote_stamp)
_IS_SOUND = (FILES.c.trouble == "") & (FILES.c.scan_problems == "[]") & (FILES.c.missing == 0)


class RemoteCopies:
    """What of a shelf lies in object storage."""

    def __init__(self, shelf: Shelf, store: RemoteStore) -> None:
        self._shelf = shelf
        self._store = store
        self._database = shelf.catalogue.database

    def stop(self) -> None:
        """Break off what is under way, from any thread; nothing can be begun after that."""
        self._store.stop()

    def waiting(self) -> list[str]:
        """Lectures whose files are to be uploaded: ended, sound and not yet there as they are now."""
        ended = (LECTURES.c.state == "ended") & LECTURES.c.deleted_at.is_(None)
        return self._ids(ended & _IS_LOCAL & ~_IS_UPLOADED & _IS_SOUND)

    def is_remote_only(self, lecture_id: str) -> bool:
        """Whether a lecture's file lies in the object storage and not here."""
        return self._shelf.is_remote_only(lecture_id)

    def upload(self, lecture_id: str) -> bool:
        """Upload a lecture's file, which must not be open for writing; False if that must wait for the next look at it.

        :raises RecordingError: as :meth:`recordings.store_remote.RemoteStore.upload`.
        :raises OSError: the file cannot be read.
        """
        row, path = self._row(lecture_id), self._shelf.path_of(lecture_id)
        stamp = stamp_of(path)
        if row is None or stamp is None or stamp != row["stamp"]:
            return False
        if wal_of(path).exists():
            LectureFile.open(path).close()  # folds in what a killed program left there
            return False
        file = self._store.upload(path, key_of(lecture_id))
        noted = self._note(
            lecture_id, remote_key=file.key, remote_stamp=stamp, remote_sha256=file.sha256, remote_bytes=file.file_bytes
        )
        if not noted:  # deleted for good meanwhile
            self._store.delete(file.key)
        return noted

    def droppable(self, bound_bytes: int) -> list[str]:
        """Lectures whose files need not stay here for all local files to fit the bound, least recently used first."""
        with_size = select(func.coalesce(func.sum(FILES.c.file_bytes), 0)).where(_IS_LOCAL, FILES.c.missing == 0)
        excess = int(self._database.read(lambda connection: connection.execute(with_size).scalar_one())) - bound_bytes
        found = []
        for path in sorted(map(self._local, self._ids(_IS_UPLOADED & _IS_SOUND)), key=_used_at):
            if excess <= 0:
                break
            found.append(path.stem)
            excess -= path.stat().st_size if path.exists() else 0
        return found

    def is_safe(self, lecture_id: str) -> bool:
        """Whether the object storage has, now, what was uploaded of a lecture.

        :raises RecordingError: ``storage_unavailable``.
        """
        row = self._row(lecture_id)
        found = self._store.find(row["remote_key"]) if row is not None and row["remote_key"] else None
        safe = found is not None and row is not None and found.sha256 == row["remote_sha256"] != ""
        if found is None and row is not None:
            self._note(lecture_id, remote_key="")  # it is to be uploaded again
        return safe

    def drop(self, lecture_id: str) -> None:
        """Remove a lecture's local file if it is as it was uploaded and nobody writes to it; :meth:`is_safe` first."""
        row, path = self._row(lecture_id), self._local(lecture_id)
        if row is None or not row["remote_key"] or not row["stamp"] == row["remote_stamp"] == stamp_of(path):
            return
        if wal_of(path).exists():
            return
        path.unlink()
        self._shelf.forget_derived(lecture_id)  # it would take the room that the file has left
        self._shelf.take_in(lecture_id)

    def fetch(self, lecture_id: str, progress: Bytes) -> None:
        """Have a lecture's file here; nothing is done if it is.

        :raises RecordingError: as :meth:`recordings.store_remote.RemoteStore.download`; ``recording_unknown``.
        :raises OSError: the file cannot be written.
        """
        row, path = self._row(lecture_id), self._local(lecture_id)
        if path.exists():
            return
        file = self._store.find(row["remote_key"]) if row is not None and row["remote_key"] else None
        if file is None:
            self._note(lecture_id, remote_key="", missing=1)
            raise RecordingError("recording_unknown", "Its file is neither here nor in the object storage.")
        partial = self._shelf.data_dir / "cache" / "fetch" / f"{lecture_id}-{file.sha256[:16] or file.file_bytes}"
        try:
            self._store.download(file, path, partial, progress)
        except RecordingError as error:
            if error.error_id == "copy_damaged":
                # Checked it is by that: else it would be fetched, and found so, again and again.
                self._shelf.note_scan(lecture_id, [error.text], time.time())
            raise
        for other in partial.parent.glob(f"{lecture_id}-*"):  # begun of an older version
            if len(other.name) == len(partial.name):
                other.unlink(missing_ok=True)
        stamp = stamp_of(path) or ""
        values = {"remote_sha256": file.sha256, "remote_bytes": file.file_bytes, "missing": 0}
        if row is not None and row["revision"] and row["remote_sha256"] == file.sha256:
            self._note(lecture_id, stamp=stamp, remote_stamp=stamp, **values)
        else:  # what it holds is not known yet
            self._shelf.take_in(lecture_id)
            self._note(lecture_id, remote_key=file.key, remote_stamp=stamp, **values)

    def adopt(self) -> list[str]:
        """Have the catalogue know what the object storage holds, and no longer what it does not; returns ids that were
        not known, whose files must be fetched once (:meth:`fetch`) for their words.

        :raises RecordingError: ``storage_unavailable``.
        """
        known = {row["lecture_id"]: row for row in self._rows(FILES.c.lecture_id != "")}
        found: dict[str, str] = {}
        for in_bin in (True, False):
            for name in self._store.list(_folder(in_bin=in_bin)):
                lecture_id = name.removesuffix(SUFFIX)
                if name.endswith(SUFFIX) and LECTURE_ID.fullmatch(lecture_id):
                    found.setdefault(lecture_id, key_of(lecture_id, in_bin=in_bin))
        for lecture_id in [one for one, row in known.items() if row["remote_key"] and one not in found]:
            self._note(lecture_id, remote_key="", missing=case((FILES.c.stamp == "", 1), else_=0))
        new = []
        for lecture_id, key in found.items():
            row = known.get(lecture_id)
            if row is None or (row["missing"] and not row["remote_key"]):
                self._shelf.expect(lecture_id, key)
                new.append(lecture_id)
            elif row["remote_key"] and not row["revision"] and not row["trouble"]:
                new.append(lecture_id)
        return new

    def settle(self, lecture_id: str) -> None:
        """Have the copy lie where the catalogue says.

        :raises RecordingError: ``storage_unavailable``.
        """
        row = self._row(lecture_id)
        if row is None or not row["remote_key"]:
            return
        key = key_of(lecture_id, in_bin=row["deleted_at"] is not None)
        if key != row["remote_key"]:
            self._store.move(row["remote_key"], key)
            self._note(lecture_id, remote_key=key)

    def unsettled(self) -> list[str]:
        """Ids of the lectures whose copies do not lie where the catalogue says."""
        return [
            row["lecture_id"]
            for row in self._rows(_IS_REMOTE & LECTURES.c.lecture_id.is_not(None))
            if row["remote_key"] != key_of(row["lecture_id"], in_bin=row["deleted_at"] is not None)
        ]

    def purge(self, lecture_id: str) -> None:
        """Remove the copy for good, wherever a move that was broken off left it.

        :raises RecordingError: ``storage_unavailable``.
        """
        for in_bin in (False, True):
            self._store.delete(key_of(lecture_id, in_bin=in_bin))

    def _local(self, lecture_id: str) -> Path:
        """Where the local file is; where it belongs, if it is not here."""
        here, binned = self._shelf.path_of(lecture_id), self._shelf.path_of(lecture_id, in_bin=True)
        if here.exists() or binned.exists():
            return here if here.exists() else binned
        row = self._row(lecture_id)
        return binned if row is not None and row["remote_key"].startswith(_folder(in_bin=True)) else here

    def _ids(self, condition: ColumnElement[bool]) -> list[str]:
        return [row["lecture_id"] for row in self._rows(condition)]

    def _row(self, lecture_id: str) -> dict[str, Any] | None:
        return next(iter(self._rows(FILES.c.lecture_id == lecture_id)), None)

    def _rows(self, condition: ColumnElement[bool]) -> list[dict[str, Any]]:
        joined = FILES.outerjoin(LECTURES, FILES.c.lecture_id == LECTURES.c.lecture_id)
        statement = select(FILES, LECTURES.c.deleted_at).select_from(joined).where(condition)
        statement = statement.order_by(FILES.c.lecture_id)
        return self._database.read(lambda connection: [dict(row) for row in connection.execute(statement).mappings()])

    def _note(self, lecture_id: str, **values: Any) -> bool:
        statement = update(FILES).where(FILES.c.lecture_id == lecture_id).values(values)
        return self._database.write(lambda connection: connection.execute(statement)).rowcount > 0


def key_of(lecture_id: str, *, in_bin: bool = False) -> str:
    """Under which key a lecture's file lies in object storage."""
    return f"{_folder(in_bin=in_bin)}/{lecture_id}{SUFFIX}"


def _folder(*, in_bin: bool) -> str:
    return "recycle" if in_bin else "lectures"


def _used_at(path: Path) -> float:
    try:
        return path.stat().st_atime
    except OSError:
        return 0.0
