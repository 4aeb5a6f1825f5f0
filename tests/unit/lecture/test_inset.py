"""The camera never lies on a word."""

from __future__ import annotations

import numpy as np
import pytest

from lecture.inset import Inset, place_inset

WIDTH, HEIGHT, MARGIN = 320, 180, 8


def blank() -> np.ndarray:
    return np.full((720, 1280, 3), 250, np.uint8)


def write(page: np.ndarray, left: int, top: int, columns: int = 12) -> None:
    """Something like a line of text: thin dark strokes."""
    for column in range(columns):
        page[top : top + 24, left + column * 14 : left + column * 14 + 3] = 20


CORNERS = {"lower right": (952, 532), "lower left": (8, 532), "upper right": (952, 8), "upper left": (8, 8)}


def test_an_empty_page_has_the_camera_where_people_expect_it() -> None:
    assert place_inset(blank(), WIDTH, HEIGHT, MARGIN) == Inset(952, 532, WIDTH, HEIGHT)


@pytest.mark.parametrize("free", list(CORNERS))
def test_the_one_free_corner_is_found(free: str) -> None:
    page = blank()
    for name, (left, top) in CORNERS.items():
        if name != free:
            write(page, left + 20, top + 40)
            write(page, left + 20, top + 120)
            write(page, left + 150, top + 80)
    assert place_inset(page, WIDTH, HEIGHT, MARGIN) == Inset(*CORNERS[free], WIDTH, HEIGHT)


def test_a_smaller_inset_is_taken_where_the_full_one_would_hide_a_word() -> None:
    page = blank()
    for left, top in CORNERS.values():
        write(page, left + (0 if left > 600 else 250), top + (0 if top > 400 else 150), columns=5)
    found = place_inset(page, WIDTH, HEIGHT, MARGIN)
    assert found is not None
    assert found.width < WIDTH
    region = page[found.top : found.top + found.height, found.left : found.left + found.width]
    assert region.min() == 250


def test_a_page_full_of_words_has_no_camera() -> None:
    page = blank()
    for top in range(0, 690, 36):
        write(page, 0, top, columns=90)
    assert place_inset(page, WIDTH, HEIGHT, MARGIN) is None


def test_shading_is_no_word() -> None:
    page = np.repeat(np.linspace(0, 255, 1280).astype(np.uint8)[None, :, None], 720, axis=0).repeat(3, axis=2)
    assert place_inset(page, WIDTH, HEIGHT, MARGIN) is not None


def test_not_even_the_end_of_one_word_is_hidden() -> None:
    page = blank()
    write(page, 952 - 150, 532 + HEIGHT - 10)  # two strokes of it would lie under the lower right corner's inset
    assert place_inset(page, WIDTH, HEIGHT, MARGIN) == Inset(8, 532, WIDTH, HEIGHT)


def test_the_border_of_the_page_is_no_word() -> None:
    screen = np.zeros((768, 1400, 3), np.uint8)
    screen[20:740, 60:1340] = blank()
    assert place_inset(screen, WIDTH, HEIGHT, MARGIN) == Inset(1400 - 8 - WIDTH, 768 - 8 - HEIGHT, WIDTH, HEIGHT)


def test_an_inset_larger_than_the_picture_is_not_placed() -> None:
    assert place_inset(blank()[:100, :100], WIDTH, HEIGHT, MARGIN) is None
