"""Putting packets in order: a missing one is waited for, but not for ever."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.receive import InOrder, ReceivedPacket


def packet(seq: int) -> ReceivedPacket:
    return ReceivedPacket(seq, seq * 960, False, b"")


def numbers(packets: list[ReceivedPacket]) -> list[int]:
    return [one.extended_seq for one in packets]


def test_what_is_in_order_comes_out_at_once() -> None:
    order = InOrder(1.0)
    assert [numbers(order.push(packet(n), 0)) for n in (5, 6, 7)] == [[5], [6], [7]]
    assert order.due_at is None


def test_a_hole_that_is_filled_lets_all_behind_it_out() -> None:
    order = InOrder(1.0)
    order.push(packet(1), 0)
    assert order.push(packet(3), 0.1) == []
    assert order.push(packet(4), 0.2) == []
    assert numbers(order.push(packet(2), 0.3)) == [2, 3, 4]
    assert order.skipped == 0


def test_a_hole_that_stays_is_gone_over_after_the_wait() -> None:
    order = InOrder(1.0)
    order.push(packet(1), 0)
    order.push(packet(3), 0.5)
    assert order.due_at == pytest.approx(1.5)
    assert order.poll(1.4) == []
    assert numbers(order.poll(1.5)) == [3]
    assert order.skipped == 1
    assert order.push(packet(2), 1.6) == []
    assert order.late == 1


def test_pushing_alone_lets_out_what_has_waited_enough() -> None:
    order = InOrder(1.0)
    order.push(packet(1), 0)
    order.push(packet(3), 0.5)
    assert numbers(order.push(packet(5), 1.6)) == [3]
    assert numbers(order.poll(2.6)) == [5]


def test_each_hole_waits_its_own_time() -> None:
    order = InOrder(1.0)
    order.push(packet(1), 0)
    order.push(packet(3), 0.5)
    order.push(packet(5), 1.0)
    assert numbers(order.poll(1.5)) == [3]
    assert order.due_at == pytest.approx(2.0)


def test_what_is_held_is_bounded() -> None:
    order = InOrder(100.0, max_packets=10)
    order.push(packet(1), 0)
    out = [one for n in range(3, 20) for one in order.push(packet(n), 0)]
    assert numbers(out) == list(range(3, 20))
    assert order.skipped == 1


def test_a_jump_is_not_waited_for() -> None:
    order = InOrder(100.0)
    order.push(packet(1), 0)
    order.push(packet(3), 0)
    assert numbers(order.push(packet(50_000), 0)) == [3, 50_000]


def test_flush_lets_out_all_in_order() -> None:
    order = InOrder(100.0)
    for n in (1, 5, 3, 9):
        order.push(packet(n), 0)
    assert numbers(order.flush()) == [3, 5, 9]
    assert order.due_at is None


@given(
    start=st.sampled_from([0, 65_530, 2**20]),
    lost=st.sets(st.integers(1, 100)),
    seed=st.integers(0, 2**20),
    max_wait_s=st.floats(0, 1),
)
def test_each_packet_comes_out_once_and_in_order(start: int, lost: set[int], seed: int, max_wait_s: float) -> None:
    dice = random.Random(seed)
    there = [n for n in range(100) if n not in lost]
    arrivals = sorted((n * 0.02 + (dice.expovariate(5) if n else 0), n) for n in there + dice.choices(there, k=20))
    order = InOrder(max_wait_s)
    out: list[int] = []
    for now, n in arrivals:
        out += numbers(order.push(packet(start + n), now))
    out += numbers(order.flush())
    assert out == sorted(set(out))
    assert set(out) <= {start + n for n in there}
    assert len(out) + order.late == len(arrivals)


@given(order_of_arrival=st.permutations(range(1, 40)))
def test_with_time_enough_nothing_is_skipped(order_of_arrival: list[int]) -> None:
    order = InOrder(10.0)
    out = numbers(order.push(packet(0), 0))
    for at, n in enumerate(order_of_arrival):
        out += numbers(order.push(packet(n), at * 0.1))
    assert out == list(range(40))
    assert (order.skipped, order.late) == (0, 0)
