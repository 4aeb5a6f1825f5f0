"""The lecture file's schema, and how its databases are made and recognised (docs/lecture-file.md)."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from lecture.errors import LectureFileError

APPLICATION_ID = 0x48434C46
"""``PRAGMA application_id`` of a lecture file: "HCLF" in ASCII."""
FORMAT_MAJOR = 1
FORMAT_MINOR = 0
USER_VERSION = FORMAT_MAJOR * 1000 + FORMAT_MINOR
"""``PRAGMA user_version``: major * 1000 + minor. A newer minor may add tables, columns and keys, to be ignored."""

TABLES = {
    "meta": "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "tracks": """CREATE TABLE tracks (
        track_id INTEGER PRIMARY KEY, kind TEXT NOT NULL, codec TEXT NOT NULL, clock_rate INTEGER NOT NULL,
        language TEXT NOT NULL, rung TEXT NOT NULL, channels INTEGER NOT NULL,
        UNIQUE (kind, codec, clock_rate, language, rung, channels)) STRICT""",
    "entries": """CREATE TABLE entries (
        seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, flags INTEGER NOT NULL, track_id INTEGER NOT NULL,
        t_ms INTEGER NOT NULL, duration_ms INTEGER NOT NULL, origin_seq INTEGER, crc32c INTEGER NOT NULL,
        payload BLOB NOT NULL) STRICT""",
    "blobs": """CREATE TABLE blobs (
        digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, size INTEGER NOT NULL, crc32c INTEGER NOT NULL,
        data BLOB NOT NULL) STRICT""",
    "blob_parts": """CREATE TABLE blob_parts (
        digest TEXT NOT NULL, offset INTEGER NOT NULL, media_type TEXT NOT NULL, total INTEGER NOT NULL,
        crc32c INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (digest, offset)) STRICT""",
}
INDEXES = {
    "entries_by_time": "CREATE INDEX entries_by_time ON entries (track_id, t_ms, duration_ms)",
    "entries_by_kind": "CREATE INDEX entries_by_kind ON entries (kind)",
    "entries_by_origin": """CREATE UNIQUE INDEX entries_by_origin ON entries (origin_seq)
        WHERE origin_seq IS NOT NULL""",
}
COLUMNS = {
    "meta": {"key": "TEXT", "value": "TEXT"},
    "tracks": {
        **dict.fromkeys(("track_id", "clock_rate", "channels"), "INTEGER"),
        **dict.fromkeys(("kind", "codec", "language", "rung"), "TEXT"),
    },
    "entries": {
        **dict.fromkeys(("seq", "kind", "flags", "track_id", "t_ms", "duration_ms", "origin_seq", "crc32c"), "INTEGER"),
        "payload": "BLOB",
    },
    "blobs": {"digest": "TEXT", "media_type": "TEXT", "size": "INTEGER", "crc32c": "INTEGER", "data": "BLOB"},
    "blob_parts": {
        **dict.fromkeys(("offset", "total", "crc32c"), "INTEGER"),
        **dict.fromkeys(("digest", "media_type"), "TEXT"),
        "data": "BLOB",
    },
}
"""What a table must have to be read, whoever made it."""

_UNLIMITED_PAGES = 0xFFFFFFFE
_NO_ROOM_BYTES = 256 * 1024
"""With less room than this an I/O error is called a full disk."""


def create_database(path: Path, meta: Mapping[str, str]) -> None:
    """Make an empty lecture file. It appears under its name complete or not at all.

    :raises LectureFileError: ``file_exists``, ``disk_full``, ``file_unwritable``.
    """
    if path.exists():
        raise LectureFileError("file_exists", f"There is a file {path.name} already.")
    draft = path.with_name(path.name + ".new")
    try:
        draft.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous=FULL")
            db.execute("BEGIN")
            make_tables(db)
            db.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", meta.items())
            db.execute("COMMIT")
        clear_wal(path)
        draft.replace(path)
    except (sqlite3.Error, OSError) as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise translate(error, path) from error


def clear_wal(path: Path) -> None:
    """Put out of the way what a removed file has left beside, before another takes its place: SQLite would take
    it for that one's.

    :raises OSError: it cannot be renamed.
    """
    wal = wal_of(path)
    if wal.exists():
        wal.replace(wal.with_name(f"{wal.name}.left-over"))
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)


def make_tables(db: sqlite3.Connection) -> None:
    """Make the tables in an empty database, always in the same order (:mod:`lecture.first_page` relies on it)."""
    for statement in (*TABLES.values(), *INDEXES.values()):
        db.execute(statement)
    db.execute(f"PRAGMA application_id={APPLICATION_ID}")
    db.execute(f"PRAGMA user_version={USER_VERSION}")


def check_format(db: sqlite3.Connection, path: Path) -> None:
    """Refuse what is not a lecture file, or one that this version cannot read.

    :raises LectureFileError: ``not_a_lecture_file``, ``file_too_new``, ``file_damaged``.
    """
    try:
        _check_format(db, path)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise translate(error, path) from error


def _check_format(db: sqlite3.Connection, path: Path) -> None:
    (application_id,) = db.execute("PRAGMA application_id").fetchone()
    (user_version,) = db.execute("PRAGMA user_version").fetchone()
    if application_id != APPLICATION_ID:
        raise LectureFileError("not_a_lecture_file", f"{path.name} is not a lecture file.")
    if user_version // 1000 != FORMAT_MAJOR:
        raise LectureFileError(
            "file_too_new",
            f"{path.name} has format {user_version // 1000}.{user_version % 1000}; "
            f"this Hallcast reads {FORMAT_MAJOR}.x. Use a newer Hallcast.",
        )
    for name, columns in COLUMNS.items():
        # A view or a virtual table of that name could do anything when it is read.
        kinds = db.execute("SELECT type, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?", (name,))
        if kinds.fetchall() != [("table", 1)]:
            raise LectureFileError("file_damaged", f"{path.name} lacks a table of a lecture file.")
        found = db.execute("SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden = 0", (name,)).fetchall()
        if not columns.items() <= dict(found).items():
            raise LectureFileError("file_damaged", f"{path.name} lacks a column of a lecture file.")


def limit_pages(db: sqlite3.Connection, limit_bytes: int | None) -> None:
    """Set the quota of the file's size; beyond it SQLite reports a full disk."""
    (page_size,) = db.execute("PRAGMA page_size").fetchone()
    pages = _UNLIMITED_PAGES if limit_bytes is None else max(1, limit_bytes // page_size)
    db.execute(f"PRAGMA max_page_count={pages}").fetchone()


def translate(error: Exception, path: Path) -> LectureFileError:
    """Our error for one of SQLite's or the system's."""
    if isinstance(error, LectureFileError):
        return error
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    if primary == sqlite3.SQLITE_FULL or (primary in (sqlite3.SQLITE_IOERR, None) and _no_room(path)):
        return LectureFileError("disk_full", f"There is no room to write {path.name}.")
    error_id, text = _OURS.get(primary, ("disk_failed", "cannot be read or written"))
    return LectureFileError(error_id, f"{path.name} {text}: {error}.")


_OURS: dict[int | None, tuple[str, str]] = {
    None: ("file_unwritable", "cannot be written"),
    sqlite3.SQLITE_NOTADB: ("not_a_lecture_file", "is not a lecture file"),
    sqlite3.SQLITE_CORRUPT: ("file_damaged", "is damaged"),
    sqlite3.SQLITE_ERROR: ("file_damaged", "is damaged"),
    sqlite3.SQLITE_TOOBIG: ("file_damaged", "is damaged"),
    sqlite3.SQLITE_INTERRUPT: ("file_damaged", "is damaged"),
    sqlite3.SQLITE_BUSY: ("file_busy", "is in use"),
    sqlite3.SQLITE_LOCKED: ("file_busy", "is in use"),
    sqlite3.SQLITE_READONLY: ("file_unwritable", "cannot be written"),
    sqlite3.SQLITE_CANTOPEN: ("file_unwritable", "cannot be opened"),
    sqlite3.SQLITE_PERM: ("file_unwritable", "cannot be opened"),
    # Only a second program that writes the same file can have taken our numbers.
    sqlite3.SQLITE_CONSTRAINT: ("file_busy", "is written by another program"),
}


def _no_room(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.absolute().parent).free < _NO_ROOM_BYTES
    except OSError:
        return False


def file_bytes(path: Path) -> int:
    """Size of the file and its WAL in bytes."""
    try:
        return os.path.getsize(path) + os.path.getsize(wal_of(path))
    except OSError:
        return os.path.getsize(path)


def wal_of(path: Path) -> Path:
    """The WAL beside a file."""
    return path.with_name(path.name + "-wal")
