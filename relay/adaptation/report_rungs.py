"""Which voice rung and whether the camera: from what a hall's link reports, with hysteresis. Pure.

For peers of which only loss and round trip are known: a rung is tried and what the link then reports decides. The
policy, and why:

- Loss alone is no congestion: many halls sit behind 5–20 % random loss whatever they are sent, and one burst loses half
  of the eight packets that a report speaks of. What counts is a round trip that grows: a queue builds before it
  overflows. Without that figure, or where half of everything is lost, smoothed loss has to do.
- Down at once, one step per settling time; up only after several clean reports. A step that failed is tried again
  after a time that doubles, so that a link just below a rung is not tormented by probing.
- The camera is the top step: first to go, last to return. Voice always has a rung.
"""

from __future__ import annotations

from dataclasses import dataclass

from lecture.tracks import VOICE_RUNGS_KBPS

START_KBPS = 16
CLEAN_REPORTS_UP = 2
SETTLE_S = 3.0
RETRY_FIRST_S = 20.0
RETRY_MAX_S = 320.0
PROVEN_S = 60.0
QUEUE_S = 0.25
LOSS_RISE = 0.25
LOSS_MUCH = 0.35
LOSS_TOO_MUCH = 0.5
REPORT_LOST_S = 10.0


@dataclass(frozen=True, slots=True)
class LinkReport:
    """What one side told of the link since its last report.

    :param fraction_lost: 0–1, of the packets sent to the hall, before retransmission.
    :param rtt_s: None where unknown.
    """

    fraction_lost: float
    rtt_s: float | None = None


@dataclass(frozen=True, slots=True)
class ReportChoice:
    """What to send."""

    voice_kbps: int
    camera: bool


class ReportChooser:
    """Chooses for one subscriber.

    :param camera: whether the subscriber takes a camera at all.
    :param start_with_camera: begin at the top (standard players, whose people expect a picture at once).
    """

    def __init__(
        self, *, camera: bool, start_with_camera: bool = False, rungs_kbps: tuple[int, ...] = VOICE_RUNGS_KBPS
    ):
        self._rungs_kbps = rungs_kbps
        self._top = len(rungs_kbps) if camera else len(rungs_kbps) - 1
        at_start = max(i for i, kbps in enumerate(rungs_kbps) if kbps <= START_KBPS or i == 0)
        self._step = self._top if start_with_camera else at_start
        self._clean_reports = 0
        self._base_rtt_s: float | None = None
        self._usual_loss: float | None = None
        self._loss_now: float | None = None
        self._changed_at = float("-inf")
        self._last_report_at: float | None = None
        self._retry_at = [float("-inf")] * (self._top + 1)
        self._retry_after_s = [RETRY_FIRST_S] * (self._top + 1)

    def choose(self, now: float) -> ReportChoice:
        """What to send now. A link that has fallen silent gets no camera: what it needs when it returns is voice."""
        silent = self._last_report_at is not None and now - self._last_report_at > REPORT_LOST_S
        camera = self._step == len(self._rungs_kbps) and not silent
        return ReportChoice(self._rungs_kbps[min(self._step, len(self._rungs_kbps) - 1)], camera)

    def report(self, report: LinkReport, now: float) -> None:
        """Digest one report (one every 1–5 s, from the hall or its RTCP)."""
        self._last_report_at = now
        if report.rtt_s is not None:
            self._base_rtt_s = min(report.rtt_s, self._base_rtt_s or report.rtt_s)
        if now - self._changed_at < SETTLE_S + 2 * (self._base_rtt_s or 0.0):
            return  # what is reported now is still the former step's doing
        self._loss_now = _smoothed(self._loss_now, report.fraction_lost, 1 / 6)
        if self._congested(report):
            self._step_down(now)
            return
        self._usual_loss = _smoothed(self._usual_loss, report.fraction_lost, 1 / 16)
        if self._base_rtt_s is not None and report.rtt_s is not None:
            # A route that became longer for good must not count as a queue for ever.
            self._base_rtt_s += (report.rtt_s - self._base_rtt_s) / 64
        if now - self._changed_at >= PROVEN_S:
            self._retry_after_s[self._step] = RETRY_FIRST_S
        self._clean_reports += 1
        if self._clean_reports >= CLEAN_REPORTS_UP and self._step < self._top and now >= self._retry_at[self._step + 1]:
            self._move(self._step + 1, now)

    def _congested(self, report: LinkReport) -> bool:
        assert self._loss_now is not None
        if self._loss_now > LOSS_TOO_MUCH:
            return True
        if report.rtt_s is None or self._base_rtt_s is None:
            return self._loss_now > max(LOSS_MUCH, (self._usual_loss or 0.0) + LOSS_RISE)
        return report.rtt_s - self._base_rtt_s > max(QUEUE_S, self._base_rtt_s / 2)

    def _step_down(self, now: float) -> None:
        if self._step == 0:
            self._clean_reports = 0
            return
        self._retry_at[self._step] = now + self._retry_after_s[self._step]
        self._retry_after_s[self._step] = min(RETRY_MAX_S, 2 * self._retry_after_s[self._step])
        self._move(self._step - 1, now)

    def _move(self, step: int, now: float) -> None:
        self._step = step
        self._changed_at = now
        self._clean_reports = 0
        self._loss_now = self._usual_loss


def _smoothed(before: float | None, value: float, weight: float) -> float:
    return value if before is None else before + (value - before) * weight
