"""Puts decoded voice onto the 60-ms grid of lecture time. Pure.

The publisher's sound card and the relay's clock drift apart by some ten parts per million, and networks add jumps.
Small differences are absorbed by stretching blocks by at most half a per cent, which nobody hears; larger ones are
real: what lies before the grid's write position is dropped, what lies after it leaves a hole.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lecture.tracks import VOICE_FRAME_MS

SAMPLES_PER_MS = 48
FRAME_SAMPLES = VOICE_FRAME_MS * SAMPLES_PER_MS
EXACT_SAMPLES = 2 * SAMPLES_PER_MS
JUMP_SAMPLES = 100 * SAMPLES_PER_MS
STRETCH_SHARE = 0.005

Pcm = npt.NDArray[np.int16]


class GridFrame(NamedTuple):
    """Frame number n (it covers ``[60 n, 60 n + 60)`` ms of lecture time) and its 2,880 mono samples.

    :ivar concealed: some of it stands for what was lost.
    """

    number: int
    pcm: Pcm
    concealed: bool = False


class VoiceGrid:
    """Takes blocks of mono PCM at 48 kHz with their lecture time, gives whole grid frames, each number once."""

    def __init__(self) -> None:
        self._frame = np.zeros(FRAME_SAMPLES, np.int16)
        self._concealed = False
        self._position: int | None = None  # lecture time of the next sample, in samples; None until the first block
        self._first_free = 0  # no sample before this one is ever written again

    def push(self, t_ms: float, pcm: Pcm, *, concealed: bool = False) -> list[GridFrame]:
        """Write a block that begins at ``t_ms``; returns the frames it completes.

        :param concealed: the block stands for a lost one.
        """
        target = round(t_ms * SAMPLES_PER_MS)
        frames: list[GridFrame] = []
        if self._position is None or target - self._position > JUMP_SAMPLES:
            frames += self.flush()
            self._position = max(target, self._first_free)
        error = target - self._position
        if error < -JUMP_SAMPLES:
            pcm = pcm[min(len(pcm), -error) :]
        elif abs(error) > EXACT_SAMPLES and len(pcm):
            most = max(1, int(len(pcm) * STRETCH_SHARE))
            pcm = _stretched(pcm, len(pcm) + max(-most, min(most, error)))
        return frames + self._write(pcm, concealed)

    def flush(self) -> list[GridFrame]:
        """Give out the frame that is half written, silence after it, and forget the position: the voice broke off."""
        position, self._position = self._position, None
        if position is None or position % FRAME_SAMPLES == 0:
            return []
        number = position // FRAME_SAMPLES
        self._first_free = (number + 1) * FRAME_SAMPLES
        return [self._take(number)]

    def _write(self, pcm: Pcm, concealed: bool) -> list[GridFrame]:
        assert self._position is not None
        frames: list[GridFrame] = []
        while len(pcm):
            offset = self._position % FRAME_SAMPLES
            piece = pcm[: FRAME_SAMPLES - offset]
            self._frame[offset : offset + len(piece)] = piece
            self._concealed |= concealed
            self._position += len(piece)
            pcm = pcm[len(piece) :]
            if self._position % FRAME_SAMPLES == 0:
                frames.append(self._take(self._position // FRAME_SAMPLES - 1))
                self._first_free = self._position
        return frames

    def _take(self, number: int) -> GridFrame:
        frame = GridFrame(number, self._frame, self._concealed)
        self._frame, self._concealed = np.zeros(FRAME_SAMPLES, np.int16), False
        return frame


def _stretched(pcm: Pcm, length: int) -> Pcm:
    at = np.linspace(0, len(pcm) - 1, length)
    return np.asarray(np.interp(at, np.arange(len(pcm)), pcm), dtype=np.int16)
