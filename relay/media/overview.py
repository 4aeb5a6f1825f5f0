"""What staff look back at in a lecture: which page was due when, what halls asked; and what was said already. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import Any

from lecture.decks import PageTurn, read_deck_event
from lecture.entries import Entry, Kind, unpack_event

KEPT_TURNS = 512
KEPT_QUESTIONS = 30
KEPT_IDS = 1000


class Overview:
    """Follows a log's TURN, QUESTION and MARK entries; the newest few are kept."""

    def __init__(self) -> None:
        # Oldest first by lecture time; beyond the bound the oldest are dropped, which no hall still shows.
        self._turns: list[tuple[int, int]] = []
        self._questions: deque[dict[str, Any]] = deque(maxlen=KEPT_QUESTIONS)
        # Of the newest questions and notes: who sends one again does so when it next gets through.
        self._ids: deque[str] = deque(maxlen=KEPT_IDS)

    def apply(self, entry: Entry) -> None:
        """Take an entry; other kinds and malformed ones change nothing."""
        if entry.kind not in (Kind.TURN, Kind.QUESTION, Kind.MARK):
            return
        try:
            fields = unpack_event(entry)
            turn = read_deck_event(entry.kind, fields) if entry.kind == Kind.TURN else None
        except ValueError:
            return
        if isinstance(turn, PageTurn):
            at = bisect_right(self._turns, entry.t_ms, key=lambda known: known[0])
            self._turns.insert(at, (entry.t_ms, turn.page))
            del self._turns[:-KEPT_TURNS]
        elif entry.kind != Kind.TURN and fields.get("id"):
            self._ids.append(str(fields["id"]))
        if entry.kind == Kind.QUESTION:
            self._questions.append(
                {"t_ms": entry.t_ms, "hall": str(fields.get("hall", "")), "text": str(fields.get("text", ""))}
            )

    @property
    def questions(self) -> list[dict[str, Any]]:
        """The newest questions, oldest first: ``t_ms``, ``hall``, ``text``."""
        return list(self._questions)

    def knows(self, said_id: str) -> bool:
        """Whether the question or note with this id, given by who sent it, is in the log."""
        return said_id in self._ids

    def page_at(self, t_ms: int) -> int:
        """The page that belongs on a projector which is at this lecture time; 0 before the first turn."""
        at = bisect_right(self._turns, t_ms, key=lambda known: known[0])
        return self._turns[at - 1][1] if at else 0
