"""Writing the index that searches read: the passages of each lecture."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable

from sqlalchemy import Connection, delete, insert

from lecture.entries import Kind
from recordings.captions import caption_passages
from recordings.passages import LABEL_KINDS, MOMENTS, WEIGHTS, Passage, PassageKind, clean, fold
from recordings.recording import Recording
from recordings.replay import chapters
from recordings.tables import PASSAGES

CONTENT_KINDS: frozenset[PassageKind] = frozenset(WEIGHTS.keys() - LABEL_KINDS)


def passages_of(recording: Recording) -> list[Passage]:
    """What was shown, noted, asked and said (as captions tell) in a lecture, with its moments. Blocking."""
    pages = recording.pages()
    shown: dict[tuple[str, int], list[int]] = {}
    for chapter in chapters(recording.turns(), pages):
        shown.setdefault((chapter["deck"], chapter["page"]), []).append(chapter["t_ms"])
    found = [
        Passage("page", _page_text(page.title, page.text), page.page, tuple(shown.get((page.deck, page.page), ())))
        for page in pages
        if page.title or page.text
    ]
    for kind, entry_kind in (("mark", Kind.MARK), ("question", Kind.QUESTION)):
        found += [Passage(kind, text, None, (t_ms,)) for t_ms, text in recording.texts(entry_kind)]  # type: ignore[arg-type]
    return found + caption_passages(recording)


def write_content(connection: Connection, lecture_id: str, passages: Iterable[Passage]) -> None:
    """Replace what is known of a lecture's content."""
    _replace(connection, lecture_id, CONTENT_KINDS, passages)


def write_labels(
    connection: Connection, lecture_id: str, *, title: str, course: str, series: str, tags: Iterable[str]
) -> None:
    """Replace what staff said of a lecture."""
    labels = [Passage("title", title), Passage("course", course), Passage("series", series)]
    _replace(connection, lecture_id, LABEL_KINDS, [*labels, *(Passage("tag", tag) for tag in tags)])


def _replace(
    connection: Connection, lecture_id: str, kinds: Collection[PassageKind], passages: Iterable[Passage]
) -> None:
    connection.execute(delete(PASSAGES).where(PASSAGES.c.lecture_id == lecture_id, PASSAGES.c.kind.in_(kinds)))
    rows = [
        {
            "lecture_id": lecture_id,
            "kind": passage.kind,
            "weight": WEIGHTS[passage.kind],
            "page": passage.page,
            "moments": json.dumps(passage.moments[:MOMENTS]),
            "passage": cleaned,
            "folded": fold(cleaned),
        }
        for passage in passages
        if (cleaned := clean(passage.text))
    ]
    if rows:
        connection.execute(insert(PASSAGES), rows)


def _page_text(title: str, text: str) -> str:
    """Title and text of a page; most texts begin with the title."""
    return text if clean(text).startswith(clean(title)) else f"{title} {text}"
