"""Which page is on the screen: by what is heard, the best picture that is here, the former page until then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from classroom_client.pages import PageBook
from classroom_client.screen import PageDump, Screen, Shown
from lecture.entries import Kind

DECK = "deck"


def digest(page: int, tier: int) -> str:
    return f"{page:032d}{tier:032d}"


def book(pages: int = 3, here: tuple[tuple[int, int], ...] = ()) -> PageBook:
    made = PageBook()
    made.take(
        Kind.DECK, 0, 1, {"deck": DECK, "title": "Waves", "page_count": pages, "pages": [{"page": 2, "title": "Two"}]}
    )
    for page in range(1, pages + 1):
        for tier in (1, 2):
            fields = {
                "deck": DECK,
                "page": page,
                "tier": tier,
                "digest": digest(page, tier),
                "media_type": "image/avif",
            }
            made.take(Kind.PAGE, 0, 10 * page + tier, fields)
    for page, tier in here:
        made.blob_complete(digest(page, tier))
    return made


def turn(made: PageBook, t_ms: int, page: int, seq: int = 100) -> None:
    made.take(Kind.TURN, t_ms, seq, {"deck": DECK, "page": page})


def test_turn_counts_from_its_lecture_time_on() -> None:
    made = book(here=((1, 1), (2, 1)))
    turn(made, 0, 1)
    turn(made, 5000, 2)
    assert made.at(4999).turn.page == 1  # type: ignore[union-attr]
    assert made.at(5000).turn.page == 2  # type: ignore[union-attr]


def test_turns_may_arrive_in_any_order_and_twice() -> None:
    made = book(here=((1, 1), (2, 1), (3, 1)))
    turn(made, 9000, 3, 103)
    turn(made, 0, 1, 101)
    turn(made, 5000, 2, 102)
    turn(made, 5000, 2, 102)
    assert [made.at(t).turn.page for t in (0, 6000, 10_000)] == [1, 2, 3]  # type: ignore[union-attr]
    assert made.turns_before() == 3
    assert made.turns_before(6000) == 2


def test_of_two_turns_at_once_the_later_entry_counts() -> None:
    made = book(here=((1, 1), (2, 1)))
    turn(made, 5000, 2, 102)
    turn(made, 5000, 1, 101)
    assert made.at(5000).turn.page == 2  # type: ignore[union-attr]


def test_sharp_picture_replaces_the_first_one() -> None:
    made = book(here=((1, 1),))
    turn(made, 0, 1)
    assert made.at(0).picture.tier == 1  # type: ignore[union-attr]
    made.blob_complete(digest(1, 2))
    assert made.at(0).picture.tier == 2  # type: ignore[union-attr]


def test_nothing_before_the_first_turn() -> None:
    assert book().at(0).turn is None


@pytest.mark.parametrize(
    "fields", [{}, {"deck": 3}, {"deck": DECK, "page": "x"}, {"deck": DECK, "page": 1, "tier": None}]
)
def test_entries_that_make_no_sense_are_ignored(fields: dict[str, object]) -> None:
    made = book()
    for kind in (Kind.DECK, Kind.TURN, Kind.PAGE, Kind.POINTER):
        made.take(kind, 0, 1, fields)
    assert made.at(0).picture is None


def test_former_page_stays_until_the_new_one_is_here() -> None:
    made = book(here=((1, 2),))
    screen = Screen(made)
    turn(made, 0, 1, 101)
    turn(made, 5000, 2, 102)
    screen.update(0)
    screen.update(6000)
    assert screen.waiting
    assert screen.picture is not None
    assert screen.picture.page == 1
    made.blob_complete(digest(2, 1))
    screen.update(6060)
    assert not screen.waiting
    assert screen.shown_seqs == {101, 102}


def test_page_that_never_came_in_time_does_not_count_as_shown() -> None:
    made = book(here=((1, 1), (3, 1)))
    screen = Screen(made)
    for t_ms, page in ((0, 1), (5000, 2), (9000, 3)):
        turn(made, t_ms, page, 100 + page)
    for heard_ms in range(0, 10_000, 60):
        screen.update(heard_ms)
    made.blob_complete(digest(2, 1))
    screen.update(10_000)
    assert screen.shown_seqs == {101, 103}


def test_dump_keeps_every_picture_that_came_on(tmp_path: Path) -> None:
    made = book(here=((1, 1),))
    screen = Screen(made)
    dump = PageDump(tmp_path, lambda _: (b"picture", "image/avif"), lambda: 1234)
    screen.on_shown = dump.shown
    turn(made, 960, 1)
    for heard_ms in (0, 960, 1020):
        screen.update(heard_ms)
    made.blob_complete(digest(1, 2))
    screen.update(1080)
    dump.close()
    listed = json.loads((tmp_path / "pages.json").read_text())
    assert [(item["t_ms"], item["heard_ms"], item["page"], item["tier"]) for item in listed] == [
        (960, 960, 1, 1),
        (960, 1080, 1, 2),
    ]
    assert all((tmp_path / item["file"]).read_bytes() == b"picture" for item in listed)
    assert listed[0]["shown_at_ms"] == 1234


def test_dump_survives_a_picture_that_cannot_be_read(tmp_path: Path) -> None:
    dump = PageDump(tmp_path, lambda _: None, lambda: 0)
    dump.shown(Shown(0, 0, DECK, 1, 1, digest(1, 1)))
    dump.close()
    assert not (tmp_path / "pages.json").exists()
