"""Page turns by a timing file: ``[{"at_ms": 19715, "page": 2}, …]``, in ms from the start of the voice."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from streamer.errors import StreamError

MAX_PAGE = 100_000


@dataclass(frozen=True, slots=True, order=True)
class TimedTurn:
    """Turn to ``page`` (from 1) when the voice is at ``at_ms``."""

    at_ms: int
    page: int


def read_turns(path: Path) -> list[TimedTurn]:
    """Read a timing file.

    :raises StreamError: ``turns_malformed``.
    """
    try:
        return parse_turns(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise StreamError("turns_malformed", f"The timing file {path} cannot be read: {error}.") from error


def parse_turns(text: str) -> list[TimedTurn]:
    """Read a timing file's text; turns may stand in any order.

    :raises StreamError: ``turns_malformed``.
    """
    try:
        items = json.loads(text)
    except ValueError as error:
        raise StreamError("turns_malformed", f"The timing file is not JSON: {error}.") from error
    if not isinstance(items, list):
        raise StreamError("turns_malformed", "The timing file must be a list of {at_ms, page}.")
    return sorted(_turn(number, item) for number, item in enumerate(items, 1))


def _turn(number: int, item: object) -> TimedTurn:
    if isinstance(item, dict):
        at_ms, page = item.get("at_ms"), item.get("page")
        if _is_number(at_ms) and _is_number(page) and at_ms >= 0 and 1 <= page <= MAX_PAGE:
            return TimedTurn(at_ms, page)
    text = f"Turn {number} of the timing file needs at_ms (0 and up) and page (1 and up)."
    raise StreamError("turns_malformed", text)


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


class TurnSchedule:
    """Which turns are due. Each is given out once."""

    def __init__(self, turns: Iterable[TimedTurn]) -> None:
        self._turns = sorted(turns)
        self._done = 0

    def due(self, voice_ms: int) -> list[TimedTurn]:
        """Turns whose time has come since the last call.

        :param voice_ms: how much of the voice has been spoken.
        """
        first = self._done
        while self._done < len(self._turns) and self._turns[self._done].at_ms <= voice_ms:
            self._done += 1
        return self._turns[first : self._done]
