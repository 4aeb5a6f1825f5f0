"""The lecture file on a full disk: live goes on, nothing written is harmed, memory is bounded."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from pathlib import Path

import pytest

from lecture.entries import EncodedFrame, Entry, Kind, pack_frames
from lecture.errors import LectureFileError
from lecture.file import LectureFile
from lecture.log import Span
from lecture.pending import Pending
from lecture.tracks import Track
from tests.unit.lecture.file_kit import VOICE, turn, voice


def test_a_full_disk_harms_nothing_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.lecture"
    with LectureFile.create(path, limit_bytes=200_000) as file:
        file.add_track(VOICE)
        good, error_id = 0, ""
        while not error_id:
            file.append(voice(good * 1000, size_bytes=4000))
            file.append(turn(good * 1000))
            try:
                file.commit()
                good += 1
            except LectureFileError as error:
                error_id = error.error_id
        assert error_id == "disk_full"
        assert 10 < good < 60
        # Live goes on: what does not fit is read from memory, ...
        for n in range(good + 1, good + 5):
            file.append(voice(n * 1000, size_bytes=4000))
            file.set_meta("latest", str(n))
            with pytest.raises(LectureFileError, match="disk_full"):
                file.commit()
        assert file.gaps([1], Span(0, (good + 5) * 1000)) == []
        assert file.get_meta("latest") == str(good + 4)
        assert path.stat().st_size <= 200_000
        # ... what was written is sound, ...
        with LectureFile.open(path, readonly=True) as reader:
            assert reader.verify().ok
            assert reader.gaps([1], Span(0, good * 1000)) == []
            assert reader.read_span(1, Span(good * 1000, 10**6)) == []
        # ... and with room again nothing is missing.
        file.set_limit_bytes(None)
        file.commit()
        assert file.pending_bytes == 0
        assert file.dropped_entries == 0
    with LectureFile.open(path, readonly=True) as reader:
        assert reader.verify().ok
        assert reader.gaps([1], Span(0, (good + 5) * 1000)) == []


def test_memory_is_bounded_on_a_full_disk_and_camera_goes_before_voice_before_events(tmp_path: Path) -> None:
    with LectureFile.create(tmp_path / "a.lecture", pending_limit_bytes=100_000) as file:
        file.set_limit_bytes(1)
        file.add_track(VOICE)
        file.add_track(Track("camera", "vp8", 90000))
        kinds = []
        for n in range(300):
            file.append(turn(n))
            file.append(voice(n * 1000, size_bytes=100))
            file.append(Entry(Kind.CAMERA, n * 1000, pack_frames(0, [EncodedFrame(0, 0, b"x" * 500)]), 2))
            assert file.pending_bytes <= 100_000
            kinds.append({Kind(entry.kind) for entry in file.read(limit=5000)})
        assert kinds[0] == {Kind.TURN, Kind.VOICE, Kind.CAMERA}
        kept = file.read(limit=5000)
        assert file.dropped_entries == 900 - len(kept)
        turns = [entry for entry in kept if entry.kind == Kind.TURN]
        voices = [entry.t_ms for entry in kept if entry.kind == Kind.VOICE]
        assert len(turns) == 300
        # The oldest voice went first, the newest is there.
        assert voices == list(range(voices[0], 300_000, 1000))
        with pytest.raises(LectureFileError) as caught:
            file.put_blob(b"x" * 100_000, "image/avif")
        assert caught.value.error_id == "disk_full"
        file.set_limit_bytes(None)
        file.commit()
        assert file.read(limit=5000) == kept


def test_events_go_last() -> None:
    pending = Pending(limit_bytes=10_000)
    for n in range(100):
        pending.add_entry(Entry(Kind.TURN, n, b"{}", seq=n + 1), None)
    assert pending.bytes <= 10_000
    assert pending.dropped_entries > 0
    assert [entry.seq for entry in pending.entries] == list(range(pending.dropped_entries + 1, 101))


def test_an_entry_dropped_from_memory_may_come_again(tmp_path: Path) -> None:
    with LectureFile.create(tmp_path / "a.lecture", pending_limit_bytes=10_000) as file:
        file.add_track(VOICE)
        for n in range(20):
            assert file.append(voice(n * 1000, size_bytes=1000), origin_seq=n + 1) is not None
        assert file.append(voice(19_000, size_bytes=1000), origin_seq=20) is None
        assert file.append(voice(0, size_bytes=1000), origin_seq=1) is not None


def test_opening_on_a_full_disk_goes_on_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.lecture"
    LectureFile.create(path).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count={pages}")
        for size in (400, 40, 1):  # facts until not even the smallest has room
            with contextlib.suppress(sqlite3.OperationalError):
                for number in range(1000):
                    db.execute("INSERT INTO meta VALUES (?, zeroblob(0) || ?)", (f"{size}-{number}", "x" * size))
    with caplog.at_level(logging.WARNING, "hallcast.lecture"):
        file = LectureFile.open(path, limit_bytes=1)
    try:
        assert "no room" in caplog.text
        entry = file.append(turn(200_000))
        with pytest.raises(LectureFileError, match="disk_full"):
            file.commit()
        assert file.read(entry.seq - 1) == [entry]
        file.set_limit_bytes(None)
        file.commit()
    finally:
        file.close()


def test_what_memory_could_not_hold_is_a_gap_that_verify_names(tmp_path: Path) -> None:
    with LectureFile.create(tmp_path / "a.lecture", pending_limit_bytes=100_000) as file:
        file.add_track(VOICE)
        file.append(voice(0))
        file.commit()
        file.set_limit_bytes(1)
        for n in range(1, 300):
            file.append(voice(n * 1000, size_bytes=1000))
        file.set_limit_bytes(None)
        report = file.verify()
        assert report.ok
        assert report.gaps == {"en": [Span(1000, 1000 + file.dropped_entries * 1000)]}
        assert file.dropped_entries > 100
