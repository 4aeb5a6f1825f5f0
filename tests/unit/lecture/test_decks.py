"""Events about decks."""

from __future__ import annotations

from typing import Any

import pytest

from lecture.decks import (
    Deck,
    DeckEvent,
    PageImage,
    PageTurn,
    PageWords,
    deck_id,
    looks_like_pdf,
    read_deck_event,
    write_deck_event,
)
from lecture.entries import Kind

IMAGE = PageImage("d", 2, 1, "a" * 64, "image/avif", 1280, 720, 4711)


@pytest.mark.parametrize(
    "event", [Deck("d", "Pricing", 2, (PageWords(1, "Cost", "Cost and price"), PageWords(2))), IMAGE, PageTurn("d", 2)]
)
def test_what_is_written_is_read(event: DeckEvent) -> None:
    assert read_deck_event(*write_deck_event(event)) == event


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Kind.TURN, {"deck": "d"}),
        (Kind.TURN, {"deck": "d", "page": 0}),
        (Kind.TURN, {"deck": 7, "page": 1}),
        (Kind.PAGE, {"deck": "d", "page": 1, "tier": "sharp", "digest": "a", "media_type": "image/avif"}),
        (Kind.DECK, {"deck": "d", "page_count": 1 << 40}),
        (Kind.DECK, {"deck": "d", "pages": [{"title": "no number"}]}),
        (Kind.MARK, {"deck": "d", "page": 1}),
        (200, {"deck": "d", "page": 1}),
    ],
)
def test_what_makes_no_sense_is_none(kind: int, fields: dict[str, Any]) -> None:
    assert read_deck_event(kind, fields) is None


def test_fields_of_later_versions_are_ignored() -> None:
    assert read_deck_event(Kind.TURN, {"deck": "d", "page": 3, "fade_ms": 200}) == PageTurn("d", 3)


def test_a_pdf_is_known_by_its_first_kilobyte_and_named_by_its_content() -> None:
    assert looks_like_pdf(b"\n" * 900 + b"%PDF-1.7")
    assert not looks_like_pdf(b"\n" * 1024 + b"%PDF-1.7")
    assert deck_id(b"%PDF-1") == deck_id(b"%PDF-1") != deck_id(b"%PDF-2")
