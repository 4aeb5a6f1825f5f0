"""Repair of the recorded camera from copies (docs/protocol.md, section 14). The live camera knows nothing of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from lecture.coverage import Coverage
from lecture.entries import EncodedFrame, Entry, Kind
from lecture.log import LectureLog, Span
from lecture.segment import Segment
from recordings.camera_fill import LOOK_MS, camera_tracks, digest_of, laid_in, last_picture
from recordings.copy_spans import keep_last
from relay.media.camera_book import CAMERA_REPAIR_KEY, CameraBook

MAX_WANTED = 10
"""The oldest holes; each is asked of a copy once, so that the others have their turn."""
MOST_OFF_MS = 5_000
"""No copy's clock is wronger than that."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a segment belongs.

    :param span: of the hole, which the segment answers.
    :param shift_ms: so much too early the copy's times are.
    :param goes_on: its pictures follow directly the last one before the hole.
    """

    span: Span
    shift_ms: int
    goes_on: bool


class CameraRepair:
    """What of the camera is wanted, and what is brought.

    Knows what the log has from :meth:`know_anew` on. The log is read in threads, all else is done in the event loop;
    one :meth:`wanted` or :meth:`take` at a time, which the caller sees to.

    :param voice_shift_ms: by how much the voice of a copy was found too early where it was last compared.
    """

    def __init__(self, log: LectureLog, voice_shift_ms: Callable[[str], int]) -> None:
        self._log = log
        self._voice_shift_ms = voice_shift_ms
        self._shifts: dict[str, int] = {}
        self._book = CameraBook()
        self._book.load(log.get_meta)
        self._digests: dict[int, str] = {}  # by a hole's beginning, of the picture before it; empty: there is none

    def covered(self) -> list[Span]:
        """What the log has of any camera. Blocking; from any thread."""
        tracks = [track.track_id for track in camera_tracks(self._log)]
        return self._log.covered(tracks, Span(0, self._log.last_t_ms()))

    def know_anew(self, covered: Iterable[Span]) -> None:
        """What :meth:`covered` has found, and no more, is in the log."""
        self._book.forget_known()
        self._digests.clear()
        self._book.know(covered)

    def appended(self, entry: Entry) -> None:
        """An entry is in the log."""
        if entry.kind == Kind.CAMERA:
            self._book.know([Span(entry.t_ms, entry.end_ms)])
            for start_ms in [one for one in self._digests if entry.t_ms < one <= entry.end_ms + LOOK_MS]:
                del self._digests[start_ms]

    async def wanted(self, copy: str, end_ms: int, *, ended: bool) -> list[dict[str, Any]]:
        """The oldest holes that end before ``end_ms``, in this copy's times, JSON-ready."""
        spans = self._book.wanted(end_ms, copy, ended=ended)[:MAX_WANTED]
        holes = Coverage(self._book.holes(end_ms, ended=ended))
        self._digests = {start_ms: one for start_ms, one in self._digests.items() if holes.contains(start_ms)}
        new = [span.start_ms for span in spans if span.start_ms not in self._digests]
        if new:
            self._digests.update(await asyncio.to_thread(self._digests_before, new))
        shift_ms = self.shift_ms(copy)
        return [
            {
                "kind": "camera",
                "start_ms": max(0, span.start_ms - shift_ms),
                "end_ms": max(1, span.end_ms - shift_ms),
                **({"after": digest} if (digest := self._digests.get(span.start_ms)) else {}),
            }
            for span in spans
        ]

    def shift_ms(self, copy: str) -> int:
        """By how much a copy's times are too early, as far as is known: by its pictures, or else by its voice."""
        return self._shifts.get(copy, self._voice_shift_ms(copy))

    async def take(self, segment: Segment, end_ms: int, *, ended: bool) -> int:
        """Lay a segment in; returns what was added, in ms."""
        copy, told = segment.copy, _moved(segment.span, self.shift_ms(segment.copy))
        hole = _most_of(self._book.holes(end_ms, ended=ended), told)
        span, rest = told, Span(0, 0)
        entries: list[Entry] = []
        if hole is not None:
            place, entries = await asyncio.to_thread(self._laid_in, segment, hole, self.shift_ms(copy))
            for entry in entries:
                self._log.append(entry)
            rest = Span(max([place.span.end_ms, *(entry.end_ms for entry in entries)]), hole.end_ms)
            if place.span.start_ms < place.span.end_ms:
                span = place.span
            if place.goes_on:
                keep_last(self._shifts, copy, place.shift_ms)
        # Something is answered in any case: the same is not asked for without end.
        self._book.answered(copy, span, rest)
        self._log.set_meta(CAMERA_REPAIR_KEY, self._book.to_meta())
        return sum(entry.duration_ms for entry in entries)

    # In threads

    def _digests_before(self, starts_ms: Iterable[int]) -> dict[int, str]:
        tracks = camera_tracks(self._log)
        before = {start_ms: last_picture(self._log, tracks, start_ms) for start_ms in starts_ms}
        return {start_ms: "" if one is None else digest_of(one) for start_ms, one in before.items()}

    def _laid_in(self, segment: Segment, hole: Span, shift_ms: int) -> tuple[_Place, list[Entry]]:
        tracks = camera_tracks(self._log)
        place = _place_of(segment, hole, last_picture(self._log, tracks, hole.start_ms), shift_ms)
        track = next((one for one in tracks if one.codec == segment.track.codec), None)
        if track is None:
            return place, []
        pictures = [replace(one, t_ms=max(0, one.t_ms + place.shift_ms)) for one in segment.frames]
        return place, laid_in(self._log, track, pictures, place.span, goes_on=place.goes_on)


def _most_of(holes: Iterable[Span], span: Span) -> Span | None:
    """The hole that has the most of a span, None if none has any of it."""
    near = [hole for hole in holes if hole.start_ms < span.end_ms and span.start_ms < hole.end_ms]
    return max(near, key=lambda one: min(one.end_ms, span.end_ms) - max(one.start_ms, span.start_ms), default=None)


def _place_of(segment: Segment, hole: Span, before: EncodedFrame | None, shift_ms: int) -> _Place:
    """Where a segment belongs.

    :param before: the last picture that the log has before the hole: what follows it in the copy follows it here.
    :param shift_ms: what was found before.
    """
    if before is not None and segment.after is not None and digest_of(before) == segment.after.digest:
        found_ms = before.t_ms - segment.after.t_ms
        if abs(found_ms - shift_ms) <= MOST_OFF_MS:
            end_ms = min(_moved(segment.span, found_ms).end_ms, hole.end_ms)
            return _Place(Span(hole.start_ms, end_ms), found_ms, goes_on=True)
    span = _moved(segment.span, shift_ms)
    return _Place(Span(span.start_ms, min(span.end_ms, hole.end_ms)), shift_ms, goes_on=False)


def _moved(span: Span, by_ms: int) -> Span:
    start_ms = max(0, span.start_ms + by_ms)
    return Span(start_ms, max(start_ms + 1, span.end_ms + by_ms))
