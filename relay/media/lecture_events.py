"""What the relay knows of a lecture by its events: read when it is opened, then followed. Pure but for reading."""

from __future__ import annotations

from lecture.entries import Entry
from lecture.file import LectureFile
from relay.media.deck_book import DeckBook
from relay.media.event_tail import EventTail, read_events
from relay.media.ink_push import InkIndex
from relay.media.overview import Overview


class LectureEvents:
    """Made in any thread: hours of pen and pointer take a while to be read. From then on it belongs to the event loop.

    :ivar tail: the newest, as messages.
    :ivar book: decks, pages and turns.
    :ivar overview: what staff look back at.
    :ivar ink: pen and pointer.
    """

    def __init__(self, file: LectureFile) -> None:
        self.tail = EventTail(file)
        self.book = DeckBook()
        self.overview = Overview()
        # A number of ink never is above its entry's seq: all that a former run gave out lie below.
        self.ink = InkIndex(file.first_seq)
        for entry in read_events(file):
            self.apply(entry)

    def apply(self, entry: Entry) -> None:
        """Take the next event of the log."""
        self.tail.push(entry)
        self.book.apply(entry)
        self.overview.apply(entry)
        self.ink.apply(entry)
