"""Do the figures of recordings say what is there? A small lecture is weighed by hand beside them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import recordings, recordings_export, recordings_report, recordings_search
from benchmarks.document import write_between
from benchmarks.recordings_cost import cost
from benchmarks.recordings_open import Opened, ThinStart
from benchmarks.recordings_report import BEGIN, END, Figure, Section
from benchmarks.recordings_size import Sizes, sizes
from recordings.recording import Recording
from tests import recorded


@pytest.fixture(scope="module")
def lecture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded.write(tmp_path_factory.mktemp("lectures"))


@pytest.fixture(scope="module")
def weighed(lecture: Path, tmp_path_factory: pytest.TempPathFactory) -> Sizes:
    return sizes(lecture, tmp_path_factory.mktemp("weighed"))


def test_sizes_are_those_of_what_was_recorded(lecture: Path, weighed: Sizes) -> None:
    with Recording.open(lecture) as recording:
        voice = sum(len(frame.data) for track in recording.tracks("voice") for frame in recording.frames(track))
        camera = recording.camera_track()
        assert camera is not None
        film = sum(len(frame.data) for frame in recording.frames(camera))
        images = [image for page in recording.pages() for image in page.images]
        legible, sharp = (sum(image.size_bytes for image in images if image.tier == tier) for tier in (1, 2))
    assert weighed.duration_s == recorded.VOICE_MS / 1000
    assert weighed.pages_shown == 3
    assert (weighed.legible, weighed.sharp, weighed.on_disk["pages"]) == (legible, sharp, legible + sharp)
    assert voice < weighed.voice["light"] < 1.5 * voice
    assert film < weighed.camera < 2 * film
    assert voice < weighed.on_disk["voice 16"] < 1.5 * voice
    assert sum(weighed.on_disk.values()) == weighed.file == lecture.stat().st_size
    assert weighed.pack["light"] > voice + sharp
    assert weighed.kbps(weighed.duration_s * 1000 / 8) == pytest.approx(1)


def test_a_lecture_over_the_bar_is_told(weighed: Sizes) -> None:
    thin = replace(weighed, voice={"light": 9000, "full": 12_000}, legible=500, sharp=20_000, rest=0, camera=0)
    section = recordings_report.size_section(thin, "")
    found = {figure.name: figure for figure in section.figures}
    fits = found["listener: light voice and legible pages"]
    assert (fits.value, fits.ok) == (pytest.approx(9500 * 8 / 6000), True)
    assert found["listener: light voice, legible and sharp pages"].ok is False
    text = recordings_report.text([section], "command", "machine")
    assert "| listener: light voice and legible pages | 12.7 kbit/s | ≤ 16 | 5.7 MB/h |" in text
    assert "- Bytes per hour: listener: light voice, legible and sharp pages, 39.3 kbit/s, bar ≤ 16" in text


async def test_recording_again_writes_the_same_entries(lecture: Path, tmp_path: Path) -> None:
    measured = await cost(lecture, tmp_path, 3.0, speed=50)
    with Recording.open(lecture) as whole, Recording.open(tmp_path / f"{lecture.stem}-again.lecture") as again:
        track, copied = whole.tracks("voice")[0], again.tracks("voice")[0]
        first = [frame.data for frame in whole.frames(track) if frame.t_ms < 2400]
        assert [frame.data for frame in again.frames(copied)] == first
    assert measured.file_bytes_per_s > 0
    assert measured.written_bytes_per_s == 0 or measured.written_bytes_per_s > measured.file_bytes_per_s


def test_all_parts_are_in_the_report_and_in_json(lecture: Path, tmp_path: Path) -> None:
    exported = recordings_export.measure(lecture, "opus", with_camera=False)
    searched = recordings_search.run(tmp_path / "searched", lectures=2)
    sections = [
        recordings_report.open_section(
            [Opened("manifest", 30.0, 20.0, 4.0, 4587)],
            [ThinStart(64, 2.5, 8.5, 0, 4.0), ThinStart(32, 4.0, 9.0, 1, 0.0)],
            180,
        ),
        recordings_report.export_section([exported]),
        recordings_report.search_section({"SQLite": searched}),
    ]
    text = recordings_report.text(sections, "command", "machine")
    assert "| manifest, cold | 30.0 ms |  | 20 ms of CPU; 4.6 kB |" in text
    # The bars of a start are those of one line only; that the voice plays on is asked on every line.
    assert "| 64 kbit/s: the page of the moment is seen after | **8.5 s** | ≤ 8 | median |" in text
    assert "| 32 kbit/s: the page of the moment is seen after | 9.0 s |  | median |" in text
    assert "- Opening a long replay: 32 kbit/s: the voice has to wait in its first 60 s, 1.0 times, bar ≤ 0" in text
    assert "| opus | " in text
    assert all(f"| SQLite: {query} | " in text for query in recordings_search.QUERIES)
    facts = json.loads(json.dumps(recordings_report.facts(sections, "command", "machine")))
    assert facts["sections"]["Export"][1]["most"] == recordings_report.SOUND_BAR_MB_PER_H


def test_the_command_says_what_it_measures(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["recordings", "--help"])
    with pytest.raises(SystemExit):
        recordings.main()
    said = capsys.readouterr().out
    assert all(part in said for part in recordings.PARTS)


def test_results_replace_those_before_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    text = recordings_report.text([Section("Search", "", [Figure("one", 1.0, "ms")])], "command", "machine")
    write_between(page, BEGIN, END, text)
    assert page.read_text(encoding="utf-8") == f"# Title\n{BEGIN}\n{text}{END}\nafter\n"
    page.write_text("# Title\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no place for the results"):
        write_between(page, BEGIN, END, text)
