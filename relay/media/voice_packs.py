"""Gathers a rung's 60-ms frames into packs of up to four, as one packet between relay and hall carries them. Pure.

Packs begin where the frame number divides by four, in every rung alike, so that a hall can change its rung between
two packs without losing or repeating a frame. A hole in the voice ends a pack early.
"""

from __future__ import annotations

from dataclasses import dataclass

from lecture.tracks import VOICE_FRAME_MS

FRAMES_PER_PACK = 4


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
