"""Which page was due when, and what halls asked."""

from __future__ import annotations

from lecture.entries import Entry, Kind, pack_event
from relay.media.overview import KEPT_QUESTIONS, KEPT_TURNS, Overview


def turn(t_ms: int, page: int) -> Entry:
    return Entry(Kind.TURN, t_ms, pack_event({"deck": "d", "page": page}))


def test_the_page_due_is_that_of_the_last_turn_by_then() -> None:
    overview = Overview()
    for t_ms, page in ((1000, 1), (5000, 2), (9000, 3)):
        overview.apply(turn(t_ms, page))
    assert [overview.page_at(t_ms) for t_ms in (0, 999, 1000, 4999, 5000, 20_000)] == [0, 0, 1, 1, 2, 3]


def test_turns_that_come_out_of_order_are_put_in_order() -> None:
    overview = Overview()
    overview.apply(turn(9000, 3))
    overview.apply(turn(5000, 2))
    assert (overview.page_at(6000), overview.page_at(9000)) == (2, 3)


def test_of_two_turns_at_one_moment_the_later_said_counts() -> None:
    overview = Overview()
    overview.apply(turn(1000, 4))
    overview.apply(turn(1000, 5))
    assert overview.page_at(1000) == 5


def test_only_the_newest_are_kept() -> None:
    overview = Overview()
    for number in range(KEPT_TURNS + 3):
        overview.apply(turn(number * 10, number + 1))
    assert overview.page_at(25) == 0
    assert overview.page_at(10**9) == KEPT_TURNS + 3
    for number in range(KEPT_QUESTIONS + 2):
        overview.apply(Entry(Kind.QUESTION, number, pack_event({"hall": "Busan", "text": f"{number}?"})))
    assert [question["text"] for question in overview.questions][0 :: KEPT_QUESTIONS - 1] == ["2?", f"{number}?"]


def test_what_cannot_be_read_changes_nothing() -> None:
    overview = Overview()
    for entry in (Entry(Kind.TURN, 0, b"no json"), Entry(Kind.QUESTION, 0, b"["), Entry(Kind.MARK, 0, b"{}")):
        overview.apply(entry)
    assert (overview.page_at(10), overview.questions) == (0, [])


def test_what_a_file_gives_back_after_a_restart_counts_the_same() -> None:
    overview = Overview()
    overview.apply(Entry(5, 1000, pack_event({"deck": "d", "page": 4})))
    overview.apply(Entry(8, 2000, pack_event({"hall": "Busan", "text": "Why?"})))
    assert overview.page_at(1000) == 4
    assert [question["text"] for question in overview.questions] == ["Why?"]
