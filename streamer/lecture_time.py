"""What lecture time it is at the relay, learnt from pings. Pure: ``now`` is an argument (monotonic seconds)."""

from __future__ import annotations

from collections import deque

_KEPT = 8
"""The answer with the shortest round trip of the last few rules: queues only ever add to a round trip."""


class LectureTime:
    """Estimates lecture time. Unknown until the lecture is live and a ping was answered."""

    def __init__(self) -> None:
        self._answers: deque[tuple[float, float]] = deque(maxlen=_KEPT)  # round trip, lecture time minus now (in s)

    @property
    def rtt_s(self) -> float | None:
        """The shortest round trip among the newest answers, in seconds."""
        return min(self._answers)[0] if self._answers else None

    @property
    def answers(self) -> int:
        """How many answers it knows of this connection."""
        return len(self._answers)

    def pong(self, sent_s: float, now: float, t_ms: int) -> None:
        """Take the answer to a ping that was sent at ``sent_s``.

        :param t_ms: lecture time in it; 0 while the lecture has not begun, which tells nothing.
        """
        rtt_s = now - sent_s
        if t_ms > 0 and rtt_s >= 0:
            self._answers.append((rtt_s, t_ms / 1000 + rtt_s / 2 - now))

    def forget(self) -> None:
        """The connection is a new one: its relay may have been restarted."""
        self._answers.clear()

    def at(self, now: float) -> int | None:
        """Lecture time at ``now`` in ms, None if unknown."""
        if not self._answers:
            return None
        return max(0, round((now + min(self._answers)[1]) * 1000))

    def of_voice_at(self, now: float) -> int | None:
        """Lecture time that the relay gives to what is said at ``now``: its time when that arrives there."""
        at_ms = self.at(now)
        if at_ms is None or self.rtt_s is None:
            return None
        return at_ms + round(self.rtt_s * 500)
