"""What a link carries, from loss, round trip and the receiver's own estimate alone. Pure.

For standard players that send no transport-wide feedback. It is slow and coarse: a report comes each second or five,
and tells of a queue only by the round trip. Loss alone is no congestion (many halls sit behind 5–20 % whatever they are
sent); where no round trip is known, or half of everything is lost, it has to do.
"""

from __future__ import annotations

SETTLE_S = 3.0
QUEUE_S = 0.25
LOSS_MUCH = 0.35
LOSS_TOO_MUCH = 0.5
CUT = 0.8
RAISE = 1.08
USED = 0.6
RAISE_EVERY_S = 1.0


class ReportedLink:
    """The budget by reports.

    :ivar kbps: the budget.
    """

    def __init__(self, start_kbps: float) -> None:
        self.kbps = start_kbps
        self._base_rtt_s: float | None = None
        self._loss = 0.0
        self._changed_at = float("-inf")

    def report(self, fraction_lost: float, rtt_s: float | None, sent_kbps: float, now: float) -> None:
        """A report came while ``sent_kbps`` was being sent."""
        if rtt_s is not None:
            self._base_rtt_s = min(rtt_s, self._base_rtt_s if self._base_rtt_s is not None else rtt_s)
        self._loss += (fraction_lost - self._loss) / 6
        used = sent_kbps >= USED * self.kbps
        if self._congested(rtt_s):
            if used and now - self._changed_at >= SETTLE_S + 2 * (self._base_rtt_s or 0.0):
                self.kbps = CUT * min(self.kbps, sent_kbps)
                self._changed_at = now
            return
        if self._base_rtt_s is not None and rtt_s is not None:
            # A route that became longer for good must not count as a queue for ever.
            self._base_rtt_s += (rtt_s - self._base_rtt_s) / 64
        if used and now - self._changed_at >= RAISE_EVERY_S:
            self.kbps *= RAISE
            self._changed_at = now

    def remb(self, kbps: float, sent_kbps: float, now: float) -> None:
        """The receiver's estimate. It is tied to what arrives, so a low one says nothing while little is sent."""
        if kbps > self.kbps or sent_kbps >= USED * kbps:
            self.kbps = kbps
            self._changed_at = now

    def _congested(self, rtt_s: float | None) -> bool:
        if self._loss > LOSS_TOO_MUCH:
            return True
        if rtt_s is None or self._base_rtt_s is None:
            return self._loss > LOSS_MUCH
        return rtt_s - self._base_rtt_s > max(QUEUE_S, self._base_rtt_s / 2)
