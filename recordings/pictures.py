"""Pictures of pages: read from the recording, fitted to a film, drawn over. Needs Pillow.

A recording may come from elsewhere: an image is read as what pages are coded as and as nothing else, and one that
claims to be huge is not read at all.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lecture.ink_book import Drawing, Point

Picture = NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""

_FORMATS = ("AVIF", "WEBP", "PNG", "JPEG")
_MAX_PIXELS = 64_000_000
"""Of an image; a page in full sharpness has 2 million."""
_POINTER_COLOUR = "#ff2828"
_POINTER_SHARE = 0.011
"""Radius, as a share of the page's width, as in the halls."""
_FINER = 2
"""Lines are drawn this much larger and made smaller again, which smooths their edges."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of a picture."""

    left: int
    top: int
    width: int
    height: int


def read_image(data: bytes) -> Image.Image | None:
    """An image of a page in RGB; None for one that is damaged, huge or of a kind that pages do not have."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                return None
            return image.convert("RGB")
    # All of these are Pillow's "damaged"; RuntimeError is its AVIF decoder's.
    except (OSError, ValueError, SyntaxError, RuntimeError, Image.DecompressionBombError):
        return None


def fitted(width: int, height: int, within: Box) -> Box:
    """Where a picture of this shape lies in the middle of a rectangle that it fills; even sizes, as films want."""
    scale = min(within.width / width, within.height / height)
    wide, high = max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)
    left, top = (within.width - wide) // 2, (within.height - high) // 2
    return Box(within.left + left, within.top + top, wide, high)


def on_black(image: Image.Image, width: int, height: int) -> tuple[Picture, Box]:
    """An image fitted to a black picture of this size, and where in it the image lies."""
    box = fitted(image.width, image.height, Box(0, 0, width, height))
    canvas = np.zeros((height, width, 3), np.uint8)
    small = image.resize((box.width, box.height), Image.Resampling.LANCZOS)
    canvas[box.top : box.top + box.height, box.left : box.left + box.width] = np.asarray(small)
    return canvas, box


def drawn_over(image: Image.Image, box: Box, drawing: Drawing) -> Image.Image:
    """The image with strokes and pointer over the page that lies in ``box``; nothing reaches beyond it."""
    reach = _reach(box, drawing)
    if reach is None:
        return image
    left, top, right, bottom = reach
    part = image.crop(reach).resize(((right - left) * _FINER, (bottom - top) * _FINER), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(part)

    def place(point: Point) -> tuple[float, float]:
        x, y = box.left + point[0] * box.width - left, box.top + point[1] * box.height - top
        return x * _FINER, y * _FINER

    for stroke in drawing.strokes:
        places = [place(point) for point in stroke.points]
        width = max(1, round(stroke.width * box.width * _FINER))
        if len(places) > 1:
            pen.line(places, stroke.colour, width, joint="curve")
        for end in (places[0], places[-1]):
            pen.circle(end, width / 2, stroke.colour)
    if drawing.pointer is not None:
        radius = _POINTER_SHARE * box.width * _FINER
        pen.circle(place(drawing.pointer), radius * 1.2, "#ffffff")
        pen.circle(place(drawing.pointer), radius, _POINTER_COLOUR)
    result = image.copy()
    result.paste(part.resize((right - left, bottom - top), Image.Resampling.BOX), (left, top))
    return result


def _reach(box: Box, drawing: Drawing) -> tuple[int, int, int, int] | None:
    """The pixels that a drawing may change: left, top, right, bottom; None if there is nothing to draw."""
    places = [(x, y, stroke.width) for stroke in drawing.strokes for x, y in stroke.points]
    if drawing.pointer is not None:
        places.append((*drawing.pointer, 2.4 * _POINTER_SHARE))
    if not places:
        return None
    margin = max(width for _, _, width in places) * box.width / 2 + 2
    across = [box.left + x * box.width for x, _, _ in places]
    down = [box.top + y * box.height for _, y, _ in places]
    left, right = max(box.left, int(min(across) - margin)), min(box.left + box.width, int(max(across) + margin))
    top, bottom = max(box.top, int(min(down) - margin)), min(box.top + box.height, int(max(down) + margin))
    return (left, top, right, bottom) if left < right and top < bottom else None
