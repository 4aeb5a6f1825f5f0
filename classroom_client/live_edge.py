"""What lecture time it is now at the relay, as far as the hall can tell."""

from __future__ import annotations

from collections import deque


class LiveEdge:
    """Estimates the relay's lecture time from everything stamped with it that arrives.

    Each observation says "it was at least ``t_ms`` when this was sent". The one that was delayed least within the
    last :data:`_WINDOW_S` seconds counts, so that queues and retransmissions do not move the estimate. It is
    therefore behind the relay's clock by the link's shortest one-way delay, and never ahead of it.
    """

    _WINDOW_S = 60.0

    def __init__(self) -> None:
        # Falling offsets with the time each was seen: the maximum of a sliding window. Bounded by the window.
        self._offsets: deque[tuple[float, float]] = deque()

    def reset(self) -> None:
        """Forget everything, because the relay may have started anew with another clock."""
        self._offsets.clear()

    def observe(self, t_ms: int, now: float) -> None:
        """Something sent at lecture time ``t_ms`` (or later) arrived at ``now``."""
        offset = t_ms - now * 1000.0
        while self._offsets and self._offsets[-1][1] <= offset:
            self._offsets.pop()
        self._offsets.append((now, offset))
        while self._offsets[0][0] < now - self._WINDOW_S:
            self._offsets.popleft()

    def live_ms(self, now: float) -> float | None:
        """The estimate at ``now``; None before the first observation. An old one is carried on by our own clock."""
        return self._offsets[0][1] + now * 1000.0 if self._offsets else None
