from __future__ import annotations

import pytest

from relay.attempts import Attempts


def test_an_address_may_fail_in_a_row_then_must_wait_and_gets_tries_back() -> None:
    attempts = Attempts(burst=3, per_minute=6)
    for _ in range(3):
        assert attempts.wait_s("192.0.2.1", 100.0) == 0
        attempts.failed("192.0.2.1", 100.0)
    assert attempts.wait_s("192.0.2.1", 100.0) == pytest.approx(10.0)
    assert attempts.wait_s("192.0.2.1", 109.0) == pytest.approx(1.0)
    assert attempts.wait_s("192.0.2.1", 110.0) == 0
    attempts.failed("192.0.2.1", 110.0)
    assert attempts.wait_s("192.0.2.1", 110.0) == pytest.approx(10.0)
    assert attempts.wait_s("192.0.2.1", 1000.0) == 0


def test_addresses_do_not_share_unless_they_are_one_customer() -> None:
    attempts = Attempts(burst=1, per_minute=1)
    attempts.failed("192.0.2.1", 0.0)
    attempts.failed("2001:db8:1:2:aaaa::1", 0.0)
    attempts.failed("not an address", 0.0)
    for blocked in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8:1:2:bbbb::9", "2001:db8:1:2::1%eth0", "not an address"):
        assert attempts.wait_s(blocked, 0.0) > 0
    for free in ("192.0.2.2", "2001:db8:1:3::1", ""):
        assert attempts.wait_s(free, 0.0) == 0


def test_asking_costs_nothing() -> None:
    attempts = Attempts(burst=1, per_minute=1)
    for _ in range(100):
        assert attempts.wait_s("192.0.2.1", 0.0) == 0


def test_a_hammering_address_is_not_punished_for_ever() -> None:
    attempts = Attempts(burst=2, per_minute=60)
    for _ in range(10_000):
        attempts.failed("192.0.2.1", 0.0)
    assert attempts.wait_s("192.0.2.1", 1.0) == 0


def test_memory_is_bounded_and_the_stalest_is_forgotten_first() -> None:
    attempts = Attempts(burst=1, per_minute=0, max_addresses=10)
    for number in range(20):
        attempts.failed(f"192.0.2.{number}", float(number))
        attempts.failed("198.51.100.1", float(number))
    assert attempts.wait_s("192.0.2.0", 20.0) == 0
    assert attempts.wait_s("192.0.2.19", 20.0) > 0
    assert attempts.wait_s("198.51.100.1", 20.0) > 0
