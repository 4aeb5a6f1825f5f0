"""Decks, page turns, and which piece of which page a hall gets next."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from lecture.entries import Entry, Kind, pack_event
from lecture.log import Blob
from lecture.message_parts import Have
from lecture.wire import BlobFrame, BlobPartFrame, parse_frame
from relay.media.blob_push import BlobPush
from relay.media.deck_book import DeckBook

BLOBS: dict[str, Blob] = {}


def event(kind: Kind, fields: dict[str, Any], t_ms: int = 0) -> Entry:
    return Entry(kind, t_ms, pack_event(fields))


def add_page(book: DeckBook, deck: str, page: int, tier: int, size: int = 3000) -> str:
    data = f"{deck} {page} {tier}".encode().ljust(size, b".")
    digest = hashlib.sha256(data).hexdigest()
    BLOBS[digest] = Blob(digest, "image/avif", data)
    fields = {
        "deck": deck,
        "page": page,
        "tier": tier,
        "digest": digest,
        "media_type": "image/avif",
        "size_bytes": size,
    }
    book.apply(event(Kind.PAGE, fields))
    return digest


def small_deck(pages: int = 3) -> DeckBook:
    book = DeckBook()
    book.apply(event(Kind.DECK, {"deck": "d", "title": "D", "page_count": pages, "pages": []}))
    for tier in (1, 2):
        for page in range(1, pages + 1):
            add_page(book, "d", page, tier)
    return book


def order(book: DeckBook) -> list[tuple[str, int, int]]:
    return [(image.deck, image.page, image.tier) for image in book.order()]


def received(push: BlobPush, *, urgent: bool = False, limit: int = 1000) -> list[BlobFrame]:
    frames: list[BlobFrame] = []
    while len(frames) < limit and (data := push.next(1000, urgent=urgent)) is not None:
        frame = parse_frame(data)
        assert isinstance(frame, BlobFrame)
        frames.append(frame)
    return frames


def pages_of(frames: list[BlobFrame]) -> list[str]:
    seen = dict.fromkeys(frame.digest for frame in frames)
    return [BLOBS[digest].data.decode().rstrip(".") for digest in seen]


def test_before_the_first_turn_pages_come_from_the_front() -> None:
    assert order(small_deck())[:3] == [("d", 1, 1), ("d", 2, 1), ("d", 3, 1)]


def test_the_page_shown_goes_first_then_those_to_come() -> None:
    book = small_deck(4)
    book.apply(event(Kind.TURN, {"deck": "d", "page": 2}))
    pages = [(page, tier) for _, page, tier in order(book)]
    assert pages == [(2, 1), (2, 2), (3, 1), (4, 1), (3, 2), (4, 2), (1, 1), (1, 2)]


def test_a_turn_that_belongs_to_the_past_does_not_turn_back() -> None:
    book = small_deck()
    book.apply(event(Kind.TURN, {"deck": "d", "page": 3}, t_ms=5000))
    book.apply(event(Kind.TURN, {"deck": "d", "page": 2}, t_ms=4000))
    assert book.page == 3


def test_an_entry_that_makes_no_sense_changes_nothing() -> None:
    book = small_deck()
    before = order(book)
    for entry in (Entry(Kind.PAGE, 0, b"no json"), event(Kind.TURN, {"deck": "d"}), event(Kind.MARK, {"text": "x"})):
        book.apply(entry)
    assert order(book) == before


def test_a_deck_is_complete_with_all_first_tiers() -> None:
    book = DeckBook()
    book.apply(event(Kind.DECK, {"deck": "d", "page_count": 2, "pages": []}))
    add_page(book, "d", 1, 1)
    assert not book.decks["d"].complete
    add_page(book, "d", 2, 1)
    assert book.decks["d"].complete


def test_pieces_make_whole_pages() -> None:
    book = small_deck(1)
    frames = received(BlobPush(book, BLOBS.get))
    whole: dict[str, bytes] = {}
    for frame in frames:
        assert frame.offset == len(whole.get(frame.digest, b""))
        whole[frame.digest] = whole.get(frame.digest, b"") + frame.data
    assert {digest: BLOBS[digest].data for digest in whole} == whole
    assert pages_of(frames) == ["d 1 1", "d 1 2"]


def test_a_turn_takes_effect_at_the_next_piece_and_nothing_is_sent_twice() -> None:
    book = small_deck(3)
    push = BlobPush(book, BLOBS.get)
    first = received(push, limit=1)
    book.apply(event(Kind.TURN, {"deck": "d", "page": 3}))
    rest = received(push)
    assert pages_of(first) == ["d 1 1"]
    assert pages_of(rest)[:2] == ["d 3 1", "d 3 2"]
    assert sum(len(frame.data) for frame in first + rest) == 6 * 3000
    assert received(push) == []


def test_urgent_is_only_the_page_shown() -> None:
    book = small_deck(3)
    book.apply(event(Kind.TURN, {"deck": "d", "page": 2}))
    push = BlobPush(book, BLOBS.get)
    assert pages_of(received(push, urgent=True)) == ["d 2 1", "d 2 2"]
    assert len(pages_of(received(push))) == 4


def test_a_hall_behind_the_lecture_gets_the_pages_in_the_order_in_which_it_shows_them() -> None:
    book = small_deck(5)
    for t_ms, page in ((0, 1), (20_000, 2), (40_000, 3), (43_000, 4), (60_000, 5)):
        book.apply(event(Kind.TURN, {"deck": "d", "page": page}, t_ms=t_ms))
    push = BlobPush(book, BLOBS.get)
    push.heard(34_000)
    # What it shows now and in a moment; the voice that it missed comes after that, and before the rest.
    assert pages_of(received(push, urgent=True)) == ["d 2 1", "d 3 1", "d 2 2"]
    # Page 3 is shown for three seconds only: sharp it is last.
    assert pages_of(received(push)) == ["d 4 1", "d 5 1", "d 4 2", "d 5 2", "d 1 1", "d 3 2", "d 1 2"]


def test_the_newest_page_is_sharpened_before_one_that_is_about_to_go() -> None:
    book = small_deck(2)
    for t_ms, page in ((0, 1), (20_000, 2)):
        book.apply(event(Kind.TURN, {"deck": "d", "page": page}, t_ms=t_ms))
    push = BlobPush(
        book, BLOBS.get, Have(blobs=tuple((i.digest, 3000) for i in book.order() if (i.page, i.tier) == (1, 1)))
    )
    push.heard(16_500)
    assert pages_of(received(push)) == ["d 2 1", "d 2 2", "d 1 2"]


def test_what_is_due_changes_as_the_hall_goes_on() -> None:
    book = small_deck(3)
    for t_ms, page in ((0, 1), (20_000, 2), (40_000, 3)):
        book.apply(event(Kind.TURN, {"deck": "d", "page": page}, t_ms=t_ms))
    push = BlobPush(book, BLOBS.get)
    push.heard(1_000)
    assert pages_of(received(push, limit=1)) == ["d 1 1"]
    push.heard(41_000)
    assert pages_of(received(push, urgent=True)) == ["d 3 1", "d 3 2"]


def test_what_a_hall_has_is_not_sent() -> None:
    book = small_deck(1)
    one, two = (image.digest for image in book.order())
    frames = received(BlobPush(book, BLOBS.get, Have(blobs=((one, 3000), (two, 2500)))))
    assert [(frame.digest, frame.offset) for frame in frames] == [(two, 2500)]


def test_what_a_hall_has_whole_can_be_said_in_short() -> None:
    book = small_deck(3)
    digests = [image.digest for image in book.order()]
    short = base64.urlsafe_b64encode(b"".join(bytes.fromhex(digest)[:6] for digest in digests[1:])).decode()
    assert pages_of(received(BlobPush(book, BLOBS.get, Have(complete=short)))) == ["d 1 1"]
    assert len(pages_of(received(BlobPush(book, BLOBS.get, Have(complete="no base64!"))))) == 6


def test_thin_links_get_small_pieces_with_small_headers() -> None:
    book = small_deck(1)
    push = BlobPush(book, BLOBS.get, parts=True)
    image = book.order()[0]
    frames = []
    while (data := push.next(4000, urgent=False)) is not None:
        frames.append(parse_frame(data))
    parts = [frame for frame in frames if isinstance(frame, BlobPartFrame) and frame.short_digest == image.digest[:16]]
    assert [(part.offset, len(part.data)) for part in parts] == [(0, 1000), (1000, 1000), (2000, 1000)]
    assert len(frames) == 6


def test_without_prefetch_a_page_is_sent_once_it_is_shown() -> None:
    book = small_deck(3)
    push = BlobPush(book, BLOBS.get, prefetch=False)
    assert received(push) == []
    for page in (2, 3):
        book.apply(event(Kind.TURN, {"deck": "d", "page": page}))
    assert push.waiting(urgent=True)
    assert pages_of(received(push, urgent=True)) == ["d 3 1", "d 3 2"]
    assert not push.waiting(urgent=True)
    assert push.waiting(urgent=False)
    assert pages_of(received(push)) == ["d 2 1", "d 2 2"]
    assert not push.waiting(urgent=False)


def test_a_page_that_is_lost_does_not_hold_up_the_others() -> None:
    book = small_deck(2)
    lost = book.order()[0].digest
    push = BlobPush(book, lambda digest: None if digest == lost else BLOBS[digest])
    assert len(pages_of(received(push))) == 3


def test_pages_rendered_later_are_sent_too() -> None:
    book = small_deck(1)
    push = BlobPush(book, BLOBS.get)
    received(push)
    add_page(book, "e", 1, 1)
    assert pages_of(received(push)) == ["e 1 1"]


def test_turns_that_come_long_after_they_were_made_stand_at_their_time() -> None:
    """As after an outage of the lecturer's line."""
    book = small_deck()
    for t_ms, page in ((0, 1), (600_000, 3), (120_000, 2), (300_000, 1)):
        book.apply(event(Kind.TURN, {"deck": "d", "page": page}, t_ms))
    assert (book.deck, book.page) == ("d", 3), "the newest by time is shown now"
    assert [(t_ms, page) for t_ms, _, page in book.due(130_000)] == [(120_000, 2), (300_000, 1), (600_000, 3)]
