"""Which piece of which page a hall gets next. Pure but for reading the log."""

from __future__ import annotations

import base64
from collections.abc import Callable
from itertools import pairwise

from lecture.decks import PageImage
from lecture.log import Blob
from lecture.message_parts import Have
from lecture.wire import PART_DATA_BYTES, pack_blob, pack_blob_part
from relay.media.deck_book import DeckBook

COMPLETE_BYTES = 6
"""How much of each digest ``have.complete`` says."""
SOON_MS = 8_000
"""Pages whose turn a hall is going to hear within this time go before the voice that it missed in an outage; later
ones go after it: measured, three of them at once silenced a hall for five seconds."""
WORTH_SHARPENING_MS = 5_000
"""A page that a hall behind the lecture is going to show for a shorter time gets its sharp image last."""


class BlobPush:
    """One hall's pages: what it lacks, most urgent first, piece by piece; a page turn takes effect at the next piece.

    Most urgent are the page that the hall shows now and what it is going to show in a moment (for the playout delay);
    then, for a hall behind after an outage, the pages already turned to that it is yet to show, in their order.

    :param have: what the hall holds already.
    :param parts: whether the hall takes pieces with a small header.
    :param prefetch: whether pages are sent before they are shown.
    """

    def __init__(
        self,
        book: DeckBook,
        get_blob: Callable[[str], Blob | None],
        have: Have | None = None,
        *,
        parts: bool = False,
        prefetch: bool = True,
    ) -> None:
        have = have or Have()
        self._book = book
        self._get_blob = get_blob
        self._parts = parts
        self._prefetch = prefetch
        self._sent = dict(have.blobs)
        self._complete = _complete(have.complete)
        self._heard_ms: int | None = None
        self._version = -1
        self._at = 0
        self._order: list[PageImage] = []
        self._urgent: frozenset[str] = frozenset()
        self._blob: Blob | None = None

    def heard(self, t_ms: int) -> None:
        """The hall hears the voice of ``t_ms`` now."""
        before = None if self._heard_ms is None else self._book.due(self._heard_ms)[:1]
        self._heard_ms = t_ms
        if self._book.due(t_ms)[:1] != before:
            self._version = -1

    def next(self, size_bytes: int, *, urgent: bool) -> bytes | None:
        """The next frame, or None if nothing is left to send.

        :param size_bytes: largest piece.
        :param urgent: only of the pages that are shown now or in a moment.
        """
        while (image := self._first(urgent=urgent)) is not None:
            frame = self._piece(image, size_bytes)
            if frame is not None:
                return frame
            self._at += 1
        return None

    def waiting(self, *, urgent: bool) -> bool:
        """Whether there is anything to send (of the pages that are shown now or in a moment)."""
        return self._first(urgent=urgent) is not None

    @property
    def shown_digests(self) -> frozenset[str]:
        """The images of the pages that are shown now or in a moment."""
        self._sort()
        return self._urgent

    def _first(self, *, urgent: bool) -> PageImage | None:
        """The first image in the order of need that the hall lacks."""
        self._sort()
        while self._at < len(self._order):
            image = self._order[self._at]
            if urgent and image.digest not in self._urgent:
                return None
            if self._is_wanted(image):
                return image
            self._at += 1
        return None

    def _sort(self) -> None:
        """Bring the order up to date."""
        if self._version == self._book.version:
            return
        self._version, self._at = self._book.version, 0
        order = self._book.order()
        urgent, due = self._due_images(order)
        self._urgent = frozenset(image.digest for image in urgent)
        first = dict.fromkeys([*urgent, *due])
        self._order = [*first, *(image for image in order if image not in first)]

    def _due_images(self, order: list[PageImage]) -> tuple[list[PageImage], list[PageImage]]:
        """What the hall shows now or in a moment, and what it is to show after that of the pages turned to."""
        heard_ms = self._heard_ms
        due = [] if heard_ms is None else self._book.due(heard_ms)
        if len(due) < 2 or heard_ms is None:
            return [image for image in order if (image.deck, image.page) == (self._book.deck, self._book.page)], []
        images = {(image.deck, image.page, image.tier): image for image in order}
        ends_ms = [t_ms for t_ms, _, _ in due[1:]]
        worth = [until - since >= WORTH_SHARPENING_MS for since, until in pairwise([heard_ms, *ends_ms])] + [True]
        urgent: list[tuple[str, int, int]] = []
        later: list[tuple[str, int, int]] = []
        for tier in (1, 2):
            for (t_ms, deck, page), sharp in zip(due, worth, strict=True):
                if tier == 1 or sharp:
                    (urgent if t_ms <= heard_ms + SOON_MS else later).append((deck, page, tier))
        return [images[key] for key in urgent if key in images], [images[key] for key in later if key in images]

    def _is_wanted(self, image: PageImage) -> bool:
        if self._sent.get(image.digest, 0) >= image.size_bytes or image.digest[: 2 * COMPLETE_BYTES] in self._complete:
            return False
        return self._prefetch or (image.deck, image.page) in self._book.turned

    def _piece(self, image: PageImage, size_bytes: int) -> bytes | None:
        offset = self._sent.get(image.digest, 0)
        if self._blob is None or self._blob.digest != image.digest:
            self._blob = self._get_blob(image.digest)
        if self._blob is None or offset >= len(self._blob.data):
            return None  # not kept (a full disk, a damaged file): the other pages go on
        data = self._blob.data[offset : offset + (min(size_bytes, PART_DATA_BYTES) if self._parts else size_bytes)]
        self._sent[image.digest] = offset + len(data)
        if self._parts:
            return pack_blob_part(image.digest, offset, data)
        return pack_blob(image.digest, self._blob.media_type, offset, len(self._blob.data), data)


def _complete(text: str) -> frozenset[str]:
    """The beginnings of digests in ``have.complete``, in hex; none if it is no base64url."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return frozenset()
    return frozenset(raw[at : at + COMPLETE_BYTES].hex() for at in range(0, len(raw), COMPLETE_BYTES))
