"""Each question of a hall reaches the relay once, whatever the line does."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from classroom_client.questions import MAX_CHARS, MAX_WAITING, Questions
from lecture.messages import Asked, Question


def questions(*texts: str) -> Questions:
    numbers = count(1)
    asking = Questions(new_id=lambda: str(next(numbers)))
    for text in texts:
        assert asking.ask(text)
    return asking


def test_questions_go_one_by_one_as_the_relay_takes_them() -> None:
    asking = questions("Why?", " And how?\n")
    assert asking.due(0.0) == Question("Why?", "1")
    asking.sent(0.0)
    assert asking.due(5.0) is None
    asking.answered(Asked("1"), 5.0)
    assert asking.due(5.5) is None
    assert asking.due(6.5) == Question("And how?", "2")
    assert (asking.asked, asking.waiting) == (1, [("2", "And how?")])


def test_a_question_whose_answer_is_lost_is_asked_again_and_a_late_answer_counts_once() -> None:
    asking = questions("Why?")
    asking.sent(0.0)
    assert asking.due(10.0) == Question("Why?", "1")
    asking.sent(10.0)
    asking.connected()
    assert asking.due(11.0) == Question("Why?", "1")
    asking.answered(Asked("1"), 11.0)
    asking.answered(Asked("1"), 11.1)
    assert (asking.asked, asking.waiting) == (1, [])


def test_one_that_comes_too_soon_waits_and_one_that_is_refused_goes() -> None:
    asking = questions("Why?")
    asking.sent(0.0)
    asking.answered(Asked("1", "too_many_questions"), 1.0)
    assert asking.due(3.0) == Question("Why?", "1")
    asking.answered(Asked("1", "lecture_closed"), 4.0)
    assert (asking.asked, asking.waiting, asking.refused) == (0, [], "lecture_closed")


def test_nothing_and_too_much_are_not_asked() -> None:
    asking = questions(*("?" * MAX_WAITING))
    assert not asking.ask("one more")
    assert not questions().ask(" \n")
    long = questions("x" * 5000)
    assert long.waiting == [("1", "x" * MAX_CHARS)]


def test_what_an_earlier_run_left_is_asked_with_the_same_id() -> None:
    before = questions("Why?")
    before.sent(0.0)
    after = Questions(before.waiting, asked=3)
    assert after.due(0.0) == Question("Why?", "1")
    after.answered(Asked("1"), 1.0)
    assert after.asked == 4


@given(st.lists(st.sampled_from(["lost", "unanswered", "outage", "taken", "restart"]), max_size=30))
def test_no_order_of_losses_loses_or_doubles_a_question(events: list[str]) -> None:
    asking, taken, now = questions("a", "b", "c"), dict[str, str](), 0.0
    for event in [*events, *("taken",) * 3]:
        now += 11.0
        question = asking.due(now)
        if question is None:
            continue
        asking.sent(now)
        if event in ("unanswered", "taken"):
            taken.setdefault(question.id, question.text)
        if event == "taken":
            asking.answered(Asked(question.id), now)
        elif event == "outage":
            asking.connected()
        elif event == "restart":
            asking = Questions(asking.waiting, asking.asked)
    assert list(taken.values()) == ["a", "b", "c"]
    assert (asking.asked, asking.waiting) == (3, [])
