"""How fast a copy may be sent beside live voice, which must never suffer. Pure: ``now`` is in monotonic seconds."""

from __future__ import annotations

from collections import deque

LEAST_KBPS = 16.0
"""What a segment that has begun goes on with; a relay gives up what comes at half of that."""
MOST_KBPS = 1_000.0
STEP_S = 1.0
GROWTH = 1.25
GROWN_SHARE, GROWN_S = 0.25, 0.04
"""A round trip this much longer than the usual one (share of it, and seconds) has a queue in it."""
LOSS_MORE = 0.04
"""More loss than usual by this much is ours."""
QUIET_S = 3.0
"""After trouble nothing new is begun for so long."""
REMEMBERED = 30


class SpareRate:
    """Grows while the voice's feedback is as usual, halves when it is not.

    :ivar kbps: to send with.
    """

    def __init__(self, kbps: float = LEAST_KBPS) -> None:
        self.kbps = kbps
        self._rtts: deque[float] = deque(maxlen=REMEMBERED)
        self._losses: deque[float] = deque(maxlen=REMEMBERED)
        self._loss = 0.0
        self._stepped_s = float("-inf")
        self._trouble_s = float("-inf")

    def observe(self, now: float, *, rtt_s: float | None, fraction_lost: float, up: bool) -> None:
        """Take the voice's feedback; call it a few times a second.

        :param up: whether there is a line at all.
        """
        if now - self._stepped_s < STEP_S:
            return
        self._stepped_s = now
        if not up:
            self._rtts.clear()  # the line that comes back may be another
            self._trouble(now)
            return
        self._loss += (fraction_lost - self._loss) * 0.3
        self._losses.append(self._loss)
        if rtt_s is not None:
            self._rtts.append(rtt_s)
        usual_s = min(self._rtts, default=0.0)
        grown = rtt_s is not None and rtt_s > usual_s * (1 + GROWN_SHARE) + GROWN_S
        if grown or self._loss > min(self._losses) + LOSS_MORE:
            self._trouble(now)
        else:
            self.kbps = min(MOST_KBPS, self.kbps * GROWTH)

    def may_begin(self, now: float) -> bool:
        """Whether a segment may be begun."""
        return now - self._trouble_s >= QUIET_S

    def _trouble(self, now: float) -> None:
        self._trouble_s = now
        self.kbps = max(LEAST_KBPS, self.kbps / 2)
