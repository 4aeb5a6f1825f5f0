"""What the log says of decks, pages and turns, and in which order a hall should get the pages. Pure."""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass, field

from lecture.decks import Deck, PageImage, PageTurn, read_deck_event
from lecture.entries import Entry, Kind, unpack_event


@dataclass(slots=True)
class KnownDeck:
    """One deck: what is known of it so far."""

    title: str = ""
    page_count: int = 0
    images: dict[tuple[int, int], PageImage] = field(default_factory=dict)  # by (page, tier)

    @property
    def complete(self) -> bool:
        """Whether each page has at least its first tier."""
        return self.page_count > 0 and all((page, 1) in self.images for page in range(1, self.page_count + 1))


class DeckBook:
    """Follows a log's DECK, PAGE and TURN entries.

    :ivar version: changes whenever :meth:`order` may.
    :ivar turned: pages that are or were shown.
    """

    def __init__(self) -> None:
        self.decks: dict[str, KnownDeck] = {}
        self.deck = ""
        self.page = 0
        self.turns = 0
        self.turned: set[tuple[str, int]] = set()
        self.version = 0
        self._turns: list[tuple[int, int, str, int]] = []  # (lecture time, count, deck, page), in order of time
        self._turned_ms = -1
        self._order: tuple[int, list[PageImage]] = (-1, [])

    def apply(self, entry: Entry) -> None:
        """Take an entry; others than deck, page and turn change nothing, malformed ones neither."""
        if entry.kind not in (Kind.DECK, Kind.PAGE, Kind.TURN):
            return
        try:
            event = read_deck_event(entry.kind, unpack_event(entry))
        except ValueError:
            return
        match event:
            case PageTurn():
                self._turn(event, entry.t_ms)
            case Deck():
                known = self.decks.setdefault(event.deck, KnownDeck())
                known.title, known.page_count = event.title, event.page_count
            case PageImage():
                self.decks.setdefault(event.deck, KnownDeck()).images[event.page, event.tier] = event
            case None:
                return  # an entry that some other version wrote: its pages are not pushed, the lecture goes on
        self.version += 1

    def _turn(self, turn: PageTurn, t_ms: int) -> None:
        self.turns += 1
        self.turned.add((turn.deck, turn.page))
        insort(self._turns, (t_ms, self.turns, turn.deck, turn.page))
        if t_ms >= self._turned_ms:
            self._turned_ms = t_ms
            self.deck, self.page = turn.deck, turn.page

    def due(self, heard_ms: int) -> list[tuple[int, str, int]]:
        """Turns from the one in force at ``heard_ms`` to the newest, as (lecture time, deck, page): what a hall that
        hears that moment is going to show, in this order."""
        first = max(0, bisect_right(self._turns, heard_ms, key=lambda turn: turn[0]) - 1)
        return [(t_ms, deck, page) for t_ms, _, deck, page in self._turns[first:]]

    def order(self) -> list[PageImage]:
        """All page images, most urgent first.

        The page shown now in all tiers; then the pages to come, legible; the same, sharp; then the pages behind us
        (a hall that joined late wants them for its copy only); at last other decks. The list is shared: only read it.
        """
        if self._order[0] != self.version:
            self._order = (self.version, self._sorted())
        return self._order[1]

    def _sorted(self) -> list[PageImage]:
        current = self.deck or next(iter(self.decks), "")

        def urgency(image: PageImage) -> tuple[int, int, int]:
            if image.deck != current:
                return (4, image.tier, image.page)
            if image.page == self.page:
                return (0, image.tier, 0)
            if image.page > self.page:
                return (image.tier, image.page, 0)
            return (3, image.tier, -image.page)

        images = (image for deck in self.decks.values() for image in deck.images.values())
        return sorted(images, key=urgency)
