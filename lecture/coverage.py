"""Which stretches of lecture time are known: a set of half-open intervals in milliseconds."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from lecture.log import Span


class Coverage:
    """A set of disjoint intervals ``[start_ms, end_ms)``, kept sorted; touching intervals are merged.

    Adding at the end (live) costs O(1) amortised, anywhere else O(number of intervals).
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for span in spans:
            self.add(span)

    def add(self, span: Span) -> None:
        """Mark ``span`` as known. An empty span changes nothing."""
        start, end = span.start_ms, span.end_ms
        if start >= end:
            return
        # All intervals that touch or overlap [start, end] become one.
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def update(self, other: Coverage) -> None:
        """Mark everything that ``other`` knows as known (union)."""
        for span in other:
            self.add(span)

    def discard(self, span: Span) -> None:
        """Mark ``span`` as unknown."""
        if span.start_ms >= span.end_ms:
            return
        first = bisect_right(self._ends, span.start_ms)
        last = bisect_left(self._starts, span.end_ms)
        if first >= last:
            return
        starts, ends = [], []
        if self._starts[first] < span.start_ms:
            starts.append(self._starts[first])
            ends.append(span.start_ms)
        if self._ends[last - 1] > span.end_ms:
            starts.append(span.end_ms)
            ends.append(self._ends[last - 1])
        self._starts[first:last] = starts
        self._ends[first:last] = ends

    def missing(self, span: Span) -> list[Span]:
        """The stretches of ``span`` that are not known, in order."""
        out = []
        at = span.start_ms
        for index in range(bisect_right(self._ends, span.start_ms), len(self._starts)):
            if self._starts[index] >= span.end_ms:
                break
            if self._starts[index] > at:
                out.append(Span(at, self._starts[index]))
            at = self._ends[index]
        if at < span.end_ms:
            out.append(Span(at, span.end_ms))
        return out

    def contains(self, t_ms: int) -> bool:
        """Whether the instant ``t_ms`` is known."""
        index = bisect_right(self._starts, t_ms) - 1
        return index >= 0 and t_ms < self._ends[index]

    def covers(self, span: Span) -> bool:
        """Whether all of ``span`` is known (true for an empty span)."""
        if span.start_ms >= span.end_ms:
            return True
        index = bisect_right(self._starts, span.start_ms) - 1
        return index >= 0 and span.end_ms <= self._ends[index]

    def known_ms(self, span: Span | None = None) -> int:
        """How many milliseconds (of ``span``, or in all) are known."""
        if span is None:
            return sum(self._ends) - sum(self._starts)
        whole = max(0, span.end_ms - span.start_ms)
        return whole - sum(gap.end_ms - gap.start_ms for gap in self.missing(span))

    @property
    def end_ms(self) -> int:
        """End of the last known interval, 0 when nothing is known."""
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Span]:
        return (Span(start, end) for start, end in zip(self._starts, self._ends, strict=True))

    def __len__(self) -> int:
        return len(self._starts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Coverage):
            return NotImplemented
        return self._starts == other._starts and self._ends == other._ends

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Coverage({', '.join(f'{span.start_ms}-{span.end_ms}' for span in self)})"
