"""The one interface through which a lecture's log is reached.

Everything that reads or writes a lecture (recorder, hall, replay, edge relay) does so through
:class:`LectureLog`. :class:`lecture.file.LectureFile` is the embedded implementation (one SQLite file).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from lecture.entries import Entry
from lecture.tracks import Track


@dataclass(frozen=True, slots=True)
class Blob:
    """Content-addressed bytes (a rendered page).

    :param digest: SHA-256 of ``data`` in lower-case hex.
    """

    digest: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of lecture time, ``start_ms`` included, ``end_ms`` not."""

    start_ms: int
    end_ms: int

    def touches(self, entry: Entry) -> bool:
        """Whether ``entry`` lies in this stretch at least in part; one without duration, whether it begins in it."""
        return entry.t_ms < self.end_ms and (entry.t_ms >= self.start_ms or entry.end_ms > self.start_ms)


class LectureLog(Protocol):
    """Append, read from a sequence number, follow, gaps. Implementations are safe to call from several threads."""

    def add_track(self, track: Track) -> Track:
        """Return ``track`` with its ``track_id``; the same description always gets the same id."""

    def tracks(self) -> list[Track]:
        """All tracks, in order of id."""

    def append(self, entry: Entry) -> Entry:
        """Put ``entry`` at the end; returns it with its ``seq``. Durable after the next :meth:`commit`."""

    def read(self, after_seq: int = 0, *, kinds: Collection[int] | None = None, limit: int = 1000) -> list[Entry]:
        """Entries with ``seq > after_seq`` in order of seq (those not committed yet included)."""

    def read_span(self, track_id: int, span: Span) -> list[Entry]:
        """Entries of a track that overlap ``span``, in order of ``t_ms``; concealed ones only where no other is."""

    def gaps(self, track_ids: Collection[int], span: Span, *, concealed: bool = True) -> list[Span]:
        """Stretches of ``span`` that no media of these tracks covers, in order.

        :param concealed: whether what was made up counts as media.
        """

    def covered(self, track_ids: Collection[int], span: Span, *, concealed: bool = True) -> list[Span]:
        """Stretches of ``span`` that media of these tracks covers, in order: all but :meth:`gaps`."""

    def last_t_ms(self) -> int:
        """The largest ``end_ms`` of any entry, 0 for an empty log."""

    def follow(self, callback: Callable[[Entry], None]) -> Callable[[], None]:
        """Call ``callback`` for each entry appended from now on, in the appender's thread.

        Returns the function that stops it.
        """

    def put_blob(self, data: bytes, media_type: str) -> str:
        """Keep bytes under their SHA-256; returns the digest. Doing so twice keeps one copy."""

    def get_blob(self, digest: str) -> Blob | None:
        """The bytes kept under ``digest``, or None."""

    def get_meta(self, key: str) -> str | None:
        """A fact about the lecture (``title``, ``state``, …), or None."""

    def set_meta(self, key: str, value: str) -> None:
        """Set a fact about the lecture. Durable after the next :meth:`commit`."""

    def commit(self) -> None:
        """Make everything appended so far durable (blocks on the disk; call it off the event loop)."""

    def finish(self) -> None:
        """Commit, fold the WAL into the one file, mark the lecture finished. Reading goes on to work."""

    def close(self) -> None:
        """Commit and release the file."""
