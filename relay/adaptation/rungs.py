"""What of voice and camera a hall gets, from the budget of its link, with hysteresis. Pure.

The policy, and why:

- A voice rung is taken up where the budget is so many times its cost with protection that pages have room beside it:
  twice at 12 kbit/s (there a bad voice costs more than a late page), seven times at 24 (where 16 kbit/s sound as well
  to most). It is kept down to a lower bound, so that a budget that wavers by a tenth changes nothing.
- Down at once, up after proof. While a page waits the voice goes no higher, as the budget is being found anew just
  then, and goes down only when its rung hardly fits by itself.
- The camera is paid from what voice, its protection and a reserve for pages leave, on links where that is plenty. It
  goes at once: when it does not fit any more, and while a page or missed voice waits. It returns after a calm.
- Below the cost of the lowest voice there is still a lecture: the text rung.
"""

from __future__ import annotations

from dataclasses import dataclass

from lecture.tracks import VOICE_RUNGS_KBPS

CAMERA_RUNGS_KBPS = (15, 40, 90)
"""Made rungs for our halls."""
START_KBPS = 12
"""Voice until the budget is known."""
ROOM = {8: (1.06, 1.4), 12: (1.75, 2.0), 16: (2.5, 3.4), 24: (5.5, 7.0)}
"""For each voice rung: the budget, in multiples of its cost, down to which it is kept and from which it is taken up."""
KEPT_FOR_PAGE = 1.06
"""The bound while a page waits."""
PROVEN_S = 6.0
TEXT_PROVEN_S = 10.0
TEXT_AFTER_S = 4.0
"""The live voice goes only after the budget has been too low for it so long: a burst of losses, or a page of feedback
that was lost, is over sooner, and to come back takes :data:`TEXT_PROVEN_S`."""
CAMERA_PROVEN_S = 6.0
CAMERA_PAUSED_S = 2.0
"""A camera that gave way to a page returns this long after it: it was no mistake to have it."""
CAMERA_FROM_KBPS = 72.0
"""No camera on a budget below this: there it is worth less than a page sooner."""
CAMERA_SHARE = 0.8
CAMERA_KEPT = 1.15
"""A camera rung goes when it takes more than this share of what there is for it all in all."""
PAGE_RESERVE_KBPS = 15.0
PAGE_RESERVE = 0.2


@dataclass(frozen=True, slots=True)
class Choice:
    """What to send.

    :param voice_kbps: rung of the live voice; 0 in the text rung.
    :param camera_kbps: the highest camera rung that fits, 0 for none.
    :param text: the text rung: pages and turns flow, the voice arrives later by backfill.
    """

    voice_kbps: int
    camera_kbps: int = 0
    text: bool = False


class _Proof:
    """Since when something has been so."""

    def __init__(self) -> None:
        self._since: float | None = None

    def holds(self, is_so: bool, seconds: float, now: float) -> bool:
        """Whether it has been so for that long."""
        if not is_so:
            self._since = None
        elif self._since is None:
            self._since = now
        return self._since is not None and now - self._since >= seconds


