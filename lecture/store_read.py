"""What a lecture file has on disk: the SQL of reading, and what damage leaves of it."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from lecture.checksum import crc32c, entry_crc32c
from lecture.entries import MAX_DURATION_MS, MAX_SEQ, UNORDERED_KINDS, Entry, Flag, check_numbers
from lecture.log import Blob, Span
from lecture.partial import PartialBlob
from lecture.pending import PARTIAL_LIMIT_BYTES
from lecture.salvage import bound, is_damage, readable_rows
from lecture.schema import translate
from lecture.tracks import Track

_log = logging.getLogger("hallcast.lecture")

ENTRY_COLUMNS = "seq, kind, flags, track_id, t_ms, duration_ms, crc32c, payload"
_ENTRY_TYPES = (int,) * 7 + (bytes,)
_TRACK_TYPES = (str, str, int, str, str, int, int)
_DAMAGES_TOLD = 1000
READ_BYTES = 64 * 1024 * 1024
"""Once a single reading has taken so much of entries it is given out, however many were asked for."""
SPAN_SQL = f"""SELECT {ENTRY_COLUMNS} FROM entries WHERE track_id = ? AND t_ms < ? AND t_ms >= ?
    AND (t_ms >= ? OR t_ms + duration_ms > ?) AND seq < ? ORDER BY t_ms"""
"""Ordered as the index is: to sort further, SQLite would read all rows before it gives the first."""
_BUT_SEQ = ENTRY_COLUMNS.removeprefix("seq, ")
_ENDS = 1000
_UNORDERED = ", ".join(str(int(kind)) for kind in sorted(UNORDERED_KINDS))


_Place = tuple[int, int, int, int]
"""Of an entry: t_ms, end_ms, seq, flags."""


class StoreReader:
    """One connection that reads.

    Every method raises :class:`lecture.errors.LectureFileError` when SQLite fails.
    """

    path: Path
    _reader: sqlite3.Connection

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_lock = threading.Lock()
        self._damaged_seen: set[int | str] = set()
        self._damaged_seqs: set[int] = set()  # bounded by the file's entries
        self._places: tuple[int, dict[int, list[_Place]]] = (-1, {})  # so are they

    def entries(self, after_seq: int, before_seq: int, kinds: Collection[int] | None, limit: int) -> list[Entry]:
        """Entries with ``after_seq < seq < before_seq``, in order; fewer than ``limit`` where some are damaged or
        large, none only at the end."""
        while True:
            rows = list(_rising(self._entry_rows(after_seq, before_seq, kinds, limit), after_seq))
            out = self._sound(rows)
            # All of them may be damaged: an empty answer would tell the reader that there is nothing more.
            if out or not rows:
                return out
            after_seq = rows[-1][0]

    def _entry_rows(
        self, after_seq: int, before_seq: int, kinds: Collection[int] | None, limit: int
    ) -> list[tuple[Any, ...]]:
        def salvaged() -> Iterator[tuple[Any, ...]]:
            rows = self._salvaged("entries", ENTRY_COLUMNS, after_seq, before_seq)
            return islice((row for row in rows if kinds is None or row[1] in kinds), limit)

        if kinds is None:
            sql = f"SELECT {ENTRY_COLUMNS} FROM entries WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?"
            return self._rows(sql, after_seq, before_seq, limit, salvaged=salvaged, most_bytes=READ_BYTES)
        # The inner query needs only the index, so that hours of media between two page turns are not read.
        marks = ", ".join("?" * len(kinds))
        sql = f"""SELECT {ENTRY_COLUMNS} FROM entries WHERE seq IN (
            SELECT seq FROM entries WHERE kind IN ({marks}) AND seq > ? AND seq < ? ORDER BY seq LIMIT ?)
            ORDER BY seq"""
        values = (*map(int, kinds), after_seq, before_seq, limit)
        return self._rows(sql, *values, salvaged=salvaged, most_bytes=READ_BYTES)

    def span(self, track_id: int, span: Span, before_seq: int) -> list[Entry]:
        """Entries of a track that overlap ``span``, in order of time; of those that have more than
        :data:`READ_BYTES` together the first."""

        def salvaged() -> Iterator[tuple[Any, ...]]:
            for t_ms, end_ms, seq, _ in self._places_on_track(track_id):
                if t_ms < span.end_ms and (t_ms >= span.start_ms or end_ms > span.start_ms) and seq < before_seq:
                    yield from readable_rows(self._reader, "entries", _BUT_SEQ, after=seq - 1, before=seq + 1)

        earliest = span.start_ms - MAX_DURATION_MS
        values = (track_id, span.end_ms, earliest, span.start_ms, span.start_ms, before_seq)
        found = self._sound(self._rows(SPAN_SQL, *values, salvaged=salvaged, most_bytes=READ_BYTES))
        return sorted(found, key=lambda entry: (entry.t_ms, entry.seq))

    def next_t_ms(self, track_id: int, from_ms: int) -> int | None:
        """When the first entry of a track begins that begins at ``from_ms`` or later; None if there is none."""
        sql = "SELECT min(t_ms) FROM entries WHERE track_id = ? AND t_ms >= ?"

        def salvaged() -> Iterator[tuple[Any, ...]]:
            later = (t_ms for t_ms, *_ in self._places_on_track(track_id) if t_ms >= from_ms)
            return iter([(min(later, default=None),)])

        rows = self._rows(sql, track_id, from_ms, salvaged=salvaged)
        return int(rows[0][0]) if rows and _has_types(rows[0], (int,)) else None

    def known(self, track_id: int, span: Span, *, concealed: bool = True) -> list[Span]:
        """The stretches of ``span`` that entries of a track cover, unmerged; with ``concealed`` those made up too.

        An entry whose CRC is wrong covers nothing once it has been read.
        """
        unlike = 0 if concealed else int(Flag.CONCEALED)
        sql = """SELECT t_ms, duration_ms, seq FROM entries WHERE track_id = ? AND t_ms < ? AND t_ms >= ?
            AND t_ms + duration_ms > ? AND (? = 0 OR flags & ? = 0) ORDER BY t_ms"""

        def salvaged() -> Iterator[tuple[Any, ...]]:
            found = (place for place in self._places_on_track(track_id) if not place[3] & unlike)
            return ((t_ms, end_ms - t_ms, seq) for t_ms, end_ms, seq, _ in found)

        values = (track_id, span.end_ms, span.start_ms - MAX_DURATION_MS, span.start_ms, unlike, unlike)
        rows = self._rows(sql, *values, salvaged=salvaged)
        sound = (row for row in rows if _has_types(row, (int, int, int)) and row[2] not in self._damaged_seqs)
        return [Span(t_ms, t_ms + duration_ms) for t_ms, duration_ms, _ in sound]

    def last_seq(self) -> int:
        """The highest seq, 0 for none."""

        def salvaged() -> Iterator[tuple[Any, ...]]:
            return iter([(max((entry.seq for entry in self._all_sound()), default=0),)])

        return _largest(self._rows("SELECT max(seq) FROM entries", salvaged=salvaged))

    def last_t_ms(self, before_ms: int = MAX_SEQ + 1) -> int:
        """The largest end of any entry that begins before ``before_ms``, 0 for none."""
        # Track by track, so that the index answers.
        return max(self.track_end_ms(track_id, before_ms) for track_id in (0, *(t.track_id for t in self.tracks())))

    def track_end_ms(self, track_id: int, before_ms: int = MAX_SEQ + 1) -> int:
        """The largest end of any entry of a track (0: of events) that begins before ``before_ms``, 0 for none."""
        # No entry lasts longer than MAX_DURATION_MS.
        sql = """SELECT seq, t_ms FROM entries WHERE track_id = ?1 AND t_ms < ?3
            AND t_ms >= (SELECT max(t_ms) FROM entries WHERE track_id = ?1 AND t_ms < ?3) - ?2
            ORDER BY t_ms + duration_ms DESC LIMIT ?4"""

        def salvaged() -> Iterator[tuple[Any, ...]]:
            places = (place for place in self._places_on_track(track_id) if place[0] < before_ms)
            last = max(places, key=lambda place: place[1], default=None)
            return iter(() if last is None else [(last[2], last[0])])

        limit = 1
        while rows := self._rows(sql, track_id, MAX_DURATION_MS, before_ms, limit, salvaged=salvaged):
            # One flipped bit would else make a lecture of an hour one of years.
            for seq, _ in rows:
                for entry in self._sound(self._rows(f"SELECT {ENTRY_COLUMNS} FROM entries WHERE seq = ?", seq)):
                    if entry.track_id == track_id and entry.t_ms < before_ms:
                        return entry.end_ms
            if limit < _ENDS:
                limit = _ENDS
                continue
            earliest_ms = min((t_ms for _, t_ms in rows if isinstance(t_ms, int)), default=before_ms)
            if earliest_ms >= before_ms:  # an index that leads astray
                break
            before_ms = earliest_ms
        return 0

    def last_origin_seq(self) -> int:
        """The highest ``origin_seq`` of an event that comes in order, 0 for none."""
        sql = f"""SELECT origin_seq FROM entries WHERE origin_seq IS NOT NULL AND kind NOT IN ({_UNORDERED})
            ORDER BY origin_seq DESC LIMIT 1"""

        def salvaged() -> Iterator[tuple[Any, ...]]:
            rows = self._salvaged("entries", "origin_seq, kind")
            ordered = [row[1] for row in rows if isinstance(row[1], int) and row[2] not in UNORDERED_KINDS]
            return iter([(max(ordered, default=0),)])

        return _largest(self._rows(sql, salvaged=salvaged))

    def has_origin(self, origin_seq: int) -> bool:
        """Whether an entry with that ``origin_seq`` is there."""
        return bool(self._rows("SELECT 1 FROM entries WHERE origin_seq = ?", origin_seq))

    def origin_seqs(self) -> dict[int, int]:
        """Origin by seq, of all entries that have one."""

        def salvaged() -> Iterator[tuple[Any, ...]]:
            return (row for row in self._salvaged("entries", "origin_seq") if row[1] is not None)

        rows = self._rows("SELECT seq, origin_seq FROM entries WHERE origin_seq IS NOT NULL", salvaged=salvaged)
        return {seq: origin for seq, origin in rows if _has_types((seq, origin), (int, int))}

    def tracks(self) -> list[Track]:
        """All tracks, in order of id."""
        columns = "kind, codec, clock_rate, language, rung, channels, track_id"
        sql = f"SELECT {columns} FROM tracks ORDER BY track_id"

        def salvaged() -> Iterator[tuple[Any, ...]]:
            rows = [row[1:] for row in self._salvaged("tracks", columns)]
            with contextlib.suppress(sqlite3.DatabaseError):
                # The index that keeps them apart holds all of them too, and without its track no voice has a meaning.
                again = self._reader.execute(f"SELECT {columns} FROM tracks INDEXED BY sqlite_autoindex_tracks_1")
                rows += [row for row in again.fetchall() if row not in rows]
            return iter(sorted(rows, key=lambda row: str(row[-1]).zfill(9)))

        return [Track(*row) for row in self._rows(sql, salvaged=salvaged) if _has_types(row, _TRACK_TYPES)]

    def meta(self, key: str) -> str | None:
        """A fact, or None."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", key)
        return str(rows[0][0]) if rows else None

    def all_meta(self) -> dict[str, str]:
        """All facts; none if they cannot be read."""
        rows = self._rows("SELECT key, value FROM meta")
        return {key: value for key, value in rows if _has_types((key, value), (str, str))}

    def blob(self, digest: str) -> Blob | None:
        """A blob whose CRC is right, or None."""

        def salvaged() -> Iterator[tuple[Any, ...]]:
            rows = self._salvaged("blobs", "digest, media_type, data, crc32c")
            return islice((row[2:] for row in rows if row[1] == digest), 1)

        rows = self._rows("SELECT media_type, data, crc32c FROM blobs WHERE digest = ?", digest, salvaged=salvaged)
        if not rows:
            return None
        media_type, data, crc = rows[0]
        if not isinstance(media_type, str) or not isinstance(data, bytes) or crc32c(data) != crc:
            self._damaged(digest, f"page {digest[:12]}")
            return None
        return Blob(digest, media_type, data)

    def blob_sizes(self) -> list[tuple[str, int]]:
        """(digest, size in bytes) of all blobs."""

        def salvaged() -> Iterator[tuple[Any, ...]]:
            return (row[1:] for row in self._salvaged("blobs", "digest, size"))

        rows = self._rows("SELECT digest, size FROM blobs ORDER BY digest", salvaged=salvaged)
        return [(digest, size) for digest, size in rows if _has_types((digest, size), (str, int))]

    def digests(self, prefix: str) -> list[str]:
        """Digests of complete blobs that begin with ``prefix``, which is lower-case hex."""
        sql = "SELECT digest FROM blobs WHERE digest >= ? AND digest < ? ORDER BY digest"

        def salvaged() -> Iterator[tuple[Any, ...]]:
            return (row[1:] for row in self._salvaged("blobs", "digest") if str(row[1]).startswith(prefix))

        rows = self._rows(sql, prefix, prefix + "g", salvaged=salvaged)
        return [digest for (digest,) in rows if isinstance(digest, str)]

    def partials(self) -> dict[str, PartialBlob]:
        """The partial blobs as far as their pieces are sound."""
        out: dict[str, PartialBlob] = {}
        room = PARTIAL_LIMIT_BYTES
        sql = "SELECT digest, media_type, total, offset, crc32c, data FROM blob_parts ORDER BY digest, offset"
        for row in self._rows(sql, most_bytes=PARTIAL_LIMIT_BYTES):
            if not _has_types(row, (str, str, int, int, int, bytes)):
                continue
            digest, media_type, total, offset, crc, data = row
            if digest not in out:
                if not 0 < total <= room:
                    continue
                room -= total
                out[digest] = PartialBlob(media_type, total)
            part = out[digest]
            if offset == len(part.head) and crc32c(data) == crc and offset + len(data) <= part.total:
                part.head += data
                part.saved_bytes = len(part.head)
        return out

    def _rows(
        self,
        sql: str,
        *values: Any,
        salvaged: Callable[[], Iterator[tuple[Any, ...]]] = lambda: iter(()),
        most_bytes: int | None = None,
    ) -> list[tuple[Any, ...]]:
        """The rows of a query.

        :param salvaged: the same rows without the help of any index, for a file that is damaged.
        :param most_bytes: leave out what comes once so much has been read.
        """
        with self._read_lock:
            try:
                bound(self._reader)
                cursor = self._reader.execute(sql, values)
                return cursor.fetchall() if most_bytes is None else _take(cursor, most_bytes)
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise translate(error, self.path) from error
                self._damaged(sql, f"a part ({error})")
            try:
                return _take(salvaged(), most_bytes)
            except sqlite3.Error as error:
                raise translate(error, self.path) from error

    def _salvaged(
        self, table: str, columns: str, after: int = 0, before: int = MAX_SEQ + 1
    ) -> Iterator[tuple[Any, ...]]:
        """Rows with their rowid before them; of ``entries`` by columns that begin with seq, without it."""
        rows = readable_rows(self._reader, table, columns, after=after, before=before)
        return (row[1:] for row in rows) if columns == ENTRY_COLUMNS else rows

    def _read_with(self, reader: sqlite3.Connection) -> None:
        self._reader = reader
        self._places = -1, {}  # a version belongs to its connection: another one's may be the same

    def _places_on_track(self, track_id: int) -> list[_Place]:
        """What a damaged index of times would say: gathered once, else each second of a replay would cost a reading of
        the whole file."""
        version = self._reader.execute("PRAGMA data_version").fetchone()[0]
        if self._places[0] != version:
            places: dict[int, list[_Place]] = {}
            for entry in self._all_sound():
                places.setdefault(entry.track_id, []).append((entry.t_ms, entry.end_ms, entry.seq, entry.flags))
            self._places = version, {track: sorted(found) for track, found in places.items()}
        return self._places[1].get(track_id, [])

    def _all_sound(self) -> Iterator[Entry]:
        return (entry for row in self._salvaged("entries", ENTRY_COLUMNS) for entry in self._sound([row]))

    def _sound(self, rows: Iterable[tuple[Any, ...]]) -> list[Entry]:
        """The entries of ``rows`` without those whose CRC is wrong: a damaged one is a gap, never noise in a hall."""
        out = []
        for row in rows:
            entry = sound_entry(row)
            if entry is not None:
                out.append(entry)
            else:
                self._damaged_seqs.add(row[0])
                self._damaged(row[0], f"entry {row[0]}")
        return out

    def _damaged(self, key: int | str, what: str) -> None:
        if key not in self._damaged_seen and len(self._damaged_seen) < _DAMAGES_TOLD:
            self._damaged_seen.add(key)
            _log.warning("%s: %s is damaged and left out", self.path.name, what)


