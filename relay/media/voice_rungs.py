"""The made voice rungs: each 60-ms frame of a language's voice encoded once per rung that is taken."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from lecture.tracks import LIGHT_KBPS, RECORDED_KBPS, VOICE_FRAME_MS, VOICE_RUNGS_KBPS
from relay.media.voice_grid import GridFrame
from transport.opus import Encoder


@dataclass(frozen=True, slots=True)
class MadeFrame:
    """One frame in all rungs made of it.

    :param number: on the grid.
    :param rungs: rung in kbit/s to Opus packet; always has :data:`RECORDED_KBPS` and :data:`LIGHT_KBPS`.
    :param concealed: some of it stands for what was lost.
    """

    number: int
    rungs: dict[int, bytes]
    concealed: bool = False

    @property
    def t_ms(self) -> int:
        return self.number * VOICE_FRAME_MS


class VoiceRungs:
    """Encodes grid frames. Runs in the event loop: one rung costs about 1 % of a core."""

    def __init__(self) -> None:
        self._encoders: dict[int, Encoder] = {}
        self._last_number: int | None = None

    @property
    def made_kbps(self) -> list[int]:
        """Rungs being made now."""
        return sorted(self._encoders)

    def encode(self, frame: GridFrame, taken_kbps: Collection[int]) -> MadeFrame:
        """Encode one frame in every rung taken (others than :data:`VOICE_RUNGS_KBPS` are ignored)."""
        number, pcm, concealed = frame
        wanted = {kbps for kbps in taken_kbps if kbps in VOICE_RUNGS_KBPS} | {RECORDED_KBPS, LIGHT_KBPS}
        for kbps in self._encoders.keys() - wanted:
            self._encoders.pop(kbps).close()
        after_hole = self._last_number is not None and number != self._last_number + 1
        self._last_number = number
        made: dict[int, bytes] = {}
        for kbps in sorted(wanted):
            encoder = self._encoders.get(kbps)
            if encoder is None:
                encoder = Encoder(1, application="voip", bitrate_bps=kbps * 1000, frame_ms=VOICE_FRAME_MS, dtx=True)
                self._encoders[kbps] = encoder
            elif after_hole:
                encoder.reset()
            made[kbps] = encoder.encode(pcm)
        return MadeFrame(number, made, concealed)

    def close(self) -> None:
        """Free the encoders."""
        for encoder in self._encoders.values():
            encoder.close()
        self._encoders.clear()
