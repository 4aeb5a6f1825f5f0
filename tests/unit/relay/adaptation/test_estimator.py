"""The budget of a link: found from 24 to 1000 kbit/s, under loss and on long ways, with a short queue."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.adaptation.estimator import LinkEstimator
from tests.network.link_model import Loss
from tests.unit.relay.adaptation.simulation import Page, Plan, Run

QUEUE_P95_MS = 250
ENOUGH = 0.85

LINKS = {
    "A": Plan(64, 300, up_kbps=32, voice_kbps=12),
    "B": Plan(64, 300, Loss.bursts(0.05, 3), voice_kbps=12),
    "C": Plan(100, 300, Loss.bursts(0.05, 3)),
    "D": Plan(150, 100, Loss.bursts(0.10, 4)),
    "E": Plan(300, 300, Loss.random(0.02), voice_kbps=24),
    "G": Plan(32, 400, Loss.random(0.02), up_kbps=16, voice_kbps=12),
    "H": Plan(48, 400, Loss.bursts(0.10, 4), up_kbps=16, voice_kbps=12),
    "L": Plan(24, 300, voice_kbps=8),
    "a megabit": Plan(1000, 300, voice_kbps=24),
    "a fifth lost": Plan(64, 300, Loss.bursts(0.20, 4), voice_kbps=12),
    "jitter": Plan(100, 300, Loss.random(0.02), jitter_ms=30),
}


def late_s(page: Page) -> float:
    """From the turn until the page is whole."""
    assert page.done_s is not None
    return page.done_s - page.wanted_s


@pytest.mark.parametrize("seed", ["1", "2"])
@pytest.mark.parametrize("name", LINKS)
def test_a_link_is_filled_and_its_queue_stays_short(name: str, seed: str) -> None:
    plan = replace(LINKS[name], seed=seed, bulk=(0.0, 60.0))
    run = Run(plan).play()
    assert run.queue_p95_ms(5, 60) <= QUEUE_P95_MS
    assert run.mean_budget_kbps(8, 14) >= ENOUGH * plan.down_kbps
    assert ENOUGH * plan.down_kbps <= run.mean_budget_kbps(10, 60) <= 1.05 * plan.down_kbps


@pytest.mark.parametrize("name", ["C", "D", "E", "H", "a fifth lost"])
def test_voice_is_whole_beside_prefetch_without_end(name: str) -> None:
    plan = replace(LINKS[name], bulk=(0.0, 60.0))
    run = Run(plan).play()
    # The last ones are still under way, or being asked for again, at the end.
    assert not {pack for pack in run.voice_lost if pack < run.voice_sent - 20}


def test_a_page_through_64_kbps_beside_voice() -> None:
    run = Run(Plan(64, 300, pages_at=[5, 25, 45])).play()
    assert max(late_s(page) for page in run.pages) < 4.1


def test_a_page_after_20_s_of_voice_only_starts_at_full_speed() -> None:
    run = Run(Plan(100, 300, Loss.bursts(0.05, 3), pages_at=[2, 30, 50])).play()
    assert run.mean_budget_kbps(29, 30) >= ENOUGH * 100
    assert late_s(run.pages[1]) < 4.0
    assert run.queue_p95_ms(30, 40) <= QUEUE_P95_MS


def test_a_step_down_is_answered_within_four_seconds() -> None:
    run = Run(Plan(300, 250, Loss.random(0.03), steps=[(40, 48)], voice_kbps=12, bulk=(0, 80), seconds=80)).play()
    assert run.mean_budget_kbps(38, 40) >= ENOUGH * 300
    assert max(sample.budget_kbps for sample in run.between(41.5, 80)) <= 1.25 * 48
    assert run.mean_budget_kbps(46, 80) >= ENOUGH * 48
    assert run.queue_p95_ms(44, 80) <= QUEUE_P95_MS
    assert not {pack for pack in run.voice_lost if pack < run.voice_sent - 20}


def test_a_step_up_is_found() -> None:
    plan = Plan(48, 250, Loss.random(0.03), steps=[(40, 120)], voice_kbps=12, bulk=(0, 80), seconds=80)
    run = Run(plan).play()
    assert run.mean_budget_kbps(47, 80) >= ENOUGH * 120


@pytest.mark.parametrize(("before_kbps", "after_kbps"), [(300, 48), (100, 24)])
def test_voice_alone_tells_that_a_link_has_become_slower(before_kbps: float, after_kbps: float) -> None:
    plan = Plan(before_kbps, 300, Loss.random(0.02), steps=[(40, after_kbps)], voice_kbps=8)
    run = Run(replace(plan, pages_at=[2, 22, 50], seconds=80)).play()
    assert run.mean_budget_kbps(38, 40) >= ENOUGH * before_kbps
    assert ENOUGH * after_kbps <= run.mean_budget_kbps(47, 50) <= 1.3 * after_kbps
    assert run.queue_p95_ms(50, 60) <= QUEUE_P95_MS


def test_an_outage_leaves_the_estimate_usable() -> None:
    run = Run(Plan(100, 300, Loss.bursts(0.05, 3), outages=[(30, 50)], bulk=(0, 80), seconds=80)).play()
    assert run.mean_budget_kbps(42, 50) < 20, "what is sent into an outage is lost"
    assert run.mean_budget_kbps(54, 58) >= ENOUGH * 100
    assert run.estimator.loss < 0.2, "an outage is no loss to protect the voice from"


@pytest.mark.parametrize("drift", [-1e-4, 1e-4])
def test_the_clocks_may_drift_apart(drift: float) -> None:
    run = Run(Plan(100, 300, clock_drift=drift, bulk=(0, 120), seconds=120)).play()
    assert run.mean_budget_kbps(60, 120) >= ENOUGH * 100
    assert run.queue_p95_ms(60, 120) <= QUEUE_P95_MS


@pytest.mark.parametrize("route_ms", [100, 450])
def test_another_route_is_not_taken_for_a_queue(route_ms: float) -> None:
    run = Run(Plan(100, 300, longer_route=(30, route_ms), bulk=(0, 80), seconds=80)).play()
    assert run.mean_budget_kbps(45, 80) >= ENOUGH * 100
    assert run.queue_p95_ms(45, 80) <= QUEUE_P95_MS


@pytest.mark.parametrize("bulk", [(0.0, 0.0), (0.0, 60.0)])
@pytest.mark.parametrize(("short_ms", "long_ms"), [(10, 310), (100, 400), (300, 450)])
@pytest.mark.parametrize("kbps", [64, 100, 300])
def test_a_route_that_becomes_longer_at_once_is_told_from_a_slower_link(
    kbps: float, short_ms: float, long_ms: float, bulk: tuple[float, float]
) -> None:
    """300 ms more make packs of voice look as if the link carried just them: a train tells that it carries more."""
    plan = Plan(kbps, short_ms, Loss.random(0.02), voice_kbps=12, longer_route=(30, long_ms), bulk=bulk)
    run = Run(replace(plan, camera_from_s=0)).play()
    low = [sample for sample in run.between(30, 60) if sample.sustained_kbps < 0.7 * kbps]
    assert len(low) * 0.05 < 4
    assert not any(sample.choice.text for sample in run.samples)
    assert run.queue_p95_ms(32, 60) <= QUEUE_P95_MS


def test_late_acknowledgements_are_no_congestion() -> None:
    """An uplink that can hardly carry the feedback delays it."""
    run = Run(Plan(64, 300, up_kbps=3, voice_kbps=12, bulk=(0, 60))).play()
    assert run.estimator.rtt_s > 0.9, "it is 0.75 s otherwise"
    assert run.mean_budget_kbps(15, 60) >= ENOUGH * 64


@dataclass
class Arrival:
    """An outcome by hand."""

    sequence: int
    size_bytes: int
    sent_s: float
    arrival_s: float | None


STEPS = st.tuples(
    st.floats(0, 2),  # pause
    st.integers(1, 30),  # packets
    st.integers(40, 1500),
    st.floats(0, 3),  # delay
    st.sampled_from(["feedback", "lost", "silent", "report", "remb", "overdue"]),
)


@settings(max_examples=60)
@given(st.lists(STEPS, max_size=40))
def test_it_is_never_above_its_cap_nor_below_its_floor(steps: list[tuple[float, int, int, float, str]]) -> None:
    estimator, now, sequence = LinkEstimator(start_kbps=40, floor_kbps=6, cap_kbps=500), 0.0, 65_500
    for pause_s, count, size, delay_s, what in steps:
        now += pause_s
        outcomes = []
        for _ in range(count):
            sequence += 1
            estimator.sent(size, now)
            lost = what == "overdue" or (what == "lost" and sequence % 3 == 0)
            outcomes.append(Arrival(sequence & 0xFFFF, size, now, None if lost else now + delay_s))
        estimator.probe(now)
        if what == "silent":
            estimator.silent(now)
        elif what == "report":
            estimator.report(min(1.0, delay_s), delay_s, now)
        elif what == "remb":
            estimator.remb(size * 10, now)
        else:
            estimator.feedback(outcomes, now + delay_s)
        assert 6 <= estimator.budget_kbps(now) <= 500
        assert 6 <= estimator.sustained_kbps(now) <= 500
        assert 0 <= estimator.loss <= 1


def test_a_loss_is_taken_back_when_the_packet_is_acknowledged_after_all() -> None:
    estimator = LinkEstimator()
    estimator.feedback([Arrival(0, 100, 0.0, 5.0)], 0.5)
    for i in range(1, 21):
        estimator.sent(100, 0.5 + i / 10)
    told = [Arrival(i, 100, 0.5 + i / 10, None if i == 10 else 5.5 + i / 10) for i in range(1, 21)]
    estimator.feedback(told, 3.0)
    assert estimator.loss > 0
    estimator.feedback([Arrival(10, 100, 1.5, 6.5)], 3.2)
    assert estimator.loss == 0


def test_reports_rule_where_there_is_no_feedback() -> None:
    estimator, now = LinkEstimator(start_kbps=300, cap_kbps=3000), 0.0
    for _ in range(40):  # a link without a queue, well used
        now += 1.0
        estimator.sent(int(estimator.budget_kbps(now) * 125 * 0.9), now)
        estimator.report(0.1, 0.3, now)
    assert estimator.budget_kbps(now) > 1000
    high_kbps = estimator.budget_kbps(now)
    for _ in range(40):
        now += 1.0
        estimator.sent(int(estimator.budget_kbps(now) * 125 * 0.9), now)
        estimator.report(0.1, 1.5, now)
    assert estimator.budget_kbps(now) < 0.5 * high_kbps
