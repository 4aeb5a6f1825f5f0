"""The catalogue: which lectures there are, what staff said of them, and what their files hold.

A database (``data/catalogue.db`` or PostgreSQL, :mod:`recordings.database`). What was said and shown in a lecture is in
its lecture file; the catalogue only knows enough to plan, find and hand out codes. Times are seconds since 1970 (UTC,
wall clock): nothing here orders a lecture's content.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from sqlalchemy import ColumnElement, Connection, RowMapping, func, insert, select, update

from recordings.database import APPLICATION_ID, Database
from recordings.errors import CatalogueError
from recordings.index import write_labels
from recordings.tables import LECTURES

__all__ = ["APPLICATION_ID", "Catalogue", "CatalogueError", "LectureRecord", "LectureState"]

LectureState = Literal["planned", "live", "ended"]


@dataclass(frozen=True, slots=True)
class LectureRecord:
    """What the catalogue knows of one lecture.

    :param languages: BCP 47 tags of the voices, the lecturer's first.
    :param hall_code: what a hall types to join, without its dash; empty for none.
    :param hall_code_key: keyed hash of ``hall_code``, by which it is found; empty for none.
    :param code_expires_at: from then on the code admits nobody new.
    :param planned_at: when it is to begin, None if that was not said.
    :param duration_ms: lecture time at its end, 0 before.
    :param series: of lectures within the course, or of several courses.
    :param keep_forever: no retention rule deletes it.
    :param keep_until: until then it is kept, whatever the general rule says; None: the general rule.
    :param deleted_at: since when it lies in the recycle bin, None if it does not.
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
    series: str = ""
    tags: tuple[str, ...] = ()
    keep_forever: bool = False
    keep_until: float | None = None
    deleted_at: float | None = None


_Records = list[LectureRecord]  # within Catalogue, "list" is its method

NEWEST_FIRST = (
    func.coalesce(LECTURES.c.started_at, LECTURES.c.planned_at, LECTURES.c.created_at).desc(),
    LECTURES.c.lecture_id,
)
"""By the time they began, were planned for or were created."""

_IN_BIN = LECTURES.c.deleted_at.is_not(None)


class Catalogue:
    """The catalogue, open. Safe to call from several threads.

    Reads of a file never wait for a write and take a fraction of a millisecond, so they may be done in the event loop;
    those of a server, and all writes, belong in a thread. Lectures in the recycle bin are found only where it is said
    so.
    """

    def __init__(self, where: Path | str) -> None:
        """Open the catalogue; it is created if there is none.

        :param where: as for :class:`recordings.database.Database`.
        :raises CatalogueError: ``catalogue_unusable``.
        """
        self.database = Database(where)

    def create(self, record: LectureRecord) -> None:
        """Add a lecture.

        :raises CatalogueError: ``lecture_exists``, ``hall_code_taken``, ``catalogue_unusable``.
        """

        def write(connection: Connection) -> None:
            if _find(connection, LECTURES.c.lecture_id == record.lecture_id) is not None:
                raise CatalogueError("lecture_exists", "There is a lecture of this name already.")
            connection.execute(insert(LECTURES).values(_to_row(record)))
            _write_labels(connection, record)

        self.database.write(write)

    def update(self, lecture_id: str, change: Callable[[LectureRecord], LectureRecord]) -> LectureRecord:
        """Replace a lecture's record by ``change`` of it, in one transaction; returns the new one. In the bin or not.

        :raises CatalogueError: ``lecture_unknown``, ``hall_code_taken``, ``catalogue_unusable``.
        """

        def write(connection: Connection) -> LectureRecord:
            here = LECTURES.c.lecture_id == lecture_id
            found = _find(connection, here, lock=True)
            if found is None:
                raise CatalogueError("lecture_unknown", "There is no such lecture.")
            changed = change(found)
            connection.execute(update(LECTURES).where(here).values(_to_row(changed)))
            if _labels(changed) != _labels(found):
                _write_labels(connection, changed)
            return changed

        return self.database.write(write)

    def get(self, lecture_id: str, *, in_bin: bool = False) -> LectureRecord | None:
        """The lecture of this id, or None; with ``in_bin`` also one that was deleted.

        :raises CatalogueError: ``catalogue_unusable``.
        """
        record = self.database.read(lambda connection: _find(connection, LECTURES.c.lecture_id == lecture_id))
        return None if record is None or (record.deleted_at is not None and not in_bin) else record

    def find_by_code(self, hall_code_key: str) -> LectureRecord | None:
        """The lecture whose hall code has this key, or None. Expired codes are found too.

        :raises CatalogueError: ``catalogue_unusable``.
        """
        here = (LECTURES.c.hall_code_key == hall_code_key) & ~_IN_BIN
        return self.database.read(lambda connection: _find(connection, here))

    def list(self, state: LectureState | None = None) -> _Records:
        """All lectures (of one state), newest first: by the time they began, were planned for or were created.

        :raises CatalogueError: ``catalogue_unusable``.
        """
        return self._select(~_IN_BIN if state is None else ~_IN_BIN & (LECTURES.c.state == state))

    def recycled(self) -> _Records:
        """All lectures in the recycle bin.

        :raises CatalogueError: ``catalogue_unusable``.
        """
        return self._select(_IN_BIN)

    def check(self) -> None:
        """Read something.

        :raises CatalogueError: ``catalogue_unusable``.
        """
        self.database.read(lambda connection: connection.execute(select(func.count()).select_from(LECTURES)).one())

    def close(self) -> None:
        """Release the database."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _select(self, condition: ColumnElement[bool]) -> _Records:
        statement = select(LECTURES).where(condition).order_by(*NEWEST_FIRST)
        return self.database.read(
            lambda connection: [record_of(row) for row in connection.execute(statement).mappings()]
        )


def record_of(row: RowMapping) -> LectureRecord:
    """The record in a row that has all columns of ``lectures``."""
    values: dict[str, Any] = {column.name: row[column] for column in LECTURES.c}
    return LectureRecord(
        **values
        | {
            "languages": tuple(json.loads(values["languages"])),
            "tags": tuple(json.loads(values["tags"])),
            "hall_code_key": values["hall_code_key"] or "",
            "keep_forever": bool(values["keep_forever"]),
        }
    )


def as_list(texts: tuple[str, ...]) -> str:
    """A list as it stands in a column: each item in quotes, so that one can be looked for."""
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":"))


def _to_row(record: LectureRecord) -> dict[str, Any]:
    return asdict(record) | {
        "languages": as_list(record.languages),
        "tags": as_list(record.tags),
        "hall_code_key": record.hall_code_key or None,
        "keep_forever": int(record.keep_forever),
    }


def _find(connection: Connection, condition: ColumnElement[bool], *, lock: bool = False) -> LectureRecord | None:
    statement = select(LECTURES).where(condition)
    row = connection.execute(statement.with_for_update() if lock else statement).mappings().first()
    return None if row is None else record_of(row)


def _labels(record: LectureRecord) -> tuple[object, ...]:
    return record.title, record.course, record.series, record.tags


def _write_labels(connection: Connection, record: LectureRecord) -> None:
    write_labels(
        connection, record.lecture_id, title=record.title, course=record.course, series=record.series, tags=record.tags
    )
