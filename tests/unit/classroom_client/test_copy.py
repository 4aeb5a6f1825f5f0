"""The hall's own file: what it keeps, and what it knows after a power cut."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from pathlib import Path

import pytest

from classroom_client import copy as copying
from classroom_client.copy import HallCopy, Progress
from classroom_client.reception import Reception
from classroom_client.settings import HallSettings
from lecture.entries import EncodedFrame, Entry, Flag, Kind, pack_frames
from lecture.errors import LectureFileError
from lecture.file import LectureFile
from lecture.lock import lock_of
from lecture.log import Span
from lecture.message_parts import LectureSummary
from lecture.messages import Clock, Ended, EntryMessage, Filled, HallWelcome, State
from lecture.wire import BlobFrame, ChunkFrame
from recordings.camera import decoded
from recordings.recording import LECTURE_ID, Recording
from tests.unit.transport.coded_video import encoded

SUMMARY = LectureSummary("waves", "Waves", "", ("en",), "live")


def frame(t_ms: int) -> EncodedFrame:
    return EncodedFrame(t_ms, 60, b"voice %d" % t_ms)


def reopened(copy: HallCopy, folder: Path) -> HallCopy:
    """The copy as it is found after a power cut: what was committed, nothing closed."""
    copy.commit()
    after = folder / "after"
    after.mkdir()
    for path in folder.glob("waves.lecture*"):
        (after / path.name).write_bytes(path.read_bytes())
    return HallCopy.open(after, "waves")


def test_voice_is_kept_without_pretending_holes(tmp_path: Path) -> None:
    copy = HallCopy.open(tmp_path, "waves")
    copy.keep_voice("en", [frame(t) for t in (0, 60, 180, 240)])
    copy.keep_voice("en", [frame(600)])
    again = reopened(copy, tmp_path)
    assert again.voice_spans("en") == [Span(0, 120), Span(180, 300), Span(600, 660)]
    assert [(found.t_ms, found.data) for found in again.frames("en", Span(60, 200))] == [
        (60, b"voice 60"),
        (180, b"voice 180"),
    ]
    assert again.voice_spans("ko") == []
    assert again.frames("ko", Span(0, 1000)) == []
    again.close(finished=True)
    copy.close(finished=False)


def test_the_camera_is_kept_as_it_came_and_can_be_replayed(tmp_path: Path) -> None:
    copy = HallCopy.open(tmp_path, "waves")
    copy.keep_voice("en", [frame(t) for t in range(0, 4800, 60)])
    for number, (data, keyframe) in enumerate(encoded("av1")):
        copy.keep_camera("av1", EncodedFrame(number * 200, 0, data, int(Flag.KEYFRAME if keyframe else Flag.NONE)))
    copy.keep_camera("vp8", EncodedFrame(4900, 0, encoded("vp8")[0][0], int(Flag.KEYFRAME)))
    assert copy.voice_spans("en") == [Span(0, 4800)]
    copy.close(finished=True)
    with Recording(LectureFile.open(tmp_path / "waves.lecture", readonly=True)) as recording:
        assert [track.codec for track in recording.tracks("camera")] == ["av1", "vp8"]
        shown = [t_ms for t_ms, _ in decoded(recording)]
    assert shown == [number * 200 for number in range(len(encoded("av1")))]


def test_events_are_kept_once_and_resume_from_the_highest(tmp_path: Path) -> None:
    copy = HallCopy.open(tmp_path, "waves")
    message = EntryMessage(77, 5000, int(Kind.TURN), {"deck": "d", "page": 2})
    assert copy.keep_event(message) is not None
    assert copy.keep_event(message) is None
    again = reopened(copy, tmp_path)
    assert again.have().after_seq == 77
    assert [(event.t_ms, event.fields["page"]) for event in again.events()] == [(5000, 2)]
    again.close(finished=False)
    copy.close(finished=False)


def test_half_a_picture_is_gone_on_with_where_it_stopped(tmp_path: Path) -> None:
    data = bytes(range(256)) * 20
    digest = hashlib.sha256(data).hexdigest()
    copy = HallCopy.open(tmp_path, "waves")
    assert not copy.keep_blob_part(digest, "image/avif", 0, len(data), data[:3000])
    again = reopened(copy, tmp_path)
    assert again.have().blobs == ((digest, 3000),)
    assert again.keep_blob_part(digest, "image/avif", 3000, len(data), data[3000:])
    assert again.picture(digest) == (data, "image/avif")
    assert again.complete_blobs() == [digest]
    assert base64.urlsafe_b64decode(again.have().complete).hex() == digest[:12]
    assert again.picture("0" * 64) is None
    again.close(finished=False)
    copy.close(finished=False)


def test_progress_survives(tmp_path: Path) -> None:
    copy = HallCopy.open(tmp_path, "waves")
    assert copy.progress() == Progress()
    progress = Progress(position_ms=5000, heard=[(0, 5000)], shown=[3, 4], reconnects=2, connected_s=7.5)
    copy.set_progress(progress)
    again = reopened(copy, tmp_path)
    assert again.progress().heard_coverage().known_ms() == 5000
    assert (again.progress().position_ms, again.progress().shown, again.progress().reconnects) == (5000, [3, 4], 2)
    again.close(finished=False)
    copy.close(finished=False)


def test_damaged_copy_is_set_aside_and_the_lecture_goes_on(tmp_path: Path) -> None:
    (tmp_path / "waves.lecture").write_bytes(b"this is not a lecture file" * 100)
    copy = HallCopy.open(tmp_path, "waves")
    copy.keep_voice("en", [frame(0)])
    copy.close(finished=True)
    assert (tmp_path / "waves.damaged-1.lecture").read_bytes().startswith(b"this is not")
    with LectureFile.open(tmp_path / "waves.lecture", readonly=True) as kept:
        assert kept.verify().ok


def test_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LectureFileError) as refused:
        HallCopy.open(tmp_path / "file", "waves")
    assert refused.value.error_id == "file_unwritable"


@pytest.mark.parametrize("lecture_id", ["../../etc/passwd", "a/b", "", ".", "x" * 300, "강의"])
def test_name_from_another_machine_stays_in_the_folder(tmp_path: Path, lecture_id: str) -> None:
    copy = HallCopy.open(tmp_path, lecture_id)
    assert copy.path.parent == tmp_path
    copy.close(finished=True)
    with LectureFile.open(copy.path, readonly=True) as file:
        assert file.get_meta("lecture") == lecture_id, "whatever its file is called"
    with Recording.open(copy.path) as recording:
        assert LECTURE_ID.fullmatch(recording.lecture_id)


def reception(folder: Path) -> Reception:
    copy = HallCopy.open(folder, "waves")
    return Reception(copy, SUMMARY, "en", HallSettings(relay_url="", code="", keep=folder))


def chunk(start_ms: int, frames: int) -> ChunkFrame:
    pieces = [frame(start_ms + n * 60) for n in range(frames)]
    return ChunkFrame(Entry(Kind.VOICE, start_ms, pack_frames(start_ms, pieces), 1, frames * 60, 0, 9))


def test_reception_asks_for_what_is_missing_and_completes(tmp_path: Path) -> None:
    hall = reception(tmp_path)
    hall.welcome(HallWelcome("1.0", SUMMARY, 0), 0.0)
    hall.state(State("live", "live"))
    for second in range(12):
        hall.clock(Clock(second * 1000, second * 1000), float(second))
        if second < 4:
            hall.live_voice([(second * 960 + n * 60, b"live") for n in range(16)], float(second))
    hall.tick(12.0, rtt_s=0.6, fraction_lost=0.0)
    first = hall.wants(12.0)
    assert first
    assert (first[0].language, first[0].start_ms) == ("en", 3840)
    assert hall.wants(12.1) == []
    hall.disconnected()
    hall.welcome(HallWelcome("1.0", SUMMARY, 12_500), 12.5)
    again = hall.wants(12.6)
    assert again[0].start_ms == 3840
    hall.chunk(chunk(3840, 60), 12.8)
    hall.filled(Filled("en", again[0].start_ms, again[0].end_ms))
    hall.ended(Ended(20_000, 7_440))
    assert not hall.complete
    for want in hall.wants(13.0):
        hall.filled(Filled("en", want.start_ms, want.end_ms))
    assert hall.complete
    assert hall.voice.have.known_ms() == 7440
    assert hall.copy.voice_spans("en") == [Span(0, 7440)]
    hall.copy.close(finished=True)


def test_what_stood_in_for_the_copy_of_a_hall_that_was_killed_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_MEMORY", tmp_path)
    names = ("killed", "running", "starting")
    killed, running, starting = (tmp_path / f"hallcast-hall-{name}" / "waves.lecture" for name in names)
    for path in (killed, running, starting):
        path.parent.mkdir()
    for path in (killed, starting):
        LectureFile.create(path).close()
    lock_of(killed).touch()
    an_hour_ago = time.time() - 3600
    with LectureFile.create(running):
        for path in (killed, running):
            os.utime(path.parent, (an_hour_ago, an_hour_ago))
        HallCopy.open(tmp_path / "copies", "waves").close(finished=False)
        assert not killed.parent.exists()
        assert running.exists()
        assert starting.exists(), "its hall has yet to lock it"


def test_reception_ignores_what_it_cannot_read(tmp_path: Path) -> None:
    hall = reception(tmp_path)
    hall.chunk(ChunkFrame(Entry(Kind.VOICE, 0, b"cut short", 1, 480)), 0.0)
    hall.chunk(ChunkFrame(Entry(Kind.CAMERA, 0, b"", 1, 480)), 0.0)
    hall.blob(BlobFrame("ab" * 32, "image/avif", 0, 4, b"four"))  # complete, but of another digest
    hall.live_voice([], 0.0)
    assert hall.voice.have.known_ms() == 0
    assert hall.copy.complete_blobs() == []
    hall.copy.close(finished=False)
