"""What is drawn on a page, and where the pointer is, when the voice of a moment is heard. Pure."""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass
from typing import Any

from lecture.ink import InkEvent, read_ink_event, spans_of
from lecture.lecturer_messages import Erase, Ink, Pointer

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line on a page.

    :param points: shares of the page's width and height.
    :param width: share of the page's width.
    """

    colour: str
    width: float
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """What lies over a page.

    :param strokes: in the order in which they were begun.
    :param pointer: where the lecturer points, None for nowhere.
    """

    strokes: tuple[Stroke, ...] = ()
    pointer: Point | None = None


NOTHING = Drawing()


@dataclass(frozen=True, slots=True)
class InkMark:
    """An INK or POINTER entry in the order of the lecture.

    :param order: among entries of one moment: the number of an ink entry, the seq of a pointer.
    """

    t_ms: int
    order: int
    what: Ink | Erase | Pointer

    def __lt__(self, other: InkMark) -> bool:
        return (self.t_ms, self.order) < (other.t_ms, other.order)


class InkBook:
    """Collects ink and pointer entries in any order; any order ends with the same picture."""

    def __init__(self) -> None:
        self._pages: dict[tuple[str, int], list[InkMark]] = {}
        self._pointer: list[InkMark] = []
        self._numbers: set[int] = set()
        self._places: set[tuple[int, int]] = set()
        self._strokes: tuple[object, tuple[Stroke, ...]] = (None, ())
        self._drawn: tuple[object, Drawing] = (None, NOTHING)

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """Runs of the numbers that are here, for the hello."""
        return spans_of(self._numbers)

    def take(self, kind: int, t_ms: int, seq: int, fields: dict[str, Any]) -> None:
        """Learn from an entry; other kinds, what is known and what makes no sense is ignored."""
        event = read_ink_event(kind, fields)
        if isinstance(event, InkEvent):
            if event.number not in self._numbers:
                self._numbers.add(event.number)
                page = self._pages.setdefault((event.what.deck, event.what.page), [])
                insort(page, InkMark(t_ms, event.number, event.what))
        elif event is not None and (t_ms, seq) not in self._places:
            self._places.add((t_ms, seq))
            insort(self._pointer, InkMark(t_ms, seq, event))

    def at(self, heard_ms: int, deck: str, page: int) -> Drawing:
        """What lies over a page when the voice of ``heard_ms`` is heard; the same object while nothing changes."""
        marks = self._pages.get((deck, page), [])
        count = bisect_right(marks, heard_ms, key=lambda mark: mark.t_ms)
        pointer = self._pointer_at(heard_ms, deck, page)
        ink = (deck, page, count, len(marks))
        if ink != self._strokes[0]:
            self._strokes = ink, _strokes(marks[:count])
        if (ink, pointer) != self._drawn[0]:
            strokes = self._strokes[1]
            self._drawn = (ink, pointer), Drawing(strokes, pointer) if strokes or pointer else NOTHING
        return self._drawn[1]

    def marks(self, heard_ms: int, deck: str, page: int) -> list[InkMark]:
        """All ink of a page up to that moment, and the pointer's place in force."""
        marks = [mark for mark in self._pages.get((deck, page), []) if mark.t_ms <= heard_ms]
        index = bisect_right(self._pointer, heard_ms, key=lambda mark: mark.t_ms)
        return [*marks, *self._pointer[max(0, index - 1) : index]]

    def _pointer_at(self, heard_ms: int, deck: str, page: int) -> Point | None:
        index = bisect_right(self._pointer, heard_ms, key=lambda mark: mark.t_ms)
        what = self._pointer[index - 1].what if index else None
        if not isinstance(what, Pointer) or not what.shown or (what.deck, what.page) != (deck, page):
            return None
        return what.x, what.y


def _strokes(marks: list[InkMark]) -> tuple[Stroke, ...]:
    strokes: dict[str, Stroke] = {}
    for mark in marks:
        match mark.what:
            case Erase(stroke=""):
                strokes.clear()
            case Erase(stroke=stroke):
                strokes.pop(stroke, None)
            case Ink() as ink:
                before = strokes.get(ink.stroke)
                points = (*before.points, *ink.points) if before is not None else ink.points
                strokes[ink.stroke] = Stroke(ink.colour, ink.width, points)
    return tuple(strokes.values())
