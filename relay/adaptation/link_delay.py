"""What the arrival times of packets tell of a link: its queue and its rate. Pure.

Both compare the receiver's clock with ours, so only differences count: the shortest delay of late is taken for the
link without a queue. The rate comes from packets that stood in the queue behind the one before them: they arrive as far
apart as the link needs to carry the later one, however fast or slowly they were sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import isfinite, sqrt

BUCKET_S = 5.0
BUCKETS = 8
"""The shortest delay of 35–40 s: a queue has been empty in that time; clocks drift by less than 5 ms."""
RECENT_S = 2.0
WAITED_MIN_S = 0.002
TOGETHER_S = 0.0015
TOGETHER = 0.1
"""Packets sent within this time, and share of the time between their arrivals, stood behind one another, whatever the
way is."""
BUSY_AGE_S = 5.0
BUSY_S = 1.5
CHANGE_S = 1.0
CHANGE_MIN_S = 0.005
JITTERS = 2.0
CHANGED = 1.3
FASTER_MAX = 8.0
LONE_S = 0.15
LONE_MIN_BYTES = 100
LONE_PACKETS = 10
MIN_PAIRS = 2
MIN_BYTES = 480
"""Two packets of the shortest train."""
MAX_TOGETHER = 16
MAX_RECENT = 4000


@dataclass(slots=True)
class _Delay:
    """The fastest packet of some seconds, and what the link was taken to carry then."""

    begun: float
    delay_s: float
    size_bytes: int
    kbps: float

    @property
    def way_s(self) -> float:
        return self.delay_s - self.size_bytes / (self.kbps * 125)


class DelayBase:
    """The way of a link: the delay of nothing at all, without queue and without the time to send.

    A delay is cleared of its packet's time to send at the rate that was known then: one of a faster link stays true
    after the link has become slower. Not so when the link turns out to have been faster already: see :meth:`faster`.

    :ivar way_s: by a clock difference of its own; infinite while nothing arrived.
    """

    def __init__(self) -> None:
        self.way_s = float("inf")
        self._buckets: deque[_Delay] = deque(maxlen=BUCKETS)
        self._recent: deque[_Delay] = deque(maxlen=MAX_RECENT)  # bounded by RECENT_S as well

    def put(self, delay_s: float, size_bytes: int, kbps: float, now: float) -> None:
        """The delay of one packet, of any origin, on a link that is taken to carry ``kbps`` (infinity if unknown)."""
        spare_s = delay_s - self.way_s
        if spare_s > 0:
            # Too early for that rate on the way as it was: the link has become faster, rather than the way shorter.
            kbps = max(kbps, min(size_bytes / (spare_s * 125), FASTER_MAX * kbps))
        delay = _Delay(now, delay_s, size_bytes, kbps)
        self._recent.append(delay)
        while self._recent[0].begun < now - RECENT_S:
            self._recent.popleft()
        if not self._buckets or now - self._buckets[-1].begun >= BUCKET_S:
            self._buckets.append(delay)
            self.way_s = min(delay.way_s for delay in self._buckets)
        elif delay.way_s < self._buckets[-1].way_s:
            self._buckets[-1] = _Delay(self._buckets[-1].begun, delay_s, size_bytes, kbps)
            self.way_s = min(self.way_s, delay.way_s)

    def queue_s(self, delay_s: float, size_bytes: int, kbps: float) -> float:
        """How long a packet waited, given what the link carries."""
        return max(0.0, delay_s - self.way_s - size_bytes / (kbps * 125))

    def faster(self, kbps: float) -> None:
        """The link carries more than was thought, perhaps for long: a way must not be taken to be shorter than it is,
        for then every packet seems to have waited."""
        for delay in (*self._buckets, *self._recent):
            delay.kbps = max(delay.kbps, kbps) if isfinite(delay.kbps) else kbps
        self.way_s = min((delay.way_s for delay in self._buckets), default=float("inf"))

    def forget(self, now: float, since: float = float("-inf")) -> None:
        """The route has become longer: only the delays of the last two seconds count, and told of from ``since`` on."""
        self._buckets.clear()
        recent = [delay for delay in self._recent if delay.begun >= since]
        if recent:
            best = min(recent, key=lambda delay: delay.way_s)
            self._buckets.append(_Delay(now, best.delay_s, best.size_bytes, best.kbps))
            self.way_s = best.way_s


class CapacityMeter:
    """The rate of the link, from packets that waited behind one another.

    :ivar at: arrival (receiver's clock) of the newest such packet.
    :ivar before_at: that of the one before.
    """

    def __init__(self) -> None:
        self.at = float("-inf")
        self.before_at = float("-inf")
        self._pairs: deque[tuple[float, int, float]] = deque()  # bounded by BUSY_S: (arrival, bytes, seconds)
        self._before: tuple[int, float, float] | None = None
        self._together: deque[tuple[float, int, float]] = deque(maxlen=MAX_TOGETHER)  # as the pairs; the oldest go

    def put(self, sequence: int, size_bytes: int, sent_s: float, arrival_s: float, way_s: float) -> None:
        """A packet arrived; call in order of sequence numbers.

        :param way_s: of :class:`DelayBase`.
        """
        before, self._before = self._before, (sequence, sent_s, arrival_s)
        if before is None or (sequence - before[0]) & 0xFFFF != 1:
            return  # one was lost in between: by the queue, and then it took no time, or after it, and then it did
        apart_s = arrival_s - before[2]
        waited = before[2] - way_s - sent_s >= WAITED_MIN_S
        together = sent_s - before[1] < min(TOGETHER_S, TOGETHER * apart_s)
        if apart_s < 0 or not (waited or together):
            return
        if together:
            self._together.append((arrival_s, size_bytes, apart_s))
        self.before_at = self.at
        self.at = max(self.at, arrival_s)
        self._pairs.append((arrival_s, size_bytes, apart_s))
        self._trim()

    def kbps(self) -> float | None:
        """What the link carries, None while there is too little to tell."""
        every_kbps = _rate_kbps(self._pairs)
        newest = [pair for pair in self._pairs if pair[0] >= self.at - CHANGE_S]
        kbps = _rate_kbps(newest)
        if every_kbps is None or kbps is None or every_kbps / CHANGED < kbps < every_kbps * CHANGED:
            return every_kbps
        older = [pair for pair in self._pairs if pair[0] < self.at - CHANGE_S]
        before_kbps = _rate_kbps(older)
        if before_kbps is not None:
            # More than the jitter of the arrivals accounts for?
            off_s = [apart_s - size / 125 / before_kbps for _, size, apart_s in older]
            jitter_s = sqrt(sum(off * off for off in off_s) / len(older))
            change_s = sum(apart_s - size / 125 / before_kbps for _, size, apart_s in newest)
            if abs(change_s) < JITTERS * jitter_s * sqrt(len(newest)) + CHANGE_MIN_S:
                return every_kbps
        self._pairs = deque(newest)  # the link has changed: what it carried before tells nothing
        return kbps

    def train_kbps(self, since_arrival_s: float) -> float | None:
        """What packets that were sent back to back and arrived since then say, whatever the way is."""
        return _rate_kbps([pair for pair in self._together if pair[0] > since_arrival_s])

    def forget(self) -> None:
        """Begin anew, after an outage."""
        self._pairs.clear()
        self._together.clear()
        self._before = None

    def _trim(self) -> None:
        while self._pairs[0][0] < self.at - BUSY_AGE_S:
            self._pairs.popleft()
        total_s = sum(apart_s for _, _, apart_s in self._pairs)
        while len(self._pairs) > MIN_PAIRS and total_s - self._pairs[0][2] >= BUSY_S:
            total_s -= self._pairs.popleft()[2]


def _rate_kbps(pairs: Collection[tuple[float, int, float]]) -> float | None:
    size_bytes = sum(size for _, size, _ in pairs)
    if len(pairs) < MIN_PAIRS or size_bytes < MIN_BYTES:
        return None
    return size_bytes / 125 / max(sum(apart_s for _, _, apart_s in pairs), 1e-4)


class LonePackets:
    """The most that a link may carry, from packets that were sent with none before them to wait for.

    Such a packet is late by its own time to send. While little but voice is sent this is all that tells that a link has
    become slower; but so does a route that has become longer, which the largest of the values is least wrong about.
    """

    def __init__(self) -> None:
        self._kbps: deque[float] = deque(maxlen=LONE_PACKETS)
        self._sent_s = float("-inf")

    def put(self, size_bytes: int, sent_s: float, delay_s: float, way_s: float) -> None:
        """A packet arrived; call in order of sending."""
        alone = sent_s - self._sent_s >= LONE_S
        self._sent_s = max(self._sent_s, sent_s)
        if alone and size_bytes >= LONE_MIN_BYTES:
            self._kbps.append(size_bytes / 125 / max(delay_s - way_s, 0.001))

    def most_kbps(self) -> float:
        """Infinite while too little is known."""
        return max(self._kbps) if len(self._kbps) == LONE_PACKETS else float("inf")

    def forget(self) -> None:
        """What was is no longer true."""
        self._kbps.clear()


class QueueModel:
    """The queue of the link as it must be now: seen at the newest packet of which feedback came, and reckoned on from
    there with what was sent since. So a queue of our own making is answered before the link has told of it twice."""

    LONGEST_S = 1.5

    def __init__(self) -> None:
        self._under_way: deque[tuple[float, int]] = deque(maxlen=MAX_RECENT)  # the oldest go first: told of long ago
        self._work_s = 0.0
        self._at = 0.0

    @property
    def oldest_s(self) -> float | None:
        """When the oldest packet was sent of which nothing has been heard."""
        return self._under_way[0][0] if self._under_way else None

    def sent(self, size_bytes: int, now: float, kbps: float) -> None:
        """A packet went out."""
        self._under_way.append((now, size_bytes))
        self._add(size_bytes, now, kbps)

    def seen(self, queue_s: float, size_bytes: int, sent_s: float, kbps: float) -> None:
        """The newest packet of which feedback came found this queue."""
        self.settle(sent_s)
        self._work_s, self._at = queue_s + size_bytes / (kbps * 125), sent_s
        for at, size in self._under_way:
            self._add(size, at, kbps)

    def settle(self, sent_s: float) -> None:
        """What was sent until then is no longer under way."""
        while self._under_way and self._under_way[0][0] <= sent_s + 1e-6:
            self._under_way.popleft()

    def queue_s(self, now: float) -> float:
        """The time that a packet sent now would wait."""
        return max(0.0, self._work_s - (now - self._at))

    def forget(self) -> None:
        """Nothing is under way any more."""
        self._under_way.clear()
        self._work_s = 0.0

    def _add(self, size_bytes: int, now: float, kbps: float) -> None:
        self._work_s = min(self.LONGEST_S, self.queue_s(now) + size_bytes / (kbps * 125))
        self._at = now


class LossMeter:
    """The fraction lost over the last :data:`WINDOW_S`, decaying; a loss can be taken back."""

    WINDOW_S = 15.0
    PRIOR_PACKETS = 8.0

    def __init__(self) -> None:
        self._lost = 0.0
        self._packets = 0.0
        self._at = 0.0

    def put(self, lost: int, packets: int, now: float) -> None:
        """Outcomes; a packet that was told lost and is now acked counts -1 lost, 0 packets."""
        share = 0.5 ** ((now - self._at) / (self.WINDOW_S / 2)) if now > self._at else 1.0
        self._lost = max(0.0, self._lost * share + lost)
        self._packets = self._packets * share + packets
        self._at = now

    @property
    def fraction(self) -> float:
        """0–1; close to 0 while little is known."""
        return min(1.0, self._lost / (self._packets + self.PRIOR_PACKETS))


class ArrivalRate:
    """Bytes that arrived in the last second or so of the receiver's clock."""

    def __init__(self) -> None:
        self._arrivals: deque[tuple[float, int]] = deque()  # at most MAX_RECENT, and what the window holds
        self._bytes = 0

    def put(self, arrivals: Iterable[tuple[float, int]], window_s: float) -> float:
        """Add ``(arrival, bytes)`` in about their order; returns kbit/s over the window up to the newest."""
        known = self._arrivals
        for arrival in arrivals:
            if len(known) == MAX_RECENT:
                self._bytes -= known.popleft()[1]
            known.append(arrival)
            self._bytes += arrival[1]
        if not known:
            return 0.0
        newest = known[-1][0]
        while known[0][0] < newest - window_s:
            self._bytes -= known.popleft()[1]
        return self._bytes / 125 / max(newest - known[0][0], window_s / 2)
