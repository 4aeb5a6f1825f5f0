"""When the pages could be read on the projector, against the voice that belongs to them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.thin_links.legible import LEGIBLE_RECALL, Reader, recall
from benchmarks.thin_links.voice import Heard
from lecture.decks import PageImage, PageTurn, read_deck_event
from lecture.entries import Kind, unpack_event
from lecture.file import LectureFile


@dataclass(frozen=True, slots=True)
class PageFigures:
    """One page turn.

    :param t_ms: lecture time of the turn; ``heard_s`` is when its voice was heard, since the first sound.
    :param legible_s: seconds from there until the page could be read (negative: before), None for never.
    :param sharp_s: the same until it was fully sharp.
    :param recall: share of its words that could be read at last.
    """

    t_ms: int
    page: int
    heard_s: float | None
    legible_s: float | None
    sharp_s: float | None
    recall: float


def turns(lecture_file: Path) -> list[tuple[int, PageTurn]]:
    """All page turns with their lecture time."""
    return [(t_ms, event) for t_ms, event in _events(lecture_file) if isinstance(event, PageTurn)]


def _events(lecture_file: Path) -> list[tuple[int, object]]:
    with LectureFile.open(lecture_file, readonly=True) as file:
        entries = file.read(kinds={Kind.TURN, Kind.PAGE}, limit=100_000)
        return [(entry.t_ms, read_deck_event(entry.kind, unpack_event(entry))) for entry in entries]


def figures(lecture_file: Path, dump: Path, deck: Path, heard: Heard, reader: Reader) -> list[PageFigures]:
    """Judge every turn.

    :param dump: folder of ``--dump-pages``.
    """
    best: dict[int, int] = {}
    for _, event in _events(lecture_file):
        if isinstance(event, PageImage):
            best[event.page] = max(best.get(event.page, 0), event.tier)
    listed = dump / "pages.json"
    shown = json.loads(listed.read_text(encoding="utf-8")) if listed.exists() else []
    found = []
    for t_ms, turn in turns(lecture_file):
        mine = [item for item in shown if item["t_ms"] == t_ms and item["page"] == turn.page]
        heard_ms = heard.sounded_ms(t_ms)
        words = reader.page(deck, turn.page)
        legible_ms: float | None = None
        sharp_ms: float | None = None
        last = 0.0
        for item in mine:
            last = recall(words, reader.image((dump / item["file"]).read_bytes()))
            if legible_ms is None and last >= LEGIBLE_RECALL:
                legible_ms = item["shown_at_ms"]
            if sharp_ms is None and item["tier"] >= best.get(turn.page, 2):
                sharp_ms = item["shown_at_ms"]
        found.append(
            PageFigures(
                t_ms,
                turn.page,
                None if heard_ms is None else round(heard_ms / 1000, 2),
                _after(legible_ms, heard_ms),
                _after(sharp_ms, heard_ms),
                round(last, 3),
            )
        )
    return found


def _after(shown_ms: float | None, heard_ms: float | None) -> float | None:
    return None if shown_ms is None or heard_ms is None else round((shown_ms - heard_ms) / 1000, 3)


def p90(values: list[float | None]) -> float | None:
    """The value that nine of ten do not exceed (nearest rank); None if that one never came."""
    if not values:
        return None
    ordered = sorted(float("inf") if value is None else value for value in values)
    value = ordered[-(-len(ordered) * 9 // 10) - 1]
    return None if value == float("inf") else value
