"""Puts frames of one track where a log has none. What is there already stays as it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lecture.chunks import HOLE_MS, Chunker
from lecture.coverage import Coverage
from lecture.entries import EncodedFrame, Entry, Flag, Kind, pack_frames, unpack_frames
from lecture.log import LectureLog, Span
from lecture.tracks import Track

_AROUND_MS = 1_000


def fill(log: LectureLog, track: Track, frames: Iterable[EncodedFrame], span: Span) -> list[Entry]:
    """Append what :func:`lacking` says; returns the entries as they were appended."""
    return [log.append(entry) for entry in lacking(log, track, frames, span)]


def lacking(
    log: LectureLog, track: Track, frames: Iterable[EncodedFrame], span: Span, *, goes_on: bool = False
) -> list[Entry]:
    """What the log lacks of a track in a span, as entries that meet what is there, to be appended. Blocking.

    A frame that is covered to half or more, by the log or by an earlier frame, is left out. So is what would go where
    the log has no hole of :data:`HOLE_MS`: at the edges of what is there, a copy whose clock is off by some
    milliseconds would bring the same words again. Nothing is missing behind both the log's end and the span's.

    :param track: of this log.
    :param frames: in order of time.
    :param goes_on: the first picture of a camera follows directly the last one that the log has before the span; else
        pictures begin with a keyframe.
    """
    if span.start_ms >= span.end_ms:
        return []
    around = Span(max(0, span.start_ms - _AROUND_MS), span.end_ms + _AROUND_MS)
    known = Coverage([around])
    for gap in log.gaps([track.track_id], around):
        known.discard(gap)
    new = _holes(known, Span(around.start_ms, min(around.end_ms, max(span.end_ms, log.last_t_ms()))))
    camera = track.kind == "camera"
    chunker = Chunker(Kind.CAMERA if camera else Kind.VOICE, track.track_id)
    entries: list[Entry] = []
    last_end_ms: int | None = None
    for frame in frames:
        leans_on_log, goes_on = goes_on, False
        reach = Span(frame.t_ms, frame.t_ms + (frame.duration_ms or 1))
        if reach.start_ms < span.start_ms - (frame.duration_ms or 0) or reach.start_ms >= span.end_ms:
            continue
        if not _is_mostly(new, reach):
            last_end_ms = None
            continue
        # Pictures mean nothing without the one they begin with.
        if camera and last_end_ms is None and not leans_on_log and not frame.flags & Flag.KEYFRAME:
            continue
        if last_end_ms is None:
            entries += chunker.flush()
        last_end_ms = reach.end_ms
        entries += chunker.push(frame)
        if not camera:
            new.discard(reach)
    entries += chunker.flush()
    return _joined(entries, known, around)


def _holes(known: Coverage, span: Span) -> Coverage:
    return Coverage(hole for hole in known.missing(span) if hole.end_ms - hole.start_ms >= HOLE_MS)


def _is_mostly(new: Coverage, reach: Span) -> bool:
    """Whether more than half of a frame is new; of two that a hole of their length halves, the first is."""
    length_ms, new_ms = reach.end_ms - reach.start_ms, new.known_ms(reach)
    return 2 * new_ms > length_ms or (2 * new_ms == length_ms and new.contains(reach.start_ms + new_ms))


def _joined(entries: list[Entry], known: Coverage, around: Span) -> list[Entry]:
    """Entries stretched over what is too short for a hole, so that none seems to be there."""
    for entry in entries:
        known.add(Span(entry.t_ms, entry.end_ms))
    slivers = [hole for hole in known.missing(around) if hole.end_ms - hole.start_ms < HOLE_MS]
    before = {sliver.end_ms: sliver for sliver in slivers}
    after = {sliver.start_ms: sliver for sliver in slivers}
    joined = []
    for entry in entries:
        if (sliver := after.pop(entry.end_ms, None)) is not None:
            before.pop(sliver.end_ms, None)
            entry = replace(entry, duration_ms=sliver.end_ms - entry.t_ms)
        if (sliver := before.pop(entry.t_ms, None)) is not None:
            after.pop(sliver.start_ms, None)
            payload = pack_frames(sliver.start_ms, unpack_frames(entry))
            entry = replace(entry, t_ms=sliver.start_ms, duration_ms=entry.end_ms - sliver.start_ms, payload=payload)
        joined.append(entry)
    return joined
