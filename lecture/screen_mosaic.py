"""Cuts tiles out of a picture and codes them as one image. Pure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lecture.screen import TILE, Mosaic
from lecture.screen_canvas import Mask, Pixels, tiles_view

_GRID_ROOM = 3.0
"""A mosaic keeps tiles where they stand in the picture if it then has room for at most so many times as many."""


def padded(picture: Pixels) -> Pixels:
    """The picture with its edges repeated up to whole tiles."""
    height, width, _ = picture.shape
    below, right = -height % TILE, -width % TILE
    if not below and not right:
        return picture
    return np.pad(picture, ((0, below), (0, right), (0, 0)), mode="edge")


def quantised(pixels: Pixels, levels: int) -> Pixels:
    """The colours with so many levels a channel, evenly spaced from black to white."""
    if levels >= 256:
        return pixels
    values = np.arange(256)
    table = (np.round(values * (levels - 1) / 255) * 255 / (levels - 1)).astype(np.uint8)
    coarse: Pixels = table[pixels]
    return coarse


def mosaic_of(picture: Pixels, mask: Mask, code: Callable[[Pixels], bytes]) -> Mosaic:
    """The tiles of ``mask`` as one image.

    :param picture: in whole tiles.
    :param mask: at least one tile.
    :param code: makes a WebP image.
    """
    numbers = np.flatnonzero(mask)
    tiles = tiles_view(picture)[mask]
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    if len(rows) * len(columns) <= _GRID_ROOM * len(numbers):
        room = np.empty((len(rows), len(columns), TILE, TILE, 3), np.uint8)
        room[:] = _ground(tiles)
        room[mask[np.ix_(rows, columns)]] = tiles
        return Mosaic(0, tuple(numbers.tolist()), code(_laid_out(room)))
    width = min(len(numbers), len(columns))
    room = np.empty((-(-len(numbers) // width), width, TILE, TILE, 3), np.uint8)
    room[:] = _ground(tiles)
    room.reshape(-1, TILE, TILE, 3)[: len(numbers)] = tiles
    return Mosaic(width, tuple(numbers.tolist()), code(_laid_out(room)))


def _laid_out(room: Pixels) -> Pixels:
    """Tiles in rows and columns as one picture."""
    rows, columns = room.shape[:2]
    return np.ascontiguousarray(room.swapaxes(1, 2)).reshape(rows * TILE, columns * TILE, 3)


def _ground(tiles: Pixels) -> Pixels:
    """The colour that most tiles have in their first pixel."""
    colours, counts = np.unique(tiles[:, 0, 0], axis=0, return_counts=True)
    ground: Pixels = colours[np.argmax(counts)]
    return ground
