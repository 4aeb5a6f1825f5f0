"""Which page belongs on the screen: the turns and pages of a lecture, and which of their pictures are here. Pure."""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass
from typing import Any

from lecture import decks
from lecture.decks import PageImage
from lecture.wire import SHORT_DIGEST_BYTES


@dataclass(frozen=True, slots=True, order=True)
class PageTurn:
    """From ``t_ms`` on this page belongs on the screen."""

    t_ms: int
    seq: int
    deck: str
    page: int


@dataclass(frozen=True, slots=True)
class Showing:
    """What belongs on the screen now.

    :param turn: the turn that is in force, None before the first.
    :param picture: the best picture of its page that is here, None while none is (the page before then stays).
    """

    turn: PageTurn | None = None
    picture: PageImage | None = None


class PageBook:
    """Collects deck, page and turn entries in any order and says what to show at a lecture time."""

    def __init__(self) -> None:
        self.decks: dict[str, decks.Deck] = {}
        self._turns: list[PageTurn] = []
        self._pictures: dict[tuple[str, int], dict[int, PageImage]] = {}
        self._here: set[str] = set()
        self._by_start: dict[str, PageImage] = {}

    def take(self, kind: int, t_ms: int, seq: int, fields: dict[str, Any]) -> None:
        """Learn from an entry; kinds that are not about pages and fields that make no sense are ignored."""
        match decks.read_deck_event(kind, fields):
            case decks.PageTurn(deck, page):
                turn = PageTurn(t_ms, seq, deck, page)
                if turn not in self._turns:
                    insort(self._turns, turn)
            case PageImage() as image:
                self._pictures.setdefault((image.deck, image.page), {})[image.tier] = image
                self._by_start[image.digest[: 2 * SHORT_DIGEST_BYTES]] = image
            case decks.Deck() as known:
                self.decks[known.deck] = known
            case None:
                return

    def title(self, deck: str, page: int) -> str:
        """A page's title, empty if unknown."""
        known = self.decks.get(deck)
        return next((words.title for words in known.pages if words.page == page), "") if known else ""

    def image(self, short_digest: str) -> PageImage | None:
        """The picture whose digest begins so, None if no entry has told of it."""
        return self._by_start.get(short_digest)

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
