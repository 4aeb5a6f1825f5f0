"""Filling a lecture file's holes from other copies: whatever comes, in whatever order, nothing is doubled or lost."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hallcast.cli import main
from lecture.chunks import HOLE_MS, Chunker
from lecture.copy_time import COPY_TIME_KEY, CopyTime, copy_frames
from lecture.coverage import Coverage
from lecture.entries import MAX_SEQ, EncodedFrame, Entry, Kind, pack_event, pack_frames, unpack_frames
from lecture.file import LectureFile
from lecture.log import Span
from lecture.tracks import UNKNOWN_LANGUAGE, Track
from recordings import merge as merging
from recordings.errors import RecordingError
from recordings.fill import fill
from recordings.merge import merge, missing_voice_ms
from recordings.recording import Recording
from recordings.voice import timeline
from tests.recorded import tone
from transport import opus

SOURCE = Track("voice", "opus", 48_000, "en", "source", 2)
OWN = Track("voice", "opus", 48_000, "en", "source", 1)
LENGTH_MS = 6_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def spoken(offset_ms: int = 0, frame_ms: int = 20) -> list[EncodedFrame]:
    """A real tone of :data:`LENGTH_MS`; its first sample is at lecture time 0 whatever the file's times are."""
    with closing(opus.Encoder(1, bitrate_bps=32_000, frame_ms=frame_ms)) as encoder:
        samples = np.concatenate([tone(t_ms) for t_ms in range(0, LENGTH_MS, 60)])
        step = frame_ms * 48
        return [
            EncodedFrame(offset_ms + at // 48, frame_ms, encoder.encode(samples[at : at + step]))
            for at in range(0, len(samples), step)
        ]


FRAMES = spoken()


def write(file: LectureFile, track: Track, frames: list[EncodedFrame]) -> None:
    chunks = Chunker(Kind.VOICE, file.add_track(track).track_id)
    for frame in frames:
        for entry in chunks.push(frame):
            file.append(entry)
    for entry in chunks.flush():
        file.append(entry)


def create(path: Path, **facts: str) -> LectureFile:
    return LectureFile.create(path, {"lecture": "a", **facts})


def frames_of(file: LectureFile, track: Track) -> list[EncodedFrame]:
    track_id = file.add_track(track).track_id
    entries = file.read_span(track_id, Span(0, 1 << 40))
    return sorted((frame for entry in entries for frame in unpack_frames(entry)), key=lambda frame: frame.t_ms)


spans = st.tuples(st.integers(0, LENGTH_MS - 1), st.integers(1, 3_000)).map(
    lambda pair: Span(pair[0], min(LENGTH_MS, pair[0] + pair[1]))
)


@settings(max_examples=30)
@given(
    lost=st.lists(spans, max_size=4),
    offers=st.lists(st.tuples(spans, st.integers(-12, 12), st.booleans()), max_size=8),
    last_shift_ms=st.integers(-12, 12),
)
@example(lost=[Span(2_981, 5_981)], offers=[], last_shift_ms=-11)
@example(lost=[Span(0, 1)], offers=[], last_shift_ms=12)
def test_whatever_comes_in_whatever_order_ends_without_gaps_and_without_doubles(
    tmp_path_factory: pytest.TempPathFactory,
    lost: list[Span],
    offers: list[tuple[Span, int, bool]],
    last_shift_ms: int,
) -> None:
    path = tmp_path_factory.mktemp("merge") / "a.lecture"
    file = create(path)
    gone = Coverage(lost)
    write(file, SOURCE, [frame for frame in FRAMES if not gone.known_ms(Span(frame.t_ms, frame.t_ms + 20))])
    track = file.add_track(SOURCE)
    # Copies whose clocks differ a little, twice the same segment, a restart between.
    for span, shift_ms, restarts in [*offers, *offers[:1], (Span(0, LENGTH_MS), last_shift_ms, True)]:
        shifted = [EncodedFrame(max(0, one.t_ms + shift_ms), 20, one.data) for one in FRAMES]
        fill(file, track, shifted, span)
        if restarts:
            file.commit()
            file.close()
            file = LectureFile.open(path)
    with file:
        assert fill(file, track, FRAMES, Span(0, LENGTH_MS)) == []
        holes = file.gaps([track.track_id], Span(0, LENGTH_MS))
        assert all(hole.end_ms - hole.start_ms < HOLE_MS for hole in holes)
        found = frames_of(file, SOURCE)
        for before, after in pairwise(found):
            assert after.t_ms - before.t_ms >= 10, "a frame stands twice"


def test_a_frame_keeps_its_place_and_its_bytes(folder: Path) -> None:
    with create(folder / "a.lecture") as file:
        write(file, SOURCE, FRAMES[:50] + FRAMES[150:])
        entries = fill(file, file.add_track(SOURCE), FRAMES, Span(0, LENGTH_MS))
        assert (entries[0].t_ms, entries[-1].end_ms) == (1_000, 3_000)
        assert frames_of(file, SOURCE) == FRAMES


def test_what_is_damaged_counts_as_missing_and_is_brought_anew(folder: Path) -> None:
    path = folder / "a.lecture"
    with create(path) as target:
        write(target, SOURCE, FRAMES)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE entries SET crc32c = crc32c + 1 WHERE seq IN (3, 4)")
    with create(folder / "own.lecture", role="lecturer") as own, LectureFile.open(path) as target:
        write(own, OWN, FRAMES[:60])
        gaps = target.verify().gaps["en"]
        assert gaps == [Span(960, 1_920)]
        merged = merge(target, own)
        assert (merged.voice_ms, merged.missing_ms) == ({"en": 240}, {"en": 720})
        assert target.verify().gaps["en"] == target.gaps([1], Span(0, LENGTH_MS)) == [Span(1_200, 1_920)]
        assert not merge(target, own).changed


def test_a_lecturers_copy_of_two_runs_fills_the_recording_and_its_light_rungs(folder: Path) -> None:
    """The laptop was restarted at 2 s; its file's times are off by another difference in each run."""
    times = CopyTime()
    with create(folder / "a.lecture") as target, create(folder / "own.lecture", role="lecturer") as own:
        times.begin(5_000)
        times.learn(5_100, -5_000)
        times.begin(7_000)
        times.learn(7_300, -4_000)
        own.set_meta(COPY_TIME_KEY, times.to_meta())
        first, second = FRAMES[:100], FRAMES[150:]
        shifted = [EncodedFrame(one.t_ms + 5_000, 20, one.data) for one in first]
        shifted += [EncodedFrame(one.t_ms + 4_000, 20, one.data) for one in second]
        write(own, OWN, shifted)
        write(target, SOURCE, FRAMES[:25] + FRAMES[200:])
        target.set_meta("state", "ended")

        merged = merge(target, own)

        assert merged.voice_ms == {"en": 2_500}
        # What was said while the laptop was off exists nowhere; frames of the grid reach into it.
        assert merged.missing_ms == {"en": 960}
        assert frames_of(target, SOURCE) == first + second
        again = merge(target, own)
        assert not again.changed
        assert again.missing_ms == {"en": 960}
    with Recording.open(folder / "a.lecture") as recording:
        assert {track.rung for track in recording.tracks("voice")} == {"source", "16", "12"}
        track = recording.voice_track("en")
        assert track is not None
        assert track.rung == "16"
        with closing(opus.Decoder(1)) as decoder:
            blocks = [decoder.decode(data)[:, 0] for _, _, data in timeline(recording.frames(track), 1)]
    loud = np.abs(np.concatenate(blocks).astype(float))
    assert loud[48 * 700 : 48 * 1_900].mean() > 3_000
    assert loud[48 * 2_150 : 48 * 2_850].max() < 500
    assert loud[48 * 3_100 : 48 * 3_900].mean() > 3_000


def test_a_halls_copy_brings_what_only_it_has(folder: Path) -> None:
    made = spoken(frame_ms=60)
    hall_track = Track("voice", "opus", 48_000, "en", "16", 1)
    with create(folder / "a.lecture") as target, create(folder / "hall.lecture", role="hall") as hall:
        for rung in ("16", "12"):
            write(target, Track("voice", "opus", 48_000, "en", rung, 1), made[:20] + made[40:])
        kept = target.append(Entry(Kind.TURN, 100, pack_event({"deck": "d", "page": 1})))
        digest = hall.put_blob(b"\x00page", "image/avif")
        hall.append(Entry(Kind.TURN, 100, kept.payload), origin_seq=kept.seq)
        hall.append(Entry(Kind.TURN, 1_500, pack_event({"deck": "d", "page": 2})), origin_seq=kept.seq + 7)
        write(hall, hall_track, made[10:60])

        merged = merge(target, hall)

        assert (merged.voice_ms, merged.missing_ms) == ({"en": 1_200}, {"en": 0})
        assert (merged.events, merged.pages) == (1, 1)
        assert target.get_blob(digest) is not None
        assert [frame.data for frame in frames_of(target, hall_track)] == [frame.data for frame in made]
        assert not merge(target, hall).changed
        assert [entry.t_ms for entry in target.read(kinds={Kind.TURN})] == [100, 1_500]


def test_another_lectures_copy_is_refused(folder: Path) -> None:
    with (
        create(folder / "a.lecture") as target,
        LectureFile.create(folder / "b.lecture", {"lecture": "b"}) as copy,
        pytest.raises(RecordingError, match="other_lecture"),
    ):
        merge(target, copy)


def test_times_of_a_copy_map_and_drift_evenly(folder: Path) -> None:
    times = CopyTime()
    assert times.lecture_ms(5) == 5
    times.begin(0)
    assert times.lecture_ms(5) is None
    assert not times.is_settled
    times.learn(1_000, 500)
    times.learn(11_000, 600)
    times.learn(20_000, -9_000)  # the relay's machine was restarted
    assert [times.lecture_ms(t_ms) for t_ms in (0, 6_000, 12_000, 20_000)] == [500, 6_550, 12_600, 11_000]
    times = CopyTime.of_meta({COPY_TIME_KEY: times.to_meta()}.get)
    with create(folder / "a.lecture") as file:
        write(file, OWN, [EncodedFrame(t_ms, 20, b"x" * 40) for t_ms in range(0, 30_000, 20)])
        found = list(copy_frames(file, file.add_track(OWN), times, Span(6_540, 6_600)))
    assert [frame.t_ms for frame in found] == [6_550, 6_570, 6_590]


def test_missing_voice_is_what_no_rung_covers(folder: Path) -> None:
    with create(folder / "a.lecture") as file:
        write(file, SOURCE, FRAMES[:100])
        write(file, Track("voice", "opus", 48_000, "en", "16", 1), spoken(frame_ms=60)[50:])
        assert missing_voice_ms(file, "en") == 1_000
        assert merging.voice_languages(file) == ["en"]


def test_an_interpreter_who_began_later_misses_nothing_before(folder: Path) -> None:
    with create(folder / "a.lecture") as file:
        write(file, SOURCE, FRAMES)
        write(file, Track("voice", "opus", 48_000, "ko", "source", 2), FRAMES[100:120] + FRAMES[140:200])
        assert (missing_voice_ms(file, "en"), missing_voice_ms(file, "ko")) == (0, 400)


def test_the_last_words_of_the_lecturer_are_missing_where_the_lecture_goes_on_without(folder: Path) -> None:
    with create(folder / "a.lecture", languages='["en", "ko"]') as file:
        write(file, Track("voice", "opus", 48_000, "ko", "source", 2), FRAMES)
        write(file, SOURCE, FRAMES)
        end_ms = FRAMES[-1].t_ms + FRAMES[-1].duration_ms
        for t_ms, missing_ms in ((end_ms + merging.QUIET_MS, 0), (end_ms + 60_000, 60_000)):
            file.append(Entry(Kind.TURN, t_ms, pack_event({"deck": "d", "page": 2})))
            file.commit()
            assert (missing_voice_ms(file, "en"), missing_voice_ms(file, "ko")) == (missing_ms, 0)


def test_more_is_merged_than_memory_has_room_for(folder: Path) -> None:
    with create(folder / "copy.lecture") as copy:
        for n in range(200):
            copy.append(Entry(Kind.MARK, n, pack_event({"text": "x" * 1000 + str(n)})))
        copy.commit()
        with LectureFile.create(folder / "a.lecture", {"lecture": "a"}, pending_limit_bytes=20_000) as target:
            assert merge(target, copy).events == 200
            assert (len(target.read()), target.dropped_entries) == (200, 0)


def test_no_fact_or_time_that_a_file_claims_breaks_a_merge_or_makes_it_endless(folder: Path) -> None:
    with (
        create(folder / "copy.lecture", languages='{"a": 1}', clock_end_ms="soon") as copy,
        create(folder / "a.lecture", languages="[[", clock_end_ms="9" * 20) as target,
    ):
        write(copy, Track("voice", "opus", 48_000, UNKNOWN_LANGUAGE, "source", 1), FRAMES[:100])
        write(copy, Track("voice", "opus", 48_000, "en", "the best", 1), FRAMES[:100])
        copy.append(Entry(Kind.MARK, MAX_SEQ - 5, pack_event({"text": "for ever"})))
        last = pack_frames(MAX_SEQ - 100, [EncodedFrame(MAX_SEQ - 100, 20, FRAMES[0].data)])
        copy.append(Entry(Kind.VOICE, MAX_SEQ - 100, last, 1, 20))
        copy.commit()
        told: list[int] = []
        merged = merge(target, copy, lambda done_ms, all_ms: told.append(all_ms))
        assert (merged.voice_ms, merged.events) == ({UNKNOWN_LANGUAGE: 2000}, 0)
        assert len(told) == 1


def test_the_command_says_by_its_exit_code_whether_anything_is_missing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, half, rest = (folder / name for name in ("a.lecture", "half.lecture", "rest.lecture"))
    for path, frames in ((target, FRAMES[:100] + FRAMES[250:]), (half, FRAMES[90:170]), (rest, FRAMES[160:260])):
        with create(path) as file:
            write(file, SOURCE, frames)
    assert main(["recordings", "repair", str(target), "--from", str(half), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["missing_ms"], said["brought"][0]["voice_ms"]) == ({"en": 1_560}, {"en": 1_400})
    assert main(["recordings", "repair", str(target), "--from", str(half), str(rest)]) == 0
    assert "whole" in capsys.readouterr().out
    assert main(["recordings", "repair", str(target), "--from", str(target)]) == 2
    assert main(["recordings", "repair", "missing", "--data", str(folder), "--from", str(half)]) == 2
    with Recording.open(target) as recording:
        assert recording.verify().ok
