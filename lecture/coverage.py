"""Which stretches of lecture time are known: a set of half-open intervals in milliseconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lecture.log import Span
from lecture.ranges import Ranges


class Coverage:
    """A set of disjoint intervals ``[start_ms, end_ms)`` (:class:`lecture.ranges.Ranges`)."""

    __slots__ = ("_ranges",)

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._ranges = Ranges()
        for span in spans:
            self.add(span)

    def add(self, span: Span) -> None:
        """Mark ``span`` as known. An empty span changes nothing."""
        self._ranges.add(span.start_ms, span.end_ms)

    def update(self, other: Coverage) -> None:
        """Mark everything that ``other`` knows as known (union)."""
        for span in other:
            self.add(span)

    def discard(self, span: Span) -> None:
        """Mark ``span`` as unknown."""
        self._ranges.discard(span.start_ms, span.end_ms)

    def missing(self, span: Span) -> list[Span]:
        """The stretches of ``span`` that are not known, in order."""
        return [Span(start_ms, end_ms) for start_ms, end_ms in self._ranges.missing(span.start_ms, span.end_ms)]

    def known(self, span: Span) -> list[Span]:
        """The stretches of ``span`` that are known, in order."""
        return [Span(start_ms, end_ms) for start_ms, end_ms in self._ranges.known(span.start_ms, span.end_ms)]

    def contains(self, t_ms: int) -> bool:
        """Whether the instant ``t_ms`` is known."""
        return self._ranges.covers(t_ms, t_ms + 1)

    def covers(self, span: Span) -> bool:
        """Whether all of ``span`` is known (true for an empty span)."""
        return self._ranges.covers(span.start_ms, span.end_ms)

    def known_ms(self, span: Span | None = None) -> int:
        """How many milliseconds (of ``span``, or in all) are known."""
        if span is None:
            return self._ranges.size
        return sum(end_ms - start_ms for start_ms, end_ms in self._ranges.known(span.start_ms, span.end_ms))

    @property
    def end_ms(self) -> int:
        """End of the last known interval, 0 when nothing is known."""
        return self._ranges.end

    def __iter__(self) -> Iterator[Span]:
        return (Span(start_ms, end_ms) for start_ms, end_ms in self._ranges)

    def __len__(self) -> int:
        return len(self._ranges)

    def __eq__(self, other: object) -> bool:
        return self._ranges == other._ranges if isinstance(other, Coverage) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Coverage({', '.join(f'{span.start_ms}-{span.end_ms}' for span in self)})"
