"""What a lecture took of its link, in which rung; what the hall's file must be; what cannot be held is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.thin_links import rungs
from benchmarks.thin_links.__main__ import ALL, arguments, planned_runs
from benchmarks.thin_links.judge import Figure, Result, cost, hall_file
from benchmarks.thin_links.links import LINKS
from benchmarks.thin_links.report import print_table, rung_times
from benchmarks.thin_links.wire import Tick


def look(at_s: float, rung: str, carrier: str = "rtp", *, text: bool = False) -> dict[str, Any]:
    return {"at_s": at_s, "rung": rung, "carrier": carrier, "text_rung": text}


def ticks(kbps: float, start_s: int, end_s: int) -> list[Tick]:
    """So much voice, a tenth of it sent again, and other things beside it."""
    size = kbps * 1000 / 8 / 10
    down = {"offered": {"rtp 111": size * 0.9, "rtp 112": size * 0.1, "rtp 120": 400, "rtp 97": 900}}
    facts = {**down, "queue_ms": 40, "dropped": 0, "lost": 0}
    up = {"offered": {}, "queue_ms": 5}
    return [Tick(start_s + n / 10, facts, up, 0.1) for n in range((end_s - start_s) * 10)]


def figure(figures: list[Figure], name: str) -> Figure:
    return next(one for one in figures if one.name == name)


def test_time_on_rungs_counts_what_is_no_rung_too_and_ends_with_the_lecture() -> None:
    looks = [
        look(-1, ""),
        look(1, "8"),
        look(3, "12"),
        look(6, "12", ""),
        look(8, "12", "socket"),
        look(10, "12", text=True),
        look(14, "16"),
    ]
    found = rungs.shares(rungs.stretches(looks, 12))
    assert list(found) == ["8", "12", "16", "socket", "text"]
    assert {rung: round(share * 12, 6) for rung, share in found.items()} == {
        "8": 1,
        "12": 5,
        "16": 2,
        "socket": 2,
        "text": 2,
    }
    assert rungs.shares(rungs.stretches([], 12)) == {}


def test_voice_is_held_against_its_bar_in_all_and_while_it_comes_in_that_rung() -> None:
    """Half the lecture in the 8 kbit/s rung must not hide that the 12 kbit/s rung costs too much."""
    looks = [look(float(at_s), "8" if at_s <= 60 else "12") for at_s in range(0, 121, 2)]
    figures, detail = cost(ticks(9, 0, 61) + ticks(18, 61, 120), looks, LINKS["H"])
    assert figure(figures, "voice with protection").value == pytest.approx(13.4, abs=0.1)
    assert figure(figures, "voice with protection").ok is True
    judged = figure(figures, "voice in 12 kbit/s")
    assert judged.value == pytest.approx(18)
    assert judged.ok is False
    assert detail["rung_shares"] == {"8": 0.5, "12": 0.5}
    figures, _ = cost(ticks(9, 0, 61) + ticks(17, 61, 120), looks, LINKS["H"])
    assert figure(figures, "voice in 12 kbit/s").ok is True


def test_a_bar_of_a_rung_that_never_came_is_not_met() -> None:
    looks = [look(float(at_s), "8") for at_s in range(0, 121, 2)]
    figures, _ = cost(ticks(9, 0, 120), looks, LINKS["H"])
    assert figure(figures, "voice in 12 kbit/s").value is None
    assert figure(figures, "voice in 12 kbit/s").ok is False
    figures, _ = cost(ticks(9, 0, 120), looks, LINKS["A"])
    assert figure(figures, "voice in 12 kbit/s").ok is None


@pytest.mark.parametrize(
    ("link", "kept", "done", "ok"),
    [
        ("F", 1000, True, True),
        ("F", 999, True, False),
        ("K", 1000, False, False),
        ("A", 999, False, None),
    ],
)
def test_after_outages_the_halls_file_must_be_whole(link: str, kept: int, done: bool, ok: bool | None) -> None:
    judged = hall_file(kept, 1000, done, LINKS[link])
    assert judged.ok is ok
    assert judged.value == kept / 1000
    assert [one.name for one in Result(link, False, [judged], {}).missed] == (["hall's file"] if ok is False else [])


def test_a_screen_that_the_material_has_not_is_left_out_aloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HALLCAST_MATERIAL", "")
    runs, left_out = planned_runs(arguments([]))
    assert {run.link for run in runs} == set(ALL.split(",")) - {"S"}
    assert left_out == ["S: there is no film of a screen in the material."]
    print_table(Console(width=200), [], left_out)
    assert "Left out: S" in capsys.readouterr().out
    assert planned_runs(arguments(["--links", "S"]))[0] == []
    (tmp_path / "screen").mkdir()
    (tmp_path / "screen" / "screen_demo.mp4").touch()
    runs, left_out = planned_runs(arguments(["--links", "A,S", "--material", str(tmp_path)]))
    assert [(run.link, run.prefetched) for run in runs] == [("A", False), ("A", True), ("S", True)]
    assert left_out == []


def test_time_on_rungs_stands_beside_the_figures() -> None:
    result = Result("H", False, [], {"rung_shares": {"8": 0.104, "12": 0.896}})
    assert rung_times(result) == "12: 90 %, 8: 10 %"
