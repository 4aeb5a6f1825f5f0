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
    :param announced_s: voice that was asked for with the hello is asked for again when none came for so long.
    :param unanswered_s: a request is made again after this time; none gets lost but by somebody's mistake.
    """

    max_in_flight: int = 2
    max_span_ms: int = 12_000
    history_span_ms: int = 6_000
    merge_ms: int = 240
    announced_s: float = 6.0
    unanswered_s: float = 90.0


_FOR_EVER_MS = 1 << 53


@dataclass(slots=True)
class _Announced:
    """Voice asked for with the hello: from ``start_ms`` on, there up to ``have_ms`` since ``since_s``."""

    start_ms: int
    have_ms: int
    since_s: float


class Backfill:
    """Decides which spans to ask for; survives any order of answers, losses of the socket and restarts.

    What is missing is read from the voice itself each time, so nothing can be forgotten: a request only suppresses
    asking again while it is in flight.
    """

    def __init__(self, voice: VoiceBuffer, settings: BackfillSettings | None = None) -> None:
        self._voice = voice
        self._settings = settings or BackfillSettings()
        self._in_flight: list[tuple[Span, float]] = []  # with when it was asked for
        self._announced: _Announced | None = None

    @property
    def in_flight(self) -> tuple[Span, ...]:
        """Asked for and not yet answered."""
        return tuple(span for span, _ in self._in_flight)

    def missing(self, until_ms: int, from_ms: int = 0) -> list[Span]:
        """What is neither here nor known not to exist, in order."""
        return self._voice.settled.missing(Span(from_ms, until_ms)) if until_ms > from_ms else []

    def announced(self, start_ms: int, now: float) -> None:
        """The hello asked for all voice from there on; a relay that does not know of that sends nothing."""
        self._announced = _Announced(start_ms, start_ms, now)

    def plan(
        self, now: float, *, position_ms: int, ask_until_ms: int, history: bool, spoken_ms: int | None = None
    ) -> list[Span]:
        """Spans to ask for now; they count as asked.

        :param position_ms: playout position: what comes after it is needed soon, what lies before only for the file.
        :param ask_until_ms: later voice is still expected by itself (live, or by retransmission). A request that
            reaches beyond the live edge stays open at the relay and follows the lecture.
        :param spoken_ms: voice before this is in the log, or does not exist: a request ends there, so that its answer
            tells what does not exist at once.
        :param history: whether voice before the position may be asked for now.
        """
        wants: list[Span] = []
        self._doubt_announced(now)
        self._in_flight = [one for one in self._in_flight if now - one[1] < self._settings.unanswered_s]
        while len(self._in_flight) < self._settings.max_in_flight:
            span = self._next(position_ms, ask_until_ms, history)
            if span is None:
                break
            if spoken_ms is not None and span.start_ms < spoken_ms < span.end_ms:
                span = Span(span.start_ms, spoken_ms)
            self._in_flight.append((span, now))
            wants.append(span)
        return wants

    def filled(self, span: Span) -> None:
        """The relay has sent all that it has of ``span``."""
        self._voice.mark_absent(span)
        self._in_flight = [one for one in self._in_flight if not _within(one[0], span)]
        if self._announced is not None and span.start_ms == self._announced.start_ms:
            self._announced = None

    def disconnected(self) -> None:
        """The socket is gone, and with it every answer that was on its way."""
        self._in_flight.clear()
        self._announced = None

    def _doubt_announced(self, now: float) -> None:
        announced = self._announced
        if announced is None:
            return
        have_ms = self._voice.ready_until(announced.start_ms, _FOR_EVER_MS)
        if have_ms > announced.have_ms:
            announced.have_ms, announced.since_s = have_ms, now
        elif now - announced.since_s > self._settings.announced_s:
            self._announced = None

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
        announced = [Span(self._announced.start_ms, _FOR_EVER_MS)] if self._announced is not None else []
        for asked in [*self.in_flight, *announced]:
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
