"""The log's events (all that is not media) as messages: the newest in memory, older ones from the log."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import replace

from lecture.entries import EVENT_KINDS, Entry, Kind
from lecture.log import LectureLog
from lecture.messages import EntryMessage

TAIL_ENTRIES = 512
READ_ENTRIES = 200

NOT_FOR_HALLS = frozenset({Kind.RECEIPT, Kind.QUESTION, Kind.INK, Kind.POINTER, Kind.CAPTION})
"""What halls say is for lecturer and staff; sixty halls' receipts would cost every thin link more than a page.
Captions come after the lecture, and only its replay shows them.
Ink and pointer go to halls another way, not in the order of the log (:mod:`relay.media.ink_push`)."""
HALL_KINDS = EVENT_KINDS - NOT_FOR_HALLS
LECTURER_KINDS = EVENT_KINDS - {Kind.RECEIPT, Kind.CAPTION}
NOT_IN_HISTORY = frozenset({Kind.POINTER})
"""Where the pointer was is of no use to a lecturer who comes back, and most of what there is."""


def read_events(log: LectureLog, after_seq: int = 0) -> Iterator[Entry]:
    """All events of a log after ``after_seq``, in order."""
    while batch := log.read(after_seq, kinds=EVENT_KINDS, limit=READ_ENTRIES):
        yield from batch
        after_seq = batch[-1].seq


class EventTail:
    """Keeps the newest :data:`TAIL_ENTRIES` events, so that a live event is read and decoded once for all readers."""

    def __init__(self, log: LectureLog) -> None:
        self._log = log
        self._tail: deque[EntryMessage] = deque()
        self._complete_after = 0  # the tail holds every event with a larger seq
        self.last_seq = 0

    def push(self, entry: Entry) -> None:
        """Take the next event."""
        self.last_seq = entry.seq
        try:
            message = EntryMessage.of(entry)
        except ValueError:
            return  # unreadable: no reader could do anything with it
        self._tail.append(message)
        if len(self._tail) > TAIL_ENTRIES:
            self._complete_after = self._tail.popleft().seq

    def after(self, seq: int, kinds: Collection[int] = EVENT_KINDS) -> list[EntryMessage]:
        """The next events of these kinds after ``seq``, in order; not all of them, but some if there are any."""
        if seq >= self._complete_after:
            return [message for message in self._tail if message.seq > seq and message.entry_kind in kinds]
        out = []
        for entry in self._log.read(seq, kinds=kinds, limit=READ_ENTRIES):
            try:
                out.append(EntryMessage.of(entry))
            except ValueError:
                continue
        return out


class EventCursor:
    """One reader's place among the events.

    :param for_hall: leave out what halls don't get (:data:`NOT_FOR_HALLS`), and the pages' texts of a deck, which
        would keep a thin link from its first page for many seconds; else what lecturers don't.
    """

    def __init__(self, tail: EventTail, after_seq: int, *, for_hall: bool) -> None:
        self._tail = tail
        self._after_seq = after_seq
        self._for_hall = for_hall
        self._history_end = tail.last_seq
        self._ready: deque[EntryMessage] = deque()

    @property
    def after_seq(self) -> int:
        """The place: events with a larger seq are still to come."""
        return self._after_seq

    def rewind(self, after_seq: int) -> None:
        """Go back to a former place."""
        self._after_seq = min(self._after_seq, after_seq)
        self._ready.clear()

    def next(self) -> EntryMessage | None:
        """The next event, or None while there is none."""
        if not self._ready:
            if self._after_seq >= self._tail.last_seq:
                return None
            self._ready.extend(self._tail.after(self._after_seq, self._kinds))
            if not self._ready:
                self._after_seq = self._tail.last_seq
                return None
        message = self._ready.popleft()
        self._after_seq = message.seq
        return _for_hall(message) if self._for_hall else message

    @property
    def _kinds(self) -> frozenset[int]:
        if self._for_hall:
            return HALL_KINDS
        return LECTURER_KINDS - NOT_IN_HISTORY if self._after_seq < self._history_end else LECTURER_KINDS


def _for_hall(message: EntryMessage) -> EntryMessage:
    pages = message.fields.get("pages")
    if message.entry_kind != Kind.DECK or not isinstance(pages, list):
        return message
    titles = [{key: page[key] for key in ("page", "title") if key in page} for page in pages if isinstance(page, dict)]
    return replace(message, fields={**message.fields, "pages": titles})
