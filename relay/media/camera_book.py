"""Where a recording lacks the camera, and what of that was asked of which copy. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from lecture.coverage import Coverage
from lecture.log import Span
from recordings.copy_spans import MAX_SPANS, CopySpans, spans_of_json, spans_to_json

CAMERA_REPAIR_KEY = "repair_camera"
"""The lecture file's fact: JSON of ``answered``: by copy the spans ``[start_ms, end_ms]`` that it has answered, and
``rests``: the spans that are left of holes of which some has come."""
CAMERA_HOLE_MS = 1_000
"""Less between two pictures is a slow camera's way, or a loss on the line."""
LEAST_MS = 100
"""What is left of a hole is asked for if it is longer than this."""


class CameraBook:
    """The holes between a lecture's pictures. A copy is asked once for each."""

    def __init__(self) -> None:
        self._known = Coverage()
        self._rests = Coverage()
        self._answered = CopySpans()

    def know(self, spans: Iterable[Span]) -> None:
        """The log has pictures of these spans."""
        for span in spans:
            # So much longer, what is no hole closes: a slow camera's pictures are few stretches, not thousands.
            self._known.add(Span(span.start_ms, span.end_ms + CAMERA_HOLE_MS - 1))
            self._rests.discard(span)

    def forget_known(self) -> None:
        """What the log has is to be told anew: it has lost something."""
        self._known = Coverage()

    def load(self, get_meta: Callable[[str], str | None]) -> None:
        """What was noted in the lecture file; what cannot be read is asked of the copies again."""
        try:
            facts = json.loads(get_meta(CAMERA_REPAIR_KEY) or "{}")
            self._answered = CopySpans.of_json(facts.get("answered", {}))
            self._rests = spans_of_json(facts.get("rests", []))
        except (ValueError, OverflowError, TypeError, AttributeError, RecursionError):
            return

    def to_meta(self) -> str:
        """For :data:`CAMERA_REPAIR_KEY`."""
        facts = {"answered": self._answered.to_json(), "rests": spans_to_json(self._rests)}
        return json.dumps(facts, separators=(",", ":"))

    def holes(self, end_ms: int, *, ended: bool) -> list[Span]:
        """Holes between two pictures that end before ``end_ms``, oldest first.

        :param ended: no picture comes any more: what follows the last one is a hole too, if the camera went on. Before
            that nobody knows whether it did.
        """
        first = next(iter(self._known), None)
        if first is None:
            return []
        gaps = self._known.missing(Span(first.start_ms, end_ms))
        holes = Coverage(
            Span(gap.start_ms - CAMERA_HOLE_MS + 1, gap.end_ms) for gap in gaps if ended or gap.end_ms < end_ms
        )
        holes.update(self._rests)
        return [hole for hole in holes if _is_long(hole)]

    def wanted(self, end_ms: int, copy: str = "", *, ended: bool) -> list[Span]:
        """:meth:`holes` without what this copy has answered."""
        holes = self.holes(end_ms, ended=ended)
        return [rest for hole in holes for rest in self._answered.left(copy, hole) if _is_long(rest)]

    def answered(self, copy: str, span: Span, rest: Span) -> None:
        """A copy has brought all that it has of a span.

        :param rest: what it is still to be asked for of the same hole, however short it is; may be empty.
        """
        self._rests.discard(span)
        self._rests.add(rest)
        self._answered.add(copy, span)
        # What is forgotten of the oldest is below a second, or a hole that is seen without this.
        while len(self._rests) > MAX_SPANS:
            self._rests.discard(next(iter(self._rests)))


def _is_long(span: Span) -> bool:
    return span.end_ms - span.start_ms >= LEAST_MS
