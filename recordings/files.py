"""Writing files so that a reader never meets half of one; what is in them."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from lecture.opening import open_reader


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
    """Copy a lecture file as it is now, also one that is being written.

    :raises LectureFileError: as :meth:`lecture.file.LectureFile.open`, where a part of it lies in its WAL.
    :raises OSError, sqlite3.Error: it cannot be read or written.
    """
    if not path.with_name(f"{path.name}-wal").exists():
        shutil.copyfile(path, to)
        return
    # Still being written: SQLite's own copy is whole at any moment.
    with closing(open_reader(path)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")


def sha256_of(path: Path) -> str:
    """Of a file's content, in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
