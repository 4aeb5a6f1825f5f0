"""The voice that a hall gets from the log: what it asked for, and what we know it lacks. Pure but for reading."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lecture.chunks import CHUNK_MS
from lecture.entries import Entry
from lecture.errors import ProtocolError, RefusedError
from lecture.log import LectureLog, Span
from lecture.messages import Filled, Want
from lecture.tracks import LIGHT_KBPS, RECORDED_KBPS

MAX_WANTS = 64
READ_MS = 5_000
"""What is read at once: the rung is chosen anew for each such piece."""
GIVEN_S = 15.0
"""What was given so short a time ago is on its way and not given again, whoever asks for it."""
FOR_EVER_MS = 1 << 53
FIRST_WORDS_MS = 5_000
"""A hall that came back says in hello what it wants: with so much of it it can go on, while pages come."""
RECENT_MS = 10_000
"""Voice this close to the live edge is going to be played at once, wherever a hall is: it goes before pages."""


@dataclass(slots=True)
class _Request:
    """:ivar filled: said when it is done, None for what nobody asked for.
    :ivar urgent_ms: voice before this is waited for in a hall that stands still.
    :ivar is_late: of voice that came after another request had been read past it; that one is not done before this."""

    language: str
    start_ms: int
    end_ms: int
    at_ms: int
    rung_kbps: int | None = None
    filled: Filled | None = None
    urgent_ms: int = 0
    is_late: bool = False
    ready: deque[Entry] = field(default_factory=deque)


class Backfill:
    """One hall's requests, first come first served.

    A request that reaches beyond the recorded voice stays open and is served as voice is recorded: a hall without UDP
    follows the lecture with one.

    :param tracks_of: track ids of a language's recorded voice by rung in kbit/s, None if there is no such language.
    :param edge_ms: lecture time before which a language's voice is in the log or, as far as is known, will never be.
    :param recorded_ms: lecture time up to which a language's voice is in the log; what lies between this and the edge
        may come late all the same, from an uplink that stood still.
    :param final: whether nothing will be recorded any more.
    :ivar light: whether to give the light rung where the hall leaves the choice to us.
    """

    def __init__(
        self,
        log: LectureLog,
        tracks_of: Callable[[str], Mapping[int, int] | None],
        edge_ms: Callable[[str], int],
        recorded_ms: Callable[[str], int],
        final: Callable[[], bool],
    ) -> None:
        self.light = True
        self._log = log
        self._tracks_of = tracks_of
        self._edge_ms = edge_ms
        self._recorded_ms = recorded_ms
        self._final = final
        self._requests: list[_Request] = []
        self._follow: _Request | None = None
        self._given: OrderedDict[tuple[str, int], float] = OrderedDict()  # language and t_ms of an entry: when
        self._told: dict[str, Span] = {}  # by language: voice that the hall was told not to exist, and may yet come

    def __bool__(self) -> bool:
        return bool(self._requests)

    @property
    def waiting(self) -> bool:
        """Whether there is voice to be given now."""
        return any(request.ready or request.at_ms < self._readable_ms(request) for request in self._requests)

    def add(self, want: Want) -> None:
        """Take a want.

        :raises RefusedError: ``language_unknown``.
        :raises ProtocolError: ``too_many_wants``.
        """
        tracks = self._tracks_of(want.language)
        if tracks is None:
            raise RefusedError("language_unknown", "The lecture has no voice in this language.", 404)
        if sum(request.filled is not None for request in self._requests) >= MAX_WANTS:
            raise ProtocolError("too_many_wants", f"More than {MAX_WANTS} wants are open.")
        rung = int(want.rung) if want.rung.isdecimal() and int(want.rung) in tracks else None
        filled = Filled(want.language, want.start_ms, want.end_ms)
        self._requests.append(_Request(want.language, want.start_ms, want.end_ms, want.start_ms, rung, filled))

    def owe(self, language: str, span: Span) -> None:
        """Give a span that was sent and may not have arrived, before what was asked for."""
        self._requests.insert(0, _Request(language, span.start_ms, span.end_ms, span.start_ms))

    def drop_owed(self) -> None:
        """What was not asked for has arrived after all."""
        self._requests = [request for request in self._requests if request.filled is not None or request.is_late]
        if self._follow not in self._requests:
            self._follow = None

    def again(self, since: float) -> None:
        """What was given since then may arrive late or never: it is given again where it was asked for, and no want is
        done before."""
        unsure = [entry for entry, at in self._given.items() if at >= since]
        for entry in unsure:
            del self._given[entry]
        for request in self._requests:
            # An entry may begin a little before the span that it was read for.
            begins_ms = request.start_ms - CHUNK_MS
            times = [t_ms for language, t_ms in unsure if language == request.language and t_ms > begins_ms]
            if times and min(times) < request.at_ms:
                request.at_ms = max(request.start_ms, min(times))
                request.ready.clear()

    def follow(self, language: str, start_ms: int, *, announced: bool = False) -> None:
        """Give all voice from there on, until :meth:`unfollow` (or the lecture's end).

        :param announced: say ``filled`` at the end of it.
        """
        if self._follow is not None or self._tracks_of(language) is None:
            return
        filled = Filled(language, start_ms, FOR_EVER_MS - 1) if announced else None
        urgent_ms = start_ms + FIRST_WORDS_MS if announced else 0
        self._follow = _Request(language, start_ms, FOR_EVER_MS, start_ms, None, filled, urgent_ms)
        self._requests.append(self._follow)

    def unfollow(self, end_ms: int) -> None:
        """Voice from there on comes to the hall another way."""
        request, self._follow = self._follow, None
        if request is None:
            return
        request.end_ms = max(request.start_ms, end_ms)
        request.ready = deque(entry for entry in request.ready if entry.t_ms < end_ms)
        if request.filled is not None:
            request.filled = Filled(request.language, request.start_ms, request.end_ms)

    def recorded(self, language: str, span: Span) -> bool:
        """Voice of this span is in the log now. What open requests were read past is given before they are done.

        :returns: whether the hall was told before that there is none.
        """
        for place, request in enumerate(self._requests):
            read = Span(request.start_ms, min(request.at_ms, request.end_ms))
            if request.language == language and not request.is_late and _overlap(read, span):
                self._add_late(place, language, span)
                break
        told = self._told.get(language)
        return told is not None and told.start_ms <= span.start_ms < told.end_ms

    def _add_late(self, place: int, language: str, span: Span) -> None:
        for request in self._requests:
            if request.is_late and request.language == language and request.at_ms <= span.start_ms <= request.end_ms:
                request.end_ms = max(request.end_ms, span.end_ms)
                return
        self._requests.insert(place, _Request(language, span.start_ms, span.end_ms, span.start_ms, is_late=True))

    def next(self, now: float, *, from_ms: int = 0) -> Entry | Filled | None:
        """The next entry to send, or the end of a want, or None while all wait for voice that is yet to be spoken.

        :param from_ms: leave out voice that is older, but for the first words that a hall waits for.
        """
        for request in list(self._requests):
            item = self._first_of(request, now)
            if isinstance(item, Filled):
                return item
            if item is not None and (item.t_ms >= from_ms or item.t_ms < request.urgent_ms):
                self._given[request.language, item.t_ms] = now
                return request.ready.popleft()
        return None

    def _first_of(self, request: _Request, now: float) -> Entry | Filled | None:
        """The entry that is next in a request, or how it ends, or None."""
        while True:
            while request.ready and self._is_given(request.language, request.ready[0].t_ms, now):
                request.ready.popleft()
            if request.ready:
                return request.ready[0]
            if request.at_ms >= request.end_ms or (self._final() and request.at_ms >= self._edge_ms(request.language)):
                return None if self._is_late_within(request) else self._done(request)
            end_ms = min(self._readable_ms(request), request.at_ms + READ_MS)
            if request.at_ms >= end_ms:
                return None
            request.ready.extend(self._read(request, Span(request.at_ms, end_ms)))
            request.at_ms = max([end_ms, *(entry.end_ms for entry in request.ready)])

    def _readable_ms(self, request: _Request) -> int:
        """How far a request may be read. One that stays open goes no further than what is recorded."""
        edge_ms = self._edge_ms(request.language)
        if request.end_ms > edge_ms and not self._final():
            return min(edge_ms, self._recorded_ms(request.language))
        return min(request.end_ms, edge_ms)

    def _is_late_within(self, request: _Request) -> bool:
        whole = Span(request.start_ms, request.end_ms)
        return not request.is_late and any(
            late.is_late and late.language == request.language and _overlap(whole, Span(late.start_ms, late.end_ms))
            for late in self._requests
        )

    def _done(self, request: _Request) -> Filled | None:
        self._requests.remove(request)
        if request is self._follow:
            self._follow = None
        filled = request.filled
        if filled is not None and not self._final():
            recorded_ms = self._recorded_ms(filled.language)
            told = self._told.get(filled.language)
            if told is None or told.end_ms <= recorded_ms:
                told = Span(recorded_ms, recorded_ms)
            self._told[filled.language] = Span(told.start_ms, max(told.end_ms, filled.end_ms))
        return filled

    def _read(self, request: _Request, span: Span) -> list[Entry]:
        tracks = self._tracks_of(request.language) or {}
        wanted = request.rung_kbps or (LIGHT_KBPS if self.light else RECORDED_KBPS)
        entries = self._log.read_span(tracks[wanted], span) if wanted in tracks else []
        if wanted == RECORDED_KBPS:
            return entries
        # A lecture that an older relay began has no light rung there: any rung is better than a hole.
        whole = self._log.read_span(tracks[RECORDED_KBPS], span)
        return entries if _covered_ms(entries) >= _covered_ms(whole) else whole

    def _is_given(self, language: str, t_ms: int, now: float) -> bool:
        given = self._given
        while given and now - next(iter(given.values())) >= GIVEN_S:
            given.popitem(last=False)
        return (language, t_ms) in given


def _overlap(one: Span, other: Span) -> bool:
    return one.start_ms < other.end_ms and other.start_ms < one.end_ms


def _covered_ms(entries: list[Entry]) -> int:
    return sum(entry.duration_ms for entry in entries)
