"""Book-keeping of the voice that is missing: what to ask the relay for next. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from classroom_client.voice import VoiceBuffer
from lecture.log import Span


@dataclass(frozen=True, slots=True)
class BackfillSettings:
    """How the hall asks.

    :param max_in_flight: spans asked for and not yet filled; more would only queue up on a thin link.
    :param max_span_ms: the longest span asked for at once: what comes first can then be played first.
    :param history_span_ms: the same for voice that is not going to be played (missed before the hall joined).
    :param merge_ms: holes closer together than this are asked for as one; a frame twice costs less than a request.
    """

    max_in_flight: int = 2
    max_span_ms: int = 12_000
    history_span_ms: int = 6_000
    merge_ms: int = 240


class Backfill:
    """Decides which spans to ask for; survives any order of answers, losses of the socket and restarts.

    What is missing is read from the voice itself each time, so nothing can be forgotten: a request only suppresses
    asking again while it is in flight.
    """

    def __init__(self, voice: VoiceBuffer, settings: BackfillSettings | None = None) -> None:
        self._voice = voice
        self._settings = settings or BackfillSettings()
        self._in_flight: list[Span] = []  # TCP loses no request: only the end of the socket ends one unanswered

    @property
    def in_flight(self) -> tuple[Span, ...]:
        """Asked for and not yet answered."""
        return tuple(self._in_flight)

    def missing(self, until_ms: int, from_ms: int = 0) -> list[Span]:
        """What is neither here nor known not to exist, in order."""
        return self._voice.settled.missing(Span(from_ms, until_ms)) if until_ms > from_ms else []

    def plan(self, *, position_ms: int, ask_until_ms: int, history: bool) -> list[Span]:
        """Spans to ask for now; they count as asked.

        :param position_ms: playout position: what comes after it is needed soon, what lies before only for the file.
        :param ask_until_ms: later voice is still expected by itself (live, or by retransmission). A request that
            reaches beyond the live edge stays open at the relay and follows the lecture.
        :param history: whether voice before the position may be asked for now.
        """
        wants: list[Span] = []
        while len(self._in_flight) < self._settings.max_in_flight:
            span = self._next(position_ms, ask_until_ms, history)
            if span is None:
                break
            self._in_flight.append(span)
            wants.append(span)
        return wants

    def filled(self, span: Span) -> None:
        """The relay has sent all that it has of ``span``."""
        self._voice.mark_absent(span)
        self._in_flight = [asked for asked in self._in_flight if not _within(asked, span)]

    def disconnected(self) -> None:
        """The socket is gone, and with it every answer that was on its way."""
        self._in_flight.clear()

    def _next(self, position_ms: int, ask_until_ms: int, history: bool) -> Span | None:
        settings = self._settings
        urgent = self._first(max(0, position_ms), ask_until_ms, settings.max_span_ms)
        if urgent is not None or not history or self._in_flight:
            # One piece of history at a time: what is needed soon must find room as soon as it is noticed.
            return urgent
        return self._first(0, min(position_ms, ask_until_ms), settings.history_span_ms)

    def _first(self, start_ms: int, end_ms: int, longest_ms: int) -> Span | None:
        """The earliest span with something missing that is not asked for yet."""
        holes = self._not_asked(self.missing(end_ms, start_ms))
        if not holes:
            return None
        first = holes[0]
        stop = first.end_ms
        for hole in holes[1:]:
            if hole.start_ms - stop > self._settings.merge_ms or hole.start_ms - first.start_ms >= longest_ms:
                break
            stop = hole.end_ms
        return Span(first.start_ms, min(stop, first.start_ms + longest_ms))

    def _not_asked(self, holes: list[Span]) -> list[Span]:
        for asked in self._in_flight:
            holes = [piece for hole in holes for piece in _without(hole, asked)]
        return holes


def _within(inner: Span, outer: Span) -> bool:
    return outer.start_ms <= inner.start_ms and inner.end_ms <= outer.end_ms


def _without(hole: Span, asked: Span) -> list[Span]:
    pieces = [
        Span(hole.start_ms, min(hole.end_ms, asked.start_ms)),
        Span(max(hole.start_ms, asked.end_ms), hole.end_ms),
    ]
    return [piece for piece in pieces if piece.start_ms < piece.end_ms]
