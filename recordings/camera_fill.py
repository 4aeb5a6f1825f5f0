"""Lays a copy's pictures into a hole of a log's camera. Blocking: one hole, one segment.

Pictures lean on the one before them. The last one that the log has is the same, byte for byte, as in the copy of the
machine that sent it: what follows there follows here, and lecture time differs by as much as these two are apart. Where
the copy does not know that picture (it was begun anew) its pictures begin with a keyframe.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile

from lecture.entries import EncodedFrame, Entry, readable_frames
from lecture.log import LectureLog, Span
from lecture.tracks import SOURCE_RUNG, Track
from recordings.fill import lacking

LOOK_MS = 2_000
"""So far around the edge of a hole the picture is looked for that stands there."""


def camera_tracks(log: LectureLog) -> list[Track]:
    """Cameras as they were sent, one for each codec."""
    return [track for track in log.tracks() if track.kind == "camera" and track.rung == SOURCE_RUNG]


def digest_of(picture: EncodedFrame) -> str:
    """By which a picture is known again."""
    return hashlib.sha256(picture.data).hexdigest()


def last_picture(log: LectureLog, tracks: Iterable[Track], before_ms: int) -> EncodedFrame | None:
    """The last picture that begins before a moment, and not long before it."""
    look = Span(max(0, before_ms - LOOK_MS), before_ms)
    pictures = [picture for picture in _pictures(log, tracks, look) if picture.t_ms < before_ms]
    return max(pictures, key=lambda picture: picture.t_ms, default=None)


def continued(
    log: LectureLog, track: Track, pictures: Sequence[EncodedFrame], hole_ms: int
) -> tuple[list[EncodedFrame], bool]:
    """A copy's pictures from a hole's beginning on, with the log's times, and whether they go on directly.

    :param track: of this log.
    :param pictures: from a while before the hole on, with the copy's times, in order.
    :param hole_ms: where the hole begins.
    """
    before = last_picture(log, [track], hole_ms)
    alike = [number for number, one in enumerate(pictures) if before is not None and one.data == before.data]
    if before is None or not alike:
        return list(pictures), False
    at = min(alike, key=lambda number: abs(pictures[number].t_ms - before.t_ms))
    shift_ms = before.t_ms - pictures[at].t_ms
    return [replace(one, t_ms=max(0, one.t_ms + shift_ms)) for one in pictures[at + 1 :]], True


def laid_in(
    log: LectureLog, track: Track, pictures: Sequence[EncodedFrame], hole: Span, *, goes_on: bool
) -> list[Entry]:
    """The pictures of a hole, up to the one that stands behind it in the log, as entries to be appended.

    :param track: of this log.
    :param pictures: in order, with the log's times.
    :param goes_on: the first one follows directly the last picture before the hole.
    """
    behind = next(iter(_pictures(log, [track], Span(hole.end_ms, hole.end_ms + LOOK_MS))), None)

    def is_new(picture: EncodedFrame) -> bool:
        # Where nothing moves many a picture is the same as another.
        return behind is None or picture.t_ms < hole.end_ms - LOOK_MS or picture.data != behind.data

    new: Iterable[EncodedFrame] = takewhile(is_new, (one for one in pictures if goes_on or hole.start_ms <= one.t_ms))
    if goes_on:
        new = _from(hole.start_ms, new)
    return lacking(log, track, new, hole, goes_on=goes_on)


def _from(start_ms: int, pictures: Iterable[EncodedFrame]) -> Iterator[EncodedFrame]:
    """An entry reaches a little beyond its last picture, farther than a fast camera's next ones."""
    for picture in pictures:
        yield replace(picture, t_ms=max(picture.t_ms, start_ms))
        start_ms = max(picture.t_ms, start_ms) + 1


def _pictures(log: LectureLog, tracks: Iterable[Track], span: Span) -> list[EncodedFrame]:
    entries = (entry for track in tracks for entry in log.read_span(track.track_id, span))
    return [picture for entry in entries for picture in readable_frames(entry)]
