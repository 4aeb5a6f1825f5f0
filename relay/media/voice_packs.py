"""Gathers a rung's 60-ms frames into packs of up to four, as one packet between relay and hall carries them. Pure.

Packs begin where the frame number divides by four, in every rung alike, so that a hall can change its rung between
two packs without losing or repeating a frame. A hole in the voice ends a pack early.

A pack then waits for a moment: what was said comes by another way than the page turn that belongs to it, and may come a
little sooner. The turn has to go first. A hall whose link breaks just then would else speak of a page that it has not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from lecture.tracks import VOICE_FRAME_MS

FRAMES_PER_PACK = 4
EVENTS_MS = 40
"""After the end of a pack, in lecture time: by then the turns made during it are known."""
HELD_MS = 100
"""No pack waits longer: one of a publisher that is ahead of lecture time does not wait for that."""


@dataclass(frozen=True, slots=True)
class Pack:
    """Consecutive frames of one rung.

    :param first: grid number of the first frame.
    """

    first: int
    frames: tuple[bytes, ...]

    @property
    def t_ms(self) -> int:
        return self.first * VOICE_FRAME_MS


@dataclass(frozen=True, slots=True)
class ReadyPack:
    """A pack in all rungs that are made, as it goes out.

    :param payloads: by kbit/s.
    """

    t_ms: int
    frames: int
    payloads: Mapping[int, bytes]

    @property
    def end_ms(self) -> int:
        return self.t_ms + self.frames * VOICE_FRAME_MS


class HeldPacks:
    """Packs that wait until the events of their time are known. Bounded by :data:`HELD_MS`."""

    def __init__(self) -> None:
        self._held: deque[tuple[float, ReadyPack]] = deque()

    def put(self, pack: ReadyPack, now_ms: float) -> None:
        """A pack is complete."""
        self._held.append((min(pack.end_ms + EVENTS_MS, now_ms + HELD_MS), pack))

    def take(self, now_ms: float) -> list[ReadyPack]:
        """Those that may go, in the order in which they were put."""
        due = []
        while self._held and self._held[0][0] <= now_ms:
            due.append(self._held.popleft()[1])
        return due


class PackBuilder:
    """Collects one rung's frames."""

    def __init__(self) -> None:
        self._first = 0
        self._frames: list[bytes] = []

    def push(self, number: int, data: bytes) -> list[Pack]:
        """Add the frame of this grid number; returns the packs that are complete now (two where a hole ended one)."""
        packs = self.flush() if self._frames and number != self._first + len(self._frames) else []
        if not self._frames:
            self._first = number
        self._frames.append(data)
        return packs + self.flush() if (number + 1) % FRAMES_PER_PACK == 0 else packs

    def flush(self) -> list[Pack]:
        """What has been gathered, as a pack."""
        if not self._frames:
            return []
        pack = Pack(self._first, tuple(self._frames))
        self._frames = []
        return [pack]
