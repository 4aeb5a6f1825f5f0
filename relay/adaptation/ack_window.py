"""How much bulk data may be on its way to a hall over its socket, from the hall's acknowledgements. Pure.

TCP below would take anything and put it into the link's queue, in front of the live voice. So at most a window of
unacknowledged bytes is under way, and the window follows the delay of the acknowledgements (the idea of LEDBAT,
RFC 6817): it grows while they come as fast as they ever did and shrinks when they tell of a queue.
"""

from __future__ import annotations

from collections import deque

MIN_BYTES = 2_000
START_BYTES = 8_000
MAX_BYTES = 512_000
QUEUE_TARGET_S = 0.2
ACK_STEP_BYTES = 4_000
ACK_TIMER_S = 1.0
FRAME_MIN_BYTES = 700
FRAME_MAX_BYTES = 4_000


class AckWindow:
    """The window of one connection."""

    def __init__(self) -> None:
        self._window_bytes = float(START_BYTES)
        self._sent_bytes = 0
        self._acked_bytes = 0
        self._marks: deque[tuple[int, float]] = deque()  # (bytes sent so far, when); as many as frames under way
        self._base_s: float | None = None
        self._shrunk_at = float("-inf")
        self.rate_kbps = 0.0
        self._last_ack: tuple[int, float] | None = None

    @property
    def in_flight_bytes(self) -> int:
        return self._sent_bytes - self._acked_bytes

    @property
    def window_bytes(self) -> int:
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
        self._acked_bytes = total_bytes
        delay_s: float | None = None
        while self._marks and self._marks[0][0] <= total_bytes:
            delay_s = now - self._marks.popleft()[1]
        if delay_s is None:
            return
        self._measure_rate(total_bytes, now)
        # The hall acknowledges after 4 kB or a second: below 4 kB its own timer is in the delay.
        timer_s = 0.0 if newly_bytes >= ACK_STEP_BYTES else ACK_TIMER_S
        if timer_s == 0.0 or self._base_s is None:
            self._base_s = delay_s if self._base_s is None else min(self._base_s, delay_s)
        if delay_s - timer_s <= self._base_s + QUEUE_TARGET_S:
            self._window_bytes = min(MAX_BYTES, self._window_bytes + min(newly_bytes, self._window_bytes / 2))
        elif now - self._shrunk_at >= delay_s:
            # Once per window's worth of acknowledgements: those after the first tell of the same queue.
            self._shrunk_at = now
            self._window_bytes = max(MIN_BYTES, self._window_bytes * 0.7)

    def _measure_rate(self, total_bytes: int, now: float) -> None:
        if self._last_ack is not None and now > self._last_ack[1]:
            kbps = (total_bytes - self._last_ack[0]) * 8 / 1000 / (now - self._last_ack[1])
            self.rate_kbps += (kbps - self.rate_kbps) / 4
        self._last_ack = (total_bytes, now)
