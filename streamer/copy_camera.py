"""A copy's camera as a source of segments: the pictures that a relay lacks. Reads only; blocking."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from lecture.copy_time import CopyTime, copy_frames
from lecture.entries import EncodedFrame, Flag
from lecture.log import LectureLog, Span
from lecture.segment import HEAD_BYTES, SEGMENT_BYTES, After, Segment, frames_that_fit, segment_bytes
from lecture.tracks import SOURCE_RUNG, Track

REACH_MS = 5_000
"""So far around a hole's beginning the picture before it may stand in the copy, whose clock may be off."""
READ_MS = 10_000
"""Read at once: bounds memory, and is more than a segment holds of most cameras."""


def camera_track(file: LectureLog) -> Track | None:
    """The camera that a copy has."""
    return next((one for one in file.tracks() if one.kind == "camera" and one.rung == SOURCE_RUNG), None)


def camera_segment(file: LectureLog, copy: str, times: CopyTime, span: Span, after: str, *, max_bytes: int) -> Segment:
    """The pictures it has of a span, from its beginning on; an empty segment if none.

    :param copy: its id.
    :param times: of the copy.
    :param after: SHA-256 of the last picture that the relay has before the span, in hex; may be empty.
    :param max_bytes: of the segment, packed; one picture at least is in it, if there is one that a relay takes.
    """
    track = camera_track(file)
    if track is None:
        return Segment(copy, span, Track("camera", "vp8", 90_000))
    described = Track("camera", track.codec, track.clock_rate)
    near = Span(max(0, span.start_ms - REACH_MS), span.start_ms + REACH_MS)
    before = _find(_pictures(file, track, times, near) if after else (), after, span.start_ms)
    found = None if before is None else After(after, before.t_ms)
    at_ms, leans = (span.start_ms, False) if found is None else (found.t_ms + 1, True)
    while at_ms < span.end_ms:
        end_ms = min(span.end_ms, at_ms + READ_MS)
        pictures = list(_sendable(_pictures(file, track, times, Span(at_ms, end_ms)), leans=leans))
        if pictures:
            fitting = frames_that_fit(pictures, max_bytes)
            if len(fitting) < len(pictures):
                end_ms = fitting[-1].t_ms + 1
            return Segment(copy, Span(span.start_ms, max(span.start_ms + 1, end_ms)), described, tuple(fitting), found)
        at_ms, leans = end_ms, False
    return Segment(copy, span, described, after=found)


def _find(pictures: Iterable[EncodedFrame], digest: str, near_ms: int) -> EncodedFrame | None:
    alike = [one for one in pictures if hashlib.sha256(one.data).hexdigest() == digest]
    return min(alike, key=lambda one: abs(one.t_ms - near_ms), default=None)


def _pictures(file: LectureLog, track: Track, times: CopyTime, span: Span) -> list[EncodedFrame]:
    return sorted(copy_frames(file, track, times, span), key=lambda picture: picture.t_ms)


def _sendable(pictures: Iterable[EncodedFrame], *, leans: bool) -> Iterator[EncodedFrame]:
    """From a keyframe on, and again after a picture that no segment holds.

    :param leans: the first one follows one that the relay has.
    """
    for picture in pictures:
        if segment_bytes([picture]) > SEGMENT_BYTES - HEAD_BYTES:
            leans = False
        elif leans or picture.flags & Flag.KEYFRAME:
            leans = True
            yield picture
