"""When the next packet of a class may go to a hall, so that the link's queue stays short. Pure.

The account is what the link still has to carry of what was sent, as the budget reckons it. Session control and live
voice never wait: they only charge the account, so that everything below waits longer. Pages, catch-up, camera and bulk
wait until the account is level; so a packet of a higher class finds at most one packet of a lower one before it.
Who holds the packets asks the classes in their order; within one class order is its own affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from relay.adaptation.estimator import Probe

LEVEL_S = 0.004
"""The account counts as level this long before it is: timers are late, an idle link is lost for good."""
PROTECTION_DEBT_S = 0.25
"""Resends of voice wait only while more than this lies before them: a burst of them would fill the queue."""
MAX_DEBT_S = 1.5
"""Voice above the budget (the rung is about to go down) must not make a page wait for ever."""
QUEUE_SMALL_MS = 150.0
"""With a longer queue seen on the link, camera and bulk wait whatever the account says."""
PACKET_S = 0.11
"""Time on the link of the largest packet worth sending: what a voice pack may find before it."""
PACKET_MIN_BYTES = 320
PACKET_MAX_BYTES = 1200
TRAIN_EXPIRES_S = 0.5


class Class(IntEnum):
    """Classes of sending, the most urgent first (DESIGN section 2)."""

    CONTROL = 1
    VOICE = 2
    PROTECTION = 3
    PAGE = 4
    CATCH_UP = 5
    CAMERA = 6
    BULK = 7


@dataclass(slots=True)
class _Train:
    left_bytes: int
    packet_bytes: int
    until: float


class Pacer:
    """The account of one hall.

    :ivar queue_ms: the queue seen on the link (of the estimator); set it whenever it is known anew.
    """

    def __init__(self, budget_kbps: float = 40.0) -> None:
        self.queue_ms = 0.0
        self._kbps = budget_kbps
        self._debt_bytes = 0.0
        self._at = float("-inf")
        self._train: _Train | None = None

    def budget(self, kbps: float) -> None:
        """What the link carries from now on; more than 0."""
        self._kbps = max(0.1, kbps)
        self._debt_bytes = min(self._debt_bytes, self._bytes(MAX_DEBT_S))

    def sent(self, size_bytes: int, class_: Class, now: float) -> None:
        """A packet went out, or bytes were given to the socket: ``size_bytes`` on the wire, with IP and UDP."""
        self._drain(now)
        self._debt_bytes = min(self._debt_bytes + size_bytes, self._bytes(MAX_DEBT_S))
        if self._train is not None and class_ >= Class.PROTECTION:
            self._train.left_bytes -= size_bytes
            if self._train.left_bytes <= 0:
                self._train = None

    def ready_at(self, class_: Class, now: float) -> float:
        """When the next packet of this class may go; ``now`` if at once. Never later for a higher class."""
        if class_ <= Class.VOICE:
            return now
        self._drain(now)
        if self._train is not None:
            if now < self._train.until:
                return now
            self._train = None
        if class_ == Class.PROTECTION:
            return now + self._over_s(PROTECTION_DEBT_S)
        wait_s = self._over_s(LEVEL_S)
        if class_ >= Class.CAMERA:
            wait_s = max(wait_s, (self.queue_ms - QUEUE_SMALL_MS) / 1000)
        return now + wait_s

    def packet_bytes(self) -> int:
        """Largest packet (on the wire) worth sending in the classes from PAGE down: on a thin link a full-sized one
        would stand before the voice for a third of a second. Less while a train is being sent."""
        size = int(min(PACKET_MAX_BYTES, max(PACKET_MIN_BYTES, self._bytes(PACKET_S))))
        return size if self._train is None else min(size, self._train.packet_bytes)

    def probe(self, probe: Probe, now: float) -> None:
        """Let a train go back to back: no class waits until it is sent (or half a second has passed)."""
        self._train = _Train(probe.size_bytes, probe.packet_bytes, now + TRAIN_EXPIRES_S)

    def _bytes(self, seconds: float) -> float:
        return seconds * self._kbps * 125

    def _over_s(self, allowed_s: float) -> float:
        return max(0.0, self._debt_bytes - self._bytes(allowed_s)) / (self._kbps * 125)

    def _drain(self, now: float) -> None:
        if now > self._at:
            self._debt_bytes = max(0.0, self._debt_bytes - self._bytes(now - self._at)) if self._debt_bytes else 0.0
            self._at = now
