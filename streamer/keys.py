"""What the lecturer's keys mean. Pure: bytes of a terminal in, actions out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["next", "previous", "go", "share", "quit"]


@dataclass(frozen=True, slots=True)
class Action:
    """What a key asks for; ``page`` for ``go``."""

    kind: Kind
    page: int = 0


_NEXT = (
    b" ",
    b"n",
    b"N",
    b"\r",
    b"\n",
    b"\x1b[6~",
    b"\x1b[C",
    b"\x1bOC",
    b"\x1b[B",
    b"\x1bOB",
)  # page down, right, down
_PREVIOUS = (b"b", b"B", b"p", b"\x7f", b"\x08", b"\x1b[5~", b"\x1b[D", b"\x1bOD", b"\x1b[A", b"\x1bOA")
_KEYS: dict[bytes, Kind] = {**dict.fromkeys(_NEXT, "next"), **dict.fromkeys(_PREVIOUS, "previous"), b"s": "share"}
_MAX_DIGITS = 5

HELP = "space next   b back   g12⏎ page 12   s share screen   q end"


class KeyReader:
    """Turns keys into actions: ``g`` begins a page number, ``q`` asks before it ends the lecture."""

    def __init__(self) -> None:
        self._digits: str | None = None
        self._quitting = False

    @property
    def prompt(self) -> str:
        """What the keys are waiting for, empty if for nothing in particular."""
        if self._quitting:
            return "End the lecture for everybody? y = end, any other key = go on"
        if self._digits is not None:
            return f"Go to page {self._digits}_  (Enter; Esc to leave it)"
        return ""

    def feed(self, data: bytes) -> list[Action]:
        """Take what the terminal gave."""
        actions: list[Action] = []
        while data:
            key, data = _split(data)
            actions += self._key(key)
        return actions

    def _key(self, key: bytes) -> list[Action]:
        if self._quitting:
            self._quitting = False
            return [Action("quit")] if key in (b"y", b"Y") else []
        if self._digits is not None:
            return self._number_key(key)
        if key in _KEYS:
            return [Action(_KEYS[key])]
        if key in (b"g", b"G"):
            self._digits = ""
        elif key in (b"q", b"Q"):
            self._quitting = True
        return []

    def _number_key(self, key: bytes) -> list[Action]:
        digits = self._digits or ""
        if key.isdigit():
            self._digits = (digits + key.decode())[:_MAX_DIGITS]
        elif key in (b"\x7f", b"\x08"):
            self._digits = digits[:-1]
        else:
            self._digits = None
            if key in (b"\r", b"\n") and digits.strip("0"):
                return [Action("go", int(digits))]
        return []


def _split(data: bytes) -> tuple[bytes, bytes]:
    """The first key, and the rest. An escape sequence is one key (ECMA-48 section 5.4)."""
    if data[:2] in (b"\x1b[", b"\x1bO"):
        for end in range(2, len(data)):
            if 0x40 <= data[end] <= 0x7E:
                return data[: end + 1], data[end + 1 :]
        return data, b""
    return data[:1], data[1:]
