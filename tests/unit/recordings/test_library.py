"""Library, replay manifest and derived files, read back with FFmpeg instead of our own code."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import av
import numpy as np
import pytest

from hallcast.cli import main
from recordings.errors import RecordingError
from recordings.library import Library
from tests.recorded import loudness, samples

LECTURE, HOLE_MS, VOICE_MS, CAMERA_FROM_MS = "pricing01", (2400, 3600), 6000, 1000


@pytest.fixture
def library(lectures_dir: Path, tmp_path: Path) -> Library:
    return Library(lectures_dir, tmp_path / "cache")


def test_voice_file_keeps_lecture_time_and_is_silent_where_nothing_was_said(library: Library) -> None:
    sound = samples(library.voice_file(LECTURE, "en"))
    assert abs(len(sound) / 48 - VOICE_MS) < 100
    assert loudness(sound, HOLE_MS[0] + 200, HOLE_MS[1] - 100) < 0.002
    for start, end in ((300, 2300), (3800, 5800)):
        assert loudness(sound, start, end) > 0.1
    spectrum = np.abs(np.fft.rfft(sound[4000 * 48 : 5000 * 48]))
    assert abs(int(spectrum.argmax()) - 440) <= 2


def test_derived_files_are_made_once(library: Library) -> None:
    first = library.voice_file(LECTURE, "en")
    made = first.stat().st_mtime_ns
    assert library.voice_file(LECTURE, "en") == first
    assert first.stat().st_mtime_ns == made
    assert list(first.parent.iterdir()) == [first]


def test_camera_file_plays_from_its_first_keyframe(library: Library) -> None:
    path, media_type = library.camera_file(LECTURE)
    assert media_type == "video/webm"
    with av.open(str(path)) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert times[0] == 0
    assert len(times) == (VOICE_MS - CAMERA_FROM_MS) // 200
    assert times[-1] == pytest.approx((VOICE_MS - CAMERA_FROM_MS - 200) / 1000, abs=0.01)


@pytest.mark.parametrize(
    ("call", "error_id"),
    [
        (lambda library: library.manifest("nobody"), "recording_unknown"),
        (lambda library: library.manifest("../pricing01"), "recording_unknown"),
        (lambda library: library.voice_file(LECTURE, "ko"), "voice_missing"),
        (lambda library: library.voice_file(LECTURE, "../en"), "voice_missing"),
    ],
)
def test_what_is_not_there_is_refused(library: Library, call, error_id: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RecordingError) as caught:
        call(library)
    assert caught.value.error_id == error_id


def test_command_line_lists_and_verifies(
    lectures_dir: Path, lecture_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "lectures").symlink_to(lectures_dir)
    assert main(["recordings", "list", "--data", str(data), "--json"]) == 0
    assert [facts["id"] for facts in json.loads(capsys.readouterr().out)["recordings"]] == [LECTURE]
    assert main(["recordings", "verify", LECTURE, "--data", str(data)]) == 0
    assert "undamaged" in capsys.readouterr().out

    damaged = tmp_path / "damaged.lecture"
    damaged.write_bytes(lecture_path.read_bytes())
    with sqlite3.connect(damaged) as database:
        database.execute("UPDATE entries SET payload = zeroblob(length(payload)) WHERE kind = 1 AND seq % 3 = 0")
    database.close()
    assert main(["recordings", "verify", str(damaged), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert report["problems"]
