"""Which piece of which page a hall gets next. Pure but for reading the log."""

from __future__ import annotations

import base64
from collections.abc import Callable

from lecture.decks import PageImage
from lecture.log import Blob
from lecture.message_parts import Have
from lecture.wire import PART_DATA_BYTES, pack_blob, pack_blob_part
from relay.media.deck_book import DeckBook

COMPLETE_BYTES = 6
"""How much of each digest ``have.complete`` says."""


class BlobPush:
    """One hall's pages: what it lacks, most urgent first, piece by piece; a page turn takes effect at the next piece.

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
        self._version = -1
        self._at = 0
        self._blob: Blob | None = None

    def next(self, size_bytes: int, *, urgent: bool) -> bytes | None:
        """The next frame, or None if nothing is left to send.

        :param size_bytes: largest piece.
        :param urgent: only of the page that is shown now.
        """
        while (image := self._first(urgent=urgent)) is not None:
            frame = self._piece(image, size_bytes)
            if frame is not None:
                return frame
            self._at += 1
        return None

    def waiting(self, *, urgent: bool) -> bool:
        """Whether there is anything to send (of the page that is shown now)."""
        return self._first(urgent=urgent) is not None

    @property
    def shown_digests(self) -> set[str]:
        """The images of the page that is shown now."""
        return {image.digest for image in self._book.order() if self._is_shown(image)}

    def _first(self, *, urgent: bool) -> PageImage | None:
        """The first image in the order of need that the hall lacks."""
        if self._version != self._book.version:
            self._version, self._at = self._book.version, 0
        order = self._book.order()
        while self._at < len(order):
            image = order[self._at]
            if urgent and not self._is_shown(image):
                return None
            if self._is_wanted(image):
                return image
            self._at += 1
        return None

    def _is_shown(self, image: PageImage) -> bool:
        return image.deck == self._book.deck and image.page == self._book.page

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
