"""Lecture time: integer milliseconds since the lecture began, whatever happens to the relay or to anyone's clock."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lecture.entries import MAX_SEQ
from recordings.merge import CLOCK_END_KEY

RESTART_MARGIN_MS = 3_000
"""After a reboot the clock goes on this far behind the log's last entry. What the relay had sent but not yet written
when it died (a second at most, plus the voice it was about to pack) must never share its lecture time with new voice:
a hall would take the two for one."""

_BOOT_ID = "clock_boot_id"
_ZERO = "clock_zero_boot_s"
_END = CLOCK_END_KEY


@dataclass(frozen=True, slots=True)
class BootTime:
    """A clock that outlives this process but not a reboot.

    :param boot_id: names the boot; empty where the system tells none (then no restart counts as the same boot).
    :param seconds: since then, time asleep included.
    """

    boot_id: str
    seconds: float


def read_boot_time() -> BootTime:
    """The machine's boot and the seconds since."""
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return BootTime(boot_id, time.clock_gettime(time.CLOCK_BOOTTIME))
    except (OSError, AttributeError):
        return BootTime("", time.monotonic())


class LectureClock:
    """Maps the relay's monotonic ``now`` (s) to lecture time (ms). Stands at 0 until :meth:`start`."""

    def __init__(self) -> None:
        self._zero_s: float | None = None
        self._end_ms: int | None = None

    @classmethod
    def resume(cls, meta: Mapping[str, str], last_t_ms: int, now: float, boot: BootTime) -> LectureClock:
        """The clock of a lecture that a former process left behind.

        In the same boot it goes on as if nothing had happened (the outage is a hole in the log, which the lecturer's
        own copy can fill); after a reboot, just behind the last entry. It never falls behind the last entry, even on
        a machine whose boot clock went back (a virtual one, set back to an earlier state).
        """
        clock = cls()
        zero_s, end_ms = _number(meta.get(_ZERO)), _number(meta.get(_END))
        if end_ms is not None:
            clock._end_ms = int(end_ms)
        elif zero_s is not None:
            clock._zero_s = now - (last_t_ms + RESTART_MARGIN_MS) / 1000
            if meta.get(_BOOT_ID) and meta[_BOOT_ID] == boot.boot_id:
                gone_on_s = now - (boot.seconds - zero_s)
                if (now - gone_on_s) * 1000 >= last_t_ms:
                    clock._zero_s = gone_on_s
        return clock

    @property
    def started(self) -> bool:
        return self._zero_s is not None or self._end_ms is not None

    def start(self, now: float) -> None:
        """Lecture time 0 is now. Does nothing when it has started already."""
        if not self.started:
            self._zero_s = now

    def begin_earlier(self, by_ms: float) -> None:
        """What the lecture began with was late by so much: it began earlier, and all lecture time is later."""
        if self._zero_s is not None:
            self._zero_s -= by_ms / 1000

    def stop(self, now: float) -> int:
        """The lecture ends now; lecture time stands still from here. Returns it."""
        self._end_ms = self.now_ms(now)
        return self._end_ms

    def now_ms(self, now: float) -> int:
        """Lecture time at ``now``."""
        if self._end_ms is not None:
            return self._end_ms
        return int(self.exact_ms(now))

    def exact_ms(self, now: float) -> float:
        """Lecture time at ``now`` with its fraction, for anchoring media. Goes on after :meth:`stop`."""
        return 0.0 if self._zero_s is None else max(0.0, (now - self._zero_s) * 1000)

    def to_meta(self, now: float, boot: BootTime) -> dict[str, str]:
        """What :meth:`resume` needs, to be kept in the lecture file from the start on."""
        meta: dict[str, str] = {}
        if self._zero_s is not None:
            meta[_BOOT_ID] = boot.boot_id
            meta[_ZERO] = f"{boot.seconds - (now - self._zero_s):.6f}"
        if self._end_ms is not None:
            meta[_END] = str(self._end_ms)
        return meta


def _number(text: str | None) -> float | None:
    """A finite number; None for what is none (a file that came from elsewhere may say anything)."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) <= MAX_SEQ else None


CLOCK_META_KEYS = (_BOOT_ID, _ZERO, _END)
