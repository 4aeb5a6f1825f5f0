"""Decoded voice on the 60-ms grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.media.voice_grid import FRAME_SAMPLES, VoiceGrid
from relay.media.voice_packs import PackBuilder


def block(samples: int, value: int = 1000) -> np.ndarray:
    return np.full(samples, value, np.int16)


def test_contiguous_blocks_make_contiguous_frames() -> None:
    grid = VoiceGrid()
    frames = [frame for n in range(30) for frame in grid.push(120 + n * 20, block(960))]
    assert [number for number, *_ in frames] == list(range(2, 12))
    assert all(len(pcm) == FRAME_SAMPLES and (pcm == 1000).all() for _, pcm, _ in frames)


def test_the_first_frame_is_silent_before_the_voice_begins() -> None:
    grid = VoiceGrid()
    frames = grid.push(30, block(1440))
    assert len(frames) == 1
    assert (frames[0][1][:1440] == 0).all()
    assert (frames[0][1][1440:] == 1000).all()


def test_a_long_hole_leaves_numbers_out() -> None:
    grid = VoiceGrid()
    grid.push(0, block(960))
    frames = grid.push(600, block(2880))
    assert [number for number, *_ in frames] == [0, 10]
    assert (frames[0][1][960:] == 0).all(), "the broken-off frame ends in silence"


def test_voice_from_the_past_is_dropped() -> None:
    grid = VoiceGrid()
    grid.push(0, block(FRAME_SAMPLES * 10))
    assert grid.push(0, block(FRAME_SAMPLES)) == []
    assert [number for number, *_ in grid.push(540, block(FRAME_SAMPLES * 2))] == [10]


@pytest.mark.parametrize("drift_ppm", [-300, 300])
def test_drift_is_absorbed_without_a_hole(drift_ppm: int) -> None:
    grid = VoiceGrid()
    rate = 1 + drift_ppm / 1e6
    frames = [frame for n in range(3000) for frame in grid.push(n * 20 * rate, block(960))]
    numbers = [number for number, *_ in frames]
    assert numbers == list(range(len(numbers)))
    assert all((pcm == 1000).all() for _, pcm, _ in frames)
    assert abs(len(frames) * 60 - 60_000 * rate) < 70


@given(st.lists(st.tuples(st.floats(-5000, 5000), st.integers(1, 5760)), max_size=40), st.integers(0, 10**7))
def test_each_frame_comes_at_most_once_and_in_order(steps: list[tuple[float, int]], start_ms: int) -> None:
    grid, t_ms = VoiceGrid(), float(start_ms)
    numbers = []
    for step, samples in steps:
        t_ms = max(0.0, t_ms + step)
        numbers += [number for number, pcm, _ in grid.push(t_ms, block(samples)) if len(pcm) == FRAME_SAMPLES]
    numbers += [number for number, *_ in grid.flush()]
    assert numbers == sorted(set(numbers))


def test_packs_begin_at_multiples_of_four() -> None:
    builder = PackBuilder()
    packs = [pack for number in range(6, 14) for pack in builder.push(number, bytes([number]))]
    assert [(pack.first, len(pack.frames), pack.t_ms) for pack in packs] == [(6, 2, 360), (8, 4, 480)]
    assert builder.flush()[0].frames == (b"\x0c", b"\x0d")
    assert builder.flush() == []


def test_a_hole_ends_a_pack() -> None:
    builder = PackBuilder()
    builder.push(0, b"a")
    builder.push(1, b"b")
    packs = builder.push(7, b"c")
    assert [(pack.first, pack.frames) for pack in packs] == [(0, (b"a", b"b")), (7, (b"c",))]
