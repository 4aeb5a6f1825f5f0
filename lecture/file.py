"""The lecture file: a lecture's log as one SQLite database (tables: :mod:`lecture.schema`, docs/lecture-file.md).

While it is written it is in WAL mode with ``synchronous=FULL``; :meth:`LectureFile.finish` folds it into one file.
``append`` only touches memory; ``commit`` writes one transaction: call it off the event loop, at least once a second.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import overload

from lecture.entries import MAX_SEQ, MAX_TRACKS, UNORDERED_KINDS, Entry, check_numbers
from lecture.errors import LectureFileError
from lecture.file_read import FINISHED_KEY, LectureFileReader
from lecture.followers import Followers
from lecture.log import Blob
from lecture.pending import PENDING_LIMIT_BYTES
from lecture.schema import create_database
from lecture.store import Store
from lecture.tracks import Track
from lecture.verify import Progress, VerifyReport, verify_file

_log = logging.getLogger("hallcast.lecture")

SEQ_BLOCK = 1 << 20
"""Each opening for append starts a new block of that many numbers."""

# A key of ``meta`` that begins with "_" is the file's own.
BLOCK_KEY = "_seq_block"


class LectureFile(LectureFileReader):
    """A lecture's log in one file; implements :class:`lecture.log.LectureLog`. Safe to call from several threads.

    ``seq`` rises strictly but has holes: each opening for append starts a new block of 2^20, so that a seq that a
    reader got before a crash lost it is never given out twice.
    """

    def __init__(self, store: Store, pending_limit_bytes: int, *, fresh: bool) -> None:
        """Use :meth:`create` or :meth:`open`."""
        super().__init__(store, pending_limit_bytes)
        self._commit_lock = threading.Lock()
        self._followers = Followers()
        self._closed = False
        if store.readonly:
            return
        self._tracks = {replace(track, track_id=0): track for track in store.tracks()}
        self._track_ids = {track.track_id for track in self._tracks.values()}
        self._last_t_ms = store.last_t_ms()
        self._last_origin_seq = store.last_origin_seq()
        self._pending.partials = store.partials()
        self._next_seq = 1
        if not fresh:
            self._start_block()
        self._first_seq = self._next_seq

    @classmethod
    def create(
        cls,
        path: Path | str,
        meta: Mapping[str, str] | None = None,
        *,
        limit_bytes: int | None = None,
        pending_limit_bytes: int = PENDING_LIMIT_BYTES,
    ) -> LectureFile:
        """Make a new file.

        :param limit_bytes: quota of the file's size; beyond it :meth:`commit` raises ``disk_full``.
        :param pending_limit_bytes: memory for what waits for the disk (:data:`lecture.pending.PENDING_LIMIT_BYTES`).
        :raises LectureFileError: ``file_exists``, ``disk_full``, ``file_unwritable``.
        """
        create_database(Path(path), meta or {})
        store = Store(Path(path), readonly=False, limit_bytes=limit_bytes)
        return cls(store, pending_limit_bytes, fresh=True)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        readonly: bool = False,
        limit_bytes: int | None = None,
        pending_limit_bytes: int = PENDING_LIMIT_BYTES,
    ) -> LectureFile:
        """Open a file; for append (also after a crash), or for reading while another process writes it.

        :raises LectureFileError: ``file_missing``, ``not_a_lecture_file``, ``file_too_new``, ``file_damaged``,
            ``file_unwritable``.
        """
        store = Store(Path(path), readonly=readonly, limit_bytes=limit_bytes)
        try:
            return cls(store, pending_limit_bytes, fresh=False)
        except BaseException:
            store.close()
            raise

    @property
    def first_seq(self) -> int:
        """The first ``seq`` of this opening for append: above all that any other has given out, committed or not."""
        return self._first_seq

    @property
    def pending_bytes(self) -> int:
        """Memory taken by what is appended and not yet committed."""
        return self._pending.bytes

    @property
    def dropped_entries(self) -> int:
        """How many entries were dropped because they could not be committed for too long (disk full)."""
        return self._pending.dropped_entries

    def set_limit_bytes(self, limit_bytes: int | None) -> None:
        """Change the quota of the file's size; None lifts it."""
        self._store.set_limit_bytes(limit_bytes)

    # Entries

    def add_track(self, track: Track) -> Track:
        """Return ``track`` with its ``track_id``; the same description always gets the same id."""
        bare = replace(track, track_id=0)
        with self._lock:
            self._check_writable()
            if bare not in self._tracks:
                track_id = max(self._track_ids, default=0) + 1
                if track_id > MAX_TRACKS:
                    raise ValueError("too many tracks")
                self._tracks[bare] = replace(track, track_id=track_id)
                self._track_ids.add(track_id)
                self._pending.tracks.append(self._tracks[bare])
            return self._tracks[bare]

    @overload
    def append(self, entry: Entry) -> Entry: ...
    @overload
    def append(self, entry: Entry, *, origin_seq: int | None) -> Entry | None: ...
    def append(self, entry: Entry, *, origin_seq: int | None = None) -> Entry | None:
        """Put ``entry`` at the end; returns it with its ``seq``. Durable after the next :meth:`commit`.

        :param origin_seq: the relay's seq, in a copy of the relay's log. An entry whose ``origin_seq`` is there already
            is dropped and None returned.
        :raises ValueError: for a track that was not added, or a number out of range.
        """
        check_numbers(entry)
        with self._lock:
            self._check_writable()
            if entry.track_id and entry.track_id not in self._track_ids:
                raise ValueError(f"track {entry.track_id} was not added")
            if origin_seq is not None:
                if origin_seq in self._pending.origin_seqs or self._store.has_origin(origin_seq):
                    return None
                if entry.kind not in UNORDERED_KINDS:
                    self._last_origin_seq = max(self._last_origin_seq, origin_seq)
            kept = replace(entry, seq=self._next_seq)
            self._take(kept, origin_seq)
            return kept

    def adopt(self, entry: Entry, origin_seq: int | None = None) -> None:
        """Put an entry of a former file of the same log at the end, under the number that it had there.

        :param origin_seq: as :meth:`append`.
        :raises ValueError: for a number that is not behind all that are here, or one out of range.
        """
        check_numbers(entry)
        with self._lock:
            self._check_writable()
            if entry.seq < self._next_seq:
                raise ValueError(f"seq {entry.seq} is given out already")
            self._take(entry, origin_seq)

    def _take(self, entry: Entry, origin_seq: int | None) -> None:
        self._next_seq = entry.seq + 1
        self._last_t_ms = max(self._last_t_ms, entry.end_ms)
        self._pending.add_entry(entry, origin_seq)
        self._followers.tell(entry)

    def follow(self, callback: Callable[[Entry], None]) -> Callable[[], None]:
        """Call ``callback`` for each entry appended from now on, in order of seq, in an appender's thread.

        It must not block or raise. Returns the function that stops it.
        """
        with self._lock:
            key = self._followers.add(callback)

        def stop() -> None:
            with self._lock:
                self._followers.remove(key)

        return stop

    # Blobs and facts

    def put_blob(self, data: bytes, media_type: str) -> str:
        """Keep bytes under their SHA-256; returns the digest. Doing so twice keeps one copy.

        :raises LectureFileError: ``disk_full`` if nothing could be committed for so long that memory is full too.
        """
        digest = hashlib.sha256(data).hexdigest()
        with self._lock:
            self._check_writable()
            if self.get_blob(digest) is None:
                self._pending.add_blob(Blob(digest, media_type, data))
            self._pending.drop_partial(digest)
        return digest

    def put_blob_part(self, digest: str, media_type: str, offset: int, total: int, data: bytes) -> bool:
        """Keep a piece of a blob that arrives bit by bit (in any order).

        Returns True once the blob is complete and its digest right.

        :raises LectureFileError: ``blob_damaged`` if whole but not what ``digest`` says (its pieces are forgotten),
            ``blob_refused`` for a piece that contradicts earlier ones or is too large, ``disk_full``.
        """
        with self._lock:
            self._check_writable()
            if self.get_blob(digest) is not None:
                return True
            return self._pending.add_part(digest, media_type, offset, total, data)

    def partial_blobs(self) -> list[tuple[str, int]]:
        """Blobs that are not complete: (digest, bytes held from the start)."""
        if self.readonly:
            return [(digest, len(part.head)) for digest, part in self._store.partials().items()]
        with self._lock:
            return [(digest, len(part.head)) for digest, part in self._pending.partials.items()]

    def set_meta(self, key: str, value: str) -> None:
        """Set a fact about the lecture. Durable after the next :meth:`commit`."""
        with self._lock:
            self._check_writable()
            self._pending.meta[key] = value

    # The disk

    def commit(self) -> None:
        """Make everything appended so far durable (blocks on the disk; call it off the event loop).

        :raises LectureFileError: ``disk_full``, ``disk_failed``, ``file_busy``; nothing written earlier is harmed, what
            was to be written stays in memory (bounded, see :mod:`lecture.pending`) and the next commit tries again.
        """
        with self._commit_lock:
            with self._lock:
                batch = self._pending.batch()
            if not batch:
                return
            try:
                self._store.write(batch)
            except BaseException:
                with self._lock:
                    self._pending.failed(batch)
                raise
            with self._lock:
                self._pending.committed(batch)

    def commit_in_time(self) -> None:
        """Commit if so much waits that the oldest of it might soon be dropped: for whoever appends much at once.

        :raises LectureFileError: as :meth:`commit`.
        """
        if self._pending.bytes > self._pending.limit_bytes // 2:
            self.commit()

    def finish(self) -> None:
        """Commit, fold the WAL into the one file, mark the lecture finished. Reading goes on to work.

        If another process reads the file just then, it stays in WAL mode until :meth:`close`. Appending still works
        (receipts, repairs), though a commit then waits for readers.

        :raises LectureFileError: as :meth:`commit`.
        """
        self.set_meta(FINISHED_KEY, "1")
        self.commit()
        if not self._store.fold():
            _log.info("%s is being read and is folded into one file when it is closed", self.path.name)

    def close(self) -> None:
        """Commit and release the file. Doing so twice is harmless.

        :raises LectureFileError: as :meth:`commit`; the file is released all the same.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
        try:
            if not self.readonly:
                self.commit()
                if self.finished:
                    self._store.fold()
        finally:
            self._store.close()

    def verify(self, progress: Progress | None = None) -> VerifyReport:
        """Check the committed file: ids, schema, SQLite's integrity, CRCs, blob digests, order, track references."""
        with contextlib.suppress(LectureFileError):  # a full disk does not hinder reading
            if not self.readonly and not self._closed:
                self.commit()
        return verify_file(self.path, progress)

    def __enter__(self) -> LectureFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start_block(self) -> None:
        """Begin a block of seq that no earlier opening used, whether or not it came to a commit."""
        noted = self._store.meta(BLOCK_KEY) or "0"
        if not (noted.isascii() and noted.isdigit() and len(noted) <= len(str(MAX_SEQ))):
            raise LectureFileError("file_damaged", f"{self.path.name} does not say which numbers it has given out.")
        used = max(self._store.last_seq() // SEQ_BLOCK, int(noted))
        self._next_seq = (used + 1) * SEQ_BLOCK + 1
        if self._next_seq > MAX_SEQ - SEQ_BLOCK:
            raise LectureFileError("file_damaged", f"{self.path.name} has no numbers left.")
        self._pending.meta[BLOCK_KEY] = str(used + 1)
        # On a full disk the lecture goes on; the block is noted with the first commit that succeeds.
        try:
            self.commit()
        except LectureFileError as error:
            if error.error_id != "disk_full":
                raise
            _log.warning("%s: %s", self.path.name, error)

    def _check_writable(self) -> None:
        if self.readonly or self._closed:
            raise LectureFileError("file_unwritable", f"{self.path.name} is not open for writing.")
