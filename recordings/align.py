"""Lays a copy's voice where the same sound stands in a log: clocks of copies are right within some hundred ms only.

A relay gives the first word of a publisher the time of its arrival, counts sound from there, and is slow to correct
what was wrong with that; a copy knows lecture time by pings. So the sound itself decides, wherever both have it: just
before and after a hole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lecture.entries import EncodedFrame, readable_frames
from lecture.log import LectureLog, Span
from recordings.sound import SAMPLES_PER_MS, rendered

MARGIN_MS = 1_500
"""A copy brings so much of what lies before and after a hole."""
MOST_MS = 2_500
"""No copy is off by more: a relay lets a publisher fall behind by two seconds before it follows the clock again."""
_LIKE = 0.6
"""Correlation of two recordings of one sound, whatever their coding; speech beside itself stays far below."""
_AS_LIKE = 0.02
"""Of places that are as like as this the nearest is right: a hum is like itself everywhere."""
_LEAST_MS = 500
"""So much of what is compared must sound: a syllable in silence is like many others."""
_SAME = 5
"""Of packets that both have, the nearest to the hole that are looked at."""
_SAME_MS = 20
_TELLING_BYTES = 8
"""Shorter packets hold no sound, and one may be the same as another."""
_COARSE = 6  # of 48 kHz: 8 kHz is enough to tell speech by
_QUIET = 30.0  # root of the mean square below which there is nothing to compare
_BLOCK_MS = 20


def aligned(
    log: LectureLog, track_id: int, frames: Sequence[EncodedFrame], hole: Span, known_ms: int = 0
) -> tuple[list[EncodedFrame], int]:
    """A copy's frames of a hole, with their margins, moved to where they belong in a log.

    What the log has just before the hole and just after it stays where it is, and so does the copy's record of the
    same sound. Only what lies between the two in the copy is laid into the hole, evenly where it is a little longer or
    shorter: a log counts its publisher's sound, and goes back to the clock when that publishes anew.

    :param frames: with times as the copy has them, in order.
    :param hole: in the copy's times.
    :param known_ms: by how much the copy's times were found too early before.
    :returns: the frames, and by how much they are late or early now, at the end of the hole.
    """
    before = _shift_ms(log, track_id, frames, hole, known_ms, is_before=True)
    after = _shift_ms(log, track_id, frames, hole, known_ms, is_before=False)
    first_ms = next((found for found in (before, known_ms or None, after) if found is not None), 0)
    last_ms = after if after is not None else first_ms
    # Where the sound that the log lacks begins and ends in the copy.
    start_ms, end_ms = hole.start_ms + known_ms - first_ms, hole.end_ms + known_ms - last_ms
    if end_ms <= start_ms:
        start_ms = end_ms = (start_ms + end_ms) // 2

    def moved(frame: EncodedFrame) -> EncodedFrame:
        share = (frame.t_ms - start_ms) / (end_ms - start_ms) if start_ms < end_ms else float(frame.t_ms >= end_ms)
        shift_ms = first_ms + (last_ms - first_ms) * min(1.0, max(0.0, share))
        return replace(frame, t_ms=max(0, frame.t_ms + round(shift_ms)))

    return [moved(frame) for frame in frames], last_ms


def _shift_ms(
    log: LectureLog, track_id: int, frames: Sequence[EncodedFrame], hole: Span, known_ms: int, *, is_before: bool
) -> int | None:
    """How much later a copy's voice next to a hole stands in the log, None if it is not there.

    :param hole: in the copy's times.
    :param known_ms: about how much that may be, if it is not about nothing.
    :param is_before: on the near side of the hole; else behind it.
    """
    edge_ms = hole.start_ms if is_before else hole.end_ms
    side = Span(edge_ms - MARGIN_MS, edge_ms) if is_before else Span(edge_ms, edge_ms + MARGIN_MS)
    around = Span(max(0, side.start_ms + min(0, known_ms) - MOST_MS), side.end_ms + max(0, known_ms) + MOST_MS)
    theirs = [frame for entry in log.read_span(track_id, around) for frame in readable_frames(entry)]
    if not theirs:
        return None
    theirs.sort(key=lambda frame: frame.t_ms)
    same_ms = _shift_of_same(theirs, frames, side, known_ms, is_before=is_before)
    return same_ms if same_ms is not None else _shift_of_sound(theirs, frames, side, known_ms, is_before=is_before)


def _shift_of_same(
    theirs: Sequence[EncodedFrame], frames: Sequence[EncodedFrame], side: Span, known_ms: int, *, is_before: bool
) -> int | None:
    """How much later the log has the packets of a copy, next to a hole; None if it has not the same.

    A packet that comes again (of silence, of a hum that a program makes) tells nothing.

    :param theirs: the log's for seconds around, in order.
    :param side: of the hole, in the copy's times.
    """
    where = Span(side.start_ms + known_ms, side.end_ms + known_ms)
    often, often_ours = Counter(frame.data for frame in theirs), Counter(frame.data for frame in frames)
    times = {frame.data: frame.t_ms for frame in frames}
    nearest_first = reversed(theirs) if is_before else theirs
    shifts_ms = [
        frame.t_ms - times[frame.data]
        for frame in nearest_first
        if where.start_ms <= frame.t_ms < where.end_ms
        and often[frame.data] == often_ours[frame.data] == 1
        and len(frame.data) >= _TELLING_BYTES
        and abs(frame.t_ms - times[frame.data] - known_ms) <= MOST_MS
    ][:_SAME]
    # The nearest counts whose shift another confirms.
    agreed = (one for one in shifts_ms if sum(abs(one - other) <= _SAME_MS for other in shifts_ms) > 1)
    return next(agreed, None)


def _shift_of_sound(
    theirs: Sequence[EncodedFrame], frames: Sequence[EncodedFrame], side: Span, known_ms: int, *, is_before: bool
) -> int | None:
    """How much later the log has the sound of a copy next to a hole; None if it has not that sound, or it is silence.

    :param theirs: the log's for seconds around, in order.
    :param side: of the hole, in the copy's times.
    """
    ours = [frame for frame in frames if side.start_ms <= frame.t_ms < side.end_ms]
    if not ours:
        return None
    span = _span(ours)
    reach = Span(max(0, span.start_ms + min(0, known_ms) - MOST_MS), span.end_ms + max(0, known_ms) + MOST_MS)
    heard = _coarse(rendered(theirs, reach, continues_ms=0))
    # What a microphone left out is a hole in a copy, which goes by the clock, and none in a log that counts sound.
    closed = _closed_up(ours, is_before=is_before)
    found = [_likest(one, heard, reach, known_ms) for one in (ours, closed)]
    likeness, shift_ms = max(found, key=lambda one: one[0])
    return shift_ms if likeness >= _LIKE else None


def _span(frames: Sequence[EncodedFrame]) -> Span:
    return Span(frames[0].t_ms, frames[-1].t_ms + frames[-1].duration_ms)


def _closed_up(frames: Sequence[EncodedFrame], *, is_before: bool) -> list[EncodedFrame]:
    """Frames without any hole between them; the one next to the hole of the log stays where it is."""
    length_ms = sum(frame.duration_ms for frame in frames)
    t_ms = _span(frames).end_ms - length_ms if is_before else frames[0].t_ms
    closed = []
    for frame in frames:
        closed.append(replace(frame, t_ms=t_ms))
        t_ms += frame.duration_ms
    return closed


def _likest(ours: Sequence[EncodedFrame], heard: np.ndarray, reach: Span, known_ms: int) -> tuple[float, int]:
    """How like the log's sound is to ours where it is most so, and how much later that is."""
    span = _span(ours)
    sought = _coarse(rendered(ours, span, continues_ms=0))
    if len(sought) > len(heard) or _sounding_ms(sought) < _LEAST_MS:
        return 0.0, 0
    size = 1 << (len(heard) + len(sought) - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sought, size)), size)
    scores = product[: len(heard) - len(sought) + 1]
    energy = np.concatenate([[0.0], np.cumsum(heard**2)])
    windows = energy[len(sought) :] - energy[: len(scores)]
    likeness = scores / np.sqrt(np.maximum(windows, 1.0) * np.sum(sought**2))
    (as_like,) = np.nonzero(likeness >= likeness.max() - _AS_LIKE)
    shifts_ms = as_like * _COARSE / SAMPLES_PER_MS + reach.start_ms - span.start_ms
    return float(likeness.max()), round(float(shifts_ms[np.abs(shifts_ms - known_ms).argmin()]))


def _sounding_ms(pcm: np.ndarray) -> int:
    """How much of coarse samples is not silence."""
    block = _BLOCK_MS * SAMPLES_PER_MS // _COARSE
    blocks = pcm[: len(pcm) // block * block].reshape(-1, block)
    return int(np.count_nonzero(np.sqrt(np.mean(blocks**2, axis=1)) >= _QUIET)) * _BLOCK_MS


def _coarse(pcm: np.ndarray) -> np.ndarray:
    whole = pcm[: len(pcm) // _COARSE * _COARSE].astype(np.float64)
    return np.asarray(whole.reshape(-1, _COARSE).mean(axis=1))
