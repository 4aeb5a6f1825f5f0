"""A recorded voice as a sound file or as samples, on the lecture's timeline.

Where nothing was recorded there is silence of the same length, so that second n of the file is second n of the lecture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

from lecture.entries import EncodedFrame
from lecture.tracks import Track
from recordings.errors import RecordingError
from recordings.files import written_whole
from recordings.recording import Recording
from transport import opus

SAMPLE_RATE = 48_000
_SAMPLE = Fraction(1, SAMPLE_RATE)
_SILENCE_MS = 60
_SLACK_MS = 40
"""A frame this much off the running position still follows it directly: publishers' stamps jitter by a few ms."""
_LEAST_DURATION_MS = 20


def _silence(channels: int) -> bytes:
    """One Opus packet of 60 ms of silence that decodes to silence after anything."""
    with closing(opus.Encoder(channels, bitrate_bps=12_000, frame_ms=_SILENCE_MS)) as encoder:
        quiet = np.zeros((SAMPLE_RATE * _SILENCE_MS // 1000, channels), np.int16)
        encoder.encode(quiet)
        return encoder.encode(quiet)


def timeline(frames: Iterable[EncodedFrame], channels: int) -> Iterator[tuple[int, int, bytes]]:
    """Lay Opus packets end to end from lecture time 0: yields (position in samples, length in samples, packet).

    Holes are filled with packets of silence; a packet that repeats a time already covered is dropped.
    """
    silence = _silence(channels)
    step = SAMPLE_RATE * _SILENCE_MS // 1000
    at = 0
    for frame in frames:
        start = frame.t_ms * SAMPLE_RATE // 1000
        length = max(int(opus.packet_duration_ms(frame.data) * SAMPLE_RATE / 1000), 120)
        slack = _SLACK_MS * SAMPLE_RATE // 1000
        if start < at - slack:
            continue
        while start - at >= max(step, slack):
            yield at, step, silence
            at += step
        yield at, length, frame.data
        at += length


def _voice_frames(recording: Recording, language: str, *, best: bool) -> tuple[Track, Iterator[EncodedFrame]]:
    track = recording.voice_track(language, best=best)
    if track is None:
        raise RecordingError(
            "voice_missing", f"This recording has no voice in “{language}”. It has: {', '.join(recording.languages())}."
        )
    return track, recording.frames(track)


class OpusTrack:
    """A recorded voice in a container, without coding it anew.

    :param best: the publisher's own voice where it was recorded, else the light one.
    :raises RecordingError: ``voice_missing``.
    """

    def __init__(self, recording: Recording, language: str, container: OutputContainer, *, best: bool) -> None:
        track, self._frames = _voice_frames(recording, language, best=best)
        self._channels = max(track.channels, 1)
        self._container = container
        layout = "mono" if self._channels == 1 else "stereo"
        self._stream = container.add_stream("libopus", rate=SAMPLE_RATE, layout=layout)
        self._stream.time_base = _SAMPLE

    def write(self) -> Iterator[int]:
        """Write packet after packet; yields the lecture time in ms at which each ends."""
        for at, length, data in timeline(self._frames, self._channels):
            packet = av.Packet(data)
            packet.stream = self._stream
            packet.time_base = _SAMPLE
            packet.pts = packet.dts = at
            packet.duration = length
            self._container.mux(packet)
            yield (at + length) * 1000 // SAMPLE_RATE


def write_ogg(
    recording: Recording,
    language: str,
    path: Path,
    *,
    describe: Callable[[OutputContainer], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write the light voice of ``language`` as Ogg Opus without coding it anew.

    :param describe: given the file before anything is written to it, to set its metadata.
    :param progress: called with the lecture time (ms) that has been written.
    :raises RecordingError: ``voice_missing``.
    """
    with written_whole(path) as partial, av.open(str(partial), "w", format="ogg") as container:
        if describe is not None:
            describe(container)
        for end_ms in OpusTrack(recording, language, container, best=False).write():
            if progress is not None:
                progress(end_ms)


def decoded(recording: Recording, language: str) -> Iterator[NDArray[np.int16]]:
    """The best voice of ``language`` as consecutive blocks of samples from lecture time 0, shape (n, channels), 48 kHz.

    :raises RecordingError: ``voice_missing``.
    """
    track, frames = _voice_frames(recording, language, best=True)
    channels = max(track.channels, 1)
    with closing(opus.Decoder(channels)) as decoder:
        for _, length, data in timeline(frames, channels):
            try:
                yield decoder.decode(data)
            except opus.OpusError:
                yield np.zeros((length, channels), np.int16)
