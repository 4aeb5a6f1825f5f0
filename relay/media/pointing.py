"""A lecturer's pen and pointer on their way into the log: joined and thinned for thin links. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from lecture.lecturer_messages import Erase, Ink, Ping, Pointer
from lecture.message_parts import MAX_INK_POINTS

POINTER_EVERY_S = 0.1
"""A pointer moves sixty times a second; of the places in between only the newest is kept."""
INK_EVERY_S = 0.3
"""A stroke's points are joined for so long: what goes around them costs a thin link more than they do."""


class Pointing:
    """Takes what comes and gives what is to be written, in order; a ping when the ink that came before it was given."""

    def __init__(self) -> None:
        self._ink: Ink | None = None
        self._ink_at = -math.inf
        self._pointer: Pointer | None = None
        self._pointer_at = -math.inf
        self._shown: Pointer | None = None
        self._pings: deque[Ping] = deque()  # behind the ink that waits: those of INK_EVERY_S

    def take(self, message: Pointer | Ink | Erase | Ping, now: float) -> Iterator[Pointer | Ink | Erase | Ping]:
        """Take a message; gives what is to be written now."""
        match message:
            case Pointer():
                self._pointer = message
                if not message.shown:
                    yield from self._give_pointer(now)
            case Erase():
                yield from self._give_ink(now)
                yield message
            case Ink():
                yield from self._take_ink(message, now)
            case Ping():
                # Giving the ink at once would cut strokes as finely as their parts came.
                self._pings.append(message)
                if self._ink is None:
                    yield from self._give_ink(now)
        yield from self.due(now)

    def due(self, now: float) -> Iterator[Pointer | Ink | Erase | Ping]:
        """What has waited long enough."""
        if now >= self._ink_at + INK_EVERY_S:
            yield from self._give_ink(now)
        if now >= self._pointer_at + POINTER_EVERY_S:
            yield from self._give_pointer(now)

    def due_at(self) -> float:
        """When :meth:`due` has something; infinity for never."""
        ink = self._ink_at + INK_EVERY_S if self._ink is not None else math.inf
        return min(ink, self._pointer_at + POINTER_EVERY_S if self._pointer is not None else math.inf)

    def gone(self, now: float) -> Iterator[Pointer | Ink | Erase | Ping]:
        """The lecturer's line is gone: what waits, and no pointer stays behind."""
        yield from self._give_ink(now)
        self._pointer = None
        if self._shown is not None:
            yield replace(self._shown, shown=False)
            self._shown = None

    def _take_ink(self, ink: Ink, now: float) -> Iterator[Ink | Ping]:
        before = self._ink
        if before is not None:
            joined = (*before.points, *ink.points)
            if len(joined) <= MAX_INK_POINTS and _goes_on(before, ink):
                ink = replace(before, points=joined, more=ink.more)
            else:
                yield from self._give_ink(now)
        self._ink = ink
        if not ink.more:
            yield from self._give_ink(now)

    def _give_ink(self, now: float) -> Iterator[Ink | Ping]:
        ink, self._ink = self._ink, None
        if ink is not None:
            self._ink_at = now
            yield ink
        while self._pings:
            yield self._pings.popleft()

    def _give_pointer(self, now: float) -> Iterator[Pointer]:
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            self._pointer_at = now
            self._shown = pointer if pointer.shown else None
            yield pointer


def _goes_on(before: Ink, ink: Ink) -> bool:
    """Whether it is the same stroke, without a point left out or said twice, and was drawn just then: after an outage
    a minute of drawing may come at once."""
    blank = {"points": (), "more": False, "at_ms": None, "first": None}
    if replace(before, **blank) != replace(ink, **blank):  # type: ignore[arg-type]
        return False
    if ink.first != (None if before.first is None else before.first + len(before.points)):
        return False
    return before.at_ms is None or ink.at_ms is None or ink.at_ms - before.at_ms < INK_EVERY_S * 1000
