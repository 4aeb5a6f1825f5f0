"""The catalogue: which lectures there are, and what staff said about them.

One SQLite database (``data/catalogue.db``). What was said and shown in a lecture is in its lecture file; the
catalogue only knows enough to plan, find and hand out codes. Times are seconds since 1970 (UTC, wall clock):
nothing here orders a lecture's content.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar

from lecture.errors import HallcastError

APPLICATION_ID = 0x48434354
"""SQLite ``application_id`` of a catalogue: "HCCT"."""

LectureState = Literal["planned", "live", "ended"]

_T = TypeVar("_T")


class CatalogueError(HallcastError):
    """The catalogue cannot be used or the change is impossible.

    Ids: ``catalogue_unusable`` (damaged, not a catalogue, newer than this version, disk), ``lecture_exists``,
    ``lecture_unknown``, ``hall_code_taken``.
    """


@dataclass(frozen=True, slots=True)
class LectureRecord:
    """What the catalogue knows of one lecture.

    :param languages: BCP 47 tags of the voices, the lecturer's first.
    :param hall_code: what a hall types to join, without its dash.
    :param hall_code_key: keyed hash of ``hall_code``, by which it is found.
    :param code_expires_at: from then on the code admits nobody new.
    :param planned_at: when it is to begin, None if that was not said.
    :param duration_ms: lecture time at its end, 0 before.
    """

    lecture_id: str
    title: str
    course: str
    languages: tuple[str, ...]
    hall_code: str
    hall_code_key: str
    code_expires_at: float
    created_at: float
    planned_at: float | None = None
    state: LectureState = "planned"
    started_at: float | None = None
    ended_at: float | None = None
    duration_ms: int = 0


_SCHEMA = """
CREATE TABLE lectures (
    lecture_id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    course TEXT NOT NULL,
    languages TEXT NOT NULL,        -- JSON array of BCP 47 tags
    hall_code TEXT NOT NULL,
    hall_code_key TEXT NOT NULL UNIQUE,
    code_expires_at REAL NOT NULL,
    created_at REAL NOT NULL,
    planned_at REAL,
    state TEXT NOT NULL CHECK (state IN ('planned', 'live', 'ended')),
    started_at REAL,
    ended_at REAL,
    duration_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX lectures_by_state ON lectures (state);
"""

_VERSION = 1
_COLUMNS = (
    "lecture_id, title, course, languages, hall_code, hall_code_key, code_expires_at, created_at, planned_at, state, "
    "started_at, ended_at, duration_ms"
)


class Catalogue:
    """The catalogue, open. Safe to call from several threads.

    Reads never wait for a write (WAL, a connection of their own) and take microseconds, so they may be done in the
    event loop; writes wait for the disk and belong in a thread.
    """

    def __init__(self, path: Path) -> None:
        """Open the catalogue at ``path``; it is created if there is none.

        :raises CatalogueError: ``catalogue_unusable``.
        """
        self.path = path
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        with _translated():
            self._writer = _connect(path)
            try:
                _prepare(self._writer)
                self._reader = _connect(path)
            except BaseException:
                self._writer.close()
                raise

    def create(self, record: LectureRecord) -> None:
        """Add a lecture.

        :raises CatalogueError: ``lecture_exists``, ``hall_code_taken``, ``catalogue_unusable``.
        """

        def write(connection: sqlite3.Connection) -> None:
            if connection.execute("SELECT 1 FROM lectures WHERE lecture_id = ?", (record.lecture_id,)).fetchone():
                raise CatalogueError("lecture_exists", "There is a lecture of this name already.")
            marks = ", ".join("?" * len(_COLUMNS.split(", ")))
            connection.execute(f"INSERT INTO lectures ({_COLUMNS}) VALUES ({marks})", _to_row(record))

        self._write(write)

    def update(self, lecture_id: str, change: Callable[[LectureRecord], LectureRecord]) -> LectureRecord:
        """Replace a lecture's record by ``change`` of it, in one transaction; returns the new one.

        :raises CatalogueError: ``lecture_unknown``, ``hall_code_taken``, ``catalogue_unusable``.
        """

        def write(connection: sqlite3.Connection) -> LectureRecord:
            found = _find(connection, "lecture_id", lecture_id)
            if found is None:
                raise CatalogueError("lecture_unknown", "There is no such lecture.")
            changed = change(found)
            sets = ", ".join(f"{column} = ?" for column in _COLUMNS.split(", "))
            connection.execute(f"UPDATE lectures SET {sets} WHERE lecture_id = ?", (*_to_row(changed), lecture_id))
            return changed

        return self._write(write)

    def get(self, lecture_id: str) -> LectureRecord | None:
        """The lecture of this id, or None.

        :raises CatalogueError: ``catalogue_unusable``.
        """
        return self._read(lambda connection: _find(connection, "lecture_id", lecture_id))

    def find_by_code(self, hall_code_key: str) -> LectureRecord | None:
        """The lecture whose hall code has this key, or None. Expired codes are found too.

        :raises CatalogueError: ``catalogue_unusable``.
        """
        return self._read(lambda connection: _find(connection, "hall_code_key", hall_code_key))

    def list(self, state: LectureState | None = None) -> list[LectureRecord]:
        """All lectures (of one state), newest first: by the time they began, were planned for or were created.

        :raises CatalogueError: ``catalogue_unusable``.
        """

        def read(connection: sqlite3.Connection) -> list[LectureRecord]:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM lectures WHERE ?1 IS NULL OR state = ?1 "
                "ORDER BY coalesce(started_at, planned_at, created_at) DESC, lecture_id",
                (state,),
            )
            return [_from_row(row) for row in rows]

        return self._read(read)

    def check(self) -> None:
        """Read something.

        :raises CatalogueError: ``catalogue_unusable``.
        """
        self._read(lambda connection: connection.execute("SELECT count(*) FROM lectures").fetchone())

    def close(self) -> None:
        """Release the database."""
        with self._read_lock, self._write_lock:
            self._reader.close()
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, read: Callable[[sqlite3.Connection], _T]) -> _T:
        with self._read_lock, _translated():
            return read(self._reader)

    def _write(self, write: Callable[[sqlite3.Connection], _T]) -> _T:
        with self._write_lock, _translated():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                result = write(self._writer)
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            return result


@contextmanager
def _translated() -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise CatalogueError("hall_code_taken", "Another lecture has this hall code.") from error
    except sqlite3.Error as error:
        raise CatalogueError("catalogue_unusable", f"The catalogue cannot be used: {error}.") from error


def _connect(path: Path) -> sqlite3.Connection:
    # Autocommit: transactions are begun by hand. The timeout covers a command-line tool writing beside the relay.
    connection = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application_id == 0 and version == 0 and tables == 0:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        for statement in _SCHEMA.split(";"):
            if statement.strip():
                connection.execute(statement)
    elif application_id != APPLICATION_ID:
        raise CatalogueError("catalogue_unusable", "The file is not a Hallcast catalogue.")
    elif version != _VERSION:
        raise CatalogueError("catalogue_unusable", f"The catalogue has version {version}; this relay knows {_VERSION}.")
    connection.execute("COMMIT")


def _find(connection: sqlite3.Connection, column: str, value: str) -> LectureRecord | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM lectures WHERE {column} = ?", (value,)).fetchone()
    return None if row is None else _from_row(row)


_Row = tuple[str, str, str, str, str, str, float, float, float | None, LectureState, float | None, float | None, int]


def _to_row(record: LectureRecord) -> _Row:
    return (
        record.lecture_id,
        record.title,
        record.course,
        json.dumps(record.languages),
        record.hall_code,
        record.hall_code_key,
        record.code_expires_at,
        record.created_at,
        record.planned_at,
        record.state,
        record.started_at,
        record.ended_at,
        record.duration_ms,
    )


def _from_row(row: _Row) -> LectureRecord:
    (lecture_id, title, course, languages, code, key, expires, created, planned, state, started, ended, duration) = row
    return LectureRecord(
        lecture_id=lecture_id,
        title=title,
        course=course,
        languages=tuple(json.loads(languages)),
        hall_code=code,
        hall_code_key=key,
        code_expires_at=expires,
        created_at=created,
        planned_at=planned,
        state=state,
        started_at=started,
        ended_at=ended,
        duration_ms=duration,
    )
