"""A failure that a busy machine may have caused is not believed: the test is repeated with the machine to itself.

What listens or looks in real time fails when it is kept waiting for the processor, and many tests run at once. While
they do, the process that hands them out sleeps for moments at a time and notes how late it wakes. A test that crosses a
network or drives a browser, and failed while those were late, is put off to the end, and is run once more alone: that
counts. One that failed though nobody was late has failed.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

BEAT_S = 0.01
LATE_S = 0.02
"""What a machine that is not busy does not reach."""
STARVED_S = 0.1
"""Late for so long in all, a test was starved."""

_FORM = struct.Struct("dd")


def late_s(slept_s: float) -> float:
    """What counts of how late a sleep of :data:`BEAT_S` ended."""
    late = slept_s - BEAT_S
    return late if late >= LATE_S else 0.0


class Watch:
    """Notes how late this process wakes, for all to read (:func:`starved_s`), from :meth:`start` to :meth:`stop`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._path.write_bytes(_FORM.pack(time.monotonic(), 0.0))
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        all_s = 0.0
        with self._path.open("r+b", buffering=0) as file:
            while True:
                began_s = time.monotonic()
                if self._stopped.wait(BEAT_S):
                    return
                now_s = time.monotonic()
                all_s += late_s(now_s - began_s)
                os.pwrite(file.fileno(), _FORM.pack(now_s, all_s), 0)


def starved_s(path: Path) -> float:
    """How late a :class:`Watch` has woken in all so far, in seconds; one that does not wake now is late."""
    beat_s, all_s = _FORM.unpack(path.read_bytes())
    return float(all_s + late_s(time.monotonic() - beat_s))


class Turnstile:
    """Lets tests of several processes in together, or one alone.

    :param folder: the same for all.
    """

    def __init__(self, folder: Path) -> None:
        self._door, self._hall = folder / "door", folder / "hall"

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """In beside others; waits while one is alone, or waits to be."""
        with self._hall.open("w") as hall:
            with self._door.open("w") as door:
                fcntl.flock(door, fcntl.LOCK_SH)
                fcntl.flock(hall, fcntl.LOCK_SH)
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """In when all others have gone."""
        with self._door.open("w") as door, self._hall.open("w") as hall:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(hall, fcntl.LOCK_EX)
            yield
