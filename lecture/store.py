"""What a lecture file has on disk: a batch is written, and read with :mod:`lecture.store_read`."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from pathlib import Path

from lecture.checksum import crc32c, entry_crc32c
from lecture.lock import WriterLock
from lecture.opening import damage_at_opening, open_reader, open_writer, require_file
from lecture.pending import Batch
from lecture.schema import limit_pages, translate
from lecture.store_read import ENTRY_COLUMNS, StoreReader

_log = logging.getLogger("hallcast.lecture")


class Store(StoreReader):
    """Two connections to one file: one writes, one reads, so that a reader never waits for the disk to take a commit.

    Every method raises :class:`lecture.errors.LectureFileError` when SQLite fails.
    """

    def __init__(self, path: Path, *, readonly: bool, limit_bytes: int | None) -> None:
        super().__init__(path)
        self.readonly = readonly
        self._limit_bytes = limit_bytes
        self._write_lock = threading.Lock()
        self._lock: WriterLock | None = None
        self._writer: sqlite3.Connection | None = None
        try:
            if not readonly:
                require_file(path)
                self._lock = WriterLock(path)
                self._writer = open_writer(path, limit_bytes)
            self._reader = open_reader(path)
        except BaseException:
            self._release()
            raise

    def write(self, batch: Batch) -> None:
        """Make ``batch`` durable in one transaction, or change nothing."""
        with self._write_lock:
            if not self.path.exists():
                self._bring_back()
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

    def _bring_back(self) -> None:
        """Write the file anew that somebody removed under us: what is open still has all of it."""
        _log.warning("%s was removed while it is written to and is written anew", self.path.name)
        draft = self.path.with_name(self.path.name + ".new")
        with self._read_lock:
            try:
                draft.unlink(missing_ok=True)
                with contextlib.closing(sqlite3.connect(draft)) as whole:
                    self._db().backup(whole)
                # A WAL of the old file would be taken for the new one's.
                for suffix in ("-wal", "-shm"):
                    self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
                draft.replace(self.path)
                writer = open_writer(self.path, self._limit_bytes)
                reader = open_reader(self.path)
            except (sqlite3.Error, OSError) as error:
                raise translate(error, self.path) from error
            self._db().close()
            self._reader.close()
            self._writer = writer
            self._read_with(reader)

    def set_limit_bytes(self, limit_bytes: int | None) -> None:
        """Change the quota."""
        try:
            with self._write_lock:
                limit_pages(self._db(), limit_bytes)
                self._limit_bytes = limit_bytes
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
                self._read_with(open_reader(self.path))
            return bool(mode == "delete")

    @property
    def damage(self) -> str:
        """What opening had to make up for, in plain words; empty if nothing."""
        return damage_at_opening(self._reader)

    def close(self) -> None:
        """Release both connections."""
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._release()

    def _release(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._lock is not None:
            self._lock.release()

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
        f"INSERT INTO entries ({ENTRY_COLUMNS}, origin_seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
