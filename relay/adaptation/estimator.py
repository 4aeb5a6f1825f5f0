"""What a hall's link can carry now, from when its packets arrived. Pure.

The link's rate is measured, not groped for: packets that stood in its queue behind one another arrive as far apart as
it needs to carry them (:class:`relay.adaptation.link_delay.CapacityMeter`). Voice goes out the moment it is made and
often finds a piece of a page before it, so a link tells its rate even while less than that is sent; where it does not,
a short train of waiting data asks it. Random loss, however much, changes nothing in that; nor does it matter how late
feedback arrives. The budget is a little less than the rate, and less still for a moment while there is a queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from relay.adaptation.link_delay import ArrivalRate, CapacityMeter, DelayBase, LonePackets, LossMeter, QueueModel
from relay.adaptation.reported_link import ReportedLink
from relay.adaptation.route_change import SAME_RATE, RouteWatch
from relay.adaptation.stuck_queue import StuckQueue

PROBE_MIN_BYTES = 2_500
SHARE = 0.94
"""Of the measured rate that is sent: what is measured a little high must not grow a queue for ever."""
SHARE_MIN = 0.3
DRAIN_S = 1.0
"""A queue that is too long by this much takes the whole budget away (but for :data:`SHARE_MIN`)."""
QUEUE_ALLOWED_S = 0.06
QUEUE_ALLOWED_BYTES = 800
"""With this queue nothing is wrong: a voice pack and a piece of a page under way."""
QUEUE_ALLOWED_MAX_S = 0.18
RAISE_MAX = 3.0
"""Most by which the rate is taken to be higher, per round trip."""
RAISE_UNPROVEN = 1.06
"""The same while all arrives as it was sent and nothing was measured."""
RAISE_LIMITED = 2.0
"""Highest rate, of that which arrives, to be believed while little is sent."""
USED = 0.7
WANTED_S = 0.5
EVIDENCE_S = 1.5
TRAIN_PACKET_S = 0.055
TRAIN_PACKETS = 3
TRAIN_PACKET_BYTES = (250, 1200)
SLOWER = 0.7
"""Packets that had the link for themselves took so long that it carries less than this share of what was thought."""
SILENCE_S = 3.0
SILENCE_SHARE = 0.7
LATE_S = 1.5
MAX_LOST = 512
"""Losses that may be taken back when the packet is acknowledged after all; the oldest are forgotten first."""
LOSS_TOO_MUCH = 0.45
"""A link that drops what is too much, instead of queueing it, is known by this much loss for so long."""
LOSS_TOO_LONG_S = 5.0
RATE_WINDOW_S = 1.0
MAX_SENDS = 4000
FEEDBACK_RULES_S = 5.0


class Outcome(Protocol):
    """What became of one packet (:class:`transport.twcc.Outcome` is one)."""

    @property
    def sequence(self) -> int:
        """Transport-wide sequence number, unwrapped or of 16 bit."""

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

    :param start_kbps: budget until something is known.
    :ivar queue_ms: queue seen by the newest packet of which feedback came.
    :ivar rtt_s: round trip including the wait for feedback, smoothed; 0 until known.
    :ivar acked_kbps: what arrived, over the last second or round trip.
    """

    def __init__(self, start_kbps: float = 40, floor_kbps: float = 6, cap_kbps: float = 3000) -> None:
        self.queue_ms = 0.0
        self.rtt_s = 0.0
        self.acked_kbps = 0.0
        self._floor_kbps = floor_kbps
        self._cap_kbps = cap_kbps
        self._link_kbps = start_kbps / SHARE
        self._known_kbps = float("inf")  # as measured last, before any caution
        self._measured = False
        self._base = DelayBase()
        self._meter = CapacityMeter()
        self._lone = LonePackets()
        self._model = QueueModel()
        self._losses = LossMeter()
        self._arrivals = ArrivalRate()
        self._stuck = StuckQueue()
        self._route = RouteWatch()
        self._sure_kbps = self._link_kbps  # before the delay made a step that is not understood yet
        self._reports = ReportedLink(start_kbps)
        self._sends: deque[tuple[float, int]] = deque()  # of the last second, at most MAX_SENDS; the oldest go first
        self._sends_bytes = 0
        self._lost: dict[tuple[int, float], None] = {}  # told lost, may be acked yet
        self._feedback_at: float | None = None
        self._newest_sent_s = float("-inf")
        self._evidence = (float("-inf"), float("-inf"))  # (arrival by the receiver's clock, when it was told)
        self._much_lost_since = float("inf")
        self._counts_from_s = float("-inf")
        self._raised_at = float("-inf")
        self._probed_at = float("-inf")
        self._wanted_at = float("-inf")

    @property
    def loss(self) -> float:
        """Fraction lost, smoothed over several round trips."""
        return self._losses.fraction

    @property
    def measured(self) -> bool:
        """Whether the budget rests on a measurement yet."""
        return self._measured

    def limited(self, now: float) -> bool:
        """Whether less was sent than the budget allowed, so that nothing can be learnt about more."""
        return self.sent_kbps(now) < USED * SHARE * self._link_kbps

    def sent_kbps(self, now: float) -> float:
        """What was sent over the last second."""
        while self._sends and self._sends[0][0] < now - RATE_WINDOW_S:
            self._sends_bytes -= self._sends.popleft()[1]
        return self._sends_bytes / 125 / RATE_WINDOW_S

    def sent(self, size_bytes: int, now: float) -> None:
        """A packet went out to the hall (wire bytes, with IP and UDP)."""
        if len(self._sends) == MAX_SENDS:
            self._sends_bytes -= self._sends.popleft()[1]
        self._sends.append((now, size_bytes))
        self._sends_bytes += size_bytes
        self._model.sent(size_bytes, now, self._link_kbps)

    def feedback(self, outcomes: Sequence[Outcome], now: float) -> None:
        """Digest transport-wide feedback; a packet may be told lost first and acked later."""
        arrived = [(outcome, outcome.arrival_s) for outcome in outcomes if outcome.arrival_s is not None]
        if not arrived:
            return  # overdue, perhaps because feedback was lost: in feedback itself the last packet has arrived
        if self._feedback_at is not None and now - self._feedback_at > SILENCE_S:
            self.silent(now)
        if self._feedback_at is None:
            self._counts_from_s = now  # what was lost before fell into an outage
        self._feedback_at = now
        self._count(outcomes, now)
        arrived.sort(key=lambda pair: pair[0].sent_s)
        for outcome, arrival_s in arrived:
            self._base.put(arrival_s - outcome.sent_s, outcome.size_bytes, self._known_kbps, now)
        for outcome, arrival_s in arrived:
            self._meter.put(outcome.sequence, outcome.size_bytes, outcome.sent_s, arrival_s, self._base.way_s)
            delay_s = arrival_s - outcome.sent_s
            self._lone.put(outcome.size_bytes, outcome.sent_s, delay_s, self._base.way_s)
            wait_s = self._base.queue_s(delay_s, outcome.size_bytes, self._sure_kbps)
            self._route.put(outcome.sent_s, arrival_s, wait_s, outcome.size_bytes, self._sure_kbps, now)
        window_s = max(RATE_WINDOW_S, self.rtt_s)
        self.acked_kbps = self._arrivals.put(((at, outcome.size_bytes) for outcome, at in arrived), window_s)
        self._follow(now)
        self._resolve(now)
        newest, arrival_s = arrived[-1]
        if newest.sent_s > self._newest_sent_s:
            self._newest_sent_s = newest.sent_s
            self._see(newest, arrival_s - newest.sent_s, now)

    def report(self, fraction_lost: float, rtt_s: float | None, now: float) -> None:
        """Digest a receiver report or the hall's own: rules the budget only where there is no feedback."""
        if self._by_reports(now):
            self.rtt_s = rtt_s or self.rtt_s
            self._losses.put(round(10 * fraction_lost), 10, now)
        self._reports.report(fraction_lost, rtt_s, self.sent_kbps(now), now)

    def remb(self, kbps: float, now: float) -> None:
        """Digest a receiver's own estimate; as :meth:`report`."""
        self._reports.remb(kbps, self.sent_kbps(now), now)

    def silent(self, now: float) -> None:
        """The link is down or RTP is: forget what is under way; on return begin from a share of the last estimate."""
        if self._feedback_at is not None:
            self._link_kbps *= SILENCE_SHARE
        self._feedback_at = None
        self._much_lost_since = now
        self._raised_at = now
        self._meter.forget()
        self._lone.forget()
        self._model.forget()
        self._stuck.forget()
        self._route.forget()
        self.queue_ms = 0.0

    def budget_kbps(self, now: float) -> float:
        """What may be sent now, for the pacer: less for a moment while a queue drains or feedback is overdue."""
        if self._by_reports(now):
            return self._bounded(self._reports.kbps)
        allowed_s = min(QUEUE_ALLOWED_MAX_S, QUEUE_ALLOWED_S + QUEUE_ALLOWED_BYTES / (self._link_kbps * 125))
        too_long_s = max(0.0, self._model.queue_s(now) - allowed_s)
        share = max(SHARE_MIN, SHARE - too_long_s / DRAIN_S)
        return self._bounded(self._link_kbps * min(share, self._stuck.share) * self._trust(now))

    def sustained_kbps(self, now: float) -> float:
        """What the link can carry on and on, for the choice of rungs."""
        return self._bounded(self._reports.kbps if self._by_reports(now) else SHARE * self._link_kbps)

    def in_doubt(self, now: float) -> bool:
        """Whether a train is wanted to tell whether the link has become slower or the route longer."""
        return self._route.in_doubt(now)

    def may_probe(self, now: float) -> bool:
        """Whether a train may go now and would tell anything new."""
        if now - self._probed_at < max(1.0, 1.2 * self.rtt_s):
            return False
        told = self._measured and now - self._evidence[1] < EVIDENCE_S
        return self.in_doubt(now) or not (told or self._model.queue_s(now) > QUEUE_ALLOWED_S)

    def probe(self, now: float) -> Probe | None:
        """A train that is due now, or None. Ask only when at least :data:`PROBE_MIN_BYTES` of PAGE, CATCH_UP or BULK
        wait; then give it to :meth:`Pacer.probe` and send packets no larger than it says."""
        self._wanted_at = now
        if not self.may_probe(now):
            return None
        low, high = TRAIN_PACKET_BYTES
        packet_bytes = int(min(high, max(low, TRAIN_PACKET_S * self._link_kbps * 125)))
        if self.in_doubt(now):
            packet_bytes = low  # the link may have become much slower
        self._probed_at = now
        return Probe(TRAIN_PACKETS * packet_bytes, packet_bytes, RAISE_MAX * self._link_kbps)

    def _count(self, outcomes: Sequence[Outcome], now: float) -> None:
        lost = packets = 0
        for outcome in outcomes:
            if outcome.sent_s < self._counts_from_s:
                continue
            key = (outcome.sequence, outcome.sent_s)
            if outcome.arrival_s is None:
                self._lost[key] = None
                lost, packets = lost + 1, packets + 1
            elif key in self._lost:
                del self._lost[key]
                lost -= 1
            else:
                packets += 1
        while len(self._lost) > MAX_LOST:
            del self._lost[next(iter(self._lost))]
        self._losses.put(lost, packets, now)
        if self.loss <= LOSS_TOO_MUCH:
            self._much_lost_since = now

    def _follow(self, now: float) -> None:
        """Take over what was measured: less at once, more by steps."""
        if self._meter.at > self._evidence[0] and self._meter.at - self._meter.before_at < EVIDENCE_S:
            self._evidence = (self._meter.at, now)
        if self._stuck.testing:
            return
        kbps = self._meter.kbps()
        may_raise = now - self._raised_at >= max(0.2, self.rtt_s)
        if kbps is not None and now - self._evidence[1] < max(EVIDENCE_S, 2 * self.rtt_s):
            self._lone.forget()
            if kbps <= self._link_kbps:
                self._link_kbps = kbps
            elif may_raise:
                most = RAISE_MAX * self._link_kbps
                if self.limited(now) and now - self._wanted_at > WANTED_S + self.rtt_s:
                    most = max(self._link_kbps, RAISE_LIMITED * self.acked_kbps)
                self._raise(min(kbps, most), now)
            if not self._measured or kbps > self._known_kbps:
                self._base.faster(kbps)
            self._known_kbps = kbps
            self._measured = True
        elif may_raise and not self.limited(now) and self.queue_ms < QUEUE_ALLOWED_S * 1000:
            self._raise(self._link_kbps * RAISE_UNPROVEN, now)
        elif self._measured:
            self._slower(self._lone.most_kbps())
        if now - self._much_lost_since > LOSS_TOO_LONG_S and not self.limited(now):
            self._link_kbps = max(self.acked_kbps, self._floor_kbps)
        self._link_kbps = min(self._cap_kbps / SHARE, max(self._floor_kbps, self._link_kbps))

    def _resolve(self, now: float) -> None:
        """Let a train tell whether a step of the delay is the link's or the route's."""
        since_s = self._route.since_s
        if since_s is None:
            self._sure_kbps = self._link_kbps
            return
        kbps = self._meter.train_kbps(self._route.since_arrival_s)
        if kbps is None or not self._route.in_doubt(now):
            return
        self._route.forget()
        if kbps < SAME_RATE * self._sure_kbps:
            return
        self._link_kbps = max(self._link_kbps, self._sure_kbps)
        self._base.faster(self._link_kbps)
        self._base.forget(now, since_s)
        self._known_kbps = self._link_kbps
        self._meter.forget()
        self._lone.forget()
        self._stuck.forget()

    def _slower(self, most_kbps: float) -> None:
        if most_kbps < SLOWER * self._link_kbps:
            self._link_kbps = max(most_kbps, self.acked_kbps)
            self._lone.forget()

    def _raise(self, kbps: float, now: float) -> None:
        self._link_kbps = kbps
        self._raised_at = now

    def _see(self, newest: Outcome, delay_s: float, now: float) -> None:
        queue_s = self._base.queue_s(delay_s, newest.size_bytes, self._link_kbps)
        if self._stuck.put(queue_s, self.rtt_s, now):
            self._base.forget(now)
            self._meter.forget()
            queue_s = 0.0
        self.queue_ms = queue_s * 1000
        self._model.seen(queue_s, newest.size_bytes, newest.sent_s, self._link_kbps)
        rtt_s = now - newest.sent_s
        self.rtt_s = self.rtt_s + (rtt_s - self.rtt_s) / 8 if self.rtt_s else rtt_s

    def _trust(self, now: float) -> float:
        """1, less while feedback is overdue: what is sent now may fall into an outage, or into a queue unseen."""
        oldest_s = self._model.oldest_s
        if oldest_s is None or self._feedback_at is None:
            return 1.0
        late_s = now - oldest_s - self.rtt_s - LATE_S
        return 1.0 if late_s <= 0 else 0.5 if late_s < 1.5 else 0.1

    def _by_reports(self, now: float) -> bool:
        return self._feedback_at is None and not self._measured

    def _bounded(self, kbps: float) -> float:
        return min(self._cap_kbps, max(self._floor_kbps, kbps))
