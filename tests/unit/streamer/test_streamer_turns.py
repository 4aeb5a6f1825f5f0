"""Timing files and the deck's pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.errors import StreamError
from streamer.pages import Pages
from streamer.turns import TimedTurn, TurnSchedule, parse_turns, read_turns

SAMPLES = Path(__file__).resolve().parents[3] / "samples"


def test_turns_are_given_out_once_when_their_time_has_come() -> None:
    schedule = TurnSchedule(
        parse_turns('[{"at_ms": 500, "page": 2}, {"at_ms": 0, "page": 1}, {"at_ms": 520, "page": 3}]')
    )
    assert schedule.due(20) == [TimedTurn(0, 1)]
    assert schedule.due(499) == []
    assert schedule.due(1000) == [TimedTurn(500, 2), TimedTurn(520, 3)]
    assert schedule.due(10_000) == []


def test_the_sample_turns_every_page_once() -> None:
    assert [turn.page for turn in read_turns(SAMPLES / "turns.json")] == list(range(1, 11))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '[{"at_ms": -1, "page": 1}]',
        '[{"at_ms": 0, "page": 0}]',
        '[{"at_ms": 0}]',
        '[{"at_ms": "0", "page": 1}]',
        '[{"at_ms": true, "page": 1}]',
        '[{"at_ms": 1.5, "page": 1}]',
    ],
)
def test_a_timing_file_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(StreamError) as error:
        parse_turns(text)
    assert error.value.error_id == "turns_malformed"


def test_a_missing_timing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="cannot be read"):
        read_turns(tmp_path / "turns.json")


def test_pages_stay_within_the_deck() -> None:
    pages = Pages(page_count=3, titles={2: "Costs"})
    assert pages.turn_by(1)
    assert pages.page == 1
    assert not pages.turn_by(-1)
    assert pages.turn_to(99)
    assert pages.page == 3
    assert not pages.turn_by(1)
    assert pages.turn_to(2)
    assert pages.title == "Costs"


def test_pages_of_a_deck_not_yet_opened_can_be_turned_to() -> None:
    pages = Pages()
    assert pages.turn_to(7)
    assert (pages.page, pages.title) == (7, "")