def sound_entry(row: tuple[Any, ...]) -> Entry | None:
    """The entry of a row of :data:`ENTRY_COLUMNS`, None if damaged: a broken page yields values of any type."""
    if not _has_types(row, _ENTRY_TYPES):
        return None
    seq, kind, flags, track_id, t_ms, duration_ms, crc, payload = row
    entry = Entry(kind, t_ms, payload, track_id, duration_ms, flags, seq)
    try:
        check_numbers(entry)
    except ValueError:
        return None
    return entry if entry_crc32c(entry) == crc else None


def _has_types(row: tuple[Any, ...], types: tuple[type, ...]) -> bool:
    return all(type(value) is kind for value, kind in zip(row, types, strict=True))


def _largest(rows: list[tuple[Any, ...]]) -> int:
    """The number that a query for one found; 0 for none, and for what a broken index takes for one."""
    return rows[0][0] if rows and isinstance(rows[0][0], int) else 0


def _rising(rows: Iterable[tuple[Any, ...]], after: int) -> Iterator[tuple[Any, ...]]:
    """Rows whose number rises: in a tree of pages that leads back into itself a reader would go round for ever."""
    for row in rows:
        if row[0] > after:
            after = row[0]
            yield row


def _take(rows: Iterable[tuple[Any, ...]], most_bytes: int | None) -> list[tuple[Any, ...]]:
    """Rows until they have ``most_bytes`` (at least one)."""
    out, size = [], 0
    for row in rows:
        out.append(row)
        size += sum(len(value) for value in row if isinstance(value, bytes))
        if most_bytes is not None and size >= most_bytes:
            break
    return out
