"""Tells a queue that will not drain from a route that has become longer. Pure.

Both look like a longer delay. So when the queue has not been short for some seconds, half the rate is sent for a while:
a queue drains, a longer route stays.
"""

from __future__ import annotations

from collections import deque

LONG_S = 0.08
PATIENCE_S = 4.0
TEST_S = 1.5
TEST_SHARE = 0.5
DRAINED = 0.6


class StuckQueue:
    """The watch over one link's queue."""

    def __init__(self) -> None:
        self._short_at: float | None = None
        self._test: tuple[float, float, float] | None = None  # (judged from, judged at, queue before)
        self._seen: deque[tuple[float, float]] = deque(maxlen=400)  # bounded by PATIENCE_S as well

    def put(self, queue_s: float, rtt_s: float, now: float) -> bool:
        """The queue that was seen; True when it is none: the route has become longer."""
        self._seen.append((now, queue_s))
        while self._seen[0][0] < now - PATIENCE_S:
            self._seen.popleft()
        if self._short_at is None or queue_s < LONG_S:
            self._short_at = now
            self._test = None
        if self._test is None:
            if now - self._short_at >= PATIENCE_S:
                before_s = min(queue_s for _, queue_s in self._seen)
                self._test = (now + rtt_s, now + rtt_s + TEST_S, before_s)
            return False
        since, until, before_s = self._test
        if now < until:
            return False
        self._short_at, self._test = now, None
        return min(queue_s for at, queue_s in self._seen if at >= since) > DRAINED * before_s

    @property
    def testing(self) -> bool:
        """Whether less is to be sent for a while."""
        return self._test is not None

    @property
    def share(self) -> float:
        """Of the link's rate that may be sent."""
        return TEST_SHARE if self.testing else 1.0

    def forget(self) -> None:
        """Begin anew, after an outage."""
        self._short_at = None
        self._test = None
        self._seen.clear()
