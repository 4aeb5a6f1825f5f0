"""The sample lecture's camera: a drawn lecturer who talks, blinks and points at a board. A loop without a seam."""

from __future__ import annotations

import math
from collections.abc import Iterator

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 320, 240
PICTURES_PER_S = 12
LOOP_S = 12
_FINE = 3  # drawn larger and scaled down: smooth edges

_WALL, _BOARD, _CHALK, _SKIN, _HAIR, _COAT, _SHADE = (
    "#d9cfbd",
    "#2f5d50",
    "#dfe9e4",
    "#b9835a",
    "#2b211c",
    "#31507a",
    "#a06f49",
)


def _wave(t: float, turns: int, phase: float = 0.0) -> float:
    """A sine that fits the loop ``turns`` times."""
    return math.sin(2 * math.pi * (turns * t / LOOP_S + phase))


class _Pen:
    """Draws in picture coordinates on the fine canvas."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (WIDTH * _FINE, HEIGHT * _FINE), _WALL)
        self._draw = ImageDraw.Draw(self.image)

    def oval(self, x: float, y: float, rx: float, ry: float, fill: str) -> None:
        self._draw.ellipse([(x - rx) * _FINE, (y - ry) * _FINE, (x + rx) * _FINE, (y + ry) * _FINE], fill=fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: str, radius: float = 0) -> None:
        self._draw.rounded_rectangle([x0 * _FINE, y0 * _FINE, x1 * _FINE, y1 * _FINE], radius * _FINE, fill=fill)

    def line(self, points: list[tuple[float, float]], width: float, fill: str) -> None:
        self._draw.line([(x * _FINE, y * _FINE) for x, y in points], fill, round(width * _FINE), joint="curve")
        for x, y in (points[0], points[-1]):
            self.oval(x, y, width / 2, width / 2, fill)


def picture(t: float) -> Image.Image:
    """The picture at ``t`` seconds into the loop."""
    pen = _Pen()
    pen.box(16, 20, 176, 132, "#8a6f4d", 4)
    pen.box(21, 25, 171, 127, _BOARD, 2)
    pen.line([(40, 112), (40, 40)], 1.6, _CHALK)
    pen.line([(40, 112), (158, 112)], 1.6, _CHALK)
    drawn = min(1.0, max(0.0, (t - 1.0) / 4.0)) if t < 10 else max(0.0, (LOOP_S - t) / 2)
    if drawn > 0.02:
        pen.line([(40, 108), (40 + 112 * drawn, 108 - 60 * drawn)], 2.4, "#f0c060")
    pen.line([(40, 88), (156, 88)], 1.6, "#e48a78")

    sway = 3 * _wave(t, 2)
    nod = 1.6 * _wave(t, 7) + 1.0 * _wave(t, 5, 0.3)
    x, y = 228 + sway, 104 + nod
    pen.line([(x, 240), (x, 190)], 92, _COAT)
    pen.box(x - 46, 158, x + 46, 250, _COAT, 24)
    pen.box(x - 11, y + 26, x + 11, 172, _SHADE, 6)
    pen.line([(x - 12, 162), (x, 184), (x + 12, 162)], 5, "#f2efe8")

    point = max(0.0, _wave(t, 1, -0.02))  # one slow gesture towards the board
    elbow = (x - 62 + 6 * _wave(t, 3), 214 - 34 * point)
    hand = (x - 40 - 52 * point + 5 * _wave(t, 9), 226 - 112 * point + 5 * _wave(t, 6, 0.2))
    pen.line([(x - 38, 176), elbow, hand], 19, "#2a466c")
    pen.oval(*hand, 9, 9, _SKIN)
    pen.line([(x + 40, 178), (x + 58, 214), (x + 46, 246)], 19, "#2a466c")

    pen.oval(x, y - 10, 33, 38, _HAIR)
    pen.oval(x, y, 29, 36, _SKIN)
    pen.oval(x + 2, y - 33, 27, 14, _HAIR)
    look = -2.5 * point
    blinking = (t + 1.0) % 3.7 < 0.17
    for side in (-11, 11):
        if blinking:
            pen.line([(x + side - 4 + look, y - 2), (x + side + 4 + look, y - 2)], 1.6, _SHADE)
        else:
            pen.oval(x + side + look, y - 3, 4.4, 3.6, "#fbfaf6")
            pen.oval(x + side + look * 1.6, y - 3, 2.0, 2.2, "#20160f")
        pen.line([(x + side - 5 + look, y - 11), (x + side + 5 + look, y - 11.5)], 2, _HAIR)
    pen.line([(x + look, y), (x - 1 + look, y + 8)], 2.4, _SHADE)
    speaking = 0.0 if 5.2 < t < 6.0 or t > 11.4 else 1.0
    mouth = 1.3 + speaking * 4.2 * abs(_wave(t, 31) * _wave(t, 22, 0.1))
    pen.oval(x + look, y + 18, 8.5, mouth, "#6d2f2b")
    return pen.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def pictures() -> Iterator[Image.Image]:
    """All pictures of the loop."""
    for index in range(LOOP_S * PICTURES_PER_S):
        yield picture(index / PICTURES_PER_S)
