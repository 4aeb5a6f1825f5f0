"""How much may be on its way to a hall over its socket, and what the socket carries, by acknowledgements. Pure.

TCP below would take anything and put it into the link's queue, in front of the live voice. So at most a window of
unacknowledged bytes is under way: what the link carries in the time of an empty way, and a little more. The delay of
acknowledgements beyond the shortest one seen of late is taken for the queue (the idea of LEDBAT, RFC 6817), and the
rate at which they come while enough is under way for what the link carries (that of BBR). A single late acknowledgement
tells of a lost segment, not of a queue: the window shrinks only when they have been late for a while. What the window
leaves room for goes out at about the link's pace, else each page would begin with a windowful in the queue.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MIN_BYTES = 2_000
MIN_SELDOM_BYTES = 6_000
"""The least for a hall that acknowledges each 4 kB only: its timer alone would halve a thin link."""
SELDOM_BYTES = 3_500
START_BYTES = 6_000
MAX_BYTES = 512_000
START_KBPS = 40.0
QUEUE_TARGET_S = 0.06
"""Beside the time of one frame."""
QUEUE_KEPT_S = 0.1
"""What stays of a queue that was too long: enough not to starve the link."""
BASE_FOR_S = 60.0
FRESH_BYTES = 1_000
"""An acknowledgement of that much was sent as the newest frame of it arrived; a smaller one when a second was over."""
ACK_TIMER_S = 1.0
RATE_FOR_S = 8.0
RATE_TIME_S = 0.02
RATE_LATE_S = 2.0
RATE_QUANTILE = 0.75
LATE_S = 0.35
LATE_ACKS = 3
SHRUNK_LEAST = 0.9
SHRUNK_MOST = 0.7
GROWN_BYTES = 300
GROWN = 0.08
GROWN_EMPTY = 0.25
PACE_START = 2.0
PACE = 1.1
FRAME_S = 0.12
FRAME_MIN_BYTES = 400
FRAME_MAX_BYTES = 4_000


@dataclass(frozen=True, slots=True)
class _Mark:
    """A frame under way."""

    total_bytes: int  # sent so far, with this one
    sent_s: float
    full: bool
    acked_bytes: int  # when it was sent, with the time of that acknowledgement
    acked_s: float


class AckWindow:
    """The window of one connection.

    :ivar rate_kbps: what the connection carries; while less is sent, what it carried before.
    """

    def __init__(self) -> None:
        self.rate_kbps = START_KBPS
        self._window_bytes = float(START_BYTES)
        self._sent_bytes = 0
        self._acked_bytes = 0
        self._acked_s = float("-inf")
        self._marks: deque[_Mark] = deque()  # as many as frames under way
        self._base = (float("inf"), float("inf"))  # smallest delays of the last and of the present minute
        self._base_until: float | None = None
        self._starting = True
        self._level_at = float("-inf")
        self._late: tuple[float, int] | None = None  # (since, acknowledgements)
        self._min_bytes = MIN_SELDOM_BYTES
        self._rates: deque[tuple[float, float]] = deque()  # (time, kbit/s) of RATE_FOR_S

    def expect(self, kbps: float) -> None:
        """So much the link carries, as far as is known otherwise; before anything was measured here, that counts."""
        if not self._rates:
            self.rate_kbps = min(self.rate_kbps, kbps)
            self._starting = False

    @property
    def in_flight_bytes(self) -> int:
        """Sent and not acknowledged."""
        return self._sent_bytes - self._acked_bytes

    @property
    def unacknowledged_since(self) -> float | None:
        """When the oldest frame that is not acknowledged was sent; None if all are."""
        return self._marks[0].sent_s if self._marks else None

    @property
    def window_bytes(self) -> int:
        """How much may be under way."""
        return int(self._window_bytes)

    @property
    def ready_at(self) -> float:
        """When the pace next allows a frame, whatever the window says."""
        return self._level_at

    def frame_bytes(self, now: float) -> int:
        """How large the next frame's payload may be; 0 when the window is full or its time has not come.

        A frame is an eighth of a second of the link: on a thin one a page's frame must not hold up a page turn.
        """
        size = self._frame_bytes()
        if now < self._level_at:
            return 0
        return size if self.in_flight_bytes + size <= self._window_bytes or not self._marks else 0

    def sent(self, count_bytes: int, now: float) -> None:
        """A binary frame of this size has been handed to the socket."""
        idle = not self._marks
        self._sent_bytes += count_bytes
        pace_kbps = self.rate_kbps * (PACE_START if self._starting else PACE)
        self._level_at = max(self._level_at, now) + count_bytes / (pace_kbps * 125)
        acked_s = now if idle else self._acked_s
        if idle:
            self._acked_s = now
        self._marks.append(_Mark(self._sent_bytes, now, self._is_full(), self._acked_bytes, acked_s))

    def acknowledged(self, total_bytes: int, now: float) -> None:
        """The hall says it has received this many bytes of binary frames on this connection.

        :raises ValueError: that is more than was sent, or less than it said before.
        """
        if not self._acked_bytes <= total_bytes <= self._sent_bytes:
            raise ValueError(f"{total_bytes} bytes acknowledged, {self._sent_bytes} sent, {self._acked_bytes} before")
        newly_bytes = total_bytes - self._acked_bytes
        was_full = self._is_full()
        self._acked_bytes = total_bytes
        self._acked_s = now
        oldest = newest = None
        while self._marks and self._marks[0].total_bytes <= total_bytes:
            newest = self._marks.popleft()
            oldest = oldest or newest
        if oldest is None or newest is None:
            return
        if newly_bytes >= FRESH_BYTES:
            if newly_bytes < SELDOM_BYTES:
                self._min_bytes = MIN_BYTES
            delay_s = now - newest.sent_s
            self._note_base(delay_s, now)
            self._measure_rate(newest, self._is_queue(delay_s), now)
        else:
            delay_s = now - oldest.sent_s - ACK_TIMER_S
        self._adjust(delay_s, newly_bytes, was_full, now)

    def _frame_bytes(self) -> int:
        return int(min(FRAME_MAX_BYTES, max(FRAME_MIN_BYTES, self.rate_kbps * 125 * FRAME_S)))

    def _is_full(self) -> bool:
        """Whether enough is under way for the link to be busy all the time."""
        most_bytes = min(self._window_bytes, self.rate_kbps * 125 * min(self._base))
        return self.in_flight_bytes + self._frame_bytes() > most_bytes

    def _note_base(self, delay_s: float, now: float) -> None:
        if self._base_until is None or now >= self._base_until:
            self._base_until = now + BASE_FOR_S
            self._base = (self._base[1], delay_s)
        self._base = (self._base[0], min(self._base[1], delay_s))

    def _is_queue(self, delay_s: float) -> bool:
        # The shortest delay may be that of a smaller frame.
        return delay_s - min(self._base) > QUEUE_TARGET_S + self._frame_bytes() / (self.rate_kbps * 125)

    def _adjust(self, delay_s: float, newly_bytes: int, was_full: bool, now: float) -> None:
        base_s = min(self._base)
        if not self._is_queue(delay_s):
            self._late = None
            if was_full:
                share = GROWN if delay_s - base_s > QUEUE_KEPT_S else GROWN_EMPTY
                grown = 0.5 if self._starting else max(GROWN_BYTES / self._window_bytes, share)
                self._window_bytes = min(MAX_BYTES, self._window_bytes + newly_bytes * grown)
            return
        since, count = self._late or (now, 0)
        self._late = (since, count + 1)
        if count + 1 >= LATE_ACKS and now - since >= LATE_S:
            self._starting = False
            self._late = (now + base_s, 0)  # those that come within a round trip tell of the same queue
            self.rate_kbps = max((kbps for at, kbps in self._rates if at > now - RATE_LATE_S), default=self.rate_kbps)
            enough_bytes = max(self.rate_kbps * 125 * (base_s + QUEUE_KEPT_S), SHRUNK_MOST * self._window_bytes)
            self._window_bytes = max(self._min_bytes, min(SHRUNK_LEAST * self._window_bytes, enough_bytes))

    def _measure_rate(self, newest: _Mark, queued: bool, now: float) -> None:
        """The rate since the acknowledgement that was the last one when this frame was sent.

        :param queued: it met a queue; where there is none it is our own pace that is measured.
        """
        seconds = now - newest.acked_s
        if seconds < RATE_TIME_S:
            return
        kbps = (newest.total_bytes - newest.acked_bytes) / 125 / seconds
        if not newest.full or not queued:
            self.rate_kbps = max(self.rate_kbps, kbps)
            return
        self._rates.append((now, kbps))
        while self._rates[0][0] < now - RATE_FOR_S:
            self._rates.popleft()
        # Not the highest: after a lost segment what was held back behind it is acknowledged all at once.
        rates = sorted(kbps for _, kbps in self._rates)
        self.rate_kbps = rates[int(RATE_QUANTILE * len(rates))]
