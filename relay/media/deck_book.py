"""What the log says of decks, pages and turns, and in which order a hall should get the pages. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lecture.entries import Entry, Kind, unpack_event

TIERS = (1, 2)


@dataclass(frozen=True, slots=True)
class PageImage:
    """One page in one tier, as a PAGE entry names it."""

    deck: str
    page: int
    tier: int
    digest: str
    media_type: str
    size_bytes: int


@dataclass(slots=True)
class Deck:
    """One deck: what is known of it so far."""

    deck: str
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
    """

    def __init__(self) -> None:
        self.decks: dict[str, Deck] = {}
        self.deck = ""
        self.page = 0
        self.turns = 0
        self.version = 0
        self._turned_ms = -1
        self._order: tuple[int, list[PageImage]] = (-1, [])

    def apply(self, entry: Entry) -> None:
        """Take an entry; others than deck, page and turn change nothing, malformed ones neither."""
        if entry.kind not in (Kind.DECK, Kind.PAGE, Kind.TURN):
            return
        try:
            self._apply(Kind(entry.kind), entry.t_ms, unpack_event(entry))
        except (ValueError, KeyError, TypeError):
            return  # an entry that some other version wrote: its pages are not pushed, the lecture goes on
        self.version += 1

    def _apply(self, kind: Kind, t_ms: int, fields: dict[str, Any]) -> None:
        name = str(fields["deck"])
        if kind == Kind.TURN:
            self.turns += 1
            if t_ms >= self._turned_ms:
                self._turned_ms = t_ms
                self.deck, self.page = name, int(fields["page"])
            return
        deck = self.decks.setdefault(name, Deck(name))
        if kind == Kind.DECK:
            deck.title = str(fields.get("title", deck.title))
            deck.page_count = int(fields["page_count"])
            return
        image = PageImage(
            name,
            int(fields["page"]),
            int(fields["tier"]),
            str(fields["digest"]),
            str(fields["media_type"]),
            int(fields["size_bytes"]),
        )
        deck.images[image.page, image.tier] = image

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
