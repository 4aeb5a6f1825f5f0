"""Waits between tries."""

from __future__ import annotations

import pytest

from transport.backoff import Backoff


def test_waits_double_up_to_ten_seconds_with_jitter() -> None:
    backoff = Backoff()
    assert [backoff.next_s(0.5) for _ in range(7)] == pytest.approx([0.5, 1, 2, 4, 8, 10, 10])
    assert backoff.next_s(0.0) == pytest.approx(7)
    assert backoff.next_s(1.0) == pytest.approx(10)
    backoff.reset()
    assert backoff.next_s(0.0) == pytest.approx(0.35)


def test_a_wait_that_was_asked_for_is_kept() -> None:
    assert Backoff().next_s(0.5, at_least_s=30) == 30
