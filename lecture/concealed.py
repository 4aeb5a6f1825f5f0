"""Voice that was made up for what was lost, beside the real one that may come later. Pure."""

from __future__ import annotations

from lecture.coverage import Coverage
from lecture.entries import Entry, Flag, Kind
from lecture.log import Span


def is_concealed(entry: Entry) -> bool:
    """Whether a voice entry was made up."""
    return entry.kind == Kind.VOICE and bool(entry.flags & Flag.CONCEALED)


def without_replaced(entries: list[Entry]) -> list[Entry]:
    """Entries of one track without what was made up where the real voice has come since."""
    if not any(map(is_concealed, entries)):
        return entries
    real = Coverage(Span(entry.t_ms, entry.end_ms) for entry in entries if not is_concealed(entry))
    return [entry for entry in entries if not (is_concealed(entry) and real.covers(Span(entry.t_ms, entry.end_ms)))]
