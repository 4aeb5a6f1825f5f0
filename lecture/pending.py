"""What was appended to a lecture file and is not on disk yet."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from lecture.entries import Entry, Kind
from lecture.errors import LectureFileError
from lecture.log import Blob
from lecture.partial import PartialBlob
from lecture.tracks import Track

PENDING_LIMIT_BYTES = 64 * 1024 * 1024
"""How much waits in memory when the disk takes nothing. Beyond it entries are dropped down to seven eighths: the oldest
camera first, then the oldest voice, then the oldest events; a blob that does not fit is refused."""
PARTIAL_LIMIT_BYTES = 64 * 1024 * 1024
"""Memory for blobs that arrive piece by piece; a piece beyond it is refused."""

_ENTRY_BYTES = 200  # what an entry weighs besides its payload, roughly
_DROP_ORDER = (frozenset({Kind.CAMERA, Kind.SCREEN}), frozenset({Kind.VOICE}))


@dataclass(frozen=True, slots=True)
class PartSlice:
    """New bytes of a partial blob's head."""

    digest: str
    partial: PartialBlob
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """One transaction's worth. ``dropped_parts`` go before ``part_slices`` come."""

    entries: list[tuple[Entry, int | None]]
    tracks: list[Track]
    meta: dict[str, str]
    blobs: list[Blob]
    part_slices: list[PartSlice]
    dropped_parts: set[str]

    def __bool__(self) -> bool:
        return bool(self.entries or self.tracks or self.meta or self.blobs or self.part_slices or self.dropped_parts)


class Pending:
    """Entries, tracks, facts and blobs in memory, bounded. Not thread-safe; its owner locks."""

    def __init__(self, limit_bytes: int = PENDING_LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.bytes = 0
        self.dropped_entries = 0
        self.entries: list[Entry] = []
        self.origins: dict[int, int] = {}
        """origin_seq by seq."""
        self.origin_seqs: set[int] = set()
        self.tracks: list[Track] = []
        self.meta: dict[str, str] = {}
        self.blobs: dict[str, Blob] = {}
        self.partials: dict[str, PartialBlob] = {}
        self._dropped_parts: set[str] = set()

    def add_entry(self, entry: Entry, origin_seq: int | None) -> None:
        """Keep an entry that has its seq."""
        self.entries.append(entry)
        if origin_seq is not None:
            self.origins[entry.seq] = origin_seq
            self.origin_seqs.add(origin_seq)
        self.bytes += len(entry.payload) + _ENTRY_BYTES
        if self.bytes > self.limit_bytes:
            self._drop()

    def add_blob(self, blob: Blob) -> None:
        """Keep a blob.

        :raises LectureFileError: ``disk_full`` if it does not fit.
        """
        if self.bytes + len(blob.data) > self.limit_bytes:
            raise LectureFileError("disk_full", "There is no room to keep a page.")
        self.blobs[blob.digest] = blob
        self.bytes += len(blob.data)

    def add_part(self, digest: str, media_type: str, offset: int, total: int, data: bytes) -> bool:
        """Keep a piece of a blob; True once it is complete (and in :attr:`blobs`).

        :raises LectureFileError: ``blob_refused``, ``blob_damaged``, ``disk_full``.
        """
        partial = self.partials.get(digest) or self._begin(digest, media_type, total)
        if (partial.total, partial.media_type) != (total, media_type):
            raise LectureFileError("blob_refused", "A piece of a page contradicts earlier ones.")
        partial.add(offset, data)
        if not partial.complete:
            return False
        whole = bytes(partial.head)
        if hashlib.sha256(whole).hexdigest() != digest:
            self.drop_partial(digest)
            raise LectureFileError("blob_damaged", "A page did not arrive as it was sent.")
        self.add_blob(Blob(digest, media_type, whole))
        self.drop_partial(digest)
        return True

    def _begin(self, digest: str, media_type: str, total: int) -> PartialBlob:
        if total + sum(other.total for other in self.partials.values()) > PARTIAL_LIMIT_BYTES:
            raise LectureFileError("blob_refused", "Too much of pages is being received at once.")
        self.partials[digest] = PartialBlob(media_type, total)
        return self.partials[digest]

    def drop_partial(self, digest: str) -> None:
        """Forget a partial blob, on disk too."""
        if self.partials.pop(digest, None) is not None:
            self._dropped_parts.add(digest)

    def batch(self) -> Batch:
        """Everything that waits for the disk; report back with :meth:`committed` or :meth:`failed`."""
        dropped_parts, self._dropped_parts = self._dropped_parts, set()
        return Batch(
            [(entry, self.origins.get(entry.seq)) for entry in self.entries],
            list(self.tracks),
            dict(self.meta),
            list(self.blobs.values()),
            [
                PartSlice(digest, part, part.saved_bytes, bytes(part.head[part.saved_bytes :]))
                for digest, part in self.partials.items()
                if len(part.head) > part.saved_bytes
            ],
            dropped_parts,
        )

    def committed(self, batch: Batch) -> None:
        """Forget what is on disk now; what came or changed since stays."""
        last_seq = batch.entries[-1][0].seq if batch.entries else 0
        done = [entry for entry in self.entries if entry.seq <= last_seq]
        self._forget(done)
        self.tracks = self.tracks[len(batch.tracks) :]
        for key, value in batch.meta.items():
            if self.meta.get(key) == value:
                del self.meta[key]
        for blob in batch.blobs:
            del self.blobs[blob.digest]
            self.bytes -= len(blob.data)
        for piece in batch.part_slices:
            piece.partial.saved_bytes += len(piece.data)

    def failed(self, batch: Batch) -> None:
        """Keep waiting: nothing of ``batch`` is on disk."""
        self._dropped_parts |= batch.dropped_parts

    def _drop(self) -> None:
        target = self.limit_bytes * 7 // 8
        doomed: list[Entry] = []
        excess = self.bytes - target
        for kinds in (*_DROP_ORDER, None):
            for entry in self.entries:
                if excess <= 0:
                    break
                if entry.kind in kinds if kinds is not None else entry.kind not in _DROP_ORDER[0] | _DROP_ORDER[1]:
                    doomed.append(entry)
                    excess -= len(entry.payload) + _ENTRY_BYTES
        self.dropped_entries += len(doomed)
        self._forget(doomed)

    def _forget(self, entries: list[Entry]) -> None:
        seqs = {entry.seq for entry in entries}
        self.entries = [entry for entry in self.entries if entry.seq not in seqs]
        for entry in entries:
            origin_seq = self.origins.pop(entry.seq, None)
            if origin_seq is not None:
                self.origin_seqs.discard(origin_seq)
            self.bytes -= len(entry.payload) + _ENTRY_BYTES
