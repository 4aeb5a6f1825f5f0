"""RFC 7675 as arithmetic: no socket, no clock."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from transport.consent import Consent


def run(
    round_trip_s: float | None, *, until_s: float, silent_from_s: float = float("inf")
) -> tuple[Consent, list[float], float | None]:
    """Check for ``until_s`` seconds; a check is answered a round trip later, never from ``silent_from_s`` on."""
    consent = Consent(5.0, 30.0, 100.0, random.Random(1))
    checks: list[float] = []
    answers: list[float] = []
    now = 100.0
    while now < 100.0 + until_s:
        while answers and answers[0] <= now:
            consent.answered(answers.pop(0))
        if consent.expired(now):
            return consent, checks, now
        if consent.check_due(now):
            checks.append(now)
            if round_trip_s is not None and now < 100.0 + silent_from_s:
                answers.append(now + round_trip_s)
        now = min([now + max(consent.wait_s(now), 1e-6), *answers[:1]])
    return consent, checks, None


@pytest.mark.parametrize("round_trip_s", [0.0, 0.3, 0.8, 4.0, 20.0])
def test_any_round_trip_keeps_consent_for_hours(round_trip_s: float) -> None:
    _, checks, ended = run(round_trip_s, until_s=3600)
    assert ended is None
    assert len(checks) == pytest.approx(720, rel=0.05)


def test_checks_are_spread() -> None:
    _, checks, _ = run(0.1, until_s=3600)
    gaps = [later - earlier for earlier, later in pairwise(checks)]
    assert min(gaps) >= 4.0
    assert max(gaps) <= 6.0 + 1e-6
    assert min(gaps) < 4.2
    assert max(gaps) > 5.8


def test_the_first_check_goes_out_at_once() -> None:
    assert run(0.1, until_s=1)[1] == [100.0]


def test_without_any_answer_it_ends_after_the_time_and_not_before() -> None:
    assert run(None, until_s=60)[2] == pytest.approx(130.0, abs=1e-3)


def test_it_ends_so_long_after_the_last_answer() -> None:
    _, checks, ended = run(0.8, until_s=200, silent_from_s=60)
    last_answer = max(check for check in checks if check < 160.0) + 0.8
    assert ended == pytest.approx(last_answer + 30.0, abs=1e-3)
    assert max(checks) > 175


def test_late_answers_do_not_take_time_back() -> None:
    consent = Consent(5.0, 30.0, 0.0)
    consent.answered(20.0)
    consent.answered(10.0)
    assert not consent.expired(49.9)
    assert consent.expired(50.0)
