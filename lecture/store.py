"""What a lecture file has on disk: the SQL of reading and of writing one batch."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

from lecture.checksum import crc32c, entry_crc32c
from lecture.entries import MAX_DURATION_MS, UNORDERED_KINDS, Entry
from lecture.log import Blob, Span
from lecture.partial import PartialBlob
from lecture.pending import Batch
from lecture.schema import file_bytes, limit_pages, open_reader, open_writer, translate
from lecture.tracks import Track

_log = logging.getLogger("hallcast.lecture")

_ENTRY = "seq, kind, flags, track_id, t_ms, duration_ms, crc32c, payload"
_UNORDERED = ", ".join(str(int(kind)) for kind in sorted(UNORDERED_KINDS))


class Store:
    """Two connections to one file: one writes, one reads, so that a reader never waits for the disk to take a commit.

    Every method raises :class:`lecture.errors.LectureFileError` when SQLite fails.
    """

    def __init__(self, path: Path, *, readonly: bool, limit_bytes: int | None) -> None:
        self.path = path
        self.readonly = readonly
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._damaged_seen: set[int | str] = set()
        self._writer = None if readonly else open_writer(path, limit_bytes)
        try:
            self._reader = open_reader(path)
        except BaseException:
            if self._writer is not None:
                self._writer.close()
            raise

    # Reading

    def entries(self, after_seq: int, before_seq: int, kinds: Collection[int] | None, limit: int) -> list[Entry]:
        """Entries with ``after_seq < seq < before_seq``, in order."""
        if kinds is None:
            sql = f"SELECT {_ENTRY} FROM entries WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?"
            return self._sound(self._rows(sql, after_seq, before_seq, limit))
        # The inner query needs only the index, so that hours of media between two page turns are not read.
        marks = ", ".join("?" * len(kinds))
        sql = f"""SELECT {_ENTRY} FROM entries WHERE seq IN (
            SELECT seq FROM entries WHERE kind IN ({marks}) AND seq > ? AND seq < ? ORDER BY seq LIMIT ?)
            ORDER BY seq"""
        return self._sound(self._rows(sql, *map(int, kinds), after_seq, before_seq, limit))

    def span(self, track_id: int, span: Span, before_seq: int) -> list[Entry]:
        """Entries of a track that overlap ``span``, in order of time."""
        sql = f"""SELECT {_ENTRY} FROM entries WHERE track_id = ? AND t_ms < ? AND t_ms >= ?
            AND (t_ms >= ? OR t_ms + duration_ms > ?) AND seq < ? ORDER BY t_ms, seq"""
        earliest = span.start_ms - MAX_DURATION_MS
        return self._sound(self._rows(sql, track_id, span.end_ms, earliest, span.start_ms, span.start_ms, before_seq))

    def next_t_ms(self, track_id: int, from_ms: int) -> int | None:
        """When the first entry of a track begins that begins at ``from_ms`` or later; None if there is none."""
        sql = "SELECT min(t_ms) FROM entries WHERE track_id = ? AND t_ms >= ?"
        found = self._rows(sql, track_id, from_ms)[0][0]
        return None if found is None else int(found)

    def known(self, track_id: int, span: Span) -> list[Span]:
        """The stretches of ``span`` that entries of a track cover, unmerged."""
        sql = """SELECT t_ms, duration_ms FROM entries WHERE track_id = ? AND t_ms < ? AND t_ms >= ?
            AND t_ms + duration_ms > ? ORDER BY t_ms"""
        rows = self._rows(sql, track_id, span.end_ms, span.start_ms - MAX_DURATION_MS, span.start_ms)
        return [Span(t_ms, t_ms + duration_ms) for t_ms, duration_ms in rows]

    def last_seq(self) -> int:
        """The highest seq, 0 for none."""
        return int(self._rows("SELECT coalesce(max(seq), 0) FROM entries")[0][0])

    def last_t_ms(self) -> int:
        """The largest end of any entry, 0 for none."""
        # Track by track, so that the index answers; no entry lasts longer than MAX_DURATION_MS.
        sql = """SELECT max(t_ms + duration_ms) FROM entries WHERE track_id = ?1
            AND t_ms >= (SELECT max(t_ms) FROM entries WHERE track_id = ?1) - ?2"""
        ends = [
            self._rows(sql, track_id, MAX_DURATION_MS)[0][0] for track_id in (0, *(t.track_id for t in self.tracks()))
        ]
        return max((int(end) for end in ends if end is not None), default=0)

    def last_origin_seq(self) -> int:
        """The highest ``origin_seq`` of an event that comes in order, 0 for none."""
        sql = f"""SELECT origin_seq FROM entries WHERE origin_seq IS NOT NULL AND kind NOT IN ({_UNORDERED})
            ORDER BY origin_seq DESC LIMIT 1"""
        rows = self._rows(sql)
        return int(rows[0][0]) if rows else 0

    def has_origin(self, origin_seq: int) -> bool:
        """Whether an entry with that ``origin_seq`` is there."""
        return bool(self._rows("SELECT 1 FROM entries WHERE origin_seq = ?", origin_seq))

    def tracks(self) -> list[Track]:
        """All tracks, in order of id."""
        sql = "SELECT kind, codec, clock_rate, language, rung, channels, track_id FROM tracks ORDER BY track_id"
        return [Track(*row) for row in self._rows(sql)]

    def meta(self, key: str) -> str | None:
        """A fact, or None."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", key)
        return str(rows[0][0]) if rows else None

    def blob(self, digest: str) -> Blob | None:
        """A blob whose CRC is right, or None."""
        rows = self._rows("SELECT media_type, data, crc32c FROM blobs WHERE digest = ?", digest)
        if not rows:
            return None
        media_type, data, crc = rows[0]
        if crc32c(data) != crc:
            self._damaged(digest, f"page {digest[:12]}")
            return None
        return Blob(digest, media_type, data)

    def blob_sizes(self) -> list[tuple[str, int]]:
        """(digest, size in bytes) of all blobs."""
        return [(digest, size) for digest, size in self._rows("SELECT digest, size FROM blobs ORDER BY digest")]

    def digests(self, prefix: str) -> list[str]:
        """Digests of complete blobs that begin with ``prefix``, which is lower-case hex."""
        sql = "SELECT digest FROM blobs WHERE digest >= ? AND digest < ? ORDER BY digest"
        return [digest for (digest,) in self._rows(sql, prefix, prefix + "g")]

    def partials(self) -> dict[str, PartialBlob]:
        """The partial blobs as far as their pieces are sound."""
        out: dict[str, PartialBlob] = {}
        sql = "SELECT digest, media_type, total, offset, crc32c, data FROM blob_parts ORDER BY digest, offset"
        for digest, media_type, total, offset, crc, data in self._rows(sql):
            part = out.setdefault(digest, PartialBlob(media_type, total))
            if offset == len(part.head) and crc32c(data) == crc and offset + len(data) <= part.total:
                part.head += data
                part.saved_bytes = len(part.head)
        return out

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            with self._read_lock:
                return self._reader.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise translate(error, self.path) from error

    def _sound(self, rows: list[tuple[Any, ...]]) -> list[Entry]:
        """The entries of ``rows`` without those whose CRC is wrong: a damaged one is a gap, never noise in a hall."""
        out = []
        for seq, kind, flags, track_id, t_ms, duration_ms, crc, payload in rows:
            entry = Entry(kind, t_ms, payload, track_id, duration_ms, flags, seq)
            if entry_crc32c(entry) == crc:
                out.append(entry)
            else:
                self._damaged(seq, f"entry {seq}")
        return out

    def _damaged(self, key: int | str, what: str) -> None:
        if key not in self._damaged_seen:
            self._damaged_seen.add(key)
            _log.warning("%s: %s is damaged and left out", self.path.name, what)

    # Writing

    def write(self, batch: Batch) -> None:
        """Make ``batch`` durable in one transaction, or change nothing."""
        with self._write_lock:
            db = self._db()
            try:
                db.execute("BEGIN IMMEDIATE")
                _insert(db, batch)
                db.execute("COMMIT")
            except (sqlite3.Error, OSError) as error:
                # SQLite has rolled back by itself after some errors (disk full), not after others.
                with contextlib.suppress(sqlite3.Error):
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                raise translate(error, self.path) from error

    def set_limit_bytes(self, limit_bytes: int | None) -> None:
        """Change the quota."""
        try:
            with self._write_lock:
                limit_pages(self._db(), limit_bytes)
        except sqlite3.Error as error:
            raise translate(error, self.path) from error

    def fold(self) -> bool:
        """Put the WAL into the one file and leave WAL mode; False if somebody else reads it just now."""
        with self._write_lock, self._read_lock:
            db = self._db()
            self._reader.close()
            try:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                mode = db.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
            except sqlite3.Error as error:
                if translate(error, self.path).error_id != "file_busy":
                    raise translate(error, self.path) from error
                mode = "wal"
            finally:
                self._reader = open_reader(self.path)
            return bool(mode == "delete")

    def bytes(self) -> int:
        """Size of the file and its WAL."""
        return file_bytes(self.path)

    def close(self) -> None:
        """Release both connections."""
        with self._write_lock, self._read_lock:
            self._reader.close()
            if self._writer is not None:
                self._writer.close()

    def _db(self) -> sqlite3.Connection:
        if self._writer is None:
            raise translate(sqlite3.OperationalError("opened for reading only"), self.path)
        return self._writer


