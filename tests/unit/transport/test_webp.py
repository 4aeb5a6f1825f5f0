"""WebP images: lossless ones come back as they were, damaged ones and those of another size do not come at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transport import webp


def picture(seed: int, rows: int, columns: int, levels: int = 4) -> webp.Pixels:
    random = np.random.default_rng(seed)
    return (random.integers(0, levels, (rows * 16, columns * 16, 3)) * (255 // (levels - 1))).astype(np.uint8)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 100), st.integers(1, 6), st.integers(1, 6), st.sampled_from([2, 4, 256]))
def test_a_lossless_image_comes_back_as_it_was(seed: int, rows: int, columns: int, levels: int) -> None:
    pixels = picture(seed, rows, columns, levels)
    assert np.array_equal(webp.decode(webp.encode(pixels), columns * 16, rows * 16), pixels)


def test_a_lossy_image_is_smaller_and_alike() -> None:
    shade = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    pixels = np.repeat(shade[..., None], 3, axis=2)
    noisy = (pixels + np.random.default_rng(1).integers(0, 9, pixels.shape)).astype(np.uint8)
    data = webp.encode(noisy, 50)
    assert len(data) < len(webp.encode(noisy)) / 4
    assert np.abs(webp.decode(data, 64, 64).astype(int) - noisy).mean() < 8


def test_an_image_of_another_size_is_not_decoded() -> None:
    with pytest.raises(ValueError, match="no WebP image of 32 x 16"):
        webp.decode(webp.encode(picture(0, 2, 2)), 32, 16)


@settings(max_examples=30, deadline=None)
@given(st.data(), st.sampled_from([None, 30]))
def test_damage_is_an_error_or_a_picture_of_the_size(data: st.DataObject, quality: int | None) -> None:
    good = webp.encode(picture(0, 2, 2), quality)
    cut = data.draw(st.integers(0, len(good)))
    bad = good[:cut] + data.draw(st.binary(max_size=60))
    try:
        assert webp.decode(bad, 32, 32).shape == (32, 32, 3)
    except ValueError:
        return
