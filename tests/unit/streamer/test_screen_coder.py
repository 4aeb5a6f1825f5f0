"""A screen coded as stills: it ends as the source is, costs what it may, and scrolling costs next to nothing."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lecture.screen import ScreenUpdate, pack_update, parse_update
from lecture.screen_canvas import Pixels, ScreenCanvas
from streamer.screen_coder import ScreenCoder, ScreenSettings
from transport import webp

WIDTH, HEIGHT = 400, 300
RICH = ScreenSettings(kbps=10_000, burst_bytes=1_000_000, rest_update_bytes=100_000)
STEP_MS = 200


def text_line(seed: int, height: int = 20, width: int = WIDTH) -> Pixels:
    """Something like a line of letters: dark strokes on white, soft at their edges."""
    random = np.random.default_rng(seed)
    line = np.full((height, width), 255, np.uint8)
    for left in range(4, width - 12, 11):
        strokes = random.integers(0, 2, (4, 3)) * 200
        line[4:16, left : left + 9] = 255 - strokes.repeat(3, axis=0).repeat(3, axis=1)
    line[5::4, 2::7] = np.minimum(line[5::4, 2::7], 140)
    return np.repeat(line[..., None], 3, axis=2)


def page(first_line: int) -> Pixels:
    return np.concatenate([text_line(first_line + index) for index in range(HEIGHT // 20)])


def legible(canvas: ScreenCanvas, source: Pixels) -> bool:
    """Whether what is dark there is dark here, and what is light is light."""
    return np.array_equal(canvas.pixels > 127, source > 127)


class Watched:
    """A coder, and a canvas that gets what it sends as bytes."""

    def __init__(self, settings: ScreenSettings = RICH) -> None:
        self.coder = ScreenCoder(99, settings)
        self.canvas = ScreenCanvas(webp.decode)
        self.now_ms = 0
        self.sent: list[tuple[int, int, ScreenUpdate]] = []

    def show(self, picture: Pixels, for_ms: int = STEP_MS) -> list[ScreenUpdate]:
        updates = []
        for _ in range(for_ms // STEP_MS):
            update = self.coder.picture(picture, self.now_ms)
            if update is not None:
                data = pack_update(update)
                self.canvas.apply(parse_update(data))
                self.sent.append((self.now_ms, len(data), update))
                updates.append(update)
            self.now_ms += STEP_MS
        return updates

    @property
    def sent_bytes(self) -> int:
        return sum(size for _, size, _ in self.sent)


def test_the_first_update_needs_nothing_before_it_and_is_legible() -> None:
    watched = Watched()
    (first,) = watched.show(page(0))
    assert first.is_whole
    assert legible(watched.canvas, page(0))


def test_what_rests_becomes_exact() -> None:
    watched = Watched()
    watched.show(page(0), for_ms=4000)
    assert np.array_equal(watched.canvas.pixels, page(0))


def test_what_does_not_change_costs_nothing() -> None:
    watched = Watched()
    watched.show(page(0), for_ms=5000)
    assert watched.show(page(0), for_ms=5000) == []


def test_a_small_change_costs_little() -> None:
    watched = Watched()
    watched.show(page(0), for_ms=5000)
    changed = page(0)
    changed[40:52, 50:60] = 0
    (update, *_) = watched.show(changed, for_ms=600)
    assert len(pack_update(update)) < 250
    assert sum(len(mosaic.tiles) for mosaic in update.mosaics) <= 4


def test_scrolling_is_sent_as_a_move() -> None:
    watched = Watched()
    watched.show(page(0), for_ms=5000)
    before = watched.sent_bytes
    (update, *_) = watched.show(page(2), for_ms=600)
    assert update.copies
    assert len(pack_update(update)) < before / 4
    assert legible(watched.canvas, page(2))
    watched.show(page(2), for_ms=4000)
    assert np.array_equal(watched.canvas.pixels, page(2))


def test_scrolling_beside_something_that_stays() -> None:
    def split(first_line: int) -> Pixels:
        picture = page(0)
        picture[60:280, :200] = page(first_line)[60:280, :200]
        return picture

    for first, then in ((0, 3), (3, 0)):
        watched = Watched()
        watched.show(split(first), for_ms=5000)
        (update, *_) = watched.show(split(then), for_ms=600)
        assert update.copies
        assert all(copy.left + copy.width <= 208 for copy in update.copies)
        watched.show(split(then), for_ms=4000)
        assert np.array_equal(watched.canvas.pixels, split(then))


def test_grey_letters_on_grey_do_not_vanish() -> None:
    pale = (200 - (255 - page(0)) // 4).astype(np.uint8)
    watched = Watched()
    watched.show(pale)
    ink = pale < 170
    assert watched.canvas.pixels[ink].mean() < watched.canvas.pixels[~ink].mean() - 30
    watched.show(pale, for_ms=4000)
    assert np.array_equal(watched.canvas.pixels, pale)
    few = pale.copy()
    few[100:120] = few[140:160]
    watched.show(few, for_ms=600)
    ink = few[100:120] < 170
    assert watched.canvas.pixels[100:120][ink].mean() < watched.canvas.pixels[100:120][~ink].mean() - 30


def test_a_photograph_is_not_coded_as_a_drawing() -> None:
    random = np.random.default_rng(5)
    photo = random.integers(0, 256, (HEIGHT // 4, WIDTH // 4, 3)).astype(np.uint8)
    photo = np.kron(photo, np.ones((4, 4, 1), np.uint8))
    photo = (photo // 2 + random.integers(0, 100, photo.shape)).astype(np.uint8)
    watched = Watched()
    watched.show(photo, for_ms=6000)
    assert watched.sent_bytes < len(webp.encode(photo)) / 2  # the exact picture is never sent
    assert np.abs(watched.canvas.pixels.astype(int) - photo).mean() < 20


def test_the_rate_is_kept_whatever_happens_on_the_screen() -> None:
    settings = ScreenSettings(kbps=10, burst_bytes=12_000, debt_bytes=12_000, update_bytes=8_000)
    watched = Watched(settings)
    for index in range(150):
        watched.show(page(100 * index), for_ms=400)
    seconds = watched.now_ms / 1000
    assert watched.sent_bytes * 8 / 1000 < 10 * seconds + (12_000 + 12_000 + 8_000) * 8 / 1000
    assert max(size for _, size, _ in watched.sent) < 10_000
    watched.show(page(100 * 149), for_ms=60_000)
    assert np.array_equal(watched.canvas.pixels, page(100 * 149))


def test_a_change_does_not_wait_behind_what_rests() -> None:
    watched = Watched(ScreenSettings())
    watched.show(page(0), for_ms=60_000)
    begin_ms = watched.now_ms
    watched.show(page(500), for_ms=1000)
    assert watched.sent[-1][0] - begin_ms <= 1000
    assert legible(watched.canvas, page(500))


def typed(letters: int) -> Pixels:
    """A line that somebody is writing into the page."""
    picture = page(0)
    picture[100:120, : 4 + letters * 6] = text_line(900)[:, : 4 + letters * 6]
    return picture


def test_what_moves_all_the_time_is_shown_once_a_second() -> None:
    watched = Watched()
    watched.show(page(0), for_ms=5000)
    seen = [0]
    for letters in range(50):
        watched.show(typed(letters))
        seen += [letters for known in seen[-1:] if known != letters and legible(watched.canvas, typed(letters))]
    assert 8 <= len(seen) - 1 <= 12
    assert max(b - a for a, b in itertools.pairwise(seen)) <= 6


def test_what_was_typed_becomes_exact_while_somebody_types_on() -> None:
    watched = Watched(replace(RICH, stark_levels=4))
    watched.show(page(0), for_ms=5000)
    for letters in range(50):
        watched.show(typed(letters))
    long_ago = slice(100, 120), slice(0, 4 + 28 * 6)
    assert np.array_equal(watched.canvas.pixels[long_ago], typed(49)[long_ago])
    assert len(watched.sent) <= 25


def test_letters_keep_their_soft_edges_where_little_changes_and_the_rate_is_there() -> None:
    def is_soft(burst_bytes: int) -> bool:
        watched = Watched(ScreenSettings(burst_bytes=burst_bytes))
        watched.show(page(0), for_ms=400)
        watched.show(typed(50), for_ms=600)
        assert legible(watched.canvas, typed(50))
        return bool((watched.canvas.pixels[100:120] % 255).any())

    assert is_soft(burst_bytes=24_000)
    assert not is_soft(burst_bytes=1_000)  # the page before has overdrawn it


def test_another_size_begins_anew() -> None:
    watched = Watched()
    watched.show(page(0), for_ms=1000)
    small = np.ascontiguousarray(page(0)[:200, :300])
    (update, *_) = watched.show(small, for_ms=400)
    assert update.is_whole
    assert watched.canvas.pixels.shape == (200, 300, 3)


def test_beginning_anew_sends_all_of_it() -> None:
    watched = Watched()
    watched.show(page(0), for_ms=5000)
    watched.coder.begin_anew()
    late = ScreenCanvas(webp.decode)
    (update, *_) = watched.show(page(0), for_ms=400)
    late.apply(update)
    assert legible(late, page(0))


def test_stopping() -> None:
    watched = Watched()
    assert watched.coder.stop() is None
    watched.show(page(0))
    stop = watched.coder.stop()
    assert stop is not None
    assert stop.stop
    watched.canvas.apply(parse_update(pack_update(stop)))
    assert watched.canvas.position.stopped


SCREENS = st.one_of(
    st.builds(page, st.integers(0, 12)),
    st.builds(lambda level: np.full((HEIGHT, WIDTH, 3), level, np.uint8), st.integers(0, 255)),
    st.builds(
        lambda line, shade: np.minimum(page(line), shade).astype(np.uint8), st.integers(0, 4), st.integers(0, 255)
    ),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(SCREENS, st.integers(1, 8)), min_size=1, max_size=6))
def test_whatever_was_shown_the_picture_at_rest_is_the_source(shown: list[tuple[Pixels, int]]) -> None:
    watched = Watched()
    for picture, steps in shown:
        watched.show(picture, for_ms=steps * STEP_MS)
        assert np.array_equal(watched.coder.canvas.pixels, watched.canvas.pixels)
    watched.show(shown[-1][0], for_ms=6000)
    assert np.array_equal(watched.canvas.pixels, shown[-1][0])
