"""From a publisher's RTP timestamps to lecture time.

The policy, and its reasons:

* **Anchor.** The first packet's timestamp stands for the lecture time of its arrival; from there timestamps count.
  What follows is then as evenly spaced as the publisher's clock, whatever the jitter of the network.
* **Settling.** The first packet may itself be late: it waited in a queue, or for a retransmission, or for the relay
  while that set the connection up. A clock with ``settle_ms`` takes the least delayed packet that arrives in so long
  for the anchor instead, and steps back to it at once. Each step of more than :data:`_STILL_MS` begins that time anew,
  and of a pause between two packets only :data:`_PAUSE_MS` count: a relay that got no time for a second, or a queue,
  has not shown yet how late it was. After :data:`MOST_SETTLING_MS` what is left is slewed. Times that the clock has
  given are not final before it has :meth:`~MediaClock.settled`; who cannot wait for that leaves ``settle_ms`` at 0. It
  steps by :data:`JUMP_MS` at most, and never to before what was there before a jump, nor to before the lecture began;
  :attr:`~MediaClock.early_ms` says by how much that should have begun earlier.
* **Lateness** of a packet is its arrival minus its lecture time. Jitter and queues only ever add to it, so the
  smallest lateness of the last :data:`WINDOW_MS` shows how far the publisher's clock and ours have gone apart.
* **Drift.** While that is within :data:`TOLERANCE_MS` nothing is done: most lectures never see a correction. Beyond,
  time is slewed until it is near zero again, by at most :data:`SLEW` of the media that goes by (0.5 ms a second,
  which outruns any quartz and is never heard). Media from the future (the anchor fell into a queue that has drained
  since) cannot be the network's doing, so while it is more than :data:`FAST_TOLERANCE_MS` off it is slewed at
  :data:`FAST_SLEW`, without waiting for a whole window.
* **Jumps.** Time is anchored anew, after all that was before, when
  the timestamps leap ahead of the clock by more than :data:`JUMP_MS` from one packet to the next (a publisher's
  restart); when a packet is more than :data:`HOPELESS_MS` late, as no network makes it (a laptop that slept, a
  restart); or when every packet of :data:`PERSISTENCE_MS` was more than :data:`JUMP_MS` late (a short sleep; most
  queues drain sooner).
* **The future.** No packet is ever mapped more than :data:`AHEAD_MS` beyond its arrival. An encoder that sends faster
  than real time (or lies) would else take all lecture time there is, and whoever publishes after it would be heard
  only once that time has come.
* **Retransmitted** packets are late by their nature: they are mapped, and nothing is learnt from them.
* **Audio and video.** Sender reports tie each stream's timestamps to one wall clock of the publisher's. A clock with
  a ``reference`` drops its own drift correction once both have reports and slews at :data:`SYNC_SLEW` to show the
  same instant at the same lecture time as its reference.
"""

from __future__ import annotations

from collections import deque

from transport.rtcp import SenderReport
from transport.rtp import Unwrapper

WINDOW_MS = 5_000
TOLERANCE_MS = 20.0
SLEW = 0.0005
FAST_TOLERANCE_MS = 50.0
FAST_SLEW = 0.01
SYNC_SLEW = 0.05
MOST_SETTLING_MS = 2_000
JUMP_MS = 2_000
HOPELESS_MS = 30_000
PERSISTENCE_MS = 10_000
AHEAD_MS = 10_000
"""More than a queue that drains puts an honest publisher ahead; see the module's text."""

_PAUSE_MS = 60.0
_STILL_MS = 5.0
_SETTLED_MS = 1.0
_SYNC_TOLERANCE_MS = 5.0
_SYNC_LIMIT_MS = 10_000
"""Sender reports that claim more than this between voice and camera are not believed."""


