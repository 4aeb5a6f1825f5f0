"""Reading a lecture file: what is on disk, and what waits in memory to be written."""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path

from lecture.concealed import is_concealed, without_replaced
from lecture.coverage import Coverage
from lecture.entries import MAX_SEQ, MEDIA_KINDS, Entry
from lecture.log import Blob, Span
from lecture.pending import Pending
from lecture.store import Store
from lecture.tracks import Track

FINISHED_KEY = "_finished"


class LectureFileReader:
    """The reading half of :class:`lecture.file.LectureFile`. Safe to call from several threads.

    What a method reads of entries, blobs and facts includes what is appended and not committed yet.
    """

    _tracks: dict[Track, Track]
    _last_t_ms: int
    _last_origin_seq: int

    def __init__(self, store: Store, pending_limit_bytes: int) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._pending = Pending(pending_limit_bytes)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._store.path

    @property
    def readonly(self) -> bool:
        """Whether it was opened for reading only."""
        return self._store.readonly

    @property
    def finished(self) -> bool:
        """Whether :meth:`finish` was called on it, now or earlier."""
        return self.get_meta(FINISHED_KEY) is not None

    @property
    def damage(self) -> str:
        """What opening had to make up for, in plain words; empty if nothing. Only a verification finds all damage."""
        return self._store.damage

    def tracks(self) -> list[Track]:
        """All tracks, in order of id."""
        if self.readonly:
            return self._store.tracks()
        with self._lock:
            return sorted(self._tracks.values(), key=lambda track: track.track_id)

    def last_origin_seq(self) -> int:
        """The highest ``origin_seq`` of an event that comes in order, 0 for none: a hall's ``have.after_seq``."""
        return self._store.last_origin_seq() if self.readonly else self._last_origin_seq

    def origin_seqs(self) -> dict[int, int]:
        """The relay's seq by the one in this file, of all entries that came from the relay's log."""
        with self._lock:
            pending = dict(self._pending.origins)
        return {**self._store.origin_seqs(), **pending}

    def read(self, after_seq: int = 0, *, kinds: Collection[int] | None = None, limit: int = 1000) -> list[Entry]:
        """Entries with ``seq > after_seq`` in order of seq (those not committed yet included)."""
        pending = self._pending_entries()
        before_seq = _first_seq(pending)
        out = self._store.entries(after_seq, before_seq, kinds, limit)
        later = [entry for entry in pending if entry.seq > after_seq and (kinds is None or entry.kind in kinds)]
        # Fewer than asked for may be so for damage or size: what is not committed comes behind all of the disk.
        if later and out and (len(out) >= limit or self._store.entries(out[-1].seq, before_seq, kinds, 1)):
            return out
        return (out + later)[:limit]

    def read_span(self, track_id: int, span: Span) -> list[Entry]:
        """Entries of a track that overlap ``span``, in order of ``t_ms``; concealed ones only where no other is."""
        pending = self._pending_entries()
        out = self._store.span(track_id, span, _first_seq(pending))
        out += [entry for entry in pending if entry.track_id == track_id and span.touches(entry)]
        return sorted(without_replaced(out), key=lambda entry: (entry.t_ms, entry.seq))

    def next_t_ms(self, track_id: int, from_ms: int) -> int | None:
        """When the first committed entry of a track begins that begins at ``from_ms`` or later; None for none."""
        return self._store.next_t_ms(track_id, from_ms)

    def gaps(self, track_ids: Collection[int], span: Span, *, concealed: bool = True) -> list[Span]:
        """Stretches of ``span`` that no media of these tracks covers, in order.

        :param concealed: whether what was made up counts as media.
        """
        return self._coverage(track_ids, span, concealed=concealed).missing(span)

    def covered(self, track_ids: Collection[int], span: Span, *, concealed: bool = True) -> list[Span]:
        """Stretches of ``span`` that media of these tracks covers, in order: all but :meth:`gaps`."""
        return self._coverage(track_ids, span, concealed=concealed).known(span)

    def _coverage(self, track_ids: Collection[int], span: Span, *, concealed: bool) -> Coverage:
        coverage = Coverage(
            Span(entry.t_ms, entry.end_ms)
            for entry in self._pending_entries()
            if entry.track_id in track_ids and (concealed or not is_concealed(entry))
        )
        for track_id in track_ids:
            coverage.update(Coverage(self._store.known(track_id, span, concealed=concealed)))
        return coverage

    def check_media(self) -> None:
        """Read all media, so that from then on :meth:`gaps` are those that :meth:`verify` would find."""
        after_seq = 0
        while batch := self.read(after_seq, kinds=MEDIA_KINDS):
            after_seq = batch[-1].seq

    def last_t_ms(self, before_ms: int | None = None) -> int:
        """The largest ``end_ms`` of any entry, 0 for an empty log.

        :param before_ms: only of what is on disk and begins before this lecture time.
        """
        if before_ms is not None:
            return self._store.last_t_ms(before_ms)
        return self._store.last_t_ms() if self.readonly else self._last_t_ms

    def track_end_ms(self, track_id: int) -> int:
        """The largest ``end_ms`` of any committed entry of a track, 0 for none."""
        return self._store.track_end_ms(track_id)

    def blob_sizes(self) -> list[tuple[str, int]]:
        """Complete blobs: (digest, size in bytes)."""
        with self._lock:
            pending = {blob.digest: len(blob.data) for blob in self._pending.blobs.values()}
        return sorted({**dict(self._store.blob_sizes()), **pending}.items())

    def digests(self, prefix: str) -> list[str]:
        """Digests of committed blobs that begin with ``prefix`` (lower-case hex)."""
        return self._store.digests(prefix)

    def get_blob(self, digest: str) -> Blob | None:
        """The bytes kept under ``digest``, or None."""
        with self._lock:
            pending = self._pending.blobs.get(digest)
        return pending or self._store.blob(digest)

    def get_meta(self, key: str) -> str | None:
        """A fact about the lecture (``title``, ``state``, …), or None."""
        with self._lock:
            pending = self._pending.meta.get(key)
        return pending if pending is not None else self._store.meta(key)

    def facts(self) -> dict[str, str]:
        """All facts about the lecture, the file's own (keys that begin with ``_``) included."""
        with self._lock:
            pending = dict(self._pending.meta)
        return {**self._store.all_meta(), **pending}

    def _pending_entries(self) -> list[Entry]:
        # Taken before the disk is read: what is committed in between is left out there by its seq, and never missed.
        with self._lock:
            return list(self._pending.entries)


def _first_seq(entries: list[Entry]) -> int:
    return entries[0].seq if entries else MAX_SEQ + 1
