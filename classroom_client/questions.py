"""What the hall asks, until the relay has it: kept over outages and restarts, each question taken once. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable

from lecture.messages import Asked, Question

MAX_CHARS = 1000
MAX_WAITING = 20
"""More questions than these are not taken: a hall that has so many unsent ones has been without a line for long, and
its people can choose which of them to ask."""

_AGAIN_S = 10.0  # the relay takes a question with the same id once
_NEXT_S = 1.2  # the relay takes one a second (docs/protocol.md, "question")
_TOO_SOON = "too_many_questions"


class Questions:
    """The hall's questions, oldest first; one is under way at a time.

    :param waiting: those that an earlier run of the hall left, as (id, text).
    :param asked: how many the relay has by now.
    :ivar refused: id of why the relay did not take the last one that it answered, empty if it did.
    """

    def __init__(
        self,
        waiting: Iterable[tuple[str, str]] = (),
        asked: int = 0,
        *,
        new_id: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self.asked = asked
        self.refused = ""
        self._waiting = [(id_, text) for id_, text in waiting][:MAX_WAITING]
        self._new_id = new_id
        self._due_at = 0.0

    @property
    def waiting(self) -> list[tuple[str, str]]:
        """Those that the relay may not have yet, as (id, text)."""
        return list(self._waiting)

    def ask(self, text: str) -> bool:
        """Ask something; False if it says nothing or too many wait."""
        text = text.strip()[:MAX_CHARS]
        if not text or len(self._waiting) >= MAX_WAITING:
            return False
        self._waiting.append((self._new_id(), text))
        return True

    def due(self, now: float) -> Question | None:
        """The question to be sent now, for the first time or again."""
        if not self._waiting or now < self._due_at:
            return None
        id_, text = self._waiting[0]
        return Question(text, id_)

    def sent(self, now: float) -> None:
        """What was due has been sent."""
        self._due_at = now + _AGAIN_S

    def connected(self) -> None:
        """There is a new connection: what was under way may be lost."""
        self._due_at = 0.0

    def answered(self, answer: Asked, now: float) -> None:
        """The relay has a question, or will not have it."""
        if not self._waiting or answer.id != self._waiting[0][0]:
            return
        self._due_at = now + _NEXT_S
        if answer.error == _TOO_SOON:
            return
        self.refused = answer.error
        del self._waiting[0]
        if not answer.error:
            self.asked += 1
