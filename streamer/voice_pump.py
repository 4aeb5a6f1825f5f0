"""Makes the voice's Opus packets at the pace of the clock, in a thread of its own."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streamer.pacing import FRAME_MS, VoicePace
from streamer.voice_frames import Samples
from streamer.voice_source import VoiceSource
from transport.opus import Encoder

BITRATE_BPS = 32_000


@dataclass(frozen=True, slots=True)
class VoicePacket:
    """One Opus packet of 20 ms.

    :param at_ms: stream time at which it begins.
    :param spoken_ms: how much of the source has been spoken with it.
    :param level_db: loudness of its samples, dB below full scale.
    """

    at_ms: int
    data: bytes
    spoken_ms: int
    level_db: float


def level_db(samples: Samples) -> float:
    """Loudness, at most 0, at least -96."""
    mean_square = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    return max(-96.0, 10 * math.log10(mean_square / 32768**2)) if mean_square > 0 else -96.0


def pump_voice(
    source: VoiceSource,
    start_s: float,
    emit: Callable[[VoicePacket], None],
    stop: threading.Event,
    *,
    bitrate_bps: int = BITRATE_BPS,
) -> None:
    """Read, encode and ``emit`` until the source ends or ``stop`` is set. Blocks; runs in a thread.

    :param start_s: ``time.monotonic()`` at stream time 0.
    :raises StreamError: ``voice_unreadable``.
    """
    encoder = Encoder(channels=1, application="voip", bitrate_bps=bitrate_bps, frame_ms=FRAME_MS)
    # A device begins with what is said now, a file waits one frame for its first to have been spoken.
    begin_ms = (time.monotonic() - start_s) * 1000
    pace = VoicePace(start_s, max(0, math.ceil(begin_ms) - (FRAME_MS if source.live else 0)), live=source.live)
    spoken_ms = 0
    try:
        for samples in source.frames():
            if stop.wait(pace.wait_s(time.monotonic())):
                return
            if pace.is_stale(time.monotonic()):
                continue
            at_ms = pace.take(time.monotonic())
            spoken_ms += FRAME_MS
            emit(VoicePacket(at_ms, encoder.encode(samples), spoken_ms, level_db(samples)))
    finally:
        encoder.close()
        source.close()
