"""Lectures are made of what there is; figures stand beside their bars in the document."""

from __future__ import annotations

import json
import wave
from dataclasses import replace
from pathlib import Path

import pypdfium2
import pytest

from benchmarks.thin_links.judge import Figure, Result
from benchmarks.thin_links.links import LINKS
from benchmarks.thin_links.material import Sources, prepare
from benchmarks.thin_links.report import number, write_document

SAMPLES = Path(__file__).resolve().parents[3] / "samples"


def test_a_lecture_of_the_link_is_made_of_the_sample(tmp_path: Path) -> None:
    sources = Sources(SAMPLES / "voice.opus", SAMPLES / "deck.pdf", SAMPLES / "camera.webm", None)
    made = prepare(sources, replace(LINKS["A"], length_s=25), tmp_path)
    with wave.open(str(made.voice)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (48_000, 1, 25 * 48_000)
    turns = json.loads(made.turns.read_text())
    assert [turn["at_ms"] for turn in turns] == list(range(0, 25_000, 20_000))
    with pypdfium2.PdfDocument(made.deck) as deck:
        assert len(deck) == made.page_count
    assert {turn["page"] for turn in turns} <= set(range(1, made.page_count + 1))
    again = prepare(sources, replace(LINKS["A"], length_s=25), tmp_path)
    assert again == made


def test_without_material_the_sample_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALLCAST_MATERIAL", str(tmp_path))
    assert Sources.find(None).deck.is_relative_to(tmp_path)
    assert Sources.find(SAMPLES).deck.is_relative_to(SAMPLES)
    monkeypatch.setenv("HALLCAST_MATERIAL", "")
    assert Sources.find(None) == Sources(SAMPLES / "voice.opus", SAMPLES / "deck.pdf", SAMPLES / "camera.webm", None)


def machine(starved: list[str]) -> dict[str, object]:
    return {"description": "2 cores", "starved": starved}


def test_the_document_has_every_figure_and_every_miss(tmp_path: Path) -> None:
    figures = [
        Figure("voice heard", 0.9987, "share", "≥ 100 %", False),
        Figure("longest gap", 120.4, "ms", "≤ 200 ms", True),
        Figure("page late, p90", None, "s", "≤ 2 s", False),
    ]
    starved = {"start_s": 9.0, "length_s": 0.2, "starved_s": 0.2, "t_ms": 0, "outage": False}
    detail = {
        "hall_done": False,
        "rung_shares": {"16": 0.75, "12": 0.25},
        "errors": ["RelayError: it fell"],
        "starved_gaps": [starved],
        "machine": machine(["the relay waited"]),
    }
    path = tmp_path / "benchmarks.md"
    path.write_text("nothing here")
    with pytest.raises(ValueError, match="no place"):
        write_document([Result("C", False, figures, detail)], path, "make bench", [])
    path.write_text(
        "head\n<!-- thin links: begin (written by make bench) -->\nbefore this\n<!-- thin links: end -->\ntail\n"
    )
    for _ in range(2):
        write_document([Result("C", False, figures, detail)], path, "make bench", ["S: no film."])
    text = path.read_text()
    assert text.startswith("head\n")
    assert text.endswith("-->\ntail\n")
    assert "before this" not in text
    assert "| C | as needed | **99.87 %** (≥ 100 %) | 120 | **never** (≤ 2) | 16: 75 %, 12: 25 % |" in text
    for words in (
        "2 cores",
        "C: voice heard 99.87 %",
        "not heard and kept everything",
        "it fell",
        "the relay waited",
        "Left out: S: no film.",
    ):
        assert words in text


def test_figures_as_people_read_them() -> None:
    assert number(Figure("voice heard", 1.0, "share")) == "100 %"
    assert number(Figure("camera shown", 0.4, "share")) == "40 %"
    assert number(Figure("behind, worst", 4.567, "s")) == "4.57"
    assert number(Figure("STOI", 0.98765, "")) == "0.988"
    assert number(Figure("voice", None, "kbit/s")) == "–"
