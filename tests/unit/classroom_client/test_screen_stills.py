"""The lecturer's screen in the hall: whatever order its parts come in, each still is shown with its voice."""

from __future__ import annotations

import io
from itertools import pairwise
from random import Random

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classroom_client.pages import PageBook
from classroom_client.screen import Screen, Shown
from classroom_client.screen_stills import SCREEN_DECK, ScreenStills, TimedUpdate, png_of
from lecture.decks import PageImage, PageTurn, write_deck_event
from lecture.screen import ScreenUpdate, pack_timed, pack_update
from lecture.screen_canvas import Pixels
from lecture.screen_mosaic import mosaic_of
from lecture.wire import ScreenPartFrame
from transport import webp

ROWS, COLUMNS, SHARE = 3, 4, 5


def flat(level: int) -> Pixels:
    return np.full((ROWS * 16, COLUMNS * 16, 3), level, np.uint8)


def update(number: int, since: int, *, stop: bool = False, share: int = SHARE) -> ScreenUpdate:
    """Makes the whole picture as bright as its number says."""
    mosaics = () if stop else (mosaic_of(flat(number), np.ones((ROWS, COLUMNS), np.bool_), webp.encode),)
    return ScreenUpdate(share, number, since, COLUMNS * 16, ROWS * 16, (), mosaics, stop)


def parts(made: ScreenUpdate, t_ms: int, count: int = 0, size: int = 40) -> list[ScreenPartFrame]:
    data = pack_timed(t_ms, pack_update(made))
    starts = range(0, len(data), size)
    return [ScreenPartFrame(count or made.number, at, len(data), data[at : at + size]) for at in starts]


def feed(stills: ScreenStills, frames: list[ScreenPartFrame]) -> list[TimedUpdate]:
    return [timed for frame in frames for timed in stills.part(frame)]


def brightness(stills: ScreenStills) -> int:
    assert stills.still is not None
    found = stills.picture(stills.still.image.digest)
    assert found is not None
    with av.open(io.BytesIO(found[0])) as container:
        return int(next(container.decode(video=0)).to_ndarray(format="rgb24")[0, 0, 0])


def show(stills: ScreenStills, heard_ms: int) -> bool:
    due = stills.due(heard_ms)
    if due:
        stills.apply(due)
    return bool(due)


def test_a_still_is_shown_when_its_voice_is_heard() -> None:
    stills = ScreenStills()
    feed(stills, [*parts(update(1, 0), 1000), *parts(update(2, 1), 2500)])
    assert stills.have == (SHARE, 2)
    assert not show(stills, 999)
    assert stills.still is None
    assert show(stills, 1000)
    assert brightness(stills) == 1
    assert not show(stills, 2400)
    assert show(stills, 2600)
    assert brightness(stills) == 2
    assert stills.still is not None
    assert (stills.still.t_ms, stills.still.image.page, stills.still.image.deck) == (2500, 2, SCREEN_DECK)


def test_what_comes_late_is_shown_at_once_and_only_the_newest_of_it() -> None:
    stills = ScreenStills()
    feed(stills, [part for number in range(1, 5) for part in parts(update(number, number - 1), number * 100)])
    assert show(stills, 5000)
    assert brightness(stills) == 4


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.integers(0, 10_000), st.integers(0, 20))
def test_no_order_of_parts_and_no_copies_change_what_is_shown(count: int, seed: int, copies: int) -> None:
    random = Random(seed)
    frames = [part for number in range(1, count + 1) for part in parts(update(number, number - 1), number * 100)]
    frames += random.choices(frames, k=copies)
    random.shuffle(frames)
    stills = ScreenStills()
    kept = feed(stills, frames)
    assert [timed.update.number for timed in kept] == list(range(1, count + 1))
    assert [timed.data for timed in kept] == [pack_update(timed.update) for timed in kept]
    for number in range(1, count + 1):
        assert show(stills, number * 100)
        assert brightness(stills) == number


def test_an_update_waits_for_the_one_it_needs_but_not_for_those_left_out() -> None:
    stills = ScreenStills()
    feed(stills, parts(update(1, 0), 0))
    assert feed(stills, parts(update(9, 8), 0)) == []
    assert stills.have == (SHARE, 1)
    assert [timed.update.number for timed in feed(stills, parts(update(8, 1), 0))] == [8, 9]
    assert stills.have == (SHARE, 9)


