"""Asking for what is missing: not too early, again and again, until the deadline."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.transport.rtp_streams import (
    CLOCK,
    SPACING_S,
    SSRC,
    STARTS,
    TYPE,
    asked,
    packet,
    rtx,
    stream,
)
from transport.receive import ReceiveStream


def test_a_hole_is_left_alone_for_a_moment_then_asked_for_in_one_packet() -> None:
    receiver = stream(reorder_s=0.02)
    receiver.push(packet(10), 1.0)
    receiver.push(packet(14), 1.08)
    assert asked(receiver.poll(1.09)) == []
    receiver.push(packet(12), 1.095)  # was only late
    assert receiver.due_at == pytest.approx(1.1)
    datagrams = receiver.poll(1.1)
    assert len(datagrams) == 1
    assert asked(datagrams) == [11, 13]


def test_requests_are_repeated_every_round_trip_and_a_bit_until_the_deadline() -> None:
    receiver = stream(deadline_s=2.0)
    receiver.set_rtt(0, 0.4)
    receiver.push(packet(1), 0)
    receiver.push(packet(3), 0.04)
    times = [n / 100 for n in range(400) if asked(receiver.poll(n / 100))]
    steps = [after - before for before, after in itertools.pairwise(times)]
    assert times[0] == pytest.approx(0.06)
    assert all(0.43 < step < 0.5 for step in steps)
    assert times[-1] == pytest.approx(2.02, abs=0.47)
    assert receiver.stats.given_up == 1
    assert receiver.missing == []


def test_after_an_outage_only_what_is_within_the_deadline_is_asked_for() -> None:
    receiver = stream(deadline_s=1.0)
    for n in range(100):
        receiver.push(packet(n), n * SPACING_S)
    receiver.push(packet(100 + 1000), (100 + 1000) * SPACING_S)  # 20 s later
    wanted = asked(receiver.poll(1100 * SPACING_S + 0.03))
    assert wanted[-1] == 1099
    assert 1050 <= wanted[0] <= 1053
    assert receiver.stats.given_up == 1000 - len(wanted)


def test_after_a_long_pause_what_was_lost_at_its_end_is_asked_for() -> None:
    receiver = stream(deadline_s=1.0)
    for n in range(100):
        receiver.push(packet(n), n * SPACING_S)
    receiver.push(packet(103), 30.0)  # DTX: nothing was sent for 28 s
    assert asked(receiver.poll(30.03)) == [100, 101, 102]


def test_a_big_loss_is_asked_for_in_portions() -> None:
    receiver = stream(deadline_s=60.0)
    receiver.push(packet(0), 0)
    receiver.push(packet(1001), 0.001)
    wanted: list[int] = []
    for n in range(10):
        (datagram,) = receiver.poll(0.03 + n * 0.01) or [b""]
        assert len(datagram) < 1100
        wanted += asked([datagram] if datagram else [])
    assert wanted == list(range(1, 1001))


def test_scattered_losses_are_asked_for_in_datagrams_that_fit() -> None:
    receiver = stream(deadline_s=60.0)
    for n in range(20 * 400):
        if n % 20 != 1:
            receiver.push(packet(n), n * 1e-4)
    wanted: list[int] = []
    for n in range(10):
        for datagram in receiver.poll(1.0 + n * 0.01):
            assert len(datagram) < 1100
            wanted += asked([datagram])
    assert wanted == list(range(1, 8000, 20))


def test_without_nack_nothing_is_asked_for() -> None:
    receiver = ReceiveStream(SSRC, CLOCK, TYPE, nack=False, report_interval_s=99)
    receiver.push(packet(1), 0)
    receiver.push(packet(5), 0.1)
    assert receiver.poll(1.0) == []


def test_the_same_packet_again_after_asking_is_a_retransmission() -> None:
    receiver = stream()
    receiver.push(packet(1), 0)
    receiver.push(packet(3), 0.04)
    receiver.poll(0.1)
    (out,) = receiver.push(packet(2), 0.5)
    assert out.retransmitted


def test_the_round_trip_is_learnt_from_answers_unless_told() -> None:
    receiver = stream()
    receiver.push(packet(1), 0)
    receiver.push(packet(3), 0.04)
    receiver.poll(0.1)
    receiver.push(rtx(2), 0.3)
    assert receiver.rtt_s == pytest.approx(0.2)
    receiver.set_rtt(1.0, 0.6)
    receiver.set_rtt(1.1, 0.6)
    before = receiver.rtt_s
    receiver.push(packet(5), 1.2)
    receiver.poll(1.3)
    receiver.push(rtx(4), 1.31)
    assert receiver.rtt_s == before


def test_an_answer_to_the_request_before_is_not_taken_for_a_quick_one() -> None:
    receiver = stream(deadline_s=10)
    receiver.push(packet(1), 0)
    receiver.push(packet(3), 0.04)
    assert asked(receiver.poll(0.1))
    assert asked(receiver.poll(0.68))  # repeated after the guess of 0.5 s
    receiver.push(rtx(2), 0.9)  # the round trip is 0.8 s
    assert receiver.rtt_s == pytest.approx(0.8)


@given(
    start=st.sampled_from(STARTS) | st.integers(0, 65535),
    lost=st.sets(st.integers(1, 120)),
    rtt_s=st.floats(0.01, 1.0),
    deadline_s=st.floats(0.5, 4.0),
    poll_s=st.floats(0.005, 0.05),
)
def test_every_missing_packet_is_asked_for_until_the_deadline(
    start: int, lost: set[int], rtt_s: float, deadline_s: float, poll_s: float
) -> None:
    receiver = stream(deadline_s=deadline_s, report_interval_s=1e9)
    times: dict[int, list[float]] = {n: [] for n in lost}
    now = next_packet_s = 0.0
    n = 0
    while now < 122 * SPACING_S + deadline_s + 1:
        receiver.set_rtt(now, rtt_s)
        while n <= 121 and next_packet_s <= now:
            if n not in lost:
                receiver.push(packet(start + n), next_packet_s)
            n += 1
            next_packet_s = n * SPACING_S
        for number in asked(receiver.poll(now)):
            times[(number - start) & 0xFFFF].append(now)
        now += poll_s
    repeat_s = max(1.15 * rtt_s, 0.03) + poll_s
    for missing, when in times.items():
        noticed = next(n for n in range(missing, 122) if n not in lost) * SPACING_S
        deadline = missing * SPACING_S + deadline_s
        if noticed + 0.02 + 2 * poll_s < deadline - SPACING_S:
            assert when, f"packet {missing} was never asked for"
            assert when[0] <= noticed + 0.02 + 2 * poll_s
            assert when[-1] >= deadline - repeat_s - 2 * SPACING_S
            assert all(after - before <= repeat_s for before, after in itertools.pairwise(when))
        assert all(at <= deadline + 2 * SPACING_S for at in when)
    assert receiver.missing == []
