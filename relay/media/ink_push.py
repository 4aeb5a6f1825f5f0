"""The lecture's ink and pointer, and what of them a hall gets next. Pure but for what it reads from the log."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lecture.entries import Entry, Kind, unpack_event
from lecture.ink import InkEvent, read_ink_event
from lecture.lecturer_messages import Ink, Pointer
from lecture.log import LectureLog
from lecture.messages import EntryMessage
from lecture.wire import pack_entry

LIVE_MS = 10_000
"""Ink no older than this is drawn in the halls just now, or soon."""
RECENT_ENTRIES = 64
POINTER_EVERY_S = 0.1
POINTER_BYTES = 270
"""What a place of the pointer costs on the wire."""
POINTER_SHARE = 0.1
"""How much of a link's budget the pointer may have: on thin links it moves in larger steps."""

PageKey = tuple[str, int]


@dataclass(frozen=True, slots=True)
class InkPlace:
    """Where an INK entry is in the log, and the page it belongs to."""

    number: int
    seq: int
    t_ms: int
    page: PageKey


class InkIndex:
    """All ink of a lecture, and the pointer's newest place.

    :param first_number: least number of the INK entries to come: none that may have been given out before, and was lost
        with the relay before it was on disk, is given out again.
    :ivar places: in order.
    :ivar pointer: the newest POINTER entry.
    """

    def __init__(self, first_number: int) -> None:
        self.places: list[InkPlace] = []
        self._next_number = first_number
        self.pointer: EntryMessage | None = None
        # Of each stroke, also of one that was taken back, the place of the point to come. Grows with the strokes of a
        # lecture, some 100 bytes each.
        self._reached: dict[tuple[PageKey, str], int] = {}
        self._recent: deque[Entry] = deque(maxlen=RECENT_ENTRIES)  # the oldest goes: it is read from the log

    @property
    def next_number(self) -> int:
        """The number of the INK entry to come."""
        return self._next_number

    def apply(self, entry: Entry) -> None:
        """Take the next event of the log."""
        if entry.kind not in (Kind.POINTER, Kind.INK):
            return
        try:
            event = read_ink_event(entry.kind, unpack_event(entry))
        except ValueError:
            return
        if isinstance(event, InkEvent):
            page = event.what.deck, event.what.page
            self.places.append(InkPlace(event.number, entry.seq, entry.t_ms, page))
            self._next_number = max(self._next_number, event.number + 1)
            if isinstance(event.what, Ink):
                stroke = page, event.what.stroke
                reached = self._reached.get(stroke, 0)
                self._reached[stroke] = max(reached, event.what.first or reached) + len(event.what.points)
            self._recent.append(entry)
        elif isinstance(event, Pointer):
            self.pointer = EntryMessage.of(entry)

    def unwritten(self, ink: Ink) -> Ink | None:
        """What of a part is not in the log yet, by :attr:`Ink.first`: after an outage a program says again what may
        have been lost.

        What it gives has a place in its stroke only where points before it never came.
        """
        if ink.first is None:
            return ink
        reached = self._reached.get(((ink.deck, ink.page), ink.stroke), 0)
        known = max(0, reached - ink.first)
        if known >= len(ink.points):
            return None
        return replace(ink, points=ink.points[known:], first=ink.first if ink.first > reached else None)

    def recent(self, seq: int) -> Entry | None:
        """One of the newest INK entries; None for older ones."""
        return next((entry for entry in reversed(self._recent) if entry.seq == seq), None)


class InkPush:
    """One hall's ink: live strokes as messages, all else as frames that wait for room.

    :param have: runs of the numbers that the hall has already.
    :param taken: whether it takes such frames; else it gets no ink at all.
    """

    def __init__(self, index: InkIndex, log: LectureLog, have: Sequence[tuple[int, int]], *, taken: bool) -> None:
        self._index = index
        self._log = log
        self._have = have
        self._taken = taken
        self._looked = 0
        self._owed: dict[PageKey, deque[InkPlace]] = {}
        self._pointer_seq = 0
        self._pointer_at = float("-inf")
        self._pointer_shown = False

    def live(self, shown: PageKey, now_ms: int) -> EntryMessage | None:
        """The next message with ink that is drawn on the shown page just now."""
        self._look()
        owed = self._owed.get(shown)
        if not owed or owed[-1].t_ms < now_ms - LIVE_MS:
            return None
        # What is older comes as a frame. The order is of no matter: numbers tell it.
        place = owed.popleft() if owed[0].t_ms >= now_ms - LIVE_MS else owed.pop()
        entry = self._read(place)
        return None if entry is None else EntryMessage.of(entry)

    def frame(self, shown: PageKey, *, urgent: bool) -> bytes | None:
        """The next frame with older ink.

        :param urgent: of the shown page; else of any other.
        """
        self._look()
        page = shown if urgent else next((key for key, owed in self._owed.items() if owed and key != shown), None)
        owed = None if page is None else self._owed.get(page)
        if not owed:
            return None
        entry = self._read(owed.popleft())
        return None if entry is None else pack_entry(entry)

    def pointer(self, budget_kbps: float, now: float) -> EntryMessage | None:
        """The pointer's newest place, where it is another than before and its turn has come."""
        newest = self._index.pointer
        if newest is None or newest.seq <= self._pointer_seq or now < self.pointer_at(budget_kbps):
            return None
        self._pointer_seq = newest.seq
        shown = bool(newest.fields.get("shown"))
        if not shown and not self._pointer_shown:
            return None
        self._pointer_shown = shown
        self._pointer_at = now
        return newest

    def pointer_at(self, budget_kbps: float) -> float:
        """When the pointer may move again."""
        apart_s = POINTER_BYTES * 8 / (1000 * POINTER_SHARE * budget_kbps) if budget_kbps > 0 else POINTER_EVERY_S
        return self._pointer_at + min(1.0, max(POINTER_EVERY_S, apart_s))

    @property
    def pointer_waiting(self) -> bool:
        """Whether there is a newer place of the pointer than the hall knows."""
        newest = self._index.pointer
        return newest is not None and newest.seq > self._pointer_seq

    def _look(self) -> None:
        places = self._index.places
        if not self._taken or self._looked == len(places):
            return
        for place in places[self._looked :]:
            if not any(first <= place.number <= last for first, last in self._have):
                self._owed.setdefault(place.page, deque()).append(place)
        self._looked = len(places)

    def _read(self, place: InkPlace) -> Entry | None:
        recent = self._index.recent(place.seq)
        if recent is not None:
            return recent
        found = self._log.read(place.seq - 1, kinds=[Kind.INK], limit=1)
        return found[0] if found and found[0].seq == place.seq else None
