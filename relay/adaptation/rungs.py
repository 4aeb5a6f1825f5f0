"""What of voice and camera a hall gets, from the budget of its link, with hysteresis. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from lecture.tracks import VOICE_RUNGS_KBPS

CAMERA_RUNGS_KBPS = (15, 40, 90)
"""Made rungs for our halls."""


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


class RungChooser:
    """Chooses for one subscriber.

    :param camera: whether the subscriber takes a camera at all.
    :param packs: whether four frames share a packet (our hall), which makes voice cheaper on the wire.
    :param camera_rungs_kbps: what there is, rising; settable as rungs come and go.
    """

    def __init__(
        self,
        *,
        camera: bool,
        packs: bool = True,
        rungs_kbps: tuple[int, ...] = VOICE_RUNGS_KBPS,
        camera_rungs_kbps: tuple[int, ...] = CAMERA_RUNGS_KBPS,
    ) -> None:
        self.camera_rungs_kbps = camera_rungs_kbps
        self._camera = camera
        self._packs = packs
        self._rungs_kbps = rungs_kbps

    def choose(self, budget_kbps: float, loss: float, rtt_s: float, now: float, *, page_waiting: bool) -> Choice:
        """What to send now; call it a few times a second.

        :param budget_kbps: :meth:`LinkEstimator.sustained_kbps`: without the passing cuts that only drain a queue.
        :param loss: smoothed fraction lost.
        :param page_waiting: the current page, or catch-up, is not all delivered: the camera pauses, the voice keeps.
        """
        return Choice(self._rungs_kbps[0])

    def voice_cost_kbps(self, rung_kbps: int, loss: float) -> float:
        """What a voice rung takes on the wire with its protection."""
        wire_kbps = rung_kbps * 1.06 + 1.7 if self._packs else rung_kbps + 6.7
        return wire_kbps * (1 + 1.3 * loss)
