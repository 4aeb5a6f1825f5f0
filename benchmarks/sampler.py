"""A profiler that looks at what runs a thousand times per second of CPU time: it slows nothing down, so that small
functions look no dearer than they are (as they do in cProfile). What C does counts for the Python function it is
called from."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

EVERY_S = 0.001


@dataclass(frozen=True, slots=True)
class Share:
    """A function's share of the CPU time: its own, and with all that it calls."""

    function: str
    own: float
    whole: float


class Sampler:
    """Use as a context manager, in the main thread, any number of times; the samples add up."""

    def __init__(self) -> None:
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
        while frame is not None:
            names.append(_name(frame.f_code))
            frame = frame.f_back
        self._own[names[0]] += 1
        self._whole.update(set(names))

    def top(self, count: int) -> list[Share]:
        """The functions with the largest own shares."""
        whole = max(1, self.samples)
        return [Share(name, own / whole, self._whole[name] / whole) for name, own in self._own.most_common(count)]

    def share(self, part: str) -> float:
        """Share of what runs in or below functions whose name contains ``part``."""
        return max((hits / max(1, self.samples) for name, hits in self._whole.items() if part in name), default=0.0)


def _name(code: Any) -> str:
    path = Path(code.co_filename)
    return f"{path.parent.name}/{path.name} {code.co_qualname}"
