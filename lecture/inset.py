"""Where the camera may lie on a page without hiding a word of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIZES = (1.0, 0.75, 0.55)
"""The inset is tried at these sizes; a smaller one that hides nothing beats a larger one that does."""
_INK = 32
"""A pixel whose colour differs this much (of 255) from its surroundings' is part of a letter or a figure."""
_MOST_INK = 12
"""A corner with more such pixels is taken: a speck may be hidden, a letter's edge may not."""

_LINE = 0.7
"""An edge along this share of a column or row is a straight line."""


@dataclass(frozen=True, slots=True)
class Inset:
    """A rectangle in pixels of the picture that was given."""

    left: int
    top: int
    width: int
    height: int


def place_inset(picture: NDArray[np.uint8], width: int, height: int, margin: int) -> Inset | None:
    """Find the corner of what is shown where an inset hides nothing, at the largest of :data:`SIZES` that fits.

    The lower right corner is preferred, where people expect the camera. None if every corner is taken: then the page
    comes first and the camera waits for the next page.

    :param picture: what the projector shows without the camera, RGB, shape (h, w, 3).
    :param width: the inset's full size in pixels, as ``height``.
    :param margin: distance from the edges in pixels.
    """
    for size in SIZES:
        wide, high = int(width * size), int(height * size)
        right, bottom = picture.shape[1] - margin - wide, picture.shape[0] - margin - high
        if wide < 3 or high < 3 or right < margin or bottom < margin:
            continue
        for left, top in ((right, bottom), (margin, bottom), (right, margin), (margin, margin)):
            if _ink(picture[top : top + high, left : left + wide]) <= _MOST_INK:
                return Inset(left, top, wide, high)
    return None


def _ink(region: NDArray[np.uint8]) -> int:
    """How many pixels stand out from the pixel two to the right or below.

    Smooth shading does not count, nor does a straight line from edge to edge: the page's border or a decoration.
    """
    levels = region.astype(np.int16)
    across = np.abs(levels[:, 2:] - levels[:, :-2]).max(axis=2) > _INK
    down = np.abs(levels[2:] - levels[:-2]).max(axis=2) > _INK
    across[:, across.mean(axis=0) > _LINE] = False
    down[down.mean(axis=1) > _LINE] = False
    return max(int(across.sum()), int(down.sum()))
