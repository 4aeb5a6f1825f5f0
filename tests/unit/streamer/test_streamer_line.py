"""What is said of the line, and what survives its going down."""

from __future__ import annotations

import pytest

from lecture.lecturer_messages import End, Mark, Turn
from lecture.messages import Message
from streamer.line import Line
from streamer.outbox import MAX_WAITING, MOST_AT_ONCE, Outbox


def test_the_line_is_up_when_both_connections_are() -> None:
    line = Line()
    assert line.set_up("control", 1.0) == ""
    assert not line.up
    assert line.set_up("media", 2.0) == "Connected to the relay."
    assert line.up


def test_an_outage_is_said_once_and_measured() -> None:
    line = Line()
    line.set_up("control", 0.0)
    line.set_up("media", 0.0)
    said = line.set_down("control", "the relay does not answer.", 10.0)
    assert "down" in said
    assert "kept on this machine" in said
    assert line.set_down("media", "nothing is heard.", 12.0) == ""
    assert line.set_down("control", "the relay does not answer.", 14.0) == ""
    assert line.set_up("control", 40.0) == ""
    assert line.set_up("media", 47.0) == "The line to the relay is back after 37 s."
    line.close(50.0)
    assert (line.outages, line.outage_s) == (1, 37.0)


def test_a_relay_that_was_never_reached_is_no_outage() -> None:
    line = Line()
    assert "No connection to the relay yet: no route." in line.set_down("media", "no route.", 0.0)
    assert line.set_down("control", "no route.", 1.0) == ""
    line.set_up("media", 2.0)
    assert line.set_up("control", 3.0) == "Connected to the relay."
    assert line.outages == 0


def test_an_outage_that_lasts_to_the_end_counts() -> None:
    line = Line()
    line.set_up("control", 0.0)
    line.set_up("media", 0.0)
    line.set_down("media", "x.", 5.0)
    line.close(8.0)
    assert line.outage_s == pytest.approx(3.0)


def test_what_is_not_needed_any_more_is_no_news() -> None:
    line = Line()
    line.set_up("control", 0.0)
    line.set_up("media", 0.0)
    line.drop("media")
    assert line.set_down("media", "closed.", 1.0) == ""
    assert line.up
    assert "down" in line.set_down("control", "x.", 2.0)


def turn(page: int) -> Message:
    return Turn("deck", page)


def test_messages_are_kept_until_the_ping_after_them_is_answered() -> None:
    outbox = Outbox()
    outbox.put(turn(1))
    assert outbox.take(1) == [turn(1)]
    outbox.put(turn(2))
    assert outbox.take(2) == [turn(2)]
    outbox.pong(1)
    outbox.put(turn(3))
    outbox.reconnected()
    assert outbox.take(5) == [turn(2), turn(3)]
    assert outbox.take(6) == []
    outbox.pong(5)
    assert len(outbox) == 0
    outbox.reconnected()
    assert outbox.take(7) == []


def test_the_oldest_messages_are_dropped_first() -> None:
    outbox = Outbox()
    for number in range(MAX_WAITING + 50):
        outbox.put(Mark(str(number)))
    outbox.put(End())
    kept = []
    while outbox.more:
        kept.append(outbox.take(1))
        assert 0 < len(kept[-1]) <= MOST_AT_ONCE, "the relay takes no more at once"
    assert sum(map(len, kept)) == MAX_WAITING
    assert kept[0][0] == Mark("51")
    assert kept[-1][-1] == End()
