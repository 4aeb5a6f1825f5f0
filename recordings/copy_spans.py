"""What copies have said, by copy: spans of lecture time, in bounds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import TypeVar

from lecture.coverage import Coverage
from lecture.log import Span

MAX_COPIES = 16
"""Beyond it the one that was heard longest ago is forgotten: it is asked again."""
MAX_SPANS = 1_000
"""Of one copy. Beyond it the two that lie closest together become one."""

_T = TypeVar("_T")


class CopySpans:
    """By copy the spans that it has answered, or has nothing of."""

    def __init__(self) -> None:
        self._copies: dict[str, Coverage] = {}

    @classmethod
    def of_json(cls, facts: Mapping[str, Iterable[tuple[int, int]]]) -> CopySpans:
        """What :meth:`to_json` gave; of more than fits, the last.

        :raises ValueError, OverflowError, TypeError, AttributeError: it is nothing of the kind.
        """
        made = cls()
        for copy, pairs in list(facts.items())[-MAX_COPIES:]:
            made._copies[copy] = spans_of_json(pairs)
        return made

    def to_json(self) -> dict[str, list[list[int]]]:
        """By copy the pairs ``[start_ms, end_ms]``, the copy that was heard last at the end."""
        return {copy: spans_to_json(spans) for copy, spans in self._copies.items()}

    def add(self, copy: str, span: Span) -> None:
        """A copy was heard; ``span`` may be empty."""
        spans = self._copies.get(copy) or Coverage()
        spans.add(span)
        if len(spans) > MAX_SPANS:
            # Were one forgotten it would be asked again, and the newer ones would never have their turn. Between the
            # two that are closest there is the least of which this copy has not been heard.
            before, after = min(pairwise(spans), key=lambda pair: pair[1].start_ms - pair[0].end_ms)
            spans.add(Span(before.end_ms, after.start_ms))
        keep_last(self._copies, copy, spans)

    def left(self, copy: str, span: Span) -> list[Span]:
        """What of a span is not among those of a copy."""
        spans = self._copies.get(copy)
        return [span] if spans is None else spans.missing(span)

    def left_of_any(self, span: Span) -> list[Span]:
        """What of a span is not among those of every copy; all of it where there is none."""
        if not self._copies:
            return [span]
        return list(Coverage(left for spans in self._copies.values() for left in spans.missing(span)))

    def __bool__(self) -> bool:
        return bool(self._copies)


def keep_last(by_copy: dict[str, _T], copy: str, value: _T) -> None:
    """Put in what is known of a copy, as the one that was heard last; at most :data:`MAX_COPIES` are kept."""
    by_copy.pop(copy, None)
    by_copy[copy] = value
    while len(by_copy) > MAX_COPIES:
        del by_copy[next(iter(by_copy))]


def spans_of_json(pairs: Iterable[tuple[int, int]]) -> Coverage:
    """What :func:`spans_to_json` gave; of more than :data:`MAX_SPANS`, the last.

    :raises ValueError, OverflowError, TypeError: it is nothing of the kind.
    """
    return Coverage(Span(int(start_ms), int(end_ms)) for start_ms, end_ms in list(pairs)[-MAX_SPANS:])


def spans_to_json(spans: Coverage) -> list[list[int]]:
    """The pairs ``[start_ms, end_ms]``."""
    return [[span.start_ms, span.end_ms] for span in spans]
