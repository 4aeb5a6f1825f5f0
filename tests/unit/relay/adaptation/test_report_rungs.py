"""Rung choice: voice before camera, down at once, up with patience."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.adaptation.report_rungs import RETRY_FIRST_S, LinkReport, ReportChoice, ReportChooser

CLEAN = LinkReport(0.0, rtt_s=0.1)


def run(
    chooser: ReportChooser, link: Callable[[ReportChoice], LinkReport], seconds: float, start: float = 0.0
) -> list[tuple[float, ReportChoice]]:
    """Report every 2 s what ``link`` does to the choice; returns the choices over time."""
    out = []
    now = start
    while now < start + seconds:
        chooser.report(link(chooser.choose(now)), now)
        out.append((now, chooser.choose(now)))
        now += 2.0
    return out


def thin(capacity_kbps: float, loss: float = 0.0) -> Callable[[ReportChoice], LinkReport]:
    """A link with a second of queue: what it cannot carry waits, then is lost."""

    def link(choice: ReportChoice) -> LinkReport:
        sent = choice.voice_kbps * 1.3 + (300 if choice.camera else 0)
        over = max(0.0, 1 - capacity_kbps / sent)
        return LinkReport(min(1.0, loss + over), 1.6 if over else 0.6)

    return link


def test_a_good_link_climbs_to_the_camera() -> None:
    choices = run(ReportChooser(camera=True), lambda _: CLEAN, 30)
    assert choices[0][1] == ReportChoice(16, False)
    assert choices[-1][1] == ReportChoice(24, True)
    assert [c.camera for _, c in choices] == sorted(c.camera for _, c in choices)


def test_without_a_camera_the_best_voice_is_the_top() -> None:
    assert run(ReportChooser(camera=False), lambda _: CLEAN, 60)[-1][1] == ReportChoice(24, False)


def test_a_standard_player_starts_with_the_camera() -> None:
    assert ReportChooser(camera=True, start_with_camera=True).choose(0.0) == ReportChoice(24, True)


@pytest.mark.parametrize("loss", [0.05, 0.1, 0.2])
def test_steady_loss_is_no_congestion(loss: float) -> None:
    choices = run(ReportChooser(camera=True), lambda _: LinkReport(loss, 0.6), 60)
    assert choices[-1][1] == ReportChoice(24, True)


@pytest.mark.parametrize(("share", "burst"), [(0.1, 4), (0.2, 4), (0.05, 3)])
def test_bursts_of_loss_are_no_congestion(share: float, burst: int) -> None:
    random = Random(7)
    losing = False

    def link(_: ReportChoice) -> LinkReport:
        nonlocal losing
        lost = 0
        for _packet in range(8):
            losing = random.random() < (1 - 1 / burst if losing else share / burst / (1 - share))
            lost += losing
        return LinkReport(lost / 8, 0.6)

    choices = [choice for now, choice in run(ReportChooser(camera=True), link, 3600) if now > 60]
    assert sum(choice == ReportChoice(24, True) for choice in choices) > 0.8 * len(choices)


def test_a_thin_link_settles_below_what_it_cannot_carry() -> None:
    choices = run(ReportChooser(camera=True), thin(26), 600)
    late = [choice for now, choice in choices if now > 60]
    assert sum(choice == ReportChoice(16, False) for choice in late) > 0.8 * len(late)


def test_a_failed_step_is_tried_ever_less_often() -> None:
    choices = run(ReportChooser(camera=True), thin(100), 2000)
    tries = [now for (_, before), (now, choice) in pairwise(choices) if choice.camera and not before.camera]
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert len(pauses) >= 3
    assert pauses[0] >= RETRY_FIRST_S
    assert pauses == sorted(pauses)


def test_the_camera_goes_before_any_voice() -> None:
    chooser = ReportChooser(camera=True)
    run(chooser, lambda _: CLEAN, 30)
    after = run(chooser, lambda _: LinkReport(0.5, 2.0), 60, start=40.0)
    assert after[0][1] == ReportChoice(24, False)
    assert after[-1][1] == ReportChoice(8, False)
    rates = [choice.voice_kbps for _, choice in after]
    assert rates == sorted(rates, reverse=True)


def test_a_link_that_fell_silent_gets_no_camera_until_it_is_heard_again() -> None:
    chooser = ReportChooser(camera=True)
    run(chooser, lambda _: CLEAN, 30)
    assert chooser.choose(30.0).camera
    assert not chooser.choose(60.0).camera
    chooser.report(CLEAN, 61.0)
    assert chooser.choose(61.0).camera


def test_a_longer_route_is_not_a_queue_for_ever() -> None:
    chooser = ReportChooser(camera=True)
    run(chooser, lambda _: CLEAN, 30)
    choices = run(chooser, lambda _: LinkReport(0.0, 0.3), 3000, start=30.0)
    assert choices[-1][1].voice_kbps == 24


REPORTS = st.builds(
    LinkReport,
    st.floats(0, 1),
    st.none() | st.floats(0, 10),
)


@given(st.lists(st.tuples(REPORTS, st.floats(0, 30)), max_size=60), st.booleans())
def test_there_is_always_a_voice_and_the_camera_only_on_top(
    history: list[tuple[LinkReport, float]], camera: bool
) -> None:
    chooser, now = ReportChooser(camera=camera), 0.0
    for report, pause in history:
        now += pause
        chooser.report(report, now)
        choice = chooser.choose(now)
        assert choice.voice_kbps in (8, 12, 16, 24)
        assert not choice.camera or (camera and choice.voice_kbps == 24)
