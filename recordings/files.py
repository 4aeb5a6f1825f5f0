"""Writing files so that a reader never meets half of one; what is in them."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from lecture.lock import lock_of
from lecture.opening import open_reader
from lecture.salvage import is_damage
from lecture.schema import wal_of

_PIECE_PAGES = 1024


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a name to write to; on leaving it becomes ``path``, on an error nothing remains."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def copy_lecture_file(path: Path, to: Path) -> None:
    """Copy a lecture file as it is now, also one that is being written; byte for byte where nobody has it open.

    :raises LectureFileError: as :meth:`lecture.file.LectureFile.open`, where somebody has it open.
    :raises OSError, sqlite3.Error: it cannot be read or written.
    """
    before = path.stat()
    if not _may_be_open(path):
        shutil.copyfile(path, to)
        after = path.stat()
        unchanged = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
        if unchanged and not _may_be_open(path):
            return
        to.unlink()
    try:
        _back_up(path, to)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        shutil.copyfile(path, to)  # as it is


def _back_up(path: Path, to: Path) -> None:
    """SQLite's own copy, which is whole at any moment."""
    with closing(open_reader(path)) as source, closing(sqlite3.connect(to)) as copy:
        is_wal = source.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        # Without a WAL whoever writes waits for readers: it gets its turn after each piece, and the copy begins anew.
        source.backup(copy, pages=-1 if is_wal else _PIECE_PAGES)
        copy.execute("PRAGMA journal_mode = DELETE")


def _may_be_open(path: Path) -> bool:
    """Whether somebody has a lecture file open for writing, or was killed having it open."""
    return wal_of(path).exists() or lock_of(path).exists()


def sha256_of(path: Path) -> str:
    """Of a file's content, in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
