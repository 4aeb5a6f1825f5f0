"""The lecturer's own lecture file."""

from __future__ import annotations

from pathlib import Path

from lecture.copy_time import CopyTime
from lecture.entries import Kind, unpack_event, unpack_frames
from lecture.file import LectureFile
from lecture.log import Span
from streamer.camera_pump import CodedPicture
from streamer.own_copy import OwnCopy, open_own_copy
from streamer.voice_pump import VoicePacket


def packet(at_ms: int) -> VoicePacket:
    return VoicePacket(at_ms, b"opus%d" % at_ms, at_ms + 20, -20.0)


def make(folder: Path, lecture_ms: int = 0, at_ms: int = 3000) -> OwnCopy:
    copy = OwnCopy(open_own_copy(folder, "waves"), "en")
    copy.begin(at_ms, lecture_ms)
    return copy


def test_everything_given_is_in_the_file_at_lecture_time(tmp_path: Path) -> None:
    copy = make(tmp_path, lecture_ms=60_000)
    copy.deck("d1", "Costs", b"%PDF-1.7", 3000)
    for at_ms in range(3000, 5000, 20):
        copy.voice(packet(at_ms))
    for number in range(30):
        copy.camera(CodedPicture(3000 + 67 * number, b"vp8", keyframe=number in (0, 20)))
    copy.turn("d1", 2, 4500)
    copy.lecture_time(4500, 61_520)
    copy.close(finished=True)

    with LectureFile.open(tmp_path / "waves.lecture", readonly=True) as file:
        assert file.finished
        assert file.verify().ok
        voice, camera = file.tracks()
        assert (voice.language, voice.rung, voice.channels, camera.codec) == ("en", "source", 1, "vp8")
        assert file.gaps([voice.track_id], Span(60_000, 62_000)) == []
        frames = [frame for entry in file.read(kinds={Kind.VOICE}) for frame in unpack_frames(entry)]
        assert [frame.t_ms for frame in frames] == list(range(60_000, 62_000, 20))
        assert frames[7].data == b"opus3140"
        pictures = [list(unpack_frames(entry)) for entry in file.read(kinds={Kind.CAMERA})]
        keys = [(first, frame.flags) for group in pictures for first, frame in enumerate(group) if frame.flags]
        assert keys == [(0, 1), (0, 1)]
        (turn,) = file.read(kinds={Kind.TURN})
        assert (turn.t_ms, unpack_event(turn)) == (61_500, {"deck": "d1", "page": 2})
        (deck,) = file.read(kinds={Kind.DECK})
        blob = file.get_blob(unpack_event(deck)["pdf"])
        assert blob is not None
        assert (blob.data, blob.media_type) == (b"%PDF-1.7", "application/pdf")
        assert CopyTime.of_meta(file.get_meta).lecture_ms(61_500) == 61_520


def test_a_skip_in_the_voice_is_a_gap_in_the_file(tmp_path: Path) -> None:
    copy = make(tmp_path, at_ms=0)
    for at_ms in (0, 20, 40, 9000, 9020):
        copy.voice(packet(at_ms))
    copy.close(finished=False)
    with LectureFile.open(tmp_path / "waves.lecture", readonly=True) as file:
        track = file.tracks()[0]
        assert file.gaps([track.track_id], Span(0, 9040)) == [Span(60, 9000)]


def test_a_second_run_goes_on_in_the_same_file(tmp_path: Path) -> None:
    for _ in range(2):
        copy = make(tmp_path, lecture_ms=0, at_ms=0)
        copy.voice(packet(0))
        copy.close(finished=False)
    with LectureFile.open(tmp_path / "waves.lecture", readonly=True) as file:
        assert [entry.t_ms for entry in file.read(kinds={Kind.VOICE})] == [0, 20]


def test_a_finished_file_is_left_alone(tmp_path: Path) -> None:
    first = make(tmp_path, at_ms=0)
    first.voice(packet(0))
    first.close(finished=True)
    copy = make(tmp_path)
    copy.close(finished=False)
    assert copy.path.name == "waves-2.lecture"


def test_a_lecture_that_never_began_leaves_no_file(tmp_path: Path) -> None:
    for finished in (False, True):
        make(tmp_path).close(finished=finished)
        assert list(tmp_path.iterdir()) == []
    begun = make(tmp_path)
    begun.turn("d", 1, 0)
    begun.close(finished=False)
    make(tmp_path).close(finished=False)
    assert [path.name for path in tmp_path.iterdir()] == ["waves.lecture"]
