"""How much bulk data may be on its way to a hall over its socket, from the hall's acknowledgements. Pure.

TCP below would take anything and put it into the link's queue, in front of the live voice. So at most a window of
unacknowledged bytes is under way, and the window follows the delay of the acknowledgements (the idea of LEDBAT,
RFC 6817): it grows while they come as fast as they ever did and shrinks when they tell of a queue.
"""

from __future__ import annotations

from collections import deque

MIN_BYTES = 4_600
"""Enough for the hall to acknowledge by size (4 kB): acknowledgements by its timer alone would halve a thin link."""
START_BYTES = 6_000
MAX_BYTES = 512_000
QUEUE_TARGET_S = 0.2
BASE_FOR_S = 60.0
ACK_STEP_BYTES = 4_000
ACK_TIMER_S = 1.0
FRAME_MIN_BYTES = 700
FRAME_MAX_BYTES = 4_000


class AckWindow:
    """The window of one connection.

    :ivar rate_kbps: what is acknowledged, smoothed.
    """

    def __init__(self) -> None:
        self.rate_kbps = 0.0
        self._window_bytes = float(START_BYTES)
        self._sent_bytes = 0
        self._acked_bytes = 0
        self._marks: deque[tuple[int, float]] = deque()  # (bytes sent so far, when); as many as frames under way
        self._base = (float("inf"), float("inf"))  # smallest delays of the last and of the present minute
        self._base_until: float | None = None
        self._starting = True
        self._shrunk_at = float("-inf")
        self._last_ack: tuple[int, float] | None = None

    @property
    def in_flight_bytes(self) -> int:
        """Sent and not acknowledged."""
        return self._sent_bytes - self._acked_bytes

    @property
    def window_bytes(self) -> int:
        """How much may be under way."""
        return int(self._window_bytes)

    def frame_bytes(self) -> int:
        """How large the next frame's payload may be; 0 when the window is full.

        Frames are a quarter of the window: on a thin link a page's frame must not hold up a page turn for seconds.
        """
        size = int(min(FRAME_MAX_BYTES, max(FRAME_MIN_BYTES, self._window_bytes / 4)))
        return size if self.in_flight_bytes + size <= self._window_bytes or not self._marks else 0

    def sent(self, count_bytes: int, now: float) -> None:
        """A binary frame of this size has been handed to the socket."""
        self._sent_bytes += count_bytes
        self._marks.append((self._sent_bytes, now))

    def acknowledged(self, total_bytes: int, now: float) -> None:
        """The hall says it has received this many bytes of binary frames on this connection.

        :raises ValueError: that is more than was sent, or less than it said before.
        """
        if not self._acked_bytes <= total_bytes <= self._sent_bytes:
            raise ValueError(f"{total_bytes} bytes acknowledged, {self._sent_bytes} sent, {self._acked_bytes} before")
        newly_bytes = total_bytes - self._acked_bytes
        was_full = self.in_flight_bytes >= 0.7 * self._window_bytes
        self._acked_bytes = total_bytes
        delays_s = []
        while self._marks and self._marks[0][0] <= total_bytes:
            delays_s.append(now - self._marks.popleft()[1])
        if not delays_s:
            return
        self._measure_rate(total_bytes, now)
        # A hall acknowledges as 4 kB are complete (the newest frame tells the delay), or a second after the first
        # frame that was not acknowledged (the oldest one tells, less that second).
        at_once = newly_bytes >= ACK_STEP_BYTES
        self._adjust(delays_s[-1] if at_once else max(0.0, delays_s[0] - ACK_TIMER_S), newly_bytes, was_full, now)

    def _adjust(self, delay_s: float, newly_bytes: int, was_full: bool, now: float) -> None:
        if self._base_until is None or now >= self._base_until:
            self._base_until = now + BASE_FOR_S
            self._base = (self._base[1], delay_s)
        self._base = (self._base[0], min(self._base[1], delay_s))
        queue_s = delay_s - min(self._base)
        if queue_s <= QUEUE_TARGET_S:
            if was_full:
                share = 1.0 if self._starting else FRAME_MAX_BYTES / self._window_bytes
                self._window_bytes = min(MAX_BYTES, self._window_bytes + newly_bytes * min(0.5, share))
        elif now - self._shrunk_at >= delay_s:
            # Once per window's worth of acknowledgements: those after the first tell of the same queue.
            self._starting = False
            self._shrunk_at = now
            self._window_bytes = max(MIN_BYTES, self._window_bytes * 0.7)

    def _measure_rate(self, total_bytes: int, now: float) -> None:
        if self._last_ack is not None and now > self._last_ack[1]:
            kbps = (total_bytes - self._last_ack[0]) * 8 / 1000 / (now - self._last_ack[1])
            self.rate_kbps += (kbps - self.rate_kbps) / 4
        self._last_ack = (total_bytes, now)
