"""Time-stretch: tempo as asked, pitch kept, no clicks, nothing touched at speed 1."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from classroom_client.stretch import Stretcher

RATE = 48_000
FRAME = 2880


def tone(hz: float, seconds: float) -> NDArray[np.int16]:
    t = np.arange(int(RATE * seconds)) / RATE
    return np.asarray(8000 * np.sin(2 * np.pi * hz * t), np.int16)


def vowel(hz: float, seconds: float) -> NDArray[np.int16]:
    """A voice-like sound: many harmonics, slowly gliding pitch and loudness."""
    t = np.arange(int(RATE * seconds)) / RATE
    phase = 2 * np.pi * np.cumsum(hz * (1 + 0.05 * np.sin(2 * np.pi * 1.3 * t))) / RATE
    wave = sum(np.sin(n * phase) / n for n in range(1, 12))
    return np.asarray(5000 * (0.7 + 0.3 * np.sin(2 * np.pi * 3 * t)) * wave, np.int16)


def stretch(pcm: NDArray[np.int16], speed: float) -> NDArray[np.int16]:
    stretcher = Stretcher()
    pieces = [stretcher.feed(pcm[at : at + FRAME], speed) for at in range(0, len(pcm), FRAME)]
    return np.concatenate([*pieces, stretcher.drain()])


def pitch_hz(pcm: NDArray[np.int16], low: float = 60, high: float = 400) -> float:
    """Pitch by autocorrelation over the middle second."""
    middle = pcm[len(pcm) // 2 - RATE // 2 : len(pcm) // 2 + RATE // 2].astype(float)
    spectrum = np.fft.rfft(middle, 2 * len(middle))
    auto = np.fft.irfft(np.abs(spectrum) ** 2)
    shortest, longest = int(RATE / high), int(RATE / low)
    return RATE / (shortest + int(np.argmax(auto[shortest:longest])))


@pytest.mark.parametrize("speed", [0.8, 0.92, 1.04, 1.15, 1.25, 1.5])
def test_tempo_is_as_asked(speed: float) -> None:
    pcm = vowel(120, 4)
    assert len(pcm) / len(stretch(pcm, speed)) == pytest.approx(speed, rel=0.02)


@pytest.mark.parametrize("hz", [85.0, 120.0, 210.0, 300.0])
@pytest.mark.parametrize("speed", [0.92, 1.1, 1.25])
def test_pitch_is_kept(hz: float, speed: float) -> None:
    assert pitch_hz(stretch(tone(hz, 4), speed)) == pytest.approx(hz, rel=0.01)


@pytest.mark.parametrize("speed", [0.92, 1.1, 1.25])
def test_no_clicks(speed: float) -> None:
    pcm = vowel(120, 4)
    steepest = np.abs(np.diff(pcm.astype(int))).max()
    assert np.abs(np.diff(stretch(pcm, speed).astype(int))).max() <= steepest * 1.3


def test_loudness_is_kept() -> None:
    pcm = vowel(120, 4).astype(float)
    out = stretch(vowel(120, 4), 1.25).astype(float)
    assert np.sqrt(np.mean(out**2)) == pytest.approx(np.sqrt(np.mean(pcm**2)), rel=0.05)


def test_speed_1_changes_nothing() -> None:
    pcm = np.random.default_rng(1).integers(-30000, 30000, 10 * FRAME).astype(np.int16)
    assert np.array_equal(stretch(pcm, 1.0), pcm)


def test_changing_speed_has_no_clicks_and_loses_nothing() -> None:
    pcm = vowel(140, 6)
    stretcher = Stretcher()
    speeds = [1.0, 1.0, 1.25, 1.25, 1.1, 1.0, 0.92, 0.92, 1.0, 1.25]
    pieces = [
        stretcher.feed(pcm[at : at + FRAME], speeds[at // FRAME % len(speeds)]) for at in range(0, len(pcm), FRAME)
    ]
    out = np.concatenate([*pieces, stretcher.drain()])
    assert np.abs(np.diff(out.astype(int))).max() <= np.abs(np.diff(pcm.astype(int))).max() * 1.3
    assert stretcher.held_samples == 0
    assert len(out) == pytest.approx(len(pcm) / np.mean(speeds), rel=0.05)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(0.5, 2.0)), max_size=30))
def test_any_piece_lengths_and_speeds_work(pieces: list[tuple[int, float]]) -> None:
    stretcher = Stretcher()
    fed = put_out = 0
    for length, speed in pieces:
        fed += length
        put_out += len(stretcher.feed(np.ones(length, np.int16), speed))
    put_out += len(stretcher.drain())
    assert fed / 2 - 3000 <= put_out <= fed * 2 + 3000


def test_impossible_speed_is_refused() -> None:
    with pytest.raises(ValueError, match="speed"):
        Stretcher().feed(np.zeros(10, np.int16), 3.0)
