"""The lecturer's notes (``mark``): which of them people see. Pure; the clock is an argument."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lecture.entries import Kind

SHOWN_S = 30.0
LATE_MS = 300_000
"""A note whose moment is longer ago when it could first be shown is history: who joins late is not told of it. Its
moment is that at which writing began, and the line may have been down: so long a note may take to come."""
MAX_NOTES = 1000
"""The oldest are forgotten first: they are history."""


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """What the lecturer wrote at ``t_ms``, as one line that can be drawn; empty takes the note before away."""

    t_ms: int
    seq: int
    text: str


class Notes:
    """Takes notes in any order; the newest whose moment has come is shown for a while, or until the next one.

    :ivar shown: what people see, None for nothing.
    :ivar on_shown: told of each note that is shown, with the lecture time at which it was.
    """

    def __init__(self) -> None:
        self.shown: Note | None = None
        self.on_shown: Callable[[Note, int], None] | None = None
        self._notes: list[Note] = []  # MAX_NOTES at most
        self._due: Note | None = None
        self._until_s = 0.0

    def take(self, kind: int, t_ms: int, seq: int, fields: dict[str, Any]) -> None:
        """Learn from an entry; other kinds and fields that make no sense are ignored."""
        text = fields.get("text")
        if kind == Kind.MARK and isinstance(text, str):
            note = Note(t_ms, seq, _one_line(text))
            if note not in self._notes:
                insort(self._notes, note)
                del self._notes[:-MAX_NOTES]

    def look(self, moment_ms: int | None, now: float) -> None:
        """The screen shows the lecture as it was at ``moment_ms``; None: nothing new."""
        if self.shown is not None and now >= self._until_s:
            self.shown = None
        if moment_ms is None:
            return
        count = bisect_right(self._notes, moment_ms, key=lambda note: note.t_ms)
        due = self._notes[count - 1] if count else None
        if due == self._due:
            return
        self._due, self.shown = due, None
        if due is not None and due.text and moment_ms - due.t_ms <= LATE_MS:
            self.shown, self._until_s = due, now + SHOWN_S
            if self.on_shown is not None:
                self.on_shown(due, moment_ms)


def _one_line(text: str) -> str:
    """Without line breaks and what no font can draw (control characters, halves of surrogate pairs)."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
