"""The pacer: what is urgent never waits, the rest waits until the link has carried what was sent."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.adaptation.estimator import Probe
from relay.adaptation.pacer import MAX_DEBT_S, PROTECTION_DEBT_S, TRAIN_EXPIRES_S, Class, Pacer


def test_pages_go_at_the_rate_of_the_budget() -> None:
    pacer, now, sent_bytes = Pacer(64.0), 0.0, 0
    while now < 10.0:
        now = pacer.ready_at(Class.PAGE, now)
        pacer.sent(pacer.packet_bytes(), Class.PAGE, now)
        sent_bytes += pacer.packet_bytes()
    assert sent_bytes == pytest.approx(64 * 125 * 10, rel=0.02)


def test_control_and_voice_never_wait_and_make_the_others_wait() -> None:
    pacer = Pacer(64.0)
    for _ in range(10):
        pacer.sent(800, Class.VOICE, 1.0)
    assert pacer.ready_at(Class.CONTROL, 1.0) == pacer.ready_at(Class.VOICE, 1.0) == 1.0
    assert pacer.ready_at(Class.PAGE, 1.0) == pytest.approx(2.0, abs=0.01)


def test_resends_of_voice_wait_only_for_a_burst() -> None:
    pacer = Pacer(64.0)
    pacer.sent(int(64 * 125 * PROTECTION_DEBT_S), Class.PAGE, 0.0)
    assert pacer.ready_at(Class.PROTECTION, 0.0) == 0.0
    pacer.sent(800, Class.PROTECTION, 0.0)
    assert pacer.ready_at(Class.PROTECTION, 0.0) == pytest.approx(0.1, abs=0.001)


def test_voice_above_the_budget_does_not_stop_pages_for_ever() -> None:
    pacer = Pacer(8.0)
    for _ in range(100):
        pacer.sent(1000, Class.VOICE, 0.0)
    assert pacer.ready_at(Class.PAGE, 0.0) <= MAX_DEBT_S


def test_an_idle_link_saves_nothing_up() -> None:
    pacer = Pacer(64.0)
    pacer.sent(100, Class.PAGE, 0.0)
    pacer.sent(800, Class.PAGE, 1000.0)
    assert pacer.ready_at(Class.PAGE, 1000.0) > 1000.09


def test_camera_and_bulk_also_wait_for_a_queue_that_is_seen() -> None:
    pacer = Pacer(64.0)
    pacer.queue_ms = 400.0
    assert pacer.ready_at(Class.CATCH_UP, 5.0) == 5.0
    assert pacer.ready_at(Class.CAMERA, 5.0) > 5.2
    assert pacer.ready_at(Class.BULK, 5.0) > 5.2


@pytest.mark.parametrize(("kbps", "longest_ms"), [(24, 120), (64, 120), (1000, 11)])
def test_a_packet_takes_no_more_than_a_moment_of_the_link(kbps: float, longest_ms: float) -> None:
    assert Pacer(kbps).packet_bytes() * 8 / kbps <= longest_ms


def test_a_train_goes_back_to_back_and_is_paid_after() -> None:
    pacer = Pacer(64.0)
    pacer.probe(Probe(1200, 400, 200.0), 0.0)
    for _ in range(3):
        assert pacer.ready_at(Class.PAGE, 0.0) == 0.0
        pacer.sent(400, Class.PAGE, 0.0)
    assert pacer.ready_at(Class.PAGE, 0.0) == pytest.approx(0.15, abs=0.01)


def test_a_train_is_no_hole_for_a_burst_of_resends() -> None:
    pacer, sent_bytes = Pacer(64.0), 0
    pacer.probe(Probe(1200, 400, 200.0), 0.0)
    while pacer.ready_at(Class.PROTECTION, 0.0) == 0.0:
        pacer.sent(400, Class.PROTECTION, 0.0)
        sent_bytes += 400
    assert sent_bytes <= 64 * 125 * PROTECTION_DEBT_S + 400


def test_a_train_that_was_not_sent_is_forgotten() -> None:
    pacer = Pacer(64.0)
    pacer.probe(Probe(1200, 400, 200.0), 0.0)
    pacer.sent(8000, Class.VOICE, TRAIN_EXPIRES_S)
    assert pacer.ready_at(Class.PAGE, TRAIN_EXPIRES_S) > TRAIN_EXPIRES_S


STEPS = st.tuples(
    st.floats(0, 1),
    st.sampled_from(Class),
    st.integers(40, 1500),
    st.floats(6, 3000),
    st.floats(0, 1000),
    st.booleans(),
)


@given(st.lists(STEPS, max_size=60))
def test_a_higher_class_is_never_later_than_a_lower_one(
    steps: list[tuple[float, Class, int, float, float, bool]],
) -> None:
    pacer, now = Pacer(), 0.0
    for pause_s, class_, size, kbps, queue_ms, train in steps:
        now += pause_s
        pacer.budget(kbps)
        pacer.queue_ms = queue_ms
        if train:
            pacer.probe(Probe(1000, 300, kbps), now)
        pacer.sent(size, class_, now)
        ready = [pacer.ready_at(class_, now) for class_ in Class]
        assert ready[0] == ready[1] == now
        assert all(sooner <= later for sooner, later in pairwise(ready))
        assert ready[-1] - now <= MAX_DEBT_S + 1.0


@given(st.lists(st.tuples(st.floats(0, 0.5), st.sampled_from(Class), st.integers(40, 1200)), min_size=1, max_size=200))
def test_what_waits_its_turn_never_builds_a_queue(packets: list[tuple[float, Class, int]]) -> None:
    """On a link that carries the budget, a page packet finds no more than voice and control before it."""
    pacer, now, link_free_at = Pacer(64.0), 0.0, 0.0
    for pause_s, class_, size in packets:
        now = pacer.ready_at(class_, now + pause_s)
        if class_ >= Class.PAGE:
            assert link_free_at - now <= 0.005
        pacer.sent(size, class_, now)
        link_free_at = max(link_free_at, now) + size / (64 * 125)
        if link_free_at - now > MAX_DEBT_S:
            return  # more voice than the link carries
