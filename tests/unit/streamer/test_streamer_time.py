"""Lecture time from pings, rates."""

from __future__ import annotations

import pytest

from streamer.lecture_time import LectureTime
from streamer.rate import Rate


def test_lecture_time_is_unknown_until_the_lecture_is_live() -> None:
    time = LectureTime()
    time.pong(10.0, 10.1, 0)
    assert time.at(11.0) is None
    assert time.of_voice_at(11.0) is None


def test_the_quickest_answer_rules() -> None:
    time = LectureTime()
    time.pong(10.0, 12.0, 9_000)  # 2 s of queue, all of it on the way back
    time.pong(20.0, 20.2, 10_100)  # symmetric: lecture time 10,100 at now 20.1
    time.pong(30.0, 31.0, 20_900)  # queue on the way there
    assert time.at(40.1) == 30_100
    assert time.rtt_s == pytest.approx(0.2)
    assert time.of_voice_at(40.1) == 30_200


def test_clocks_that_go_apart_are_followed_although_the_line_got_worse() -> None:
    time = LectureTime()
    time.pong(0.0, 0.1, 50)
    quick = 1.0001  # the relay's clock
    for second in range(30, 1800, 30):
        time.pong(second, second + 0.5, round((second + 0.25) * quick * 1000))
        now = second + 1.0
        assert time.at(now) == pytest.approx(now * quick * 1000, abs=250)
    assert time.rtt_s == pytest.approx(0.5)


def test_what_an_outage_held_back_changes_nothing_also_on_the_next_connection() -> None:
    time = LectureTime()
    time.pong(1.0, 1.1, 5_000)
    time.reconnected()
    assert time.answers == 0
    time.pong(20.0, 23.0, 26_900)  # it waited on the way there, 23,950 when it was sent
    assert (time.at(31.05), time.answers) == (35_000, 1)


@pytest.mark.parametrize("jump_ms", [-90_000, -1_000, 1_000, 3_600_000])
def test_a_clock_that_has_jumped_is_followed_at_once(jump_ms: int) -> None:
    time = LectureTime()
    time.pong(100.0, 100.1, 95_050)
    time.pong(120.0, 120.6, 115_300 + jump_ms)
    assert time.at(130.3) == 125_300 + jump_ms


def test_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate()
    assert rate.kbps == 0
    for tick in range(101):
        rate.put(tick / 10, tick * 100)  # 8 kbit/s
    assert rate.kbps == pytest.approx(8)
    for tick in range(101, 151):
        rate.put(tick / 10, 10_000)
    assert rate.kbps == 0
