"""What a hall asked for from the log: spans of voice, given out entry by entry. Pure but for reading the log."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from lecture.entries import Entry
from lecture.errors import ProtocolError, RefusedError
from lecture.log import LectureLog, Span
from lecture.messages import Filled, Want

MAX_WANTS = 64
READ_MS = 20_000


@dataclass(slots=True)
class _Request:
    want: Want
    track_id: int
    at_ms: int
    ready: deque[Entry] = field(default_factory=deque)


class Backfill:
    """One hall's wants, first come first served.

    A want that reaches beyond the recorded voice stays open and is served as voice is recorded: a hall without UDP
    follows the lecture with one such want.

    :param track_of: the recorded voice track of a language, None if there is no such language.
    :param edge_ms: lecture time before which a language's voice is in the log or will never be.
    :param final: whether nothing will be recorded any more.
    """

    def __init__(
        self,
        log: LectureLog,
        track_of: Callable[[str], int | None],
        edge_ms: Callable[[str], int],
        final: Callable[[], bool],
    ) -> None:
        self._log = log
        self._track_of = track_of
        self._edge_ms = edge_ms
        self._final = final
        self._requests: list[_Request] = []

    def __bool__(self) -> bool:
        return bool(self._requests)

    def add(self, want: Want) -> None:
        """Take a want.

        :raises RefusedError: ``language_unknown``.
        :raises ProtocolError: ``too_many_wants``.
        """
        track_id = self._track_of(want.language)
        if track_id is None:
            raise RefusedError("language_unknown", "The lecture has no voice in this language.", 404)
        if len(self._requests) >= MAX_WANTS:
            raise ProtocolError("too_many_wants", f"More than {MAX_WANTS} wants are open.")
        self._requests.append(_Request(want, track_id, want.start_ms))

    def next(self) -> Entry | Filled | None:
        """The next entry to send, or the end of a want, or None while all wait for voice that is yet to be spoken."""
        for request in self._requests:
            item = self._next_of(request)
            if isinstance(item, Filled):
                self._requests.remove(request)
            if item is not None:
                return item
        return None

    def _next_of(self, request: _Request) -> Entry | Filled | None:
        want = request.want
        while not request.ready:
            edge_ms = self._edge_ms(want.language)
            if request.at_ms >= want.end_ms or (request.at_ms >= edge_ms and self._final()):
                return Filled(want.language, want.start_ms, want.end_ms)
            end_ms = min(want.end_ms, edge_ms, request.at_ms + READ_MS)
            if request.at_ms >= end_ms:
                return None
            request.ready.extend(self._log.read_span(request.track_id, Span(request.at_ms, end_ms)))
            request.at_ms = max([end_ms, *(entry.end_ms for entry in request.ready)])
        return request.ready.popleft()
