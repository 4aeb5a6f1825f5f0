"""Decks: what the log says of them, typed, and how they are named. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any

from lecture.entries import Kind
from lecture.fields import Limit, from_json, to_json

PDF_HEAD_BYTES = 1024
"""Readers accept the mark ``%PDF-`` anywhere in a file's first kilobyte."""

MAX_PAGES = 100_000
PageNumber = Annotated[int, Limit(1, MAX_PAGES)]
"""Pages count from 1."""
_PageText = Annotated[str, Limit(0, 20_000)]


def looks_like_pdf(head: bytes | bytearray) -> bool:
    """Whether a file that begins like this is a PDF; its first :data:`PDF_HEAD_BYTES` are enough."""
    return b"%PDF-" in head[:PDF_HEAD_BYTES]


def deck_id(pdf: bytes) -> str:
    """The id of a deck, the same wherever it is reckoned; call it in a thread (a deck may have 64 MB)."""
    return hashlib.sha256(pdf).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class PageWords:
    """Title and text of one page; halls get no text."""

    page: PageNumber
    title: str = ""
    text: _PageText = ""


@dataclass(frozen=True, slots=True)
class Deck:
    """A ``DECK`` entry: what is known of a deck so far. A later one of the same deck replaces it.

    :param page_count: 0 while unknown.
    """

    deck: str
    title: str = ""
    page_count: Annotated[int, Limit(0, MAX_PAGES)] = 0
    pages: tuple[PageWords, ...] = ()


@dataclass(frozen=True, slots=True)
class PageImage:
    """A ``PAGE`` entry: one page in one tier. A later one of the same deck, page and tier replaces it.

    :param tier: 1 is the first legible one, 2 full sharpness.
    :param digest: of the blob that holds it.
    """

    deck: str
    page: PageNumber
    tier: int
    digest: str
    media_type: str
    width: int = 0
    height: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class PageTurn:
    """A ``TURN`` entry: from its time on this page is shown."""

    deck: str
    page: PageNumber


DeckEvent = Deck | PageImage | PageTurn

_TYPES: dict[int, type[DeckEvent]] = {Kind.DECK: Deck, Kind.PAGE: PageImage, Kind.TURN: PageTurn}
_KINDS = {cls: Kind(kind) for kind, cls in _TYPES.items()}


def read_deck_event(kind: int, fields: dict[str, Any]) -> DeckEvent | None:
    """An event about decks; None for one of another kind, and for one that makes no sense (another version's)."""
    cls = _TYPES.get(kind)
    if cls is None:
        return None
    try:
        event: DeckEvent = from_json(cls, fields)
    except ValueError:
        return None
    return event


def write_deck_event(event: DeckEvent) -> tuple[Kind, dict[str, Any]]:
    """The kind and the fields of an event's entry."""
    fields: dict[str, Any] = to_json(event)
    return _KINDS[type(event)], fields
