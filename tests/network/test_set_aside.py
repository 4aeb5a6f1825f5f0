"""A lecture that is going on although its file was damaged."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from hallcast.cli import main
from lecture.entries import Entry, Kind, pack_event
from lecture.errors import LectureFileError
from lecture.file import LectureFile
from lecture.log import Span
from recordings.shelf import files_in
from relay.media.directory import LectureDirectory
from relay.media.lecture_clock import LectureClock, read_boot_time
from tests.network.media_kit import FAST, INFO, LOOPBACK
from tests.unit.recordings.test_merge import LENGTH_MS, SOURCE, spoken, write

MINUTE_MS = 60_000


def damaged(folder: Path, state: str) -> tuple[Path, int]:
    """A lecture's file, a minute into it, of which one page on disk is not readable; and its highest number."""
    path = folder / "lectures" / "talk.lecture"
    path.parent.mkdir()
    now, clock = time.monotonic(), LectureClock()
    clock.start(now - MINUTE_MS / 1000)
    facts = {"lecture": "talk", "state": state, "languages": '["en"]', **clock.to_meta(now, read_boot_time())}
    with LectureFile.create(path, facts) as file:
        for offset_ms in range(0, MINUTE_MS, LENGTH_MS):
            write(file, SOURCE, spoken(offset_ms))
        last = file.append(Entry(Kind.TURN, MINUTE_MS, pack_event({"deck": "d", "page": 7})))
    whole = path.read_bytes()
    middle = len(whole) // 2 // 4096 * 4096
    path.write_bytes(whole[:middle] + b"\xa5" * 4096 + whole[middle + 4096 :])
    with pytest.raises(LectureFileError, match="file_damaged"):
        LectureFile.open(path)
    return path, last.seq


async def test_a_live_lecture_goes_on_in_a_new_file_and_the_readable_rest_comes_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, last_seq = damaged(tmp_path, "live")
    before = path.read_bytes()
    aside = path.with_name("talk.damaged-1.lecture")
    with caplog.at_level(logging.CRITICAL, "hallcast.lectures"):
        async with LectureDirectory(tmp_path, LOOPBACK, FAST) as directory:
            (lecture,) = directory.lectures()
            assert (lecture.lecture_id, lecture.state) == ("talk", "live")
            assert lecture.now_ms() >= MINUTE_MS
            assert lecture.snapshot()["recorder"]["set_aside"] == aside.name
            assert lecture.log.append(Entry(Kind.MARK, lecture.now_ms(), pack_event({"text": "on"}))).seq > last_seq
        async with LectureDirectory(tmp_path, LOOPBACK, FAST) as directory:
            assert [lecture.lecture_id for lecture in directory.lectures()] == ["talk"]
            await directory.lectures()[0].end()
    (record,) = caplog.records
    assert aside.name in record.getMessage()
    assert aside.read_bytes() == before
    assert files_in(path.parent) == {"talk": path}
    assert {file.name for file in path.parent.glob("*.lecture")} == {path.name, aside.name}

    assert main(["recordings", "repair", str(path), "--from", str(aside)]) == 1, "what was on the page is missing"
    with LectureFile.open(path, readonly=True) as file:
        assert file.verify().ok
        track = next(track for track in file.tracks() if track.rung == "16")
        lacking = file.gaps([track.track_id], Span(0, MINUTE_MS))
        assert sum(gap.end_ms - gap.start_ms for gap in lacking) < 0.2 * MINUTE_MS
        assert [entry.t_ms for entry in file.read(kinds={Kind.TURN})] == [MINUTE_MS]


async def test_the_file_of_a_lecture_that_has_ended_stays_where_it_is(tmp_path: Path) -> None:
    path, _ = damaged(tmp_path, "ended")
    before = path.read_bytes()
    async with LectureDirectory(tmp_path, LOOPBACK, FAST) as directory:
        with pytest.raises(LectureFileError, match="file_damaged"):
            await directory.open("talk", INFO)
    assert path.read_bytes() == before
    assert list(files_in(path.parent)) == ["talk"]
