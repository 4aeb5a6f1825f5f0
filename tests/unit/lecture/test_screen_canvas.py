"""The picture that updates make: in order, whole, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecture.errors import ProtocolError
from lecture.screen import Copy, Mosaic, ScreenUpdate
from lecture.screen_canvas import Mask, Pixels, ScreenCanvas
from lecture.screen_mosaic import mosaic_of, padded, quantised

ROWS, COLUMNS = 4, 6
WIDTH, HEIGHT = COLUMNS * 16 - 5, ROWS * 16 - 9


def code(pixels: Pixels) -> bytes:
    return pixels.tobytes()


def decode(data: bytes, width: int, height: int) -> Pixels:
    if len(data) != width * height * 3:
        raise ValueError("of another size")
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)


def noise(seed: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (ROWS * 16, COLUMNS * 16, 3)).astype(np.uint8)


def everything() -> Mask:
    return np.ones((ROWS, COLUMNS), np.bool_)


def step(number: int, since: int, *mosaics: Mosaic, copies: tuple[Copy, ...] = (), share: int = 1) -> ScreenUpdate:
    return ScreenUpdate(share, number, since, WIDTH, HEIGHT, copies, mosaics)


def shown(seed: int = 0) -> ScreenCanvas:
    canvas = ScreenCanvas(decode)
    canvas.apply(step(1, 0, mosaic_of(noise(seed), everything(), code)))
    return canvas


@given(st.integers(0, 1000), st.sets(st.integers(0, ROWS * COLUMNS - 1), min_size=1))
def test_tiles_come_where_they_belong(seed: int, tiles: set[int]) -> None:
    canvas = shown()
    mask = np.zeros((ROWS, COLUMNS), np.bool_)
    mask.reshape(-1)[sorted(tiles)] = True
    changed = canvas.apply(step(2, 1, mosaic_of(noise(seed), mask, code)))
    assert np.array_equal(changed, mask)
    pixels = np.repeat(np.repeat(mask, 16, axis=0), 16, axis=1)[..., None]
    assert np.array_equal(canvas.padded, np.where(pixels, noise(seed), noise(0)))
    assert canvas.pixels.shape == (HEIGHT, WIDTH, 3)


def test_both_layouts_are_used_and_read() -> None:
    corners = np.zeros((ROWS, COLUMNS), np.bool_)
    corners[[0, 0, -1], [0, -1, 2]] = True
    sparse = np.eye(ROWS, COLUMNS, dtype=np.bool_)
    assert mosaic_of(noise(1), corners, code).columns == 0
    assert mosaic_of(noise(1), sparse, code).columns == 4
    for mask in (corners, sparse):
        canvas = shown()
        canvas.apply(step(2, 1, mosaic_of(noise(1), mask, code)))
        assert np.array_equal(canvas.padded[:16, :16], noise(1)[:16, :16])


def test_a_copy_may_overlap_what_it_copies() -> None:
    canvas = shown()
    changed = canvas.apply(step(2, 1, copies=(Copy(16, 5, 32, 30, 8),)))
    assert np.array_equal(canvas.padded[5:35, 16:48], noise(0)[8:38, 16:48])
    assert np.array_equal(canvas.padded[5:35, 48:], noise(0)[5:35, 48:])
    assert changed[0:3, 1:3].all()
    assert np.count_nonzero(changed) == 6


def test_updates_that_do_not_follow_are_refused_and_change_nothing() -> None:
    canvas = shown()
    tile = Mosaic(1, (0,), bytes(16 * 16 * 3))
    assert not canvas.position.takes(step(1, 0, tile))
    assert not canvas.position.takes(step(3, 2, tile))
    assert not canvas.position.takes(step(3, 1, tile, share=2))
    assert not canvas.position.takes(ScreenUpdate(1, 2, 1, WIDTH + 1, HEIGHT))
    assert canvas.position.takes(step(7, 1, tile))
    assert canvas.position.takes(step(1, 0, tile, share=2))
    with pytest.raises(ProtocolError, match="does not follow"):
        canvas.apply(step(3, 2, tile))
    with pytest.raises(ProtocolError, match="cannot be decoded"):
        canvas.apply(step(2, 1, Mosaic(1, (0,), b"damaged"), copies=(Copy(0, 0, 16, 16, 16),)))
    assert np.array_equal(canvas.padded, noise(0))
    assert canvas.position.number == 1


def test_edges_are_repeated_up_to_whole_tiles() -> None:
    picture = noise(3)[:HEIGHT, :WIDTH]
    whole = padded(picture)
    assert whole.shape == (ROWS * 16, COLUMNS * 16, 3)
    assert np.array_equal(whole[:HEIGHT, :WIDTH], picture)
    assert (whole[HEIGHT:, 0] == picture[-1, 0]).all()
    assert padded(whole) is whole


@given(st.integers(2, 256))
def test_levels_are_evenly_spaced(levels: int) -> None:
    ramp = np.arange(256, dtype=np.uint8)[:, None, None]
    coarse = quantised(ramp, levels)
    assert len(np.unique(coarse)) == levels
    assert np.abs(coarse.astype(int) - ramp).max() <= 128 / (levels - 1) + 1