def _insert(db: sqlite3.Connection, batch: Batch) -> None:
    db.executemany(
        "INSERT INTO tracks (kind, codec, clock_rate, language, rung, channels, track_id) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (track.kind, track.codec, track.clock_rate, track.language, track.rung, track.channels, track.track_id)
            for track in batch.tracks
        ],
    )
    db.executemany(
        f"INSERT INTO entries ({_ENTRY}, origin_seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                entry.seq,
                int(entry.kind),
                int(entry.flags),
                entry.track_id,
                entry.t_ms,
                entry.duration_ms,
                entry_crc32c(entry),
                entry.payload,
                origin_seq,
            )
            for entry, origin_seq in batch.entries
        ],
    )
    db.executemany(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        batch.meta.items(),
    )
    db.executemany("DELETE FROM blob_parts WHERE digest = ?", [(digest,) for digest in batch.dropped_parts])
    db.executemany(
        "INSERT OR REPLACE INTO blobs (digest, media_type, size, crc32c, data) VALUES (?, ?, ?, ?, ?)",
        [(blob.digest, blob.media_type, len(blob.data), crc32c(blob.data), blob.data) for blob in batch.blobs],
    )
    db.executemany(
        "INSERT OR REPLACE INTO blob_parts (digest, offset, media_type, total, crc32c, data) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (piece.digest, piece.offset, piece.partial.media_type, piece.partial.total, crc32c(piece.data), piece.data)
            for piece in batch.part_slices
        ],
    )
