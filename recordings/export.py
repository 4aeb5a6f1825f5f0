"""Export a recording as MP4: the pages as they were turned, the camera inset, the voice."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from lecture.inset import Inset, place_inset
from recordings import camera, voice
from recordings.errors import RecordingError
from recordings.files import written_whole
from recordings.recording import Recording

WIDTH, HEIGHT = 1280, 720
INSET_HEIGHT = 180
INSET_MARGIN = 16
STILL_FPS, CAMERA_FPS = 1, 10
_Picture = NDArray[np.uint8]


def _fitted_size(frame: VideoFrame, width: int, height: int) -> tuple[int, int]:
    """Width and height in pixels, both even, at which a picture fills a box and keeps its proportions."""
    scale = min(width / frame.width, height / frame.height)
    return max(2, int(frame.width * scale) // 2 * 2), max(2, int(frame.height * scale) // 2 * 2)


def _page_picture(data: bytes) -> _Picture:
    """A page image on black, shape (HEIGHT, WIDTH, 3)."""
    canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    with av.open(io.BytesIO(data), "r") as container:
        image = next(container.decode(video=0))
        width, height = _fitted_size(image, WIDTH, HEIGHT)
        page = image.reformat(width=width, height=height, format="rgb24").to_ndarray()
    top, left = (HEIGHT - page.shape[0]) // 2, (WIDTH - page.shape[1]) // 2
    canvas[top : top + page.shape[0], left : left + page.shape[1]] = page
    return canvas


class _Screen:
    """What the projector shows at a moment: the page turned to last, and the camera's picture of that time."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._turns = recording.turns()
        self._images = {(page.deck, page.page): page.images[-1].digest for page in recording.pages() if page.images}
        self._pictures = camera.decoded(recording)
        self._ahead: tuple[int, VideoFrame] | None = next(self._pictures, None)
        self._camera: VideoFrame | None = None
        self._page: _Picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        self._inset: Inset | None = None
        self.has_camera = self._ahead is not None

    def at(self, t_ms: int) -> _Picture:
        """The picture at lecture time ``t_ms``; times must not go back."""
        before = (self._page, self._camera is None)
        while self._turns and self._turns[0].t_ms <= t_ms:
            turn = self._turns.pop(0)
            blob = self._recording.blob(self._images.get((turn.deck, turn.page), ""))
            if blob is not None:
                self._page = _page_picture(blob.data)
        while self._ahead is not None and self._ahead[0] <= t_ms:
            self._camera = self._ahead[1]
            self._ahead = next(self._pictures, None)
        if self._camera is None:
            return self._page
        if before[0] is not self._page or before[1]:
            width, height = _fitted_size(self._camera, WIDTH // 3, INSET_HEIGHT)
            self._inset = place_inset(self._page, width, height, INSET_MARGIN)
        if self._inset is None:
            return self._page
        picture, inset = self._page.copy(), self._inset
        small = self._camera.reformat(width=inset.width, height=inset.height, format="rgb24").to_ndarray()
        picture[inset.top : inset.top + inset.height, inset.left : inset.left + inset.width] = small
        return picture


def export_mp4(
    recording: Recording, path: Path, *, language: str | None = None, progress: Callable[[int], None] | None = None
) -> None:
    """Write H.264 and AAC at 1280×720.

    :param language: which voice; the lecturer's where none is named.
    :param progress: called with the lecture time (ms) that has been written.
    :raises RecordingError: ``recording_empty``, ``voice_missing``.
    """
    languages = recording.languages()
    if not languages:
        raise RecordingError("recording_empty", "Nothing was said in this lecture, so there is nothing to export.")
    screen = _Screen(recording)
    fps = CAMERA_FPS if screen.has_camera else STILL_FPS
    with written_whole(path) as partial, av.open(str(partial), "w", format="mp4") as container:
        film = container.add_stream("libx264", rate=fps, options={"preset": "veryfast", "crf": "23"})
        film.width, film.height, film.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=voice.SAMPLE_RATE, layout="mono")
        sound.bit_rate = 96_000
        pictures = _pictures(screen, fps, recording.duration_ms)
        for end_ms, block in _sound(recording, language or languages[0]):
            _mux_film(container, film, pictures, end_ms)
            container.mux(sound.encode(block))
            if progress is not None:
                progress(end_ms)
        _mux_film(container, film, pictures, recording.duration_ms)
        container.mux(sound.encode(None))
        container.mux(film.encode(None))


def _pictures(screen: _Screen, fps: int, duration_ms: int) -> Iterator[tuple[int, VideoFrame]]:
    for number in range(max(1, duration_ms * fps // 1000)):
        t_ms = number * 1000 // fps
        frame = VideoFrame.from_ndarray(screen.at(t_ms), format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, fps)
        yield t_ms, frame


def _mux_film(
    container: av.container.OutputContainer,
    film: VideoStream,
    pictures: Iterator[tuple[int, VideoFrame]],
    until_ms: int,
) -> None:
    for t_ms, frame in pictures:
        container.mux(film.encode(frame))
        if t_ms >= until_ms:
            return


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
