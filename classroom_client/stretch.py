"""Time-stretch: speech faster or slower with its pitch kept (WSOLA, Verhelst and Roelands 1993).

Output is made in hops. Each hop crossfades from the natural continuation of what was just put out into the stretch
of input, near where the tempo wants it, that looks most like that continuation: whole pitch periods are left out
or repeated, so neither pitch nor phase jumps. At speed 1 the input passes bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]

_HOP = 960  # 20 ms at 48 kHz: long enough for several pitch periods of a low voice, short against a syllable
_SEARCH = 480  # +-10 ms: one period of the lowest voice (50 Hz) lies within the two sides
_COARSE = 4  # first search on every 4th sample: speech's pitch lies far below 6 kHz
_ANALYSIS = _HOP + _SEARCH  # what must lie ahead of the wanted place before a hop can be made
_HISTORY = 2 * _ANALYSIS


@dataclass(frozen=True, slots=True)
class Laid:
    """Which input became a piece of output: the output fades (:func:`fade_in`) from the input at ``fading`` into the
    input at ``start``; where both are the same it is that input untouched. With this a stretch can be undone exactly.

    :param at: first sample of the output, counted from the first ever put out.
    :param samples: how many.
    :param fading: first sample of the input that is left, counted from the first ever fed.
    :param start: first sample of the input that is gone over to.
    """

    at: int
    samples: int
    fading: int
    start: int


class Stretcher:
    """Feeds speech through at a speed that may change with every call. Mono, 16 bit, 48 kHz.

    Between calls at another speed than 1 it holds back up to :attr:`held_samples` of input; at speed 1, nothing.
    """

    def __init__(self) -> None:
        self._laid: list[Laid] = []  # bounded: each call begins it anew
        self._buffer: NDArray[np.float32] = np.zeros(0, np.float32)
        self._next = 0  # where in the buffer what has been put out would go on
        self._ideal = 0.0  # where the tempo wants us to be
        self._forgotten = 0  # input before the buffer
        self._out = 0

    @property
    def held_samples(self) -> int:
        """Input that has been fed and not put out yet, in samples at speed 1."""
        return max(0, len(self._buffer) - self._next)

    def take_laid(self) -> list[Laid]:
        """What the last call put out, in order; once."""
        laid, self._laid = self._laid, []
        return laid

    def feed(self, pcm: Pcm, speed: float) -> Pcm:
        """Take input, give what can be put out.

        :param speed: input per output, 0.5 to 2; 1.25 plays a minute in 48 s.
        :raises ValueError: for a speed outside.
        """
        if not 0.5 <= speed <= 2.0:
            raise ValueError(f"speed {speed} is outside 0.5 to 2")
        self._laid = []
        self._buffer = np.concatenate((self._buffer, pcm.astype(np.float32)))
        out = self._pass_through() if speed == 1.0 else self._hops(speed)
        self._forget()
        return out

    def drain(self) -> Pcm:
        """Put out what is held back, as it is."""
        self._laid = []
        out = self._pass_through()
        self._forget()
        return out

    def _pass_through(self) -> Pcm:
        out = self._buffer[self._next :]
        self._lay(len(out), self._next)
        self._next = len(self._buffer)
        self._ideal = float(self._next)
        return _to_pcm(out)

    def _hops(self, speed: float) -> Pcm:
        pieces = []
        step = _HOP * speed
        while True:
            wanted = self._ideal + step - _HOP
            centre = round(wanted)
            if max(centre + _SEARCH, self._next) + _HOP > len(self._buffer):
                break
            start = self._best(centre)
            old = self._buffer[self._next : self._next + _HOP]
            new = self._buffer[start : start + _HOP]
            pieces.append(old + (new - old) * _FADE_IN)
            self._lay(_HOP, start)
            self._next = start + _HOP
            self._ideal += step
        return _to_pcm(np.concatenate(pieces)) if pieces else np.zeros(0, np.int16)

    def _best(self, centre: int) -> int:
        """The start within the search range whose hop looks most like the natural continuation."""
        low = max(0, centre - _SEARCH)
        template = self._buffer[self._next : self._next + _HOP]
        region = self._buffer[low : centre + _SEARCH + _HOP]
        at = _COARSE * _argmax_similarity(region[::_COARSE], template[::_COARSE])
        fine_low = max(0, at - _COARSE)
        fine = region[fine_low : at + _COARSE + _HOP]
        return low + fine_low + _argmax_similarity(fine, template)

    def _lay(self, samples: int, start: int) -> None:
        if samples:
            self._laid.append(Laid(self._out, samples, self._forgotten + self._next, self._forgotten + start))
            self._out += samples

    def _forget(self) -> None:
        drop = min(self._next, int(self._ideal)) - _HISTORY
        if drop > 0:
            self._forgotten += drop
            self._buffer = self._buffer[drop:]
            self._next -= drop
            self._ideal -= drop


def _argmax_similarity(region: NDArray[np.float32], template: NDArray[np.float32]) -> int:
    """Where in ``region`` the template fits best, by normalised cross-correlation."""
    dots = np.correlate(region, template, mode="valid")
    energy = np.concatenate((np.zeros(1), np.cumsum(region.astype(np.float64) ** 2)))
    window = energy[len(template) :] - energy[: -len(template)]
    scores = dots / np.sqrt(np.maximum(window, 1.0))
    return int(np.argmax(scores))


def _to_pcm(samples: NDArray[np.float32]) -> Pcm:
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)


def fade_in(samples: int) -> NDArray[np.float32]:
    """The weight that the new input rises with over a crossfade; the old one falls with what is left of 1."""
    return (0.5 - 0.5 * np.cos(np.pi * (np.arange(samples) + 0.5) / samples)).astype(np.float32)


_FADE_IN = fade_in(_HOP)
