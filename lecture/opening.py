"""Opening the database of a lecture file: to write it, or to read it and whatever damage has left of it."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from lecture.errors import LectureFileError
from lecture.first_page import has_our_pages, write_first_page
from lecture.salvage import bound
from lecture.schema import check_format, limit_pages, translate, wal_of

BUSY_TIMEOUT_S = 5.0
ROW_LIMIT_BYTES = 80 * 1024 * 1024
"""No row of ours is larger (a page image has 64 MiB at most); one that claims to be is damaged and is not read."""


def open_writer(path: Path, limit_bytes: int | None) -> sqlite3.Connection:
    """Open for append, in WAL mode; recovers what a crash left in the WAL.

    A damaged file is refused, since writing into it would make it worse.

    :raises LectureFileError: see :func:`open_reader`; also ``file_unwritable``.
    """
    db = _open(path, "rw")
    try:
        check_format(db, path)
        _check_sound(db, path)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA journal_size_limit=8388608")
        limit_pages(db, limit_bytes)
    except sqlite3.Error as error:
        db.close()
        raise translate(error, path) from error
    except LectureFileError as error:
        db.close()
        if error.error_id == "not_a_lecture_file" and _lacks_first_page(path, error):
            raise _damaged(path, "its first page is destroyed") from error
        raise
    return db


def open_reader(path: Path) -> sqlite3.Connection:
    """Open for reading; another process may be writing. What is damaged is opened as far as it can be read.

    :raises LectureFileError: ``file_missing``, ``not_a_lecture_file``, ``file_too_new``, ``file_damaged``.
    """
    try:
        return _open_whole(path)
    except LectureFileError as error:
        if error.error_id == "file_damaged":
            with contextlib.suppress(LectureFileError):
                return _open_cut_short(path)
        if _lacks_first_page(path, error):
            return _open_copy(path, lacks_first_page=True)
        raise


def _open_whole(path: Path) -> sqlite3.Connection:
    db = _open(path, "ro")
    try:
        check_format(db, path)
    except LectureFileError:
        db.close()
        raise
    except sqlite3.OperationalError as error:
        db.close()
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise translate(error, path) from error
        if wal_of(path).exists():
            return _open_copy(path)
        # In a folder that we cannot write (a USB stick switched to read-only) SQLite cannot make the WAL's index;
        # without a WAL there is nothing in it that could be missed.
        return _open_immutable(path)
    except sqlite3.Error as error:
        db.close()
        raise translate(error, path) from error
    return db


def _open_cut_short(path: Path) -> sqlite3.Connection:
    """Open what is left of a file that lacks its end, or whose schema names things that are not there."""
    db = _open(path, "ro")
    try:
        # SQLite then takes the file for as long as it is; the connection itself cannot write.
        db.execute("PRAGMA writable_schema=ON")
        check_format(db, path)
    except (sqlite3.Error, LectureFileError) as error:
        db.close()
        raise translate(error, path) from error
    db.is_cut_short = True
    return db


def damage_at_opening(db: sqlite3.Connection) -> str:
    """What :func:`open_reader` had to make up for, in plain words; empty if nothing."""
    if not isinstance(db, _Connection):
        return ""
    if db.lacks_first_page:
        return "its first page is destroyed"
    return "its end is missing, or a table in it cannot be found" if db.is_cut_short else ""


def opened_cut_short(db: sqlite3.Connection) -> bool:
    """Whether :func:`open_reader` found no other way than to take the file for as long as it is."""
    return isinstance(db, _Connection) and db.is_cut_short


def _lacks_first_page(path: Path, error: LectureFileError) -> bool:
    """Whether an error came of a first page that cannot be read, in a file that looks like one of ours else.

    A page that can be read and says that it is of something else is believed.
    """
    unread = isinstance(error.__cause__, sqlite3.Error) and error.error_id in ("file_damaged", "not_a_lecture_file")
    return unread and has_our_pages(path)


def _open_copy(path: Path, *, lacks_first_page: bool = False) -> sqlite3.Connection:
    """Open a copy: of a file whose WAL lies where we cannot write, since SQLite needs to make an index of it; or of one
    that must be given another first page."""
    folder = tempfile.mkdtemp(prefix="hallcast-")
    try:
        copy = Path(folder, path.name)
        shutil.copyfile(path, copy)
        if wal_of(path).exists():
            shutil.copyfile(wal_of(path), wal_of(copy))
        if lacks_first_page:
            write_first_page(copy)
        db = _open(copy, "rw")
        try:
            db.lacks_first_page = lacks_first_page
            check_format(db, path)
            db.execute("PRAGMA query_only=ON")
        except BaseException:
            db.close()
            raise
        return db
    except (sqlite3.Error, OSError) as error:
        raise translate(error, path) from error
    finally:
        # What is open stays readable without its name; where a system does not allow that, its own tidying comes later.
        shutil.rmtree(folder, ignore_errors=True)


def _open_immutable(path: Path) -> sqlite3.Connection:
    db = _open(path, "ro&immutable=1")
    try:
        check_format(db, path)
    except (sqlite3.Error, LectureFileError) as error:
        db.close()
        raise translate(error, path) from error
    return db


def _check_sound(db: sqlite3.Connection, path: Path) -> None:
    """:raises LectureFileError: ``file_damaged``."""
    bound(db)
    problems = db.execute("PRAGMA integrity_check(1)").fetchall()
    db.set_progress_handler(None, 0)
    if problems != [("ok",)]:
        raise _damaged(path, problems[0][0] if problems else "not readable")
    # What runs by itself when something is written is none of ours.
    if db.execute("SELECT 1 FROM sqlite_schema WHERE type = 'trigger'").fetchone():
        raise LectureFileError("file_damaged", f"{path.name} has a trigger, which no lecture file has.")


def _damaged(path: Path, why: str) -> LectureFileError:
    return LectureFileError(
        "file_damaged",
        f"{path.name} is damaged and is not written to: {why}. “hallcast recordings verify” names the damaged parts.",
    )


def require_file(path: Path) -> None:
    """:raises LectureFileError: ``file_missing``."""
    if not path.is_file():
        raise LectureFileError("file_missing", f"There is no file {path.name}.")


def _open(path: Path, mode: str) -> _Connection:
    require_file(path)
    try:
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
        )
    except sqlite3.Error as error:
        raise translate(error, path) from error
    db.text_factory = _text
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, ROW_LIMIT_BYTES)
    db.execute("PRAGMA trusted_schema=OFF")
    db.execute("PRAGMA cell_size_check=ON")
    return db


class _Connection(sqlite3.Connection):
    """A connection on which also a damaged name in the schema is an error of SQLite's.

    :ivar is_cut_short: it takes the file for as long as it is.
    :ivar lacks_first_page: it reads a copy that was given another first page.
    """

    is_cut_short = False
    lacks_first_page = False

    def execute(self, *statement: Any) -> sqlite3.Cursor:
        try:
            return super().execute(*statement)
        except UnicodeDecodeError as error:
            # Python could not decode SQLite's message, which quotes the name.
            damage = sqlite3.DatabaseError("a name in the schema is no text")
            damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damage from error


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
