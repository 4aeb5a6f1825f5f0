"""What lecture time it is at the relay, learnt from pings. Pure: ``now`` is an argument (monotonic seconds).

An answer is wrong by half of its round trip at most, and by what two clocks may have gone apart since it came. The one
of which the least is to be doubted rules, however old it is: what a queue or an outage held back tells nothing new.
Only an answer that contradicts it beyond all doubt does: the relay's lecture time, or this machine's clock, has jumped.
"""

from __future__ import annotations

from dataclasses import dataclass

DRIFT = 2e-4
"""Quartz is better; a second of age makes an answer worse by so many seconds."""
SLACK_S = 0.05
"""Answers are not told to the microsecond, and a relay rounds to milliseconds."""


@dataclass(frozen=True, slots=True)
class _Answer:
    at_s: float
    rtt_s: float
    offset_s: float  # lecture time minus now

    def doubt_s(self, now: float) -> float:
        return self.rtt_s / 2 + DRIFT * (now - self.at_s)


class LectureTime:
    """Estimates lecture time. Unknown until the lecture is live and a ping was answered.

    :ivar answers: how many answers came on this connection.
    """

    def __init__(self) -> None:
        self.answers = 0
        self._best: _Answer | None = None

    @property
    def rtt_s(self) -> float | None:
        """The round trip of the answer that rules, in seconds."""
        return self._best.rtt_s if self._best else None

    def pong(self, sent_s: float, now: float, t_ms: int) -> None:
        """Take the answer to a ping that was sent at ``sent_s``.

        :param t_ms: lecture time in it; 0 while the lecture has not begun, which tells nothing.
        """
        rtt_s = now - sent_s
        if t_ms <= 0 or rtt_s < 0:
            return
        self.answers += 1
        answer, best = _Answer(now, rtt_s, t_ms / 1000 + rtt_s / 2 - now), self._best
        if best is not None:
            doubt_s = answer.doubt_s(now) + best.doubt_s(now) + SLACK_S
            if abs(answer.offset_s - best.offset_s) <= doubt_s and best.doubt_s(now) < answer.doubt_s(now):
                return
        self._best = answer

    def reconnected(self) -> None:
        """The connection is a new one: its first answers are to come soon. What is known of lecture time stays."""
        self.answers = 0

    def at(self, now: float) -> int | None:
        """Lecture time at ``now`` in ms, None if unknown."""
        return max(0, round((now + self._best.offset_s) * 1000)) if self._best else None

    def of_voice_at(self, now: float) -> int | None:
        """Lecture time that the relay gives to what is said at ``now``: its time when that arrives there."""
        at_ms = self.at(now)
        if at_ms is None or self.rtt_s is None:
            return None
        return at_ms + round(self.rtt_s * 500)
