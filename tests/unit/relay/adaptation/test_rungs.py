"""Rungs by budget: voice before camera, down at once, up after proof, text below the lowest voice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecture.tracks import VOICE_RUNGS_KBPS
from relay.adaptation.rungs import CAMERA_RUNGS_KBPS, Choice, RungChooser

SHARE = 0.94


def settle(
    chooser: RungChooser, budget_kbps: float, loss: float = 0.0, start: float = 0.0, seconds: float = 30.0
) -> list[Choice]:
    """Choices every quarter of a second at a steady budget."""
    return [chooser.choose(budget_kbps, loss, 0.6, start + i / 4, page_waiting=False) for i in range(int(4 * seconds))]


@pytest.mark.parametrize(
    ("link_kbps", "loss", "voice_kbps", "camera_kbps"),
    [
        (10, 0.0, 0, 0),
        (24, 0.0, 8, 0),
        (32, 0.02, 12, 0),
        (48, 0.10, 12, 0),
        (64, 0.05, 12, 0),
        (100, 0.05, 16, 40),
        (120, 0.03, 16, 40),
        (150, 0.10, 16, 40),
        (300, 0.02, 24, 90),
        (1000, 0.20, 24, 90),
    ],
)
def test_what_a_link_gets(link_kbps: float, loss: float, voice_kbps: int, camera_kbps: int) -> None:
    choices = settle(RungChooser(camera=True), SHARE * link_kbps, loss)
    assert choices[-1] == Choice(voice_kbps, camera_kbps, text=voice_kbps == 0)
    assert len({choice.voice_kbps for choice in choices}) <= 3


def test_voice_costs_what_was_measured_on_the_wire() -> None:
    assert RungChooser(camera=False).voice_cost_kbps(12, 0.0) == pytest.approx(13.4, rel=0.08)
    assert RungChooser(camera=False).voice_cost_kbps(12, 0.1) <= 17.5
    assert RungChooser(camera=False, packs=False).voice_cost_kbps(12, 0.0) == pytest.approx(18.3, rel=0.05)


def test_a_wavering_budget_changes_nothing() -> None:
    chooser = RungChooser(camera=True)
    settle(chooser, 94.0, 0.05)
    seen = {
        chooser.choose(94.0 * factor, 0.05, 0.6, 40.0 + i, page_waiting=False)
        for i, factor in enumerate([1.0, 0.9, 1.1, 0.92, 1.05] * 20)
    }
    assert len(seen) == 1


def test_down_at_once_and_up_after_proof() -> None:
    chooser = RungChooser(camera=True)
    assert settle(chooser, 282.0)[-1] == Choice(24, 90)
    assert chooser.choose(45.0, 0.03, 0.6, 40.0, page_waiting=False) == Choice(12, 0)
    later = settle(chooser, 112.0, 0.03, start=60.0)
    assert later[4] == Choice(12, 0)
    assert later[-1] == Choice(16, 40)


def test_the_camera_pauses_for_a_page_and_returns_after_a_calm() -> None:
    chooser = RungChooser(camera=True)
    settle(chooser, 94.0)
    assert chooser.choose(94.0, 0.0, 0.6, 30.0, page_waiting=True) == Choice(16, 0)
    assert chooser.choose(94.0, 0.0, 0.6, 33.0, page_waiting=False) == Choice(16, 0)
    assert chooser.choose(94.0, 0.0, 0.6, 36.0, page_waiting=False) == Choice(16, 40)


def test_the_voice_keeps_its_rung_while_a_page_waits() -> None:
    chooser = RungChooser(camera=False)
    settle(chooser, 94.0)
    assert chooser.choose(40.0, 0.0, 0.6, 30.0, page_waiting=True).voice_kbps == 16
    assert chooser.choose(40.0, 0.0, 0.6, 30.5, page_waiting=False).voice_kbps == 12


def test_the_text_rung_is_left_when_the_voice_fits_though_missed_voice_waits() -> None:
    chooser = RungChooser(camera=False)
    assert settle(chooser, 9.0)[-1] == Choice(0, 0, text=True)
    choices = [chooser.choose(22.0, 0.0, 0.6, 40.0 + i / 4, page_waiting=True) for i in range(80)]
    assert choices[8].text
    assert choices[-1].voice_kbps == 8


def test_a_dip_of_the_budget_does_not_end_the_live_voice() -> None:
    chooser = RungChooser(camera=False)
    assert settle(chooser, 57.0)[-1].voice_kbps == 12
    dip = [chooser.choose(9.0, 0.05, 0.6, 40.0 + i / 4, page_waiting=True) for i in range(15)]
    assert {choice.voice_kbps for choice in dip} == {8}
    assert chooser.choose(40.0, 0.05, 0.6, 43.75, page_waiting=True).voice_kbps == 8
    lasting = [chooser.choose(9.0, 0.05, 0.6, 44.0 + i / 4, page_waiting=True) for i in range(18)]
    assert not lasting[14].text
    assert lasting[-1].text


def test_a_standard_player_always_has_a_voice() -> None:
    assert settle(RungChooser(camera=False, packs=False), 6.0)[-1] == Choice(8)


def test_camera_rungs_come_and_go() -> None:
    chooser = RungChooser(camera=True)
    chooser.camera_rungs_kbps = ()
    assert settle(chooser, 282.0)[-1].camera_kbps == 0
    chooser.camera_rungs_kbps = (150,)
    assert settle(chooser, 282.0, start=30.0)[-1].camera_kbps == 150
    chooser.camera_rungs_kbps = (15, 40)
    assert chooser.choose(282.0, 0.0, 0.6, 61.0, page_waiting=False).camera_kbps in (0, 40)


MOMENTS = st.tuples(st.floats(0, 5), st.floats(1, 3000), st.floats(0, 0.6), st.booleans())


@given(st.lists(MOMENTS, max_size=80), st.booleans(), st.booleans())
def test_the_camera_never_takes_what_voice_needs(
    moments: list[tuple[float, float, float, bool]], camera: bool, packs: bool
) -> None:
    chooser, now = RungChooser(camera=camera, packs=packs), 0.0
    for pause_s, budget_kbps, loss, page_waiting in moments:
        now += pause_s
        choice = chooser.choose(budget_kbps, loss, 0.6, now, page_waiting=page_waiting)
        assert choice.text == (choice.voice_kbps == 0)
        assert choice.voice_kbps in (0, *VOICE_RUNGS_KBPS)
        assert packs or choice.voice_kbps
        assert choice.camera_kbps in (0, *CAMERA_RUNGS_KBPS)
        if choice.camera_kbps:
            assert camera
            assert not page_waiting
            assert chooser.voice_cost_kbps(choice.voice_kbps, loss) + choice.camera_kbps <= budget_kbps
