"""A lecture file whose first page is destroyed: every lecture file begins with the same one, and the rest can be read.

The first page holds SQLite's header and the schema, which say where each table begins; a torn write or a bad block
there makes a whole lecture "no database". Its tables are always made in the same order, so they begin where those of an
empty file do.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from pathlib import Path

from lecture.schema import make_tables, wal_of

# Offsets in the header and kinds of pages: SQLite file format, 1.3 and 1.6.
_PAGE_BYTES = 4096
_VERSIONS, _WAL_VERSIONS = slice(18, 20), b"\2\2"
_CHANGES, _PAGE_COUNT = slice(24, 28), slice(28, 32)
_NOT_THE_COUNTED_CHANGE = b"\xff\xff\xff\xff"
_OF_TABLES, _OF_INDEXES = (0x05, 0x0D), (0x02, 0x0A)
_SHARE_OF_ROOTS = 0.7
"""So many of the pages with which tables and indexes begin must be such pages: others may be destroyed as well, and in
a file that is none of ours these are others."""


def has_our_pages(path: Path) -> bool:
    """Whether, behind its first page, a file looks like a lecture file."""
    roots = _empty_file()[1]
    found = 0
    try:
        with path.open("rb") as file:
            for page, kinds in roots:
                file.seek((page - 1) * _PAGE_BYTES)
                found += file.read(1) in kinds
    except OSError:
        return False
    return found >= _SHARE_OF_ROOTS * len(roots)


def write_first_page(path: Path) -> None:
    """Give a copy of a lecture file the first page of an empty one; SQLite then takes it for as long as it is.

    :raises OSError: it cannot be written.
    """
    page = bytearray(_empty_file()[0])
    if wal_of(path).exists():
        page[_VERSIONS] = _WAL_VERSIONS
    page[_CHANGES], page[_PAGE_COUNT] = _NOT_THE_COUNTED_CHANGE, bytes(4)
    with path.open("r+b") as file:
        file.write(page)


@functools.cache
def _empty_file() -> tuple[bytes, tuple[tuple[int, tuple[bytes, ...]], ...]]:
    """The first page, and of each table and index the page it begins with and the bytes such a page may begin with."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        make_tables(db)
        rows = db.execute("SELECT rootpage, type, sql FROM sqlite_schema").fetchall()
        page = db.serialize()[:_PAGE_BYTES]
    roots = []
    for root, kind, sql in rows:
        is_table = kind == "table" and "WITHOUT ROWID" not in sql
        roots.append((root, tuple(bytes([byte]) for byte in (_OF_TABLES if is_table else _OF_INDEXES))))
    return page, tuple(roots)
