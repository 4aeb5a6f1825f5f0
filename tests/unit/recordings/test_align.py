"""The sound tells where a copy's voice belongs, whatever its clock says."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lecture.entries import EncodedFrame
from lecture.file import LectureFile
from lecture.log import Span
from recordings.align import MARGIN_MS, aligned
from recordings.fill import fill
from tests.network.media_kit import speech
from tests.unit.recordings.test_merge import SOURCE, frames_of, write
from transport.opus import Encoder

LENGTH_MS = 12_000
HOLE = Span(5_000, 7_000)
SYLLABLE_MS = 200


def coded(bitrate_bps: int, frame_ms: int, *, silent_until_ms: int = 0) -> list[EncodedFrame]:
    """One voice, coded as a publisher or as another program codes it. Its gliding pitch never repeats."""
    rng = np.random.default_rng(5)
    sound = speech(LENGTH_MS / 1000) * np.repeat(rng.uniform(0.05, 1, LENGTH_MS // 50), 2_400)
    sound[: silent_until_ms * 48] = 0
    samples, step = sound.astype(np.int16), frame_ms * 48
    with closing(Encoder(1, bitrate_bps=bitrate_bps, frame_ms=frame_ms)) as encoder:
        return [
            EncodedFrame(at // 48, frame_ms, encoder.encode(samples[at : at + step]))
            for at in range(0, len(samples), step)
        ]


@pytest.mark.parametrize(("bitrate_bps", "frame_ms"), [(32_000, 20), (64_000, 60)], ids=["the same", "another coding"])
@pytest.mark.parametrize("late_ms", [0, -340, 610])
def test_a_hole_is_filled_where_the_sound_belongs(
    tmp_path: Path, late_ms: int, bitrate_bps: int, frame_ms: int
) -> None:
    with LectureFile.create(tmp_path / "a.lecture") as file:
        sent = coded(32_000, 20)
        write(file, SOURCE, [one for one in sent if not HOLE.start_ms <= one.t_ms < HOLE.end_ms])
        copy = [
            EncodedFrame(one.t_ms + late_ms, frame_ms, one.data)
            for one in coded(bitrate_bps, frame_ms)
            if HOLE.start_ms - MARGIN_MS <= one.t_ms + late_ms < HOLE.end_ms + MARGIN_MS
        ]
        moved, shift_ms = aligned(file, file.add_track(SOURCE).track_id, copy, HOLE)
    assert shift_ms == pytest.approx(-late_ms, abs=20)
    for frame, was in zip(moved, copy, strict=True):
        assert frame.t_ms == pytest.approx(was.t_ms - late_ms, abs=20)


def test_where_there_is_nothing_to_compare_the_last_known_shift_holds(tmp_path: Path) -> None:
    with LectureFile.create(tmp_path / "a.lecture") as file:
        track = file.add_track(SOURCE)
        frames = coded(32_000, 20)[250:300]
        moved, shift_ms = aligned(file, track.track_id, frames, HOLE, 120)
    assert shift_ms == 120
    assert [one.t_ms - was.t_ms for one, was in zip(moved, frames, strict=True)] == [120] * 50


def gone_by(at_ms: int) -> int:
    """What a microphone on a busy machine has left out by then, in ms of its sound: some 40 ms every 400."""
    return at_ms // 400 * 40


def test_what_a_microphone_leaves_out_shifts_no_word_and_brings_none_twice(tmp_path: Path) -> None:
    """The log counts sound until the outage and goes by the clock when the publisher is back; the copy always does."""
    sent = coded(32_000, 20)
    with LectureFile.create(tmp_path / "a.lecture") as file:
        track = file.add_track(SOURCE)
        back_ms = gone_by(HOLE.end_ms)
        write(file, SOURCE, [one for one in sent if one.t_ms < HOLE.start_ms])
        write(file, SOURCE, [replace(one, t_ms=one.t_ms + back_ms) for one in sent if one.t_ms >= HOLE.end_ms])
        copy = [replace(one, t_ms=one.t_ms + gone_by(one.t_ms)) for one in sent]
        (hole,) = [gap for gap in file.gaps([track.track_id], Span(0, LENGTH_MS)) if gap.end_ms - gap.start_ms >= 60]
        assert hole == Span(HOLE.start_ms, HOLE.end_ms + back_ms)
        around = [one for one in copy if hole.start_ms - MARGIN_MS <= one.t_ms < hole.end_ms + MARGIN_MS]
        moved, shift_ms = aligned(file, track.track_id, around, hole)
        assert shift_ms == pytest.approx(0, abs=40)
        fill(file, track, moved, hole)
        assert [gap for gap in file.gaps([track.track_id], Span(0, LENGTH_MS)) if gap.end_ms - gap.start_ms >= 60] == []
        kept = [one.data for one in frames_of(file, SOURCE)]
    assert kept == [one.data for one in sent]


@pytest.mark.parametrize("back_ms", [0, -15, 15])
@pytest.mark.parametrize("late_ms", [0, -1_200, 900])
def test_after_one_syllable_in_silence_no_packet_is_lost_and_none_stands_twice(
    tmp_path: Path, late_ms: int, back_ms: int
) -> None:
    """An outage soon after the first word; the publisher that comes back is some ms early or late."""
    sent = coded(32_000, 20, silent_until_ms=HOLE.start_ms - SYLLABLE_MS)
    with LectureFile.create(tmp_path / "a.lecture") as file:
        track = file.add_track(SOURCE)
        write(file, SOURCE, [one for one in sent if one.t_ms < HOLE.start_ms])
        write(file, SOURCE, [replace(one, t_ms=one.t_ms + back_ms) for one in sent if one.t_ms >= HOLE.end_ms])
        hole = Span(HOLE.start_ms, HOLE.end_ms + back_ms)
        around = [
            replace(one, t_ms=one.t_ms + late_ms)
            for one in sent
            if hole.start_ms - MARGIN_MS <= one.t_ms + late_ms < hole.end_ms + MARGIN_MS
        ]
        moved, _ = aligned(file, track.track_id, around, hole)
        fill(file, track, moved, hole)
        kept = [one.data for one in frames_of(file, SOURCE)]
    assert kept == [one.data for one in sent]
