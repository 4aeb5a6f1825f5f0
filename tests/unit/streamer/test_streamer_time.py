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


def test_an_old_answer_is_forgotten() -> None:
    time = LectureTime()
    time.pong(0.0, 0.0, 1_000)
    for number in range(1, 10):
        time.pong(number, number + 0.5, 1_000 * number + 250 + 100)
    assert time.at(100.0) == 100_100


def test_another_connection_begins_anew() -> None:
    time = LectureTime()
    time.pong(1.0, 1.1, 5_000)
    time.forget()
    assert (time.at(2.0), time.answers) == (None, 0)


def test_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate()
    assert rate.kbps == 0
    for tick in range(101):
        rate.put(tick / 10, tick * 100)  # 8 kbit/s
    assert rate.kbps == pytest.approx(8)
    for tick in range(101, 151):
        rate.put(tick / 10, 10_000)
    assert rate.kbps == 0
