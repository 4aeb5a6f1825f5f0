"""Repair of the recorded camera from copies (docs/protocol.md, section 14). The live camera knows nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lecture.coverage import Coverage
from lecture.entries import Entry, Kind
from lecture.log import LectureLog, Span
from lecture.segment import Segment
from recordings.camera_fill import camera_tracks, digest_of, last_picture, lay_in
from relay.media.camera_book import CAMERA_REPAIR_KEY, MAX_COPIES, CameraBook

MAX_WANTED = 10
"""The oldest holes; each is asked of a copy once, so that the others have their turn."""
MOST_OFF_MS = 5_000
"""No copy's clock is wronger than that."""


class CameraRepair:
    """What of the camera is wanted, and what is brought.

    Knows what the log has from :meth:`read_known` on.

    :param voice_shift_ms: by how much the voice of a copy was found too early where it was last compared.
    """

    def __init__(self, log: LectureLog, voice_shift_ms: Callable[[str], int]) -> None:
        self._log = log
        self._voice_shift_ms = voice_shift_ms
        self._shifts: dict[str, int] = {}
        self._book = CameraBook()
        self._book.load(log.get_meta)
        self._digests: dict[int, str] = {}  # of the pictures before the holes that were wanted last

    def read_known(self) -> None:
        """What the log has; a full disk may make it lose what it had."""
        self._book.forget_known()
        whole = Span(0, self._log.last_t_ms())
        for track in camera_tracks(self._log):
            self._book.know(Coverage(self._log.gaps([track.track_id], whole)).missing(whole))

    def appended(self, entry: Entry) -> None:
        """An entry is in the log."""
        if entry.kind == Kind.CAMERA:
            self._book.know([Span(entry.t_ms, entry.end_ms)])

    def wanted(self, copy: str, end_ms: int, *, ended: bool) -> list[dict[str, Any]]:
        """The oldest holes that end before ``end_ms``, in this copy's times, JSON-ready."""
        spans = self._book.wanted(end_ms, copy, ended=ended)[:MAX_WANTED]
        shift_ms = self.shift_ms(copy)
        self._digests = {span.start_ms: self._digest_before(span) for span in spans}
        return [
            {
                "kind": "camera",
                "start_ms": max(0, span.start_ms - shift_ms),
                "end_ms": max(1, span.end_ms - shift_ms),
                **({"after": digest} if (digest := self._digests[span.start_ms]) else {}),
            }
            for span in spans
        ]

    def shift_ms(self, copy: str) -> int:
        """By how much a copy's times are too early, as far as is known: by its pictures, or else by its voice."""
        return self._shifts.get(copy, self._voice_shift_ms(copy))

    def take(self, segment: Segment, end_ms: int, *, ended: bool) -> int:
        """Lay a segment in; returns what was added, in ms."""
        hole, found_ms = self._hole_of(segment, end_ms, ended=ended)
        told = _moved(segment.span, self.shift_ms(segment.copy))
        shift_ms = self.shift_ms(segment.copy) if found_ms is None else found_ms
        entries: list[Entry] = []
        rest = Span(0, 0)
        if hole is None:
            span = told
        else:
            span = _moved(segment.span, shift_ms)
            span = Span(hole.start_ms if found_ms is not None else span.start_ms, min(span.end_ms, hole.end_ms))
            track = next((one for one in camera_tracks(self._log) if one.codec == segment.track.codec), None)
            if track is not None:
                pictures = [replace(one, t_ms=max(0, one.t_ms + shift_ms)) for one in segment.frames]
                entries = lay_in(self._log, track, pictures, span, goes_on=found_ms is not None)
            rest = Span(max([span.end_ms, *(entry.end_ms for entry in entries)]), hole.end_ms)
        if found_ms is not None:
            self._found_shift(segment.copy, found_ms)
        # Something is answered in any case: the same is not asked for without end.
        self._book.answered(segment.copy, span if span.start_ms < span.end_ms else told, rest)
        self._log.set_meta(CAMERA_REPAIR_KEY, self._book.to_meta())
        return sum(entry.duration_ms for entry in entries)

    def _hole_of(self, segment: Segment, end_ms: int, *, ended: bool) -> tuple[Span | None, int | None]:
        """The hole that a segment is about, and the shift if the picture before it is the same in the copy."""
        shift_ms = self.shift_ms(segment.copy)
        start_ms, last_ms = segment.span.start_ms + shift_ms, segment.span.end_ms + shift_ms
        holes = self._book.holes(end_ms, ended=ended)
        near = [hole for hole in holes if hole.start_ms < last_ms and start_ms < hole.end_ms]
        hole = max(near, key=lambda one: min(one.end_ms, last_ms) - max(one.start_ms, start_ms), default=None)
        if hole is None or segment.after is None:
            return hole, None
        before = last_picture(self._log, camera_tracks(self._log), hole.start_ms)
        if before is None or digest_of(before) != segment.after.digest:
            return hole, None
        found_ms = before.t_ms - segment.after.t_ms
        return hole, found_ms if abs(found_ms - shift_ms) <= MOST_OFF_MS else None

    def _digest_before(self, span: Span) -> str:
        known = self._digests.get(span.start_ms)
        if known is not None:
            return known
        picture = last_picture(self._log, camera_tracks(self._log), span.start_ms)
        return "" if picture is None else digest_of(picture)

    def _found_shift(self, copy: str, shift_ms: int) -> None:
        self._shifts.pop(copy, None)
        self._shifts[copy] = shift_ms
        while len(self._shifts) > MAX_COPIES:
            del self._shifts[next(iter(self._shifts))]


def _moved(span: Span, by_ms: int) -> Span:
    start_ms = max(0, span.start_ms + by_ms)
    return Span(start_ms, max(start_ms + 1, span.end_ms + by_ms))