def test_after_a_new_connection_updates_begin_from_their_beginning() -> None:
    stills = ScreenStills()
    first = parts(update(1, 0), 0)
    feed(stills, first[:1])
    stills.disconnected()
    assert feed(stills, first[1:]) == []
    assert len(feed(stills, first)) == 1


def test_the_end_of_sharing_and_another_sharing() -> None:
    stills = ScreenStills()
    feed(stills, [*parts(update(1, 0), 0), *parts(update(2, 0, stop=True), 100)])
    show(stills, 50)
    assert stills.still is not None
    show(stills, 100)
    assert stills.still is None
    feed(stills, parts(update(1, 0, share=SHARE + 1), 200, count=9))
    show(stills, 200)
    assert stills.still is not None


def test_what_waits_is_bounded_and_nothing_of_it_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("classroom_client.screen_stills._WAITING_BYTES", 300)
    stills = ScreenStills()
    feed(stills, [part for number in range(1, 9) for part in parts(update(number, number - 1), 10_000)])
    assert show(stills, 0)
    assert 1 < brightness(stills) < 8
    assert show(stills, 10_000)
    assert brightness(stills) == 8


def test_damaged_updates_are_left_out() -> None:
    stills = ScreenStills()
    feed(stills, parts(update(1, 0), 0))
    show(stills, 0)
    assert feed(stills, [ScreenPartFrame(2, 0, 4, b"junk")]) == []
    broken = ScreenUpdate(SHARE, 2, 1, COLUMNS * 16, ROWS * 16, (), (update(2, 1).mosaics[0].__class__(0, (0,), b"x"),))
    feed(stills, parts(broken, 0))
    show(stills, 0)
    assert brightness(stills) == 1


def test_incomplete_updates_are_bounded() -> None:
    stills = ScreenStills()
    first = parts(update(1, 0), 0)
    for frame in first[:-1]:
        stills.part(frame)
    for number in range(100, 200):
        stills.part(ScreenPartFrame(number, 0, 100, b"x"))
    assert len(stills._parts) <= 32
    assert feed(stills, first[-1:]) == []


def test_a_png_is_what_was_drawn() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (20, 31, 3)).astype(np.uint8)
    with av.open(io.BytesIO(png_of(pixels))) as container:
        assert np.array_equal(next(container.decode(video=0)).to_ndarray(format="rgb24"), pixels)


def page(number: int, book: PageBook, t_ms: int) -> PageImage:
    image = PageImage("deck", number, 1, f"{number:064x}", "image/avif", 100, 100, 10)
    for event in (image, PageTurn("deck", number)):
        kind, fields = write_deck_event(event)
        book.take(kind, t_ms, number, fields)
    book.blob_complete(image.digest)
    return image


def test_the_screen_is_shown_instead_of_the_page_and_gives_way_to_the_page_in_force() -> None:
    book, stills, seen = PageBook(), ScreenStills(), list[Shown]()
    screen = Screen(book)
    screen.on_shown = seen.append
    page(1, book, 0)
    page(2, book, 2000)
    feed(stills, [*parts(update(1, 0), 1000), *parts(update(2, 1), 1500), *parts(update(3, 0, stop=True), 3000)])
    for heard_ms in range(0, 4000, 500):
        show(stills, heard_ms)
        screen.still = stills.still
        screen.update(heard_ms)
        assert not screen.waiting
    assert [(shown.deck, shown.page, shown.heard_ms) for shown in seen] == [
        ("deck", 1, 0),
        (SCREEN_DECK, 1, 1000),
        (SCREEN_DECK, 2, 1500),
        ("deck", 2, 3000),
    ]
    assert screen.shown_seqs == {1, 2}
    assert all(before.heard_ms < after.heard_ms for before, after in pairwise(seen))


def test_without_a_page_nothing_is_left_of_the_screen() -> None:
    screen, stills = Screen(PageBook()), ScreenStills()
    feed(stills, [*parts(update(1, 0), 0), *parts(update(2, 0, stop=True), 10)])
    for heard_ms, there in ((0, True), (10, False)):
        show(stills, heard_ms)
        screen.still = stills.still
        screen.update(heard_ms)
        assert (screen.picture is not None) == there
