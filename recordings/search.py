"""Searching the library: which lectures, and at which moments of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Integer,
    Select,
    func,
    literal,
    literal_column,
    select,
    table,
    union_all,
)

from recordings.catalogue import NEWEST_FIRST, Catalogue, LectureRecord, as_list, record_of
from recordings.errors import SearchError
from recordings.lecture_facts import iso
from recordings.passages import LABEL_KINDS, PassageKind, snippet, terms_of
from recordings.tables import FILES, LECTURES, PASSAGE_WORDS, PASSAGES, Place, place_of

PAGE_SIZE = 50
LAST_PAGE = 10_000
HITS_SHOWN = 5
"""Of each lecture so many places are shown; how many there are is told."""

_MANY_HITS = 20
_TRIGRAM = 3


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for. Empty fields ask for nothing.

    :param text: words and "several words" in quotes, each of which must stand somewhere in the lecture.
    :param since: began at or after this time, seconds since 1970; ``until``: before that one.
    :param page: of the results, from 1.
    """

    text: str = ""
    course: str = ""
    series: str = ""
    tag: str = ""
    language: str = ""
    since: float | None = None
    until: float | None = None
    page: int = 1


@dataclass(frozen=True, slots=True)
class Hit:
    """A place within a lecture where something stands that was looked for (not its title, course, series or tags).

    :param moments: lecture times in ms at which it was said or shown.
    :param snippet: see :func:`recordings.passages.snippet`.
    """

    kind: PassageKind
    page: int | None
    moments: tuple[int, ...]
    snippet: list[str]


@dataclass(frozen=True, slots=True)
class Found:
    """A lecture that was found, with what its file holds.

    :param languages: that were spoken.
    :param missing_ms: voice that copies may still bring, in all languages.
    :param file_bytes: size of its file.
    :param missing: its file was there and is no more.
    :param place: where its file lies as it is now: ``local``, ``both`` or ``remote`` (in object storage alone).
    :param trouble: why its file cannot be read, empty if it can.
    :param scan_problems: what the last check of the file found; ``scanned_at`` says when, None for never.
    :param hits: the best places, ``hit_count`` of all.
    """

    record: LectureRecord
    duration_ms: int
    languages: tuple[str, ...]
    page_count: int
    has_camera: bool
    missing_ms: int
    revision: str
    file_bytes: int
    missing: bool
    place: Place
    trouble: str
    scanned_at: float | None
    scan_problems: tuple[str, ...]
    hits: tuple[Hit, ...] = ()
    hit_count: int = 0


@dataclass(frozen=True, slots=True)
class Results:
    """One page of what was found.

    :param total: lectures on all pages.
    """

    lectures: list[Found]
    total: int
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class Facets:
    """What there is to filter by, in order of the alphabet: (value, how many lectures have it)."""

    courses: list[tuple[str, int]]
    series: list[tuple[str, int]]
    tags: list[tuple[str, int]]
    languages: list[tuple[str, int]]


