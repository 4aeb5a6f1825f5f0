"""Lays a copy's voice where the same sound stands in a log: clocks of copies are right within some hundred ms only.

A relay gives the first word of a publisher the time of its arrival, and is slow to correct what was wrong with that; a
copy knows lecture time by pings. So the sound itself decides, wherever both have it: just before and after a hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lecture.entries import EncodedFrame, unpack_frames
from lecture.log import LectureLog, Span
from recordings.sound import SAMPLES_PER_MS, rendered

MARGIN_MS = 1_500
"""A copy brings so much of what lies before and after a hole."""
MOST_MS = 1_000
"""No copy is off by more."""
_LIKE = 0.6
"""Correlation of two recordings of one sound, whatever their coding; speech beside itself stays far below."""
_LEAST_MS = 500
_COARSE = 6  # of 48 kHz: 8 kHz is enough to tell speech by
_QUIET = 30.0  # root of the mean square below which there is nothing to compare


def aligned(
    log: LectureLog, track_id: int, frames: Sequence[EncodedFrame], hole: Span, known_ms: int = 0
) -> tuple[list[EncodedFrame], int]:
    """A copy's frames of a hole, with their margins, moved to where they belong in a log.

    :param frames: with times as the copy has them, in order.
    :param hole: in the copy's times.
    :param known_ms: by how much the copy's times were found too early before.
    :returns: the frames, and by how much they are late or early now, at the end of the hole.
    """
    before = _shift_ms(log, track_id, frames, Span(hole.start_ms - MARGIN_MS, hole.start_ms))
    after = _shift_ms(log, track_id, frames, Span(hole.end_ms, hole.end_ms + MARGIN_MS))
    first_ms = next((found for found in (before, known_ms or None, after) if found is not None), 0)
    last_ms = after if after is not None else first_ms
    length_ms = max(1, hole.end_ms - hole.start_ms)

    def moved(frame: EncodedFrame) -> EncodedFrame:
        share = min(1.0, max(0.0, (frame.t_ms - hole.start_ms) / length_ms))
        return replace(frame, t_ms=max(0, frame.t_ms + round(first_ms + (last_ms - first_ms) * share)))

    return [moved(frame) for frame in frames], last_ms


def _shift_ms(log: LectureLog, track_id: int, frames: Sequence[EncodedFrame], where: Span) -> int | None:
    """How much later the sound of a stretch of the copy stands in the log, None if it is not there."""
    ours = [frame for frame in frames if where.start_ms <= frame.t_ms < where.end_ms]
    if sum(frame.duration_ms for frame in ours) < _LEAST_MS:
        return None
    span = Span(ours[0].t_ms, ours[-1].t_ms + ours[-1].duration_ms)
    reach = Span(max(0, span.start_ms - MOST_MS), span.end_ms + MOST_MS)
    theirs = [frame for entry in log.read_span(track_id, reach) for frame in unpack_frames(entry)]
    theirs.sort(key=lambda frame: frame.t_ms)
    if not theirs:
        return None
    sought = _coarse(rendered(ours, span))
    heard = _coarse(rendered(theirs, reach))
    if len(sought) > len(heard) or np.sqrt(np.mean(sought**2)) < _QUIET:
        return None
    size = 1 << (len(heard) + len(sought) - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sought, size)), size)
    scores = product[: len(heard) - len(sought) + 1]
    energy = np.concatenate([[0.0], np.cumsum(heard**2)])
    windows = energy[len(sought) :] - energy[: len(scores)]
    likeness = scores / np.sqrt(np.maximum(windows, 1.0) * np.sum(sought**2))
    best = int(likeness.argmax())
    if likeness[best] < _LIKE:
        return None
    return round(best * _COARSE / SAMPLES_PER_MS) + reach.start_ms - span.start_ms


def _coarse(pcm: np.ndarray) -> np.ndarray:
    whole = pcm[: len(pcm) // _COARSE * _COARSE].astype(np.float64)
    return np.asarray(whole.reshape(-1, _COARSE).mean(axis=1))
