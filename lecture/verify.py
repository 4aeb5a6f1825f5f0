"""Checking a lecture file from end to end."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lecture.checksum import crc32c, entry_crc32c
from lecture.coverage import Coverage
from lecture.entries import MEDIA_KINDS, Entry, check_numbers, unpack_event, unpack_frames
from lecture.log import Span
from lecture.opening import damage_at_opening, open_reader, opened_cut_short
from lecture.salvage import FIRST_ROWID, bound, readable_rows
from lecture.schema import INDEXES, file_bytes

_PROBLEMS_NAMED = 50
_TELL_BYTES = 1_000_000

Progress = Callable[[int, int], None]
"""Told bytes checked and in all."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What :meth:`lecture.file.LectureFile.verify` found.

    :param bytes: size of the file (with its WAL) in bytes.
    :param duration_ms: lecture time of the last entry's end.
    :param gaps: stretches without voice between the first and the last voice, by language.
    :param problems: in plain words; empty for a sound file.
    """

    entries: int
    blobs: int
    bytes: int
    duration_ms: int
    gaps: dict[str, list[Span]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong (gaps are not damage)."""
        return not self.problems


def verify_file(path: Path, progress: Progress | None = None) -> VerifyReport:
    """Check the committed content of a file.

    :param progress: what it raises ends the check.
    :raises LectureFileError: ``file_missing``, ``not_a_lecture_file``, ``file_too_new``,
        ``file_damaged`` (beyond reading).
    """
    db = open_reader(path)
    try:
        return _Verifier(db, path, progress or (lambda done_bytes, all_bytes: None)).run()
    finally:
        db.close()


class _Verifier:
    def __init__(self, db: sqlite3.Connection, path: Path, progress: Progress) -> None:
        self._db = db
        self._path = path
        self._progress = progress
        self._bytes = file_bytes(path)
        self._done_bytes = self._told_bytes = 0
        self._problems: list[str] = []
        self._unnamed = 0
        self._duration_ms = 0
        self._voices: dict[int, str] = {}
        self._heard: dict[str, Coverage] = {}

    def run(self) -> VerifyReport:
        entries = blobs = 0
        try:
            self._db.execute("BEGIN")  # one snapshot, even while somebody writes
            self._check_structure()
        except sqlite3.Error as error:
            self._problem(f"SQLite cannot read all of it: {error}")
        try:
            entries = self._check_entries()
            blobs = self._check_blobs()
        except sqlite3.Error as error:
            self._problem(f"SQLite cannot read all of it: {error}")
        if self._unnamed:
            self._problems.append(f"and {self._unnamed} more problems")
        gaps = {
            language: known.missing(Span(next(iter(known)).start_ms, known.end_ms))
            for language, known in sorted(self._heard.items())
            if len(known)
        }
        self._progress(self._bytes, self._bytes)
        return VerifyReport(entries, blobs, self._bytes, self._duration_ms, gaps, self._problems)

    def _check_structure(self) -> None:
        if opened_cut_short(self._db):
            # Of no other file: closing it would take away the locks of whoever writes it in this process.
            with self._path.open("rb") as file:
                header = file.read(100)
            size, page_size = self._path.stat().st_size, self._db.execute("PRAGMA page_size").fetchone()[0]
            claimed = int.from_bytes(header[28:32], "big") * page_size  # SQLite file format, 1.3.7
            if claimed > size:
                self._problem(f"the file has {size} bytes of {claimed}: its end is missing")
        elif damage := damage_at_opening(self._db):
            self._problem(f"{damage}; what lies behind it is read")
        bound(self._db)
        for (row,) in self._db.execute(f"PRAGMA integrity_check({_PROBLEMS_NAMED})"):
            if row != "ok":
                self._problem(f"SQLite: {row}")
        indexes = {name for (name,) in self._db.execute("SELECT name FROM sqlite_schema WHERE type = 'index'")}
        for name in sorted(INDEXES.keys() - indexes):
            self._problem(f"index {name} is missing")

    def _check_entries(self) -> int:
        tracks = {}
        for track_id, kind, language in self._rows("tracks", "kind, language"):
            tracks[track_id] = kind
            if kind == "voice" and isinstance(language, str):
                self._voices[track_id] = language
        count = 0
        for seq, *facts, payload in self._rows("entries", "kind, flags, track_id, t_ms, duration_ms, crc32c, payload"):
            count += 1
            if seq <= 0:
                self._problem(f"entry {seq} does not come after 0")
            if not isinstance(payload, bytes) or not all(isinstance(fact, int) for fact in facts):
                self._problem(f"entry {seq} has values of a wrong type")
                continue
            kind, flags, track_id, t_ms, duration_ms, crc = facts
            entry = Entry(kind, t_ms, payload, track_id, duration_ms, flags, seq)
            fault = _fault(entry, crc)
            if fault is None and track_id and track_id not in tracks:
                fault = f"refers to track {track_id}, which does not exist"
            if fault is not None:
                self._problem(f"entry {seq} {fault}")
                continue
            self._duration_ms = max(self._duration_ms, entry.end_ms)
            if track_id in self._voices:
                self._heard.setdefault(self._voices[track_id], Coverage()).add(Span(t_ms, entry.end_ms))
        return count

    def _check_blobs(self) -> int:
        count = 0
        for _, digest, size, crc, data in self._rows("blobs", "digest, size, crc32c, data"):
            count += 1
            if (
                not isinstance(data, bytes)
                or len(data) != size
                or crc32c(data) != crc
                or hashlib.sha256(data).hexdigest() != digest
            ):
                self._problem(f"blob {digest} is damaged")
        for _, digest, offset, crc, data in self._rows("blob_parts", "digest, offset, crc32c, data"):
            if not isinstance(data, bytes) or crc32c(data) != crc:
                self._problem(f"piece at {offset} of blob {digest} is damaged")
        return count

    def _rows(self, table: str, columns: str) -> Iterator[tuple[Any, ...]]:
        """All rows of a table that can be read; what cannot is named."""

        def lost(after: int, until: int | None) -> None:
            place = f"after {after}" if until is None else f"between {after} and {until}"
            self._problem(f"{table} {place} cannot be read")

        # Ours count from 1; what a forger put below is read too, so that it is named.
        yield from self._counted(readable_rows(self._db, table, columns, after=FIRST_ROWID, before=1))
        yield from self._counted(readable_rows(self._db, table, columns, lost=lost))

    def _counted(self, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        for row in rows:
            self._done_bytes += sum(len(value) for value in row if isinstance(value, bytes))
            if self._done_bytes - self._told_bytes >= _TELL_BYTES:
                self._told_bytes = self._done_bytes
                self._progress(min(self._done_bytes, self._bytes), self._bytes)
            yield row

    def _problem(self, text: str) -> None:
        if len(self._problems) < _PROBLEMS_NAMED:
            self._problems.append(text)
        else:
            self._unnamed += 1


def _fault(entry: Entry, crc: int) -> str | None:
    """What is wrong with an entry by itself."""
    try:
        check_numbers(entry)
    except ValueError:
        return "has a number out of range"
    if entry_crc32c(entry) != crc:
        return "has a wrong CRC-32C"
    try:
        if entry.kind in MEDIA_KINDS:
            for _frame in unpack_frames(entry):
                pass
        else:
            unpack_event(entry)
    except ValueError as error:
        return f"cannot be read: {error}"
    return None
