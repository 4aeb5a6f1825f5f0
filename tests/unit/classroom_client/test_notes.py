"""Which of the lecturer's notes people see in the hall, and for how long."""

from __future__ import annotations

import itertools

import pytest

from classroom_client.notes import LATE_MS, MAX_NOTES, SHOWN_S, Note, Notes
from lecture.entries import Kind


def notes(*texts: tuple[int, str]) -> Notes:
    made = Notes()
    for seq, (t_ms, text) in enumerate(texts, 100):
        made.take(Kind.MARK, t_ms, seq, {"text": text})
    return made


def seen(made: Notes, moment_ms: int | None, now: float) -> str:
    made.look(moment_ms, now)
    return made.shown.text if made.shown else ""


def test_a_note_is_shown_when_its_moment_is_heard_for_a_while_or_until_the_next() -> None:
    made = notes((5000, "Break until 10:30"), (9000, "쉬는 시간"))
    told: list[tuple[Note, int]] = []
    made.on_shown = lambda note, heard_ms: told.append((note, heard_ms))
    assert seen(made, None, 0.0) == ""
    assert seen(made, 4999, 7.0) == ""
    assert seen(made, 5020, 7.1) == "Break until 10:30"
    assert seen(made, 8999, 11.0) == "Break until 10:30"
    assert seen(made, 9000, 11.1) == "쉬는 시간"
    assert seen(made, 9000, 11.0 + SHOWN_S) == "쉬는 시간", "the voice stands still"
    assert seen(made, 9000, 11.2 + SHOWN_S) == ""
    assert seen(made, 60_000, 90.0) == ""
    assert [(note.t_ms, heard_ms) for note, heard_ms in told] == [(5000, 5020), (9000, 9000)]


def test_a_note_that_comes_late_is_shown_as_long_as_any_other() -> None:
    made = notes()
    assert seen(made, 80_000, 20.0) == ""
    made.take(Kind.MARK, 8000, 7, {"text": "late"})
    assert seen(made, 80_040, 20.0) == "late"
    assert seen(made, 109_000, 19.9 + SHOWN_S) == "late"
    assert seen(made, 111_000, 20.1 + SHOWN_S) == ""


def test_who_comes_long_after_a_note_is_not_told_of_it() -> None:
    made = notes((5000, "old"))
    assert seen(made, 5001 + LATE_MS, 0.0) == ""
    assert seen(made, 5000, 1.0) == "", "not even when the voice is caught up from a little before"


def test_of_very_many_notes_the_newest_are_known() -> None:
    made = notes(*((t_ms, f"note {t_ms}") for t_ms in reversed(range(MAX_NOTES + 1))))
    assert seen(made, 0, 0.0) == ""
    assert seen(made, 1, 0.0) == "note 1"
    assert seen(made, MAX_NOTES, 0.0) == f"note {MAX_NOTES}"


def test_nothing_heard_for_a_moment_neither_ends_a_note_nor_shows_it_twice() -> None:
    made = notes((0, "Welcome"))
    assert [seen(made, moment, 1.0) for moment in (0, None, 0)] == ["Welcome"] * 3
    assert [seen(made, moment, 1.0 + SHOWN_S) for moment in (0, None, 60)] == [""] * 3


def test_an_empty_note_takes_the_one_before_away() -> None:
    made = notes((1000, "Break"), (2000, " \n"))
    assert (seen(made, 1500, 0.0), seen(made, 2000, 1.0)) == ("Break", "")


def test_any_order_shows_the_same() -> None:
    for order in itertools.permutations([(3000, "c"), (1000, "a"), (2000, "b")]):
        made = notes(*order, order[0])
        assert [seen(made, moment_ms, 0.0) for moment_ms in (1000, 2999, 3000)] == ["a", "b", "c"]


@pytest.mark.parametrize("fields", [{}, {"text": None}, {"text": 3}])
def test_what_makes_no_sense_is_ignored(fields: dict[str, object]) -> None:
    made = notes()
    made.take(Kind.MARK, 0, 1, fields)
    made.take(Kind.QUESTION, 0, 2, {"text": "Why?"})
    assert seen(made, 0, 0.0) == ""


def test_a_note_is_one_line_that_any_screen_and_terminal_can_write() -> None:
    assert seen(notes((0, "  휴식 \n 10:30\u0000\u202e 까지\ud800 ")), 0, 0.0) == "휴식 10:30 까지"
