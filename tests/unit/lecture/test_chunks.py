"""Frames gathered into entries."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lecture.chunks import CHUNK_MS, Chunker
from lecture.entries import EncodedFrame, Entry, Flag, Kind, unpack_frames


def voice(t_ms: int, duration_ms: int = 60) -> EncodedFrame:
    return EncodedFrame(t_ms, duration_ms, b"voice")


def pushed(chunker: Chunker, frames: list[EncodedFrame]) -> list[Entry]:
    return [entry for frame in frames for entry in chunker.push(frame)]


def test_grid_entries_end_at_fixed_times_without_waiting() -> None:
    entries = pushed(Chunker(Kind.VOICE, 3, grid=True), [voice(t) for t in range(120, 960, 60)])
    assert [(entry.t_ms, entry.end_ms) for entry in entries] == [(120, 480), (480, 960)]
    assert entries[0].track_id == 3
    assert [frame.t_ms for frame in unpack_frames(entries[0])] == list(range(120, 480, 60))


def test_a_hole_in_the_voice_ends_an_entry() -> None:
    chunker = Chunker(Kind.VOICE, 1, grid=True)
    entries = pushed(chunker, [voice(0), voice(60), voice(240)]) + chunker.flush()
    assert [(entry.t_ms, entry.end_ms) for entry in entries] == [(0, 120), (240, 300)]


def test_source_entries_abut_though_clocks_drift() -> None:
    chunker = Chunker(Kind.VOICE, 1)
    entries = pushed(chunker, [voice(round(n * 20.01), 20) for n in range(200)])
    assert len(entries) >= 7
    assert all(one.end_ms == other.t_ms for one, other in pairwise(entries))
    assert all(entry.duration_ms <= CHUNK_MS + 25 for entry in entries)


def test_a_keyframe_begins_an_entry() -> None:
    chunker = Chunker(Kind.CAMERA, 1)
    frames = [EncodedFrame(t, 0, b"p", int(Flag.KEYFRAME) if t in (0, 100) else 0) for t in range(0, 300, 50)]
    entries = pushed(chunker, frames) + chunker.flush()
    assert [(entry.t_ms, entry.flags) for entry in entries] == [(0, Flag.KEYFRAME), (100, Flag.KEYFRAME)]
    assert entries[0].end_ms == 100


def test_what_comes_out_of_order_is_dropped() -> None:
    chunker = Chunker(Kind.VOICE, 1)
    assert pushed(chunker, [voice(100, 20), voice(80, 20)]) == []
    assert len(list(unpack_frames(chunker.flush()[0]))) == 1


@given(st.lists(st.integers(-200, 2000), max_size=100), st.booleans())
def test_every_frame_taken_comes_out_once(steps: list[int], grid: bool) -> None:
    chunker, t_ms, taken, newest = Chunker(Kind.VOICE, 1, grid=grid), 1000, [], -1
    entries: list[Entry] = []
    for step in steps:
        t_ms = max(0, t_ms + step)
        if t_ms >= newest:
            taken.append(t_ms)
            newest = t_ms
        entries += chunker.push(voice(t_ms))
        if grid and (t_ms + 60) % CHUNK_MS == 0:
            newest = -1  # nothing is held: there is nothing to be out of order with
            t_ms += 60
    entries += chunker.flush()
    assert sorted(frame.t_ms for entry in entries for frame in unpack_frames(entry)) == sorted(taken)
