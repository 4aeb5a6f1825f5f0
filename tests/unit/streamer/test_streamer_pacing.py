"""When frames of voice are due, and where in stream time they lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.pacing import FRAME_MS, SLIP_MS, VoicePace


def test_a_frame_is_due_when_it_has_been_spoken() -> None:
    pace = VoicePace(100.0)
    assert pace.wait_s(100.0) == pytest.approx(0.020)
    assert pace.take(100.020) == 0
    assert pace.wait_s(100.020) == pytest.approx(0.020)
    assert pace.take(100.040) == FRAME_MS


def test_waits_that_are_always_late_add_up_to_nothing() -> None:
    now, pace = 5.0, VoicePace(5.0)
    for number in range(1800 * 50):
        now += pace.wait_s(now) + 0.003
        assert pace.take(now) == number * FRAME_MS
    assert now - 5.0 == pytest.approx(1800, abs=0.01)
    assert pace.slips == 0


def test_first_frame_lies_on_the_grid_not_before_it_is_spoken() -> None:
    pace = VoicePace(0.0, 1_234)
    assert pace.wait_s(1.234) == pytest.approx(1.260 - 1.234)
    assert pace.take(1.260) == 1_240


def test_a_short_hold_up_is_caught_up_with() -> None:
    pace = VoicePace(0.0)
    pace.take(0.02)
    late_s = 0.04 + SLIP_MS / 1000
    taken = []
    while pace.wait_s(late_s) == 0:
        taken.append(pace.take(late_s))
    assert taken == list(range(FRAME_MS, taken[-1] + 1, FRAME_MS))
    assert pace.slips == 0


def test_a_long_hold_up_leaves_a_hole_and_no_rush() -> None:
    pace = VoicePace(0.0)
    pace.take(0.02)
    after_s = 60.0
    assert pace.take(after_s) == 60_000 - FRAME_MS
    assert pace.slips == 1
    assert pace.wait_s(after_s) == pytest.approx(0.020)


def test_a_device_is_never_waited_for() -> None:
    pace = VoicePace(0.0, live=True)
    for number in range(100):
        assert pace.wait_s(0.02 * number) == 0.0
        assert not pace.is_stale(0.02 * number)
        assert pace.take(0.02 * number) == number * FRAME_MS


def test_what_a_device_gathered_before_the_beginning_is_left_out() -> None:
    pace = VoicePace(0.0, live=True)
    taken = [pace.take(0.02) for _ in range(50) if not pace.is_stale(0.02)]
    assert taken == [0, 20, 40, 60, 80, 100]
    assert pace.take(1.0) == 980
    for number in range(200):
        pace.take(2.0 + 0.02 * number)
    assert not pace.is_stale(2.0)


@given(st.lists(st.floats(0, 2), max_size=60), st.booleans())
def test_stream_time_always_rises_on_the_grid_and_stays_near_the_clock(delays: list[float], live: bool) -> None:
    now, pace, before = 0.0, VoicePace(0.0, live=live), -FRAME_MS
    for delay in delays:
        now += pace.wait_s(now) + delay
        at_ms = pace.take(now)
        assert at_ms % FRAME_MS == 0
        assert at_ms > before
        assert now * 1000 - (at_ms + FRAME_MS) <= SLIP_MS + FRAME_MS
        before = at_ms
