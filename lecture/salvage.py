"""Reading what is left of a damaged table: its rows in order of their number, past the pages that cannot be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

FIRST_ROWID, _END = -(1 << 63), (1 << 63) - 1
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_INTERRUPT)


def readable_rows(
    db: sqlite3.Connection,
    table: str,
    columns: str,
    *,
    after: int = 0,
    before: int = _END,
    lost: Callable[[int, int | None], None] = lambda after, until: None,
) -> Iterator[tuple[Any, ...]]:
    """Rows with ``after < rowid < before``: the rowid, then ``columns``. Reads the table alone, none of its indexes.

    Rows come strictly rising: a tree of pages that leads back into itself is damage, and ends.

    :param lost: called with (last number read, next number readable or None for the end) around each damaged place.
    """
    sql = f"SELECT rowid, {columns} FROM {table} NOT INDEXED WHERE rowid > ? AND rowid < ? ORDER BY rowid"
    while True:
        bound(db)
        try:
            for row in db.execute(sql, (after, before)):
                if not isinstance(row[0], int) or row[0] <= after:
                    break
                after = row[0]
                yield row
            else:
                return
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
        # Python reads one row ahead: the one before the damaged place is still to be had by itself.
        row = _alone(db, sql, after, before)
        if row is not None:
            after = row[0]
            yield row
            continue
        resume = _next_readable(db, sql, after, before)
        lost(after, resume)
        if resume is None:
            return
        after = resume - 1


def _alone(db: sqlite3.Connection, sql: str, after: int, before: int) -> tuple[Any, ...] | None:
    """The first row behind ``after``, None if it cannot be read."""
    try:
        return _first_behind(db, sql, after, before)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return None


def is_damage(error: sqlite3.Error) -> bool:
    """Whether it says that a part of the file cannot be read, which other parts may outlive."""
    return isinstance(error, _OutOfOrderError) or getattr(error, "sqlite_errorcode", -1) & 0xFF in _DAMAGE


class _OutOfOrderError(sqlite3.DatabaseError):
    """A tree that is found intact but leads to other rows than it should."""


_STEPS = 1_000_000
_MOST_STEPS = 2_000 * _STEPS
"""A statement that takes more steps (minutes) runs in a circle: the largest lecture takes a hundredth."""


def bound(db: sqlite3.Connection) -> None:
    """Let the next statement take a bounded number of steps, whatever its file says."""
    taken = 0

    def is_too_long() -> bool:
        nonlocal taken
        taken += _STEPS
        return taken > _MOST_STEPS

    db.set_progress_handler(is_too_long, _STEPS)


def _next_readable(db: sqlite3.Connection, sql: str, after: int, before: int) -> int | None:
    """The next number that can be read behind a damaged place: sought in doubling steps, then halved back."""

    def first_from(at: int) -> int | None:
        """Of what can be read from ``at`` on, the first number; ``before`` if there is nothing; None for damage."""
        try:
            row = _first_behind(db, sql, at - 1, before)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            return None
        return before if row is None else row[0]

    bad, step = after, 1
    while (good := first_from(bad + step)) is None:
        bad, step = bad + step, step * 2
        if bad + step >= before:
            return None
    at = bad + step
    while bad + 1 < at:
        middle = (bad + at) // 2
        nearer = first_from(middle)
        if nearer is None:
            bad = middle
        else:
            at, good = middle, nearer
    return good if good < before else None


def _first_behind(db: sqlite3.Connection, sql: str, after: int, before: int) -> tuple[Any, ...] | None:
    bound(db)
    row: tuple[Any, ...] | None = db.execute(f"{sql} LIMIT 1", (after, before)).fetchone()
    if row is not None and (not isinstance(row[0], int) or row[0] <= after):
        raise _OutOfOrderError
    return row