class MediaClock:
    """Maps one stream's RTP timestamps to lecture time. Pure; the module's text states the policy.

    :param clock_rate: of the timestamps, in Hz.
    :param reference: the clock of the same publisher's voice: a camera's clock keeps in step with it as sender
        reports of both allow.
    :param settle_ms: how long packets must have come, none of them less delayed than those before, until the times
        given are final.
    """

    def __init__(self, clock_rate: int, *, reference: MediaClock | None = None, settle_ms: float = 0.0) -> None:
        self.clock_rate = clock_rate
        self._settle_ms = settle_ms
        self.anchors = 0
        """How often the clock was anchored: 1 after the first packet, one more for each jump."""
        self.early_ms = 0.0
        """By how much the newest packet, of a stream with which the lecture began, came before its lecture time.

        What is given for ``now_ms`` from now on must be so much later. In all it is :data:`JUMP_MS` at most.
        """
        self._begun_earlier_ms = 0.0
        self._reference = reference
        self._per_ms = clock_rate / 1000
        self._timestamps = Unwrapper(32)
        self._anchor_timestamp = 0
        self._anchor_ms = 0.0
        self._before: tuple[int, float] | None = None
        self._newest_ms = 0.0
        self._newest_arrival_ms = 0.0
        self._anchored_at_ms = 0.0
        self._settling_ms = 0.0  # still to go
        self._settling_at_ms = 0.0
        self._settled_by_ms = 0.0
        self._earliest_anchor_ms = 0.0
        self._slewed_ms = 0.0
        self._smallest: deque[tuple[float, float]] = deque()  # arrival, lateness as if nothing had been slewed
        self._slewing = False
        self._late_since_ms: float | None = None
        self._lateness_ms = 0.0
        self._report: tuple[int, float] | None = None

    @property
    def lateness_ms(self) -> float:
        """How much later than its lecture time a packet arrives (0 for the anchor), smoothed."""
        return self._lateness_ms

    def settled(self, now_ms: float) -> bool:
        """Whether the times that :meth:`at` gives are final."""
        return self._settling_ms <= 0 or now_ms >= self._settled_by_ms

    def at(self, timestamp: int, now_ms: float, *, retransmitted: bool = False) -> float:
        """Lecture time, in ms, of a packet that arrived at lecture time ``now_ms``.

        A later timestamp never maps to an earlier time than one mapped before, but while the clock settles; after a
        jump the new times lie after all the old ones.

        :param timestamp: 32 bits or unwrapped.
        :param retransmitted: it came late by its nature: map it, learn nothing from it.
        """
        newest = self._timestamps.newest
        extended = self._timestamps.peek(timestamp & 0xFFFF_FFFF)
        self.early_ms = 0.0
        if newest is None:
            self._timestamps.unwrap(timestamp & 0xFFFF_FFFF)
            return self._anchor(extended, now_ms, now_ms)
        mapped_ms = self._map(extended)
        lateness_ms = now_ms - mapped_ms
        step_ms = (extended - newest) / self._per_ms
        if retransmitted:
            return min(self._map_late(extended, lateness_ms), now_ms + AHEAD_MS)
        if self._jumped(lateness_ms, step_ms, now_ms):
            self._before = (self._anchor_timestamp, self._anchor_ms)
            self._timestamps = Unwrapper(32)
            at_ms = min(max(now_ms, self._newest_ms + 1), max(now_ms + AHEAD_MS, self._newest_ms))
            floor_ms = self._newest_ms + 1
            return self._anchor(self._timestamps.unwrap(timestamp & 0xFFFF_FFFF), at_ms, now_ms, floor_ms)
        if not self.settled(now_ms):
            moved_ms = self._settle(lateness_ms, now_ms)
            mapped_ms, lateness_ms = mapped_ms + moved_ms, lateness_ms - moved_ms
        if step_ms < 0:
            return mapped_ms
        if lateness_ms < -AHEAD_MS:
            self._timestamps.newest = extended
            return self._anchor(extended, max(now_ms + AHEAD_MS, self._newest_ms), now_ms, self._newest_ms)
        self._timestamps.newest = extended
        mapped_ms = max(mapped_ms + self._correct(lateness_ms, step_ms, now_ms), self._newest_ms)  # rounding
        self._newest_ms, self._newest_arrival_ms = mapped_ms, now_ms
        self._lateness_ms += (now_ms - mapped_ms - self._lateness_ms) / 16
        return mapped_ms

    def _map(self, extended: int) -> float:
        return self._anchor_ms + (extended - self._anchor_timestamp) / self._per_ms

    def _settle(self, lateness_ms: float, now_ms: float) -> float:
        """A packet less delayed than the anchor is the anchor; returns by how much time moved."""
        self._settling_ms -= min(_PAUSE_MS, now_ms - self._settling_at_ms)
        self._settling_at_ms = now_ms
        if lateness_ms >= 0:
            return 0.0
        if lateness_ms < -_STILL_MS:
            self._settling_ms = self._settle_ms
        moved_ms = max(lateness_ms, min(0.0, self._earliest_anchor_ms - self._anchor_ms))
        if self.anchors == 1 and self._anchored_at_ms <= self._settle_ms:
            self.early_ms = min(moved_ms - lateness_ms, JUMP_MS - self._begun_earlier_ms)
            self._begun_earlier_ms += self.early_ms
            self._settling_at_ms += self.early_ms
            self._settled_by_ms += self.early_ms
        self._anchor_ms += moved_ms
        self._newest_ms += moved_ms
        self._slewed_ms += moved_ms
        return moved_ms

    def _anchor(self, extended: int, at_ms: float, now_ms: float, floor_ms: float = 0.0) -> float:
        self.anchors += 1
        self._anchor_timestamp, self._anchor_ms = extended, at_ms
        self._anchored_at_ms, self._slewed_ms = at_ms, 0.0
        self._settling_ms, self._settling_at_ms = self._settle_ms, now_ms
        self._settled_by_ms = now_ms + max(self._settle_ms, MOST_SETTLING_MS)
        # Not before the lecture began: that may be with this very packet, and what lies before is no part of it.
        self._earliest_anchor_ms = min(at_ms, max(at_ms - JUMP_MS, floor_ms))
        self._newest_ms = self._newest_arrival_ms = at_ms
        self._smallest.clear()
        self._slewing = False
        self._late_since_ms = None
        self._lateness_ms = 0.0
        self._report = None
        return at_ms

    def _map_late(self, extended: int, lateness_ms: float) -> float:
        """A retransmitted packet may be from before the newest jump: take the anchor that makes more sense of it."""
        mapped_ms = self._map(extended)
        if self._before is None or -JUMP_MS < lateness_ms < HOPELESS_MS:
            return mapped_ms
        timestamp, ms = self._before
        step = (extended - timestamp) & 0xFFFF_FFFF
        if step >= 1 << 31:
            step -= 1 << 32
        return min(ms + step / self._per_ms, self._anchor_ms)

    def _jumped(self, lateness_ms: float, step_ms: float, now_ms: float) -> bool:
        if lateness_ms > HOPELESS_MS:
            return True
        leap_ms = step_ms - (now_ms - self._newest_arrival_ms)
        if lateness_ms < -JUMP_MS and leap_ms > JUMP_MS:
            return True
        if lateness_ms <= JUMP_MS:
            self._late_since_ms = None
        elif self._late_since_ms is None:
            self._late_since_ms = now_ms
        else:
            return now_ms - self._late_since_ms >= PERSISTENCE_MS
        return False

    def _correct(self, lateness_ms: float, step_ms: float, now_ms: float) -> float:
        """Slew the mapping a little; returns by how much it moved."""
        off_ms = self._sync_error_ms()
        if off_ms is not None:
            limit, tolerance_ms = SYNC_SLEW, _SYNC_TOLERANCE_MS
        else:
            found_ms = self._window_minimum(lateness_ms, now_ms)
            if found_ms is None:
                return 0.0
            off_ms, tolerance_ms = found_ms, TOLERANCE_MS
            limit = FAST_SLEW if off_ms < -FAST_TOLERANCE_MS else SLEW
        if abs(off_ms) > tolerance_ms:
            self._slewing = True
        elif abs(off_ms) < _SETTLED_MS:
            self._slewing = False
        if not self._slewing:
            return 0.0
        most_ms = limit * min(step_ms, 1_000)
        moved_ms = max(-most_ms, min(most_ms, off_ms))
        self._anchor_ms += moved_ms
        self._slewed_ms += moved_ms
        return moved_ms

    def _window_minimum(self, lateness_ms: float, now_ms: float) -> float | None:
        """The smallest lateness of the window; ``None`` until a whole window has been seen or it is in the future."""
        window = self._smallest
        while window and window[0][0] < now_ms - WINDOW_MS:
            window.popleft()
        unslewed_ms = lateness_ms + self._slewed_ms
        while window and window[-1][1] >= unslewed_ms:
            window.pop()
        window.append((now_ms, unslewed_ms))
        smallest_ms = window[0][1] - self._slewed_ms
        is_early = smallest_ms < -FAST_TOLERANCE_MS and self.settled(now_ms)
        return smallest_ms if is_early or now_ms - self._anchored_at_ms >= WINDOW_MS else None

    def sync(self, report: SenderReport) -> None:
        """Learn from a sender report which instant of the publisher's wall clock a timestamp stands for."""
        if self._timestamps.newest is None:
            return
        extended = self._timestamps.peek(report.rtp_timestamp)
        if abs(extended - self._timestamps.newest) <= _SYNC_LIMIT_MS * self._per_ms:
            self._report = extended, report.ntp_s

    def _sync_error_ms(self) -> float | None:
        """How much later the reference shows the instant of our newest report; ``None`` where that cannot be said."""
        reference = self._reference
        if reference is None or reference._report is None or self._report is None:
            return None
        timestamp, instant_s = self._report
        reference_timestamp, reference_s = reference._report
        theirs_ms = reference._map(reference_timestamp) + (instant_s - reference_s) * 1000
        error_ms = theirs_ms - self._map(timestamp)
        return error_ms if abs(error_ms) <= _SYNC_LIMIT_MS else None
