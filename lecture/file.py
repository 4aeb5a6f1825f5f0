"""The lecture file: a lecture's log as one SQLite database (docs/lecture-file.md).

While it is written it is in WAL mode with ``synchronous=FULL``; :meth:`LectureFile.finish` folds it into one file.
``append`` only touches memory; ``commit`` writes one transaction, so call that off the event loop, at least once a
second. Reads see what is appended but not yet committed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import overload

from lecture.entries import Entry
from lecture.log import Blob, Span
from lecture.tracks import Track
from lecture.verify import VerifyReport


class LectureFile:
    """A lecture's log in one file; implements :class:`lecture.log.LectureLog`. Safe to call from several threads.

    ``seq`` rises strictly but has holes: each opening for append starts a new block of 2^20, so that a seq that a
    reader got before a crash lost it is never given out twice.
    """

    @classmethod
    def create(
        cls, path: Path | str, meta: Mapping[str, str] | None = None, *, limit_bytes: int | None = None
    ) -> LectureFile:
        """Make a new file.

        :param limit_bytes: quota of the file's size; beyond it :meth:`commit` raises ``disk_full``.
        :raises LectureFileError: ``file_exists``, ``disk_full``, ``file_unwritable``.
        """
        raise NotImplementedError

    @classmethod
    def open(cls, path: Path | str, *, readonly: bool = False, limit_bytes: int | None = None) -> LectureFile:
        """Open a file; for append (also after a crash), or for reading while another process writes it.

        :raises LectureFileError: ``file_missing``, ``not_a_lecture_file``, ``file_too_new``, ``file_damaged``, ``file_unwritable``.
        """
        raise NotImplementedError

    @property
    def path(self) -> Path:
        """Where the file is."""
        raise NotImplementedError

    @property
    def readonly(self) -> bool:
        """Whether it was opened for reading only."""
        raise NotImplementedError

    @property
    def pending_bytes(self) -> int:
        """Payload bytes appended and not yet committed."""
        raise NotImplementedError

    @property
    def dropped_entries(self) -> int:
        """How many entries were dropped because they could not be committed for too long (disk full)."""
        raise NotImplementedError

    def set_limit_bytes(self, limit_bytes: int | None) -> None:
        """Change the quota of the file's size; None lifts it."""
        raise NotImplementedError

    def add_track(self, track: Track) -> Track:
        """Return ``track`` with its ``track_id``; the same description always gets the same id."""
        raise NotImplementedError

    def tracks(self) -> list[Track]:
        """All tracks, in order of id."""
        raise NotImplementedError

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
        raise NotImplementedError

    def last_origin_seq(self) -> int:
        """The highest ``origin_seq`` of an event (non-media entry): what a hall's ``have.after_seq`` says. 0 for none."""
        raise NotImplementedError

    def read(self, after_seq: int = 0, *, kinds: Collection[int] | None = None, limit: int = 1000) -> list[Entry]:
        """Entries with ``seq > after_seq`` in order of seq (those not committed yet included)."""
        raise NotImplementedError

    def read_span(self, track_id: int, span: Span) -> list[Entry]:
        """Entries of a track that overlap ``span``, in order of ``t_ms``."""
        raise NotImplementedError

    def gaps(self, track_ids: Collection[int], span: Span) -> list[Span]:
        """Stretches of ``span`` that no media of these tracks covers, in order."""
        raise NotImplementedError

    def last_t_ms(self) -> int:
        """The largest ``end_ms`` of any entry, 0 for an empty log."""
        raise NotImplementedError

    def follow(self, callback: Callable[[Entry], None]) -> Callable[[], None]:
        """Call ``callback`` for each entry appended from now on, in order of seq, in the appender's thread.

        It must not block or raise. Returns the function that stops it.
        """
        raise NotImplementedError

    def put_blob(self, data: bytes, media_type: str) -> str:
        """Keep bytes under their SHA-256; returns the digest. Doing so twice keeps one copy.

        :raises LectureFileError: ``disk_full`` if nothing could be committed for so long that memory is full too.
        """
        raise NotImplementedError

    def put_blob_part(self, digest: str, media_type: str, offset: int, total: int, data: bytes) -> bool:
        """Keep a piece of a blob that arrives bit by bit (in any order); True once the blob is complete and its digest right.

        :raises LectureFileError: ``blob_damaged`` when complete but not matching ``digest`` (its pieces are forgotten),
            ``blob_refused`` for a piece that contradicts earlier ones or is too large.
        """
        raise NotImplementedError

    def partial_blobs(self) -> list[tuple[str, int]]:
        """Blobs that are not complete: (digest, bytes held from the start). What a hall's ``have.blobs`` says besides complete ones."""
        raise NotImplementedError

    def blob_sizes(self) -> list[tuple[str, int]]:
        """Complete blobs: (digest, size in bytes)."""
        raise NotImplementedError

    def get_blob(self, digest: str) -> Blob | None:
        """The bytes kept under ``digest``, or None."""
        raise NotImplementedError

    def get_meta(self, key: str) -> str | None:
        """A fact about the lecture (``title``, ``state``, …), or None."""
        raise NotImplementedError

    def set_meta(self, key: str, value: str) -> None:
        """Set a fact about the lecture. Durable after the next :meth:`commit`."""
        raise NotImplementedError

    def commit(self) -> None:
        """Make everything appended so far durable (blocks on the disk; call it off the event loop).

        :raises LectureFileError: ``disk_full`` or ``disk_failed``; nothing written earlier is harmed, what was to be written
            stays in memory (bounded, see ``PENDING_LIMIT_BYTES``) and the next commit tries again.
        """
        raise NotImplementedError

    def finish(self) -> None:
        """Commit, fold the WAL into the one file, mark the lecture finished. Reading goes on to work.

        If another process reads the file just then, it stays in WAL mode until :meth:`close`.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Commit and release the file. Doing so twice is harmless."""
        raise NotImplementedError

    def verify(self) -> VerifyReport:
        """Check application id, schema, SQLite's integrity, every CRC, blob digests, order of seq, track references."""
        raise NotImplementedError

    def __enter__(self) -> LectureFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
