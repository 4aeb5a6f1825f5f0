"""Which page belongs on the screen: the turns and pages of a lecture, and which of their pictures are here. Pure."""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass, field
from typing import Any

from lecture.entries import Kind


@dataclass(frozen=True, slots=True, order=True)
class PageTurn:
    """From ``t_ms`` on this page belongs on the screen."""

    t_ms: int
    seq: int
    deck: str
    page: int


@dataclass(frozen=True, slots=True)
class PagePicture:
    """One rendering of a page.

    :param tier: 1 is the first legible one, 2 the sharp one.
    """

    deck: str
    page: int
    tier: int
    digest: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Showing:
    """What belongs on the screen now.

    :param turn: the turn that is in force, None before the first.
    :param picture: the best picture of its page that is here, None while none is (the page before then stays).
    """

    turn: PageTurn | None = None
    picture: PagePicture | None = None


@dataclass(slots=True)
class DeckFacts:
    """What a deck says of itself."""

    title: str = ""
    page_count: int = 0
    page_titles: dict[int, str] = field(default_factory=dict)


class PageBook:
    """Collects deck, page and turn entries in any order and says what to show at a lecture time."""

    def __init__(self) -> None:
        self.decks: dict[str, DeckFacts] = {}
        self._turns: list[PageTurn] = []
        self._pictures: dict[tuple[str, int], dict[int, PagePicture]] = {}
        self._here: set[str] = set()

    def take(self, kind: int, t_ms: int, seq: int, fields: dict[str, Any]) -> None:
        """Learn from an entry; kinds that are not about pages and fields that make no sense are ignored."""
        deck = fields.get("deck")
        if not isinstance(deck, str):
            return
        if kind == Kind.DECK:
            self._take_deck(deck, fields)
            return
        page = fields.get("page")
        if not isinstance(page, int):
            return
        if kind == Kind.TURN:
            turn = PageTurn(t_ms, seq, deck, page)
            if turn not in self._turns:
                insort(self._turns, turn)
        elif kind == Kind.PAGE:
            tier, digest = fields.get("tier"), fields.get("digest")
            if isinstance(tier, int) and isinstance(digest, str):
                picture = PagePicture(deck, page, tier, digest, str(fields.get("media_type", "")))
                self._pictures.setdefault((deck, page), {})[tier] = picture

    def blob_complete(self, digest: str) -> None:
        """The picture with this digest is here."""
        self._here.add(digest)

    def at(self, heard_ms: int) -> Showing:
        """What belongs on the screen when the voice of ``heard_ms`` is heard. Of two turns at once the later counts."""
        index = bisect_right(self._turns, heard_ms, key=lambda turn: turn.t_ms)
        if index == 0:
            return Showing()
        turn = self._turns[index - 1]
        tiers = self._pictures.get((turn.deck, turn.page), {})
        here = [tier for tier, picture in tiers.items() if picture.digest in self._here]
        return Showing(turn, tiers[max(here)] if here else None)

    def turns_before(self, end_ms: int | None = None) -> int:
        """How many times the page was turned (up to ``end_ms``)."""
        if end_ms is None:
            return len(self._turns)
        return bisect_right(self._turns, end_ms, key=lambda turn: turn.t_ms)

    def _take_deck(self, deck: str, fields: dict[str, Any]) -> None:
        facts = self.decks.setdefault(deck, DeckFacts())
        title, count, pages = fields.get("title"), fields.get("page_count"), fields.get("pages")
        if isinstance(title, str):
            facts.title = title
        if isinstance(count, int):
            facts.page_count = count
        for page in pages if isinstance(pages, list) else []:
            if isinstance(page, dict) and isinstance(page.get("page"), int) and isinstance(page.get("title"), str):
                facts.page_titles[page["page"]] = page["title"]
