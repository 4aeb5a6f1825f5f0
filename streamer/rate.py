"""A rate over the last seconds, from a running total. Pure."""

from __future__ import annotations

from collections import deque

WINDOW_S = 4.0


class Rate:
    """Kilobits a second over the last :data:`WINDOW_S`."""

    def __init__(self) -> None:
        self._totals: deque[tuple[float, int]] = deque(maxlen=200)

    def put(self, now: float, total_bytes: int) -> None:
        """The total at ``now`` (monotonic seconds)."""
        self._totals.append((now, total_bytes))
        while len(self._totals) > 2 and now - self._totals[0][0] > WINDOW_S:
            self._totals.popleft()

    @property
    def kbps(self) -> float:
        """0 until two totals are known."""
        if len(self._totals) < 2:
            return 0.0
        (first_s, first), (last_s, last) = self._totals[0], self._totals[-1]
        return 8 * (last - first) / 1000 / (last_s - first_s) if last_s > first_s else 0.0
