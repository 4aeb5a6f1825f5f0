"""A set of whole numbers as half-open intervals: bytes of an object, milliseconds of a lecture."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class Ranges:
    """A set of disjoint intervals ``[start, end)``, kept sorted; touching intervals are merged.

    Adding at the end costs O(1) amortised, anywhere else O(number of intervals).
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        """Put an interval in. An empty one changes nothing."""
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

    def discard(self, start: int, end: int) -> None:
        """Take an interval out."""
        if start >= end:
            return
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end)
        if first >= last:
            return
        starts, ends = [], []
        if self._starts[first] < start:
            starts.append(self._starts[first])
            ends.append(start)
        if self._ends[last - 1] > end:
            starts.append(end)
            ends.append(self._ends[last - 1])
        self._starts[first:last] = starts
        self._ends[first:last] = ends

    def missing(self, start: int, end: int) -> list[tuple[int, int]]:
        """What of an interval is not in the set, in order."""
        out = []
        for index in range(bisect_right(self._ends, start), len(self._starts)):
            if self._starts[index] >= end:
                break
            if self._starts[index] > start:
                out.append((start, self._starts[index]))
            start = self._ends[index]
        if start < end:
            out.append((start, end))
        return out

    def known(self, start: int, end: int) -> list[tuple[int, int]]:
        """What of an interval is in the set, in order."""
        if start >= end:
            return []
        within = slice(bisect_right(self._ends, start), bisect_left(self._starts, end))
        pairs = zip(self._starts[within], self._ends[within], strict=True)
        return [(max(start, first), min(end, last)) for first, last in pairs]

    def covers(self, start: int, end: int) -> bool:
        """Whether all of an interval is in the set (true for an empty one)."""
        if start >= end:
            return True
        index = bisect_right(self._starts, start) - 1
        return index >= 0 and end <= self._ends[index]

    @property
    def size(self) -> int:
        """How many numbers are in the set."""
        return sum(self._ends) - sum(self._starts)

    @property
    def end(self) -> int:
        """End of the last interval, 0 for the empty set."""
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._ends, strict=True)

    def __len__(self) -> int:
        return len(self._starts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ranges):
            return NotImplemented
        return self._starts == other._starts and self._ends == other._ends

    __hash__ = None  # type: ignore[assignment]
