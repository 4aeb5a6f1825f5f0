"""A step of the delay that nothing sent can have made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.adaptation.route_change import LASTING_PACKETS, LASTING_S, LONGEST_S, STEP_S, RouteWatch

KBPS = 100.0


def told(waits: list[tuple[float, float]], size_bytes: int = 500) -> tuple[RouteWatch, float]:
    """Packets by (sent, waited), told of a second later."""
    watch, now = RouteWatch(), 0.0
    for sent_s, wait_s in waits:
        now = sent_s + 1
        watch.put(sent_s, 7000 + sent_s + wait_s, wait_s, size_bytes, KBPS, now)
    return watch, now


def every(seconds: float, wait_s: float, start: float = 0.0, count: int = 4) -> list[tuple[float, float]]:
    return [(start + seconds * number, wait_s) for number in range(count)]


def test_a_step_that_lasts_raises_a_doubt() -> None:
    short = every(0.24, 0.0)
    watch, now = told([*short, (1.0, 0.3)])
    assert watch.since_s == now
    assert watch.since_arrival_s == pytest.approx(7001.3)
    assert not watch.in_doubt(now)
    watch, now = told([*short, *every(0.24, 0.3, 1.0)])
    assert watch.in_doubt(now)
    watch, now = told([*short, *every(0.24, 0.3, 1.0), (2.0, 0.02)])
    assert watch.since_s is None, "it has passed"
    watch, now = told([*short, *every(0.24, LONGEST_S + 0.1, 1.0)])
    assert not watch.in_doubt(now), "a train would come on top of that queue"
    watch, now = told([*short, *every(0.24, 0.3, 1.0, 60)])
    assert watch.since_s is None, "no train has told for so long that none will"


def test_a_queue_that_was_sent_is_no_step() -> None:
    """Each packet of 500 bytes takes 40 ms of the link."""
    growing = [(0.001 * number, 0.039 * number) for number in range(12)]
    watch, _ = told(growing)
    assert watch.since_s is None


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(40, 1500)), max_size=60))
def test_a_doubt_always_follows_a_lasting_step(packets: list[tuple[float, float, int]]) -> None:
    watch, sent_s, waits = RouteWatch(), 0.0, []
    for pause_s, wait_s, size_bytes in packets:
        sent_s += pause_s
        watch.put(sent_s, sent_s + wait_s, wait_s, size_bytes, KBPS, sent_s)
        waits.append(wait_s)
        if watch.in_doubt(sent_s):
            assert watch.since_s is not None
            assert sent_s - watch.since_s >= LASTING_S
            assert len(waits) > LASTING_PACKETS + 1
            assert min(waits[-LASTING_PACKETS - 1 :]) >= STEP_S / 2
