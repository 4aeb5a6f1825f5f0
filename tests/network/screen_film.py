"""A film of a screen that says which second it is, and what a lecture file holds of it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from lecture.entries import Entry, Kind, unpack_frames
from lecture.file import LectureFile
from lecture.screen import parse_update
from lecture.screen_canvas import ScreenCanvas
from transport import webp

WIDTH, HEIGHT = 480, 272


def slide(second: int) -> NDArray[np.uint8]:
    """Says in its upper row, as bits, which second it is; below are lines that look like text and change with it."""
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for bit in range(6):
        if second >> bit & 1:
            picture[8:40, 16 + bit * 48 : 48 + bit * 48] = 0
    random = np.random.default_rng(second)
    for top in range(56, HEIGHT - 16, 24):
        strokes = random.integers(0, 2, (6, WIDTH // 4 - 16)) * 255
        picture[top : top + 12, 32:-32] = np.kron(strokes, np.ones((2, 4)))[..., None]
    return picture


def second_in(picture: NDArray[np.uint8]) -> int:
    """Which second a picture shows."""
    return sum(int(picture[24, 32 + bit * 48, 0] < 128) << bit for bit in range(6))


def write_film(path: Path, seconds: int) -> None:
    """A lossless film of slides, a new one every other second."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=5)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        stream.time_base = Fraction(1, 5)
        for number in range(5 * seconds):
            frame = av.VideoFrame.from_ndarray(slide(number // 10 * 2), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 5)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def picture_in(file: LectureFile) -> tuple[ScreenCanvas, list[Entry]]:
    """What the log's updates come to before the end of sharing."""
    entries = file.read(kinds=[Kind.SCREEN])
    canvas = ScreenCanvas(webp.decode)
    for entry in entries:
        for frame in unpack_frames(entry):
            update = parse_update(frame.data)
            if canvas.position.takes(update) and not update.stop:
                canvas.apply(update)
    return canvas, entries
