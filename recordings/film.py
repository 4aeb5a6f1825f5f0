"""A recording as a film: MP4 (H.264, AAC) for every player; smaller, for browsers, WebM (VP9, the recorded Opus).

Pages stand still for minutes, so a picture is coded only when something has changed, and else once a second. All lie
on a grid of :data:`FPS` pictures a second, which players take for the film's rate.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from recordings import voice
from recordings.chapters import describe
from recordings.files import written_whole
from recordings.projector import Projector
from recordings.recording import Recording

WIDTH, HEIGHT = 1280, 720
FPS = 10
_KEYFRAME_S = 30
"""A player that seeks decodes at most this much before it has the picture; each page begins with a keyframe anyway."""
_THREADS = 2
_BT709, _LIMITED_RANGE = 1, 1


@dataclass(frozen=True, slots=True)
class _Format:
    container: str
    container_options: dict[str, str]
    codec: str
    codec_options: dict[str, str]


_FORMATS = {
    # faststart: playing begins before the whole file is there. A still's keyframe at crf 21 is hard to tell from it.
    "mp4": _Format(
        "mp4",
        {"movflags": "+faststart"},
        "libx264",
        {"preset": "veryfast", "crf": "21", "tune": "stillimage", "profile": "high", "bf": "0"},
    ),
    "webm": _Format(
        "webm",
        {},
        "libvpx-vp9",
        {
            "deadline": "realtime",
            "cpu-used": "7",
            "crf": "24",
            "b": "0",
            "tune-content": "screen",
            "lag-in-frames": "0",
            "row-mt": "1",
        },
    ),
}


def write_film(
    recording: Recording,
    path: Path,
    kind: str,
    language: str,
    *,
    with_camera: bool = True,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write a film with sound and chapters.

    :param kind: ``mp4`` or ``webm``.
    :param progress: called with the lecture time (ms) that has been written; what it raises ends the writing, and
        nothing remains.
    :raises RecordingError: ``voice_missing``.
    """
    chosen = _FORMATS[kind]
    with (
        written_whole(path) as partial,
        av.open(str(partial), "w", format=chosen.container, options=chosen.container_options) as container,
    ):
        describe(container, recording)
        pictures = _Pictures(recording, container, chosen, with_camera=with_camera)
        if kind == "mp4":
            written = _aac(recording, language, container)
        else:
            written = voice.OpusTrack(recording, language, container, best=True).write()
        # After the last word there may be pages to be shown still.
        for end_ms in chain(written, range(0, recording.duration_ms, 1000)):
            pictures.write_until(end_ms)
            if progress is not None:
                progress(pictures.written_ms)
        pictures.finish()


class _Pictures:
    """The film's picture track."""

    def __init__(self, recording: Recording, container: OutputContainer, chosen: _Format, *, with_camera: bool) -> None:
        self._container = container
        self._projector = Projector(recording, WIDTH, HEIGHT, with_camera=with_camera)
        stream = container.add_stream(chosen.codec, rate=FPS, options=chosen.codec_options)
        assert isinstance(stream, VideoStream)
        self._stream = stream
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        context = stream.codec_context
        context.gop_size = _KEYFRAME_S * FPS
        context.thread_count = min(_THREADS, os.cpu_count() or 1)
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        self._count = max(1, recording.duration_ms * FPS // 1000)
        self._number = 0
        self._last: tuple[int, object] = (-FPS, None)
        self._page: object = None
        self._keyframe = -_KEYFRAME_S * FPS

    @property
    def written_ms(self) -> int:
        """Lecture time up to which there are pictures."""
        return self._number * 1000 // FPS

    def write_until(self, t_ms: int) -> None:
        """Write the pictures before ``t_ms`` of lecture time."""
        while self._number < self._count and self.written_ms < t_ms:
            self._write()

    def finish(self) -> None:
        """Write what is left, to the end of the lecture."""
        while self._number < self._count:
            self._write()
        self._container.mux(self._stream.encode(None))

    def _write(self) -> None:
        number, self._number = self._number, self._number + 1
        picture = self._projector.at(number * 1000 // FPS)
        last_number, last_picture = self._last
        if picture is last_picture and number - last_number < FPS and self._number < self._count:
            return
        self._last = number, picture
        frame = VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        if self._projector.page_shown is not self._page or number - self._keyframe >= _KEYFRAME_S * FPS:
            self._page, self._keyframe = self._projector.page_shown, number
            frame.pict_type = PictureType.I
        self._container.mux(self._stream.encode(frame))


def _aac(recording: Recording, language: str, container: OutputContainer) -> Iterator[int]:
    stream = container.add_stream("aac", rate=voice.SAMPLE_RATE, layout="mono", options={"aac_coder": "fast"})
    assert isinstance(stream, AudioStream)
    stream.bit_rate = 80_000
    for end_ms, block in _sound(recording, language):
        container.mux(stream.encode(block))
        yield end_ms
    container.mux(stream.encode(None))


def _sound(recording: Recording, language: str) -> Iterator[tuple[int, AudioFrame]]:
    """The voice in mono blocks of about a second, with the lecture time (ms) at which each ends."""
    at, held, length = 0, [], 0
    for samples in voice.decoded(recording, language):
        held.append(samples.astype(np.int32).mean(axis=1).astype(np.int16))
        length += len(samples)
        if length >= voice.SAMPLE_RATE:
            yield (at + length) * 1000 // voice.SAMPLE_RATE, _audio_frame(held, at)
            at, held, length = at + length, [], 0
    if held:
        yield (at + length) * 1000 // voice.SAMPLE_RATE, _audio_frame(held, at)


def _audio_frame(held: list[NDArray[np.int16]], at: int) -> AudioFrame:
    frame = AudioFrame.from_ndarray(np.concatenate(held)[np.newaxis, :], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = voice.SAMPLE_RATE, at, Fraction(1, voice.SAMPLE_RATE)
    return frame