class RungChooser:
    """Chooses for one subscriber.

    :param camera: whether the subscriber takes a camera at all.
    :param packs: whether four frames share a packet (our hall), which makes voice cheaper on the wire.
    :param start_kbps: voice to begin with.
    :param text_rung: whether there may be no live voice at all: our halls, which get it later. Others keep the lowest.
    :ivar camera_rungs_kbps: what there is, rising; set it as rungs come and go.
    """

    def __init__(
        self,
        *,
        camera: bool,
        packs: bool = True,
        text_rung: bool | None = None,
        start_kbps: int = START_KBPS,
        camera_rungs_kbps: tuple[int, ...] = CAMERA_RUNGS_KBPS,
    ) -> None:
        self.camera_rungs_kbps = camera_rungs_kbps
        self._takes_camera = camera
        self._packs = packs
        self._text_rung = packs if text_rung is None else text_rung
        self._voice_kbps = max(kbps for kbps in VOICE_RUNGS_KBPS if kbps <= max(start_kbps, VOICE_RUNGS_KBPS[0]))
        self._camera_kbps = 0
        self._more_voice = _Proof()
        self._no_voice = _Proof()
        self._more_camera = _Proof()
        self._no_page = _Proof()

    def choose(self, budget_kbps: float, loss: float, rtt_s: float, now: float, *, page_waiting: bool) -> Choice:
        """What to send now; call it a few times a second.

        :param budget_kbps: :meth:`LinkEstimator.sustained_kbps`: without the passing cuts that only drain a queue.
        :param loss: smoothed fraction lost.
        :param rtt_s: round trip: nothing is proven in less than two of them.
        :param page_waiting: the current page, or catch-up, is not all delivered: the camera pauses, the voice keeps.
        """
        self._choose_voice(budget_kbps, loss, rtt_s, now, page_waiting)
        self._choose_camera(budget_kbps, loss, rtt_s, now, page_waiting)
        calm = self._no_page.holds(not page_waiting, CAMERA_PAUSED_S, now)
        return Choice(self._voice_kbps, self._camera_kbps if calm else 0, text=self._voice_kbps == 0)

    def voice_cost_kbps(self, rung_kbps: int, loss: float) -> float:
        """What a voice rung takes on the wire with its protection."""
        if rung_kbps == 0:
            return 0.0
        wire_kbps = rung_kbps * 1.06 + 1.7 if self._packs else rung_kbps + 6.7
        return wire_kbps * (1 + 1.3 * loss)

    def _choose_voice(self, budget_kbps: float, loss: float, rtt_s: float, now: float, page_waiting: bool) -> None:
        kept_to, _ = ROOM.get(self._voice_kbps, (0.0, 0.0))
        if page_waiting:
            kept_to = min(kept_to, KEPT_FOR_PAGE)
        lower = min(self._voice_kbps, self._fitting(budget_kbps, loss, up=False))
        too_little = budget_kbps < kept_to * self.voice_cost_kbps(self._voice_kbps, loss)
        for_long = self._no_voice.holds(too_little and lower == 0, TEXT_AFTER_S, now)
        if too_little:
            self._voice_kbps = lower if for_long else max(lower, min(self._voice_kbps, VOICE_RUNGS_KBPS[0]))
        higher = self._fitting(budget_kbps, loss, up=True)
        proof_s = max(PROVEN_S if self._voice_kbps else TEXT_PROVEN_S, 2 * rtt_s)
        may_rise = not page_waiting or self._voice_kbps == 0  # in the text rung missed voice waits all the time
        if self._more_voice.holds(higher > self._voice_kbps and may_rise, proof_s, now):
            self._voice_kbps = higher

    def _fitting(self, budget_kbps: float, loss: float, *, up: bool) -> int:
        """The highest rung that may be taken up (or kept); if none, 0, or the lowest where there is no text rung."""
        for kbps in reversed(VOICE_RUNGS_KBPS):
            if budget_kbps >= ROOM[kbps][up] * self.voice_cost_kbps(kbps, loss):
                return kbps
        return 0 if self._text_rung else VOICE_RUNGS_KBPS[0]

    def _choose_camera(self, budget_kbps: float, loss: float, rtt_s: float, now: float, page_waiting: bool) -> None:
        spare_kbps = 0.0
        if self._takes_camera and self._voice_kbps and budget_kbps >= CAMERA_FROM_KBPS:
            reserve_kbps = max(PAGE_RESERVE_KBPS, PAGE_RESERVE * budget_kbps)
            spare_kbps = budget_kbps - self.voice_cost_kbps(self._voice_kbps, loss) - reserve_kbps
        fits_kbps = max((rung for rung in self.camera_rungs_kbps if rung <= CAMERA_SHARE * spare_kbps), default=0)
        if self._camera_kbps > CAMERA_KEPT * spare_kbps or self._camera_kbps not in self.camera_rungs_kbps:
            self._camera_kbps = min(self._camera_kbps, fits_kbps)
        more = fits_kbps > self._camera_kbps and not page_waiting
        if self._more_camera.holds(more, max(CAMERA_PROVEN_S, 2 * rtt_s), now):
            self._camera_kbps = fits_kbps
