"""How often a missing packet is asked for."""

from __future__ import annotations

import pytest

from transport.nack import NackSchedule


@pytest.mark.parametrize(("round_trips", "asked"), [(1.15, 4), (0.7, 6)])
def test_requests_are_repeated_as_often_as_is_set(round_trips: float, asked: int) -> None:
    holes = NackSchedule(deadline_s=3.0, reorder_s=0.02)
    holes.repeat_round_trips = round_trips
    holes.round_trip.tell(0.0, 0.8)
    holes.add(7, 0.0, 0.0)
    times = [tick / 100 for tick in range(300) if holes.due(tick / 100)]
    assert len(times) == asked
    assert times[1] - times[0] == pytest.approx(round_trips * 0.8, abs=0.02)
