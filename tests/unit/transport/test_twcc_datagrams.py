"""Transport-wide feedback in datagrams: whatever arrives in whatever order, each can be sent and read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import rtcp, twcc
from transport.twcc import FeedbackRecorder


@pytest.mark.parametrize("apart_s", [0.0005, 9.0])
def test_numbers_in_an_absurd_order_make_datagrams_that_can_be_sent(apart_s: float) -> None:
    """Far apart, falling, and at odd times: all of it is told, bit by bit."""
    recorder = FeedbackRecorder(9)
    now, step = 1.0, 14
    numbers = range(285 * step, 0, -step)
    recorder.arrived(0, now)
    recorder.poll(now)
    for number in numbers:
        recorder.arrived(number, now)
        now += apart_s
    now += 1.0
    told: set[int] = set()
    while recorder.due_at <= now and (data := recorder.poll(now)) is not None:
        assert len(data) <= twcc.MAX_FEEDBACK_BYTES
        for packet in rtcp.parse(data):
            assert isinstance(packet, rtcp.TransportFeedback)
            told |= {packet.base_sequence + at for at, ticks in enumerate(packet.arrivals) if ticks is not None}
    assert told >= set(numbers)


def test_late_arrivals_never_keep_the_news_back() -> None:
    recorder = FeedbackRecorder(9)
    recorder.arrived(0, 1.0)
    recorder.arrived(4000, 1.0)
    recorder.poll(1.0)
    for number in range(3, 4000, 3):
        recorder.arrived(number, 1.3 + number % 2 * 0.5)
    recorder.arrived(4001, 2.0)
    bases = []
    while recorder.due_at <= 2.0 and (data := recorder.poll(2.0)) is not None:
        bases += [packet.base_sequence for packet in rtcp.parse(data) if isinstance(packet, rtcp.TransportFeedback)]
        assert len(bases) < 20
    assert bases == sorted(set(bases))


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.floats(0, 20)), max_size=60), st.booleans())
def test_any_arrivals_make_feedback_that_can_be_read(arrivals: list[tuple[int, float]], overlap: bool) -> None:
    recorder = FeedbackRecorder(9, overlap=overlap)
    now = 0.0
    for sequence, later_s in arrivals:
        now += later_s
        recorder.arrived(sequence, now)
        if (data := recorder.poll(now)) is not None:
            assert len(data) < 1200
            assert all(isinstance(packet, rtcp.TransportFeedback) for packet in rtcp.parse(data))
    assert not arrivals or math.isfinite(recorder.due_at) or recorder.poll(now + 10) is None
