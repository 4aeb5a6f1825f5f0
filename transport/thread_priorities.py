"""Keeps codec libraries from taking the cores for themselves."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def priorities_kept() -> Iterator[None]:
    """Take real-time priority back from threads of this process that get it within.

    SVT-AV1 (as of 3.x), made by root, gives the highest one to its own threads and to the caller's: on a relay they
    would go before the live voice.
    """
    before = _realtime_threads()
    try:
        yield
    finally:
        for thread in _realtime_threads() - before:
            with contextlib.suppress(OSError):  # it has ended
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def _realtime_threads() -> set[int]:
    found = set[int]()
    with contextlib.suppress(OSError):  # no Linux
        for name in os.listdir("/proc/self/task"):
            with contextlib.suppress(OSError):
                if os.sched_getscheduler(int(name)) in (os.SCHED_FIFO, os.SCHED_RR):
                    found.add(int(name))
    return found