def search(catalogue: Catalogue, query: Query, *, whole_only: bool = True) -> Results:
    """The lectures that have ended and match, best first; without words the newest first. Blocking, tens of ms.

    :param whole_only: leave out those whose file is missing or cannot be read.
    :raises SearchError: ``query_invalid``.
    :raises CatalogueError: ``catalogue_unusable``.
    """
    terms = terms_of(query.text)
    if not 1 <= query.page <= LAST_PAGE:
        raise SearchError("query_invalid", f"Pages of results are 1 to {LAST_PAGE}.")
    conditions = _filters(query)
    if whole_only:
        conditions += [func.coalesce(FILES.c.missing, 0) == 0, func.coalesce(FILES.c.trouble, "") == ""]
    on_file = LECTURES.outerjoin(FILES, LECTURES.c.lecture_id == FILES.c.lecture_id)

    def read(connection: Connection) -> Results:
        columns = [*LECTURES.c, *(column.label(f"file_{column.name}") for column in FILES.c)]
        if terms:
            hits = _hits(terms, sqlite=connection.dialect.name == "sqlite")
            scores = _scores(hits, len(terms))
            matching = select(*columns, scores.c.hit_count).select_from(
                on_file.join(scores, scores.c.lecture_id == LECTURES.c.lecture_id)
            )
            order: tuple[ColumnElement[Any], ...] = (scores.c.score.desc(), *NEWEST_FIRST)
        else:
            matching = select(*columns, literal(0).label("hit_count")).select_from(on_file)
            order = NEWEST_FIRST
        matching = matching.where(*conditions)
        page = matching.add_columns(func.count().over().label("total")).order_by(*order)
        rows = connection.execute(page.limit(PAGE_SIZE).offset((query.page - 1) * PAGE_SIZE)).mappings().all()
        if rows:
            total = int(rows[0]["total"])
        else:
            total = int(connection.execute(select(func.count()).select_from(matching.subquery())).scalar_one())
        places = _places(connection, hits, [row["lecture_id"] for row in rows], terms) if terms else {}
        found = [_found(row, tuple(places.get(row["lecture_id"], ()))) for row in rows]
        return Results(found, total, query.page, max(1, -(-total // PAGE_SIZE)))

    return catalogue.database.read(read)


def facets(catalogue: Catalogue) -> Facets:
    """What the lectures that have ended can be filtered by. Blocking.

    :raises CatalogueError: ``catalogue_unusable``.
    """
    records = catalogue.list("ended")

    def counted(values: list[str]) -> list[tuple[str, int]]:
        return sorted(Counter(value for value in values if value).items())

    return Facets(
        counted([record.course for record in records]),
        counted([record.series for record in records]),
        counted([tag for record in records for tag in record.tags]),
        counted([language for record in records for language in record.languages]),
    )


def _filters(query: Query) -> list[ColumnElement[bool]]:
    began = func.coalesce(LECTURES.c.started_at, LECTURES.c.planned_at, LECTURES.c.created_at)
    conditions = [LECTURES.c.state == "ended", LECTURES.c.deleted_at.is_(None)]
    for column, value in ((LECTURES.c.course, query.course), (LECTURES.c.series, query.series)):
        if value:
            conditions.append(column == _storable(value))
    for column, value in ((LECTURES.c.tags, query.tag), (LECTURES.c.languages, query.language)):
        if value:
            # A list's item stands there in quotes, as no part of another does.
            conditions.append(column.contains(as_list((_storable(value),))[1:-1], autoescape=True))
    if query.since is not None:
        conditions.append(began >= query.since)
    if query.until is not None:
        conditions.append(began < query.until)
    return conditions


def _storable(value: str) -> str:
    if len(value) > PAGE_SIZE * 10 or "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise SearchError("query_invalid", "There is no such course, series, tag or language.")
    return value


def _hits(terms: Sequence[str], *, sqlite: bool) -> CTE:
    """A row for each term in each passage that holds it. Materialised: no planner may ask for it again and again."""
    columns = (PASSAGES.c.passage_id, PASSAGES.c.lecture_id, PASSAGES.c.weight)
    return union_all(
        *(select(*columns, literal(number).label("term")).where(_holds(term, sqlite=sqlite))
          for number, term in enumerate(terms))
    ).cte("hits").prefix_with("MATERIALIZED")  # fmt: skip


def _holds(term: str, *, sqlite: bool) -> ColumnElement[bool]:
    if sqlite and len(term) >= _TRIGRAM:
        phrase = '"' + term.replace('"', '""') + '"'
        matches = literal_column(PASSAGE_WORDS).op("MATCH")(phrase)
        rows = select(literal_column("rowid", Integer)).select_from(table(PASSAGE_WORDS)).where(matches)
        return PASSAGES.c.passage_id.in_(rows)
    if sqlite:
        # Too short for a trigram: all passages are read, a few milliseconds for hundreds of lectures.
        return func.instr(PASSAGES.c.folded, term) > 0
    return PASSAGES.c.folded.contains(term, autoescape=True)


def _scores(hits: CTE, terms: int) -> CTE:
    """Lectures that hold all terms. A term counts as much as the best place that it stands in, many places a little."""
    by_term = (
        select(hits.c.lecture_id, hits.c.term, func.max(hits.c.weight).label("best"), func.count().label("times"))
        .group_by(hits.c.lecture_id, hits.c.term)
        .subquery("by_term")
    )
    many = func.sum(by_term.c.times) * 1.0
    score = func.sum(by_term.c.best) + many / (many + _MANY_HITS)
    return (
        select(by_term.c.lecture_id, score.label("score"), func.sum(by_term.c.times).label("hit_count"))
        .group_by(by_term.c.lecture_id)
        .having(func.count() == terms)
        .cte("scores")
        .prefix_with("MATERIALIZED")
    )


def _places(
    connection: Connection, hits: CTE, lecture_ids: Sequence[str], terms: Sequence[str]
) -> dict[str, list[Hit]]:
    """The best places within each of these lectures: those that hold most terms first."""
    by_passage = (
        select(hits.c.passage_id, hits.c.lecture_id, hits.c.weight, func.count().label("held"))
        .join(PASSAGES, PASSAGES.c.passage_id == hits.c.passage_id)
        .where(hits.c.lecture_id.in_(lecture_ids), PASSAGES.c.kind.not_in(LABEL_KINDS))
        .group_by(hits.c.passage_id, hits.c.lecture_id, hits.c.weight)
        .subquery("by_passage")
    )
    best = (by_passage.c.held.desc(), by_passage.c.weight.desc(), by_passage.c.passage_id)
    rank = func.row_number().over(partition_by=by_passage.c.lecture_id, order_by=best).label("place")
    ranked = select(by_passage.c.passage_id, rank).subquery("ranked")
    statement: Select[Any] = (
        select(PASSAGES)
        .join(ranked, ranked.c.passage_id == PASSAGES.c.passage_id)
        .where(ranked.c.place <= HITS_SHOWN)
        .order_by(PASSAGES.c.lecture_id, ranked.c.place)
    )
    found: dict[str, list[Hit]] = {}
    for row in connection.execute(statement).mappings():
        hit = Hit(row["kind"], row["page"], tuple(json.loads(row["moments"])), snippet(row["passage"], terms))
        found.setdefault(row["lecture_id"], []).append(hit)
    return found


def _found(row: Any, hits: tuple[Hit, ...]) -> Found:
    record = record_of(row)
    return Found(
        record=record,
        duration_ms=row["file_duration_ms"] or record.duration_ms,
        languages=tuple(json.loads(row["file_languages"] or "[]")) or record.languages,
        page_count=row["file_page_count"] or 0,
        has_camera=bool(row["file_has_camera"]),
        missing_ms=row["file_missing_ms"] or 0,
        revision=row["file_revision"] or "",
        file_bytes=row["file_file_bytes"] or 0,
        missing=bool(row["file_missing"]),
        place=place_of(row["file_stamp"] or "", row["file_remote_key"] or "", row["file_remote_stamp"] or ""),
        trouble=row["file_trouble"] or "",
        scanned_at=row["file_scanned_at"],
        scan_problems=tuple(json.loads(row["file_scan_problems"] or "[]")),
        hits=hits,
        hit_count=int(row["hit_count"]),
    )


def found_facts(found: Found, *, staff: bool) -> dict[str, Any]:
    """A found lecture as JSON; durations in ms, times as ISO 8601 UTC.

    :param staff: with what is theirs alone: size, state of the file, how long it is kept.
    """
    record = found.record
    facts: dict[str, Any] = {
        "id": record.lecture_id,
        "title": record.title,
        "course": record.course,
        "series": record.series,
        "tags": list(record.tags),
        "state": record.state,
        "started_at": iso(record.started_at),
        "duration_ms": found.duration_ms,
        "languages": list(found.languages),
        "has_camera": found.has_camera,
        "page_count": found.page_count,
        "hits": [asdict(hit) for hit in found.hits],
        "hit_count": found.hit_count,
    }
    if staff:
        facts |= {
            "file_bytes": found.file_bytes,
            "missing": found.missing,
            "missing_ms": found.missing_ms,
            "place": found.place,
            "trouble": found.trouble,
            "scanned_at": iso(found.scanned_at),
            "scan_problems": list(found.scan_problems),
            "keep_forever": record.keep_forever,
            "keep_until": iso(record.keep_until),
        }
    return facts
