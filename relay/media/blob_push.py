"""Which piece of which page a hall gets next. Pure but for reading the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lecture.decks import PageImage
from lecture.log import Blob
from lecture.wire import pack_blob
from relay.media.deck_book import DeckBook


class BlobPush:
    """One hall's pages: what it lacks, most urgent first, piece by piece; a page turn takes effect at the next piece.

    :param have: digest and bytes from the start that the hall holds already.
    """

    def __init__(
        self, book: DeckBook, get_blob: Callable[[str], Blob | None], have: Iterable[tuple[str, int]] = ()
    ) -> None:
        self._book = book
        self._get_blob = get_blob
        self._sent = dict(have)
        self._version = -1
        self._at = 0
        self._blob: Blob | None = None

    def next(self, size_bytes: int, *, urgent: bool) -> bytes | None:
        """The next blob frame, or None if nothing is left to send.

        :param size_bytes: largest piece.
        :param urgent: only of the page that is shown now.
        """
        if self._version != self._book.version:
            self._version, self._at = self._book.version, 0
        order = self._book.order()
        while self._at < len(order):
            image = order[self._at]
            if urgent and not self._is_shown(image):
                return None
            frame = self._piece(image, size_bytes)
            if frame is not None:
                return frame
            self._at += 1
        return None

    def _is_shown(self, image: PageImage) -> bool:
        return image.deck == self._book.deck and image.page == self._book.page

    def _piece(self, image: PageImage, size_bytes: int) -> bytes | None:
        offset = self._sent.get(image.digest, 0)
        if offset >= image.size_bytes:
            return None
        if self._blob is None or self._blob.digest != image.digest:
            self._blob = self._get_blob(image.digest)
        if self._blob is None or offset >= len(self._blob.data):
            return None  # not kept (a full disk, a damaged file): the other pages go on
        data = self._blob.data[offset : offset + size_bytes]
        self._sent[image.digest] = offset + len(data)
        return pack_blob(image.digest, self._blob.media_type, offset, len(self._blob.data), data)
