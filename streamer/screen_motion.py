"""Finds what was scrolled on a screen: parts of the picture that have moved up or down. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lecture.screen import TILE, Copy
from lecture.screen_canvas import Mask, Pixels, tiles_view

LEAST_TILES = 12
"""A move must save at least so many tiles: below, sending them costs no more than being wrong."""
_BANDS = 24
"""The picture's columns are averaged to so many profiles, whose likeness tells where to look."""
_CANDIDATES = 10
_LEAST_ROWS = 32
_GOOD_ROW = 0.85
"""A row of pixels has moved if this share of its cells (one tile wide) has."""


def changed_tiles(before: Pixels, after: Pixels, tolerance: int) -> Mask:
    """Tiles in which any pixel differs by more than ``tolerance`` of 255 in any channel; pictures in whole tiles."""
    different = ~_alike(before, after, tolerance)
    height, width, _ = before.shape
    rows = np.logical_or.reduce(different.reshape(height // TILE, TILE, width * 3), axis=1)
    mask: Mask = rows.reshape(height // TILE, width // TILE, TILE * 3).any(axis=2)
    return mask


def find_scroll(before: Pixels, after: Pixels, changed: Mask, tolerance: int) -> list[Copy]:
    """What has moved by the one distance that explains most of ``changed``; empty if nothing has, or not much.

    :param before: the picture that is known, in whole tiles, as ``after``.
    :param changed: tiles in which they differ.
    """
    if np.count_nonzero(changed) < LEAST_TILES:
        return []
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    top, bottom = int(rows[0]) * TILE, int(rows[-1] + 1) * TILE
    left, right = int(columns[0]) * TILE, int(columns[-1] + 1) * TILE
    if bottom - top < 2 * _LEAST_ROWS:
        return []
    window = slice(top, bottom), slice(left, right)
    old, new = before[window], after[window]
    missing = changed[top // TILE : bottom // TILE, left // TILE : right // TILE]
    with_content = missing & _has_content(new)
    best_gain, best_shift = LEAST_TILES - 1, 0
    for shift in _likely_shifts(old, new):
        cells = _moved_cells(old, new, shift, tolerance)
        gain = np.count_nonzero(cells.reshape(-1, TILE, cells.shape[1]).all(axis=1) & with_content)
        if gain > best_gain:
            best_gain, best_shift = int(gain), shift
    if not best_shift:
        return []
    return _copies(_moved_cells(old, new, best_shift, tolerance), with_content, best_shift, top, left)


def _has_content(pixels: Pixels) -> Mask:
    tiles = tiles_view(pixels)[..., 1]
    mask: Mask = tiles.max(axis=(2, 3)) - tiles.min(axis=(2, 3)) > 48
    return mask


def _likely_shifts(old: Pixels, new: Pixels) -> list[int]:
    """Distances (pixels that the content of ``old`` has moved down; negative: up) worth a look, best first."""
    height, width, _ = old.shape
    bands = min(_BANDS, width // TILE)
    starts = np.arange(bands) * width // (2 * bands)
    profiles = []
    for picture in (old, new):
        profile = np.add.reduceat(picture[:, : width - 1 : 2, 1], starts, axis=1, dtype=np.float32)
        # Edges of lines rather than their brightness: a page that is darker below than above has not moved.
        profiles.append(np.diff(profile, axis=0, append=profile[-1:]))
    length = 1 << (2 * height - 1).bit_length()
    spectra = [np.fft.rfft(profile, length, axis=0) for profile in profiles]
    likeness = np.fft.irfft(spectra[1] * spectra[0].conj(), length, axis=0).sum(axis=1)
    shifts = np.concatenate([np.arange(1, height - _LEAST_ROWS), -np.arange(1, height - _LEAST_ROWS)])
    scores = likeness[shifts]
    order = np.argsort(-scores)[:_CANDIDATES]
    return [int(shift) for shift in shifts[order]]


def _moved_cells(old: Pixels, new: Pixels, shift: int, tolerance: int) -> NDArray[np.bool_]:
    """For each row of pixels and column of tiles whether it is what stood ``shift`` rows above."""
    height, width, _ = old.shape
    cells = np.zeros((height, width // TILE), np.bool_)
    into, out_of = (slice(shift, None), slice(None, -shift)) if shift > 0 else (slice(None, shift), slice(-shift, None))
    same = _alike(new[into], old[out_of], tolerance)
    cells[into] = same.reshape(len(same), width // TILE, TILE * 3).all(axis=2)
    return cells


def _alike(one: Pixels, other: Pixels, tolerance: int) -> NDArray[np.bool_]:
    if tolerance == 0:
        return np.equal(one, other)
    return np.maximum(one, other) - np.minimum(one, other) <= tolerance


def _copies(cells: NDArray[np.bool_], wanted: Mask, shift: int, top: int, left: int) -> list[Copy]:
    """The rectangles in which ``cells`` have moved, as far as something that is wanted lies in them."""
    gained = cells.reshape(-1, TILE, cells.shape[1]).all(axis=1) & wanted
    columns = np.flatnonzero(gained.any(axis=0))
    first, last = int(columns[0]), int(columns[-1]) + 1
    good = cells[:, first:last].mean(axis=1) >= _GOOD_ROW
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
    copies = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        inside = gained[start // TILE : -(-end // TILE), first:last]
        if end - start >= _LEAST_ROWS and inside.any():
            place = left + first * TILE, top + start, (last - first) * TILE, end - start
            copies.append(Copy(*place, from_top=top + start - shift))
    # One after the other they must not read what one before has overwritten.
    return copies if shift < 0 else copies[::-1]
