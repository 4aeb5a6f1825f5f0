"""Listening to sound files in tests: as a person would say it, is this the voice that was sent?"""

from __future__ import annotations

import json
import wave
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from pystoi import stoi
from scipy.signal import correlate, resample_poly

from classroom_client.stretch import fade_in

Samples = NDArray[np.float32]
RATE = 16_000
"""Voices are compared at this rate, in Hz."""
LEAST_SPOKEN_S = 0.5
"""Of less speech there is no STOI."""


def load(path: Path) -> Samples:
    """The sound of any file as mono samples at :data:`RATE`, −1 to 1."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", RATE)
        blocks = [out.to_ndarray()[0] for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        blocks += [out.to_ndarray()[0] for out in resampler.resample(None)]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def delay_s(source: Samples, heard: Samples) -> float:
    """How much later than in ``source`` the same sound is in ``heard``, in seconds (negative: earlier)."""
    scores = correlate(heard, source, mode="full", method="fft")
    return float(scores.argmax() - (len(source) - 1)) / RATE


def likeness(source: Samples, heard: Samples) -> float:
    """STOI of what was heard against the source after aligning the two; 1 is the same, below 0.5 another voice."""
    shift = round(delay_s(source, heard) * RATE)
    aligned = heard[shift:] if shift >= 0 else np.concatenate([np.zeros(-shift, np.float32), heard])
    length = min(len(source), len(aligned))
    return float(stoi(source[:length], aligned[:length], RATE))


def _spoken_s(source: Samples) -> float:
    """How long there is speech in it, by the measure of STOI: no frame that is 40 dB below the loudest."""
    frame = RATE // 80
    loud = np.sqrt(np.mean(source[: len(source) // frame * frame].reshape(-1, frame) ** 2, axis=1))
    return float((loud > loud.max(initial=0) / 100).sum() * frame / RATE)


def mean_likeness(source: Samples, heard: Samples, window_s: float = 2.0) -> float:
    """STOI of each stretch of ``heard`` with the best-fitting one of ``source``, averaged: the fake microphone begins
    its file anew, and skips when the machine is busy."""
    size = int(window_s * RATE)
    scores = []
    for at in range(0, len(heard) - size + 1, size):
        stretch = heard[at : at + size]
        if np.abs(stretch).max() < 0.01:
            continue  # the speaker's pause
        start = max(0, round(-delay_s(source, stretch) * RATE))
        fitting = source[start : start + size]
        if _spoken_s(fitting) > LEAST_SPOKEN_S:
            scores.append(float(stoi(fitting, stretch[: len(fitting)], RATE)))
    assert scores, "nothing but silence"
    return float(np.mean(scores))


def cut(source: Path, start_s: float, length_s: float, out: Path) -> Path:
    """Write a piece of a sound file as 48 kHz mono WAV; returns ``out``."""
    with av.open(str(source)) as container, av.open(str(out), "w") as made:
        stream = made.add_stream("pcm_s16le", rate=48_000, layout="mono")
        resampler = av.AudioResampler("s16", "mono", 48_000)
        blocks = [part.to_ndarray()[0] for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        piece = np.concatenate(blocks)[int(start_s * 48_000) : int((start_s + length_s) * 48_000)]
        frame = av.AudioFrame.from_ndarray(piece[np.newaxis, :], format="s16", layout="mono")
        frame.sample_rate = 48_000
        made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return out


def heard_in_hall(dump: Path) -> Samples:
    """What a hall dumped, laid back on lecture time; a tempo that nobody hears alone would cost a sixth of the STOI.

    :param dump: the WAV file, beside which the hall has written what is where in it.
    """
    with wave.open(str(dump)) as file:
        heard = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    rows = json.loads(dump.with_name(f"{dump.name}.json").read_text())["voice"]
    return np.asarray(resample_poly(unstretched(heard, rows), RATE, 48_000) / 32768, np.float32)


def even_share(dump: Path) -> float:
    """How much of a hall's dumped voice was played at its own tempo; see :func:`heard_in_hall`."""
    rows = json.loads(dump.with_name(f"{dump.name}.json").read_text())["segments"]
    voice = [row for row in rows if row["what"] == "voice"]
    return float(sum(row["samples"] for row in voice if row["speed"] == 1.0) / sum(row["samples"] for row in voice))


def unstretched(heard: NDArray[np.int16], voice: Sequence[Sequence[float]]) -> NDArray[np.float32]:
    """A hall's dumped voice (48 kHz) laid back on lecture time, from 0 on: what was played faster or slower, waited for
    or caught up stands where it was spoken; what was not heard is silence.

    :param voice: the list ``voice`` of the dump's ``.json``.
    """
    per_ms = 48
    end = max((int(max(row[2], row[3]) * per_ms + row[1]) for row in voice), default=0)
    laid, weights = np.zeros(end + 1, np.float32), np.zeros(end + 1, np.float32)
    for at, samples, from_ms, to_ms in voice:
        sound = heard[int(at) : int(at) + int(samples)].astype(np.float32)
        rising = fade_in(len(sound)) if from_ms != to_ms else np.ones(len(sound), np.float32)
        for start_ms, weight in ((to_ms, rising), (from_ms, 1 - rising)):
            start = round(start_ms * per_ms)
            laid[start : start + len(sound)] += sound * weight
            weights[start : start + len(sound)] += weight
    return laid / np.maximum(weights, 1e-3)
