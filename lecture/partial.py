"""A blob that arrives piece by piece."""

from __future__ import annotations

from lecture.errors import LectureFileError


class PartialBlob:
    """The bytes held so far: all from the start, and pieces beyond the first hole.

    :param total: size of the whole blob in bytes.
    """

    __slots__ = ("_beyond", "head", "media_type", "saved_bytes", "total")

    def __init__(self, media_type: str, total: int) -> None:
        self.media_type = media_type
        self.total = total
        self.head = bytearray()
        """All bytes from the start to the first hole; this is what survives a restart."""
        self.saved_bytes = 0
        """How much of ``head`` is on disk."""
        self._beyond: dict[int, bytes] = {}

    @property
    def complete(self) -> bool:
        """Whether all bytes are there."""
        return len(self.head) == self.total

    def add(self, offset: int, data: bytes) -> None:
        """Take a piece; what is known already is not taken twice.

        :raises LectureFileError: ``blob_refused`` for a piece that does not fit the blob.
        """
        if offset < 0 or offset + len(data) > self.total:
            raise LectureFileError("blob_refused", "A piece of a page lies outside the page.")
        if len(data) > len(self._beyond.get(offset, b"")):
            # Overlapping pieces could take more memory than the blob: then they are dropped, to be asked for again.
            if sum(map(len, self._beyond.values())) + len(data) > self.total:
                self._beyond.clear()
            self._beyond[offset] = data
        for start in sorted(self._beyond):
            if start > len(self.head):
                break
            piece = self._beyond.pop(start)
            self.head += piece[len(self.head) - start :]
