"""What a hall's link can carry now, from when its packets arrived. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Outcome(Protocol):
    """What became of one packet (:class:`transport.twcc.Outcome` is one)."""

    @property
    def sequence(self) -> int:
        """Transport-wide sequence number, 16 bit."""

    @property
    def size_bytes(self) -> int:
        """On the wire, with IP and UDP."""

    @property
    def sent_s(self) -> float:
        """When it was sent, by our clock."""

    @property
    def arrival_s(self) -> float | None:
        """When it arrived, by the receiver's clock; None if lost."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A short train of waiting data, to be sent back to back: the spacing of its arrivals tells the link's rate.

    :param size_bytes: of the whole train, on the wire.
    :param packet_bytes: largest packet of it: it takes at least three.
    :param rate_kbps: what it can show the link to carry.
    """

    size_bytes: int
    packet_bytes: int
    rate_kbps: float


class LinkEstimator:
    """The estimate of one link.

    :ivar queue_ms: queue seen by the newest packet of which feedback came.
    :ivar loss: fraction lost, smoothed over several round trips.
    :ivar rtt_s: round trip including the wait for feedback, smoothed; 0 until known.
    :ivar acked_kbps: what arrived, over the last second or round trip.
    :ivar limited: whether less was sent than the budget allowed (so that nothing can be learnt about more).
    """

    def __init__(self, start_kbps: float = 40, floor_kbps: float = 6, cap_kbps: float = 3000) -> None:
        self.queue_ms = 0.0
        self.loss = 0.0
        self.rtt_s = 0.0
        self.acked_kbps = 0.0
        self.limited = True
        self._kbps = start_kbps
        self._floor_kbps = floor_kbps
        self._cap_kbps = cap_kbps

    def sent(self, size_bytes: int, now: float) -> None:
        """A packet went out to the hall (wire bytes, with IP and UDP)."""

    def feedback(self, outcomes: Sequence[Outcome], now: float) -> None:
        """Digest transport-wide feedback, in order of sending; a packet may be told lost first and acked later."""

    def report(self, fraction_lost: float, rtt_s: float | None, now: float) -> None:
        """Digest a receiver report or the hall's own: rules the budget only where there is no feedback."""

    def remb(self, kbps: float, now: float) -> None:
        """Digest a receiver's own estimate; as :meth:`report`."""

    def silent(self, now: float) -> None:
        """The link is down or RTP is: forget what is under way; on return begin from a share of the last estimate."""

    def budget_kbps(self, now: float) -> float:
        """What may be sent now, for the pacer: less for a moment while a queue drains."""
        return self._kbps

    def sustained_kbps(self, now: float) -> float:
        """What the link can carry on and on, for the choice of rungs."""
        return self._kbps

    def probe(self, now: float) -> Probe | None:
        """A train that is due now, or None. Ask only when at least :data:`PROBE_MIN_BYTES` of PAGE, CATCH_UP or BULK
        wait; then give it to :meth:`Pacer.probe` and send packets no larger than it says."""
        return None


PROBE_MIN_BYTES = 2_500
