"""How loud a voice is, along a lecture: what the replay's timeline draws."""

from __future__ import annotations

import itertools
import math
from contextlib import closing

import numpy as np

from lecture.log import Span
from lecture.tracks import Track
from recordings.errors import RecordingError
from recordings.recording import Recording
from recordings.voice import rungs
from transport import opus

PARTS = 900
"""So many bars a timeline can show; more would only be more bytes."""
LEAST_PART_MS = 500
_HEARD_FRAMES = 12
"""Of each part so many frames are decoded, from its middle: three hours are then made in seconds."""
_SETTLE_FRAMES = 1
_FLOOR_DB, _CEILING_DB = -46.0, -14.0


def waveform(recording: Recording, language: str) -> bytes:
    """Loudness, 0 to 255, of equal parts of the lecture from its beginning to its end.

    :raises RecordingError: ``voice_missing``.
    """
    track = rungs(recording, language).get("light")
    if track is None:
        raise RecordingError("voice_missing", f"This recording has no voice in “{language}”.")
    duration_ms = recording.duration_ms
    parts = max(1, min(PARTS, duration_ms // LEAST_PART_MS))
    out = bytearray()
    with closing(opus.Decoder(1)) as decoder:
        for part in range(parts):
            start_ms, end_ms = duration_ms * part // parts, duration_ms * (part + 1) // parts
            out.append(_loudness(recording, track, decoder, Span(start_ms, end_ms)))
    return bytes(out)


def _loudness(recording: Recording, track: Track, decoder: opus.Decoder, span: Span) -> int:
    middle_ms = (span.start_ms + span.end_ms) // 2
    heard = Span(max(span.start_ms, middle_ms - 500), min(span.end_ms, middle_ms + 500))
    power: list[float] = []
    for frame in itertools.islice(recording.frames(track, heard), _HEARD_FRAMES + _SETTLE_FRAMES):
        try:
            pcm = decoder.decode(frame.data).astype(np.float32) / 32768
        except opus.OpusError:
            continue
        power.append(float(np.mean(pcm**2)))
    if len(power) <= _SETTLE_FRAMES:
        return 0
    level_db = 10 * math.log10(max(float(np.mean(power[_SETTLE_FRAMES:])), 1e-10))
    return int(np.clip((level_db - _FLOOR_DB) / (_CEILING_DB - _FLOOR_DB), 0, 1) * 255)
