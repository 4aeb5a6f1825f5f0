"""A profiler that looks at what runs a thousand times per second of CPU time: it slows nothing down, so that small
functions look no dearer than they are (as they do in cProfile). What C does counts for the Python function it is
called from."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FrameType

EVERY_S = 0.001


@dataclass(frozen=True, slots=True)
class Share:
    """A function's share of the CPU time: its own, and with all that it calls."""

    function: str
    own: float
    whole: float


class Sampler:
    """Use as a context manager, in the main thread, any number of times; the samples add up.

    :param watched: qualified names of functions; :attr:`watched_samples` counts what runs in or below one of them.
    """

    def __init__(self, watched: Collection[str] = ()) -> None:
        self.watched_samples = 0
        self._watched = frozenset(watched)
        self._own: Counter[str] = Counter()
        self._whole: Counter[str] = Counter()
        self.samples = 0

    def __enter__(self) -> Sampler:
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        self.samples += 1
        names = []
        watched = False
        while frame is not None:
            names.append(_name(frame.f_code))
            watched = watched or frame.f_code.co_qualname in self._watched
            frame = frame.f_back
        self.watched_samples += watched
        self._own[names[0]] += 1
        self._whole.update(set(names))

    def top(self, count: int) -> list[Share]:
        """The functions with the largest own shares."""
        whole = max(1, self.samples)
        return [Share(name, own / whole, self._whole[name] / whole) for name, own in self._own.most_common(count)]


@cache
def _name(code: CodeType) -> str:
    path = Path(code.co_filename)
    return f"{path.parent.name}/{path.name} {code.co_qualname}"
