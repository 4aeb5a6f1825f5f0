"""The lecture file when things go wrong: not ours, too new, damaged."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import sqlite3
from pathlib import Path

import pytest

from lecture import verify
from lecture.entries import Entry, Kind
from lecture.errors import LectureFileError
from lecture.file import LectureFile
from lecture.log import Span
from lecture.tracks import Track
from tests.unit.lecture.file_kit import PAGE, VOICE, finished_file, refused, turn, voice

CAMERA = Track("camera", "vp8", 90_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return finished_file(tmp_path)


def edit(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


@pytest.mark.parametrize("readonly", [True, False])
@pytest.mark.parametrize(
    "content", [b"", b"not a database, but long enough for a header" * 50, b"SQLite format 3\0" + b"\xff" * 4000]
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, readonly: bool) -> None:
    other = tmp_path / "holiday.jpg"
    other.write_bytes(content)
    error = refused(other, readonly=readonly)
    assert error.error_id == "not_a_lecture_file"
    assert "holiday.jpg" in error.text
    assert str(tmp_path) not in error.text
    assert other.read_bytes() == content


@pytest.mark.parametrize("readonly", [True, False])
def test_another_database_is_refused(tmp_path: Path, readonly: bool) -> None:
    other = tmp_path / "contacts.db"
    edit(other, "CREATE TABLE people (name TEXT)", "PRAGMA application_id=1")
    assert refused(other, readonly=readonly).error_id == "not_a_lecture_file"


@pytest.mark.parametrize("readonly", [True, False])
def test_a_newer_major_format_is_refused_and_untouched(path: Path, readonly: bool) -> None:
    edit(path, "PRAGMA user_version=2003")
    before = path.read_bytes()
    error = refused(path, readonly=readonly)
    assert error.error_id == "file_too_new"
    assert "2.3" in error.text
    assert path.read_bytes() == before


def test_a_newer_minor_format_is_read_and_written(path: Path) -> None:
    edit(path, "PRAGMA user_version=1007", "ALTER TABLE entries ADD COLUMN mood TEXT", "CREATE TABLE captions (x)")
    with LectureFile.open(path) as file:
        file.append(turn(130_000))
        file.commit()
        assert file.verify().ok


def test_a_missing_file_a_missing_table_and_a_taken_name(tmp_path: Path, path: Path) -> None:
    assert refused(tmp_path / "none.lecture").error_id == "file_missing"
    assert refused(tmp_path).error_id == "file_missing"
    with pytest.raises(LectureFileError) as caught:
        LectureFile.create(path)
    assert caught.value.error_id == "file_exists"
    with pytest.raises(LectureFileError) as caught:
        LectureFile.create(tmp_path / "no such folder" / "a.lecture")
    assert caught.value.error_id == "file_unwritable"
    edit(path, "DROP TABLE blobs")
    assert refused(path).error_id == "file_damaged"


def test_a_creation_that_was_cut_short_does_not_hinder_the_next(tmp_path: Path) -> None:
    (tmp_path / "a.lecture.new").write_bytes(b"half")
    LectureFile.create(tmp_path / "a.lecture").close()
    assert os.listdir(tmp_path) == ["a.lecture"]


def test_what_a_removed_file_left_beside_is_not_taken_for_the_new_ones(tmp_path: Path) -> None:
    """A WAL that a killed relay left, when somebody removes the file alone."""
    path, wal = tmp_path / "a.lecture", tmp_path / "a.lecture-wal"
    with LectureFile.create(path) as former:
        former.add_track(VOICE)
        for n in range(20):
            former.append(voice(n * 1000))
        former.commit()
        left = wal.read_bytes()
    path.unlink()
    wal.write_bytes(left)
    with LectureFile.create(path, {"title": "new"}) as file:
        assert (file.read(), file.tracks(), file.get_meta("title")) == ([], [], "new")
        file.append(turn(5))
        file.commit()
        assert file.verify().ok
    assert sorted(os.listdir(tmp_path)) == ["a.lecture", "a.lecture-wal.left-over"]
    assert (tmp_path / "a.lecture-wal.left-over").read_bytes() == left


# Verify


def test_a_sound_file_verifies(path: Path) -> None:
    with LectureFile.open(path, readonly=True) as file:
        report = file.verify()
    assert report.ok
    assert report.problems == []
    assert report.entries == 123
    assert report.blobs == 1
    assert report.duration_ms == 120_000
    assert report.bytes == path.stat().st_size
    assert report.gaps == {"en": [Span(30_000, 32_000), Span(77_000, 78_000)]}


def test_how_far_a_verification_has_come_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_TELL_BYTES", 1000)
    told: list[tuple[int, int]] = []
    with LectureFile.open(path, readonly=True) as file:
        file.verify(lambda done_bytes, all_bytes: told.append((done_bytes, all_bytes)))
    size_bytes = path.stat().st_size
    assert len(told) >= 6
    assert told == sorted(told)
    assert {all_bytes for _, all_bytes in told} == {size_bytes}
    assert told[-1][0] == size_bytes


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE entries SET payload = zeroblob(length(payload)) WHERE seq = 9", "entry 9 has a wrong CRC-32C"),
        ("UPDATE entries SET t_ms = t_ms + 1 WHERE seq = 9", "entry 9 has a wrong CRC-32C"),
        ("UPDATE entries SET flags = 1 WHERE seq = 9", "entry 9 has a wrong CRC-32C"),
        ("UPDATE entries SET kind = 300 WHERE seq = 9", "entry 9 has a number out of range"),
        ("UPDATE entries SET duration_ms = -5 WHERE seq = 9", "entry 9 has a number out of range"),
        ("UPDATE entries SET seq = -seq WHERE seq = 9", "entry -9 does not come after 0"),
        ("DELETE FROM tracks", "entry 1 refers to track 1, which does not exist"),
        ("UPDATE blobs SET data = zeroblob(length(data))", "blob .* is damaged"),
        ("UPDATE blobs SET digest = replace(digest, '0', '1')", "blob .* is damaged"),
        ("UPDATE blobs SET size = size + 1", "blob .* is damaged"),
        ("INSERT INTO blob_parts VALUES ('00', 5, 'image/avif', 9, 1, x'00')", "piece at 5 of blob 00 is damaged"),
        ("DROP INDEX entries_by_kind", "index entries_by_kind is missing"),
    ],
)
def test_each_damage_is_named(path: Path, statement: str, problem: str) -> None:
    edit(path, statement)
    with LectureFile.open(path, readonly=True) as file:
        report = file.verify()
    assert not report.ok
    assert any(re.fullmatch(problem, line) for line in report.problems), report.problems


@pytest.mark.parametrize(("kind", "payload"), [(Kind.VOICE, b"\0\0cut"), (Kind.TURN, b"[]"), (Kind.TURN, b"\xff")])
def test_a_payload_that_cannot_be_read_is_named(tmp_path: Path, kind: Kind, payload: bytes) -> None:
    with LectureFile.create(tmp_path / "a.lecture") as file:
        file.append(Entry(kind, 0, payload))
        (problem,) = file.verify().problems
    assert problem.startswith("entry 1 cannot be read")


def test_thousands_of_problems_are_counted_not_listed(path: Path) -> None:
    edit(path, "UPDATE entries SET crc32c = 0")
    with LectureFile.open(path, readonly=True) as file:
        problems = file.verify().problems
    assert len(problems) == 51
    assert problems[-1] == "and 73 more problems"


def test_a_file_torn_in_the_middle_is_a_report_or_an_error_never_a_crash(path: Path) -> None:
    whole = path.read_bytes()
    found = 0
    for at in range(4096, len(whole), 4096):
        path.write_bytes(whole[:at] + b"\xa5" * 4096 + whole[at + 4096 :])
        try:
            with LectureFile.open(path, readonly=True) as file:
                report = file.verify()
                with contextlib.suppress(LectureFileError):
                    file.read()
        except LectureFileError as error:
            found += error.error_id in {"file_damaged", "not_a_lecture_file"}
        else:
            found += not report.ok
    assert found == len(whole) // 4096 - 1


def test_tracks_whose_page_is_destroyed_are_known_from_their_index(path: Path) -> None:
    with LectureFile.open(path) as file:
        file.add_track(CAMERA)
    with LectureFile.open(path, readonly=True) as file:
        tracks, entries = file.tracks(), file.read()
    with contextlib.closing(sqlite3.connect(path)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'tracks'").fetchone()
    whole = path.read_bytes()
    path.write_bytes(whole[: (page - 1) * 4096] + b"\xa5" * 4096 + whole[page * 4096 :])
    with LectureFile.open(path, readonly=True) as file:
        assert file.tracks() == tracks
        assert len(tracks) == 2
        assert file.read() == entries
        assert file.gaps([1], Span(0, 120_000)) == [Span(30_000, 32_000), Span(77_000, 78_000)]
        assert not file.verify().ok


def test_a_damaged_entry_or_page_is_left_out_and_said_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    edit(
        path,
        "UPDATE entries SET payload = zeroblob(length(payload)) WHERE seq = 1",
        "UPDATE blobs SET data = zeroblob(length(data))",
    )
    digest = hashlib.sha256(PAGE).hexdigest()
    with caplog.at_level(logging.WARNING, "hallcast.lecture"), LectureFile.open(path) as file:
        for _ in range(3):
            assert 1 not in [entry.seq for entry in file.read()]
            assert [entry.t_ms for entry in file.read_span(1, Span(0, 2000))] == [1000]
            assert file.get_blob(digest) is None
        assert len(caplog.records) == 2
        # A hall gets the page again.
        file.put_blob(PAGE, "image/avif")
        file.commit()
        assert file.get_blob(digest) is not None


# Without its first page


@pytest.mark.parametrize(
    ("start", "end", "byte"),
    [(0, 4096, 0), (0, 4096, 0xA5), (0, 100, 0), (0, 1, 0xFF), (16, 18, 0xFF), (100, 4096, 0), (1500, 4096, 0x41)],
)
def test_a_destroyed_first_page_costs_nothing_that_lies_behind_it(path: Path, start: int, end: int, byte: int) -> None:
    with LectureFile.open(path, readonly=True) as file:
        entries, tracks = file.read(), file.tracks()
    whole = path.read_bytes()
    torn = whole[:start] + bytes([byte]) * (end - start) + whole[end:]
    path.write_bytes(torn)
    with LectureFile.open(path, readonly=True) as file:
        assert (file.read(), file.tracks(), file.get_meta("title")) == (entries, tracks, "Physics")
        assert file.get_blob(hashlib.sha256(PAGE).hexdigest()) is not None
        report = file.verify()
        assert file.damage == "its first page is destroyed"
    assert (report.entries, report.gaps["en"]) == (123, [Span(30_000, 32_000), Span(77_000, 78_000)])
    assert report.problems[0] == "its first page is destroyed; what lies behind it is read"
    assert refused(path, readonly=False).error_id == "file_damaged"
    assert path.read_bytes() == torn
    assert os.listdir(path.parent) == ["a.lecture"]


def test_a_destroyed_first_page_does_not_hide_what_a_crash_left_in_the_wal(tmp_path: Path) -> None:
    """The WAL belongs to the file, and may be all there is."""
    path, copy = tmp_path / "live.lecture", tmp_path / "copy.lecture"
    with LectureFile.create(path) as file:
        file.add_track(VOICE)
        file.commit()
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for n in range(3):
            file.append(voice(n * 1000))
            file.commit()
        copy.write_bytes(bytes(4096) + path.read_bytes()[4096:])
        copy.with_name("copy.lecture-wal").write_bytes(path.with_name("live.lecture-wal").read_bytes())
    with LectureFile.open(copy, readonly=True) as file:
        assert [entry.t_ms for entry in file.read()] == [0, 1000, 2000]


def test_another_database_is_not_taken_for_a_lecture_without_a_first_page(tmp_path: Path) -> None:
    other = tmp_path / "contacts.db"
    edit(other, "CREATE TABLE people (name TEXT)", *(f"CREATE INDEX i{n} ON people (name)" for n in range(20)))
    other.write_bytes(bytes(4096) + other.read_bytes()[4096:])
    for readonly in (True, False):
        assert refused(other, readonly=readonly).error_id == "not_a_lecture_file"


def test_the_relays_numbers_outlive_the_index_over_them(tmp_path: Path) -> None:
    path = tmp_path / "a.lecture"
    with LectureFile.create(path) as file:
        for n in range(5):
            file.append(turn(n), origin_seq=100 + n)
    with contextlib.closing(sqlite3.connect(path)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'entries_by_origin'").fetchone()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    with LectureFile.open(path, readonly=True) as file:
        assert file.origin_seqs() == {1 + n: 100 + n for n in range(5)}


def test_a_damaged_entry_hides_nothing_behind_it_from_who_reads_while_more_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.lecture"
    with LectureFile.create(path) as file:
        for n in range(30):
            file.append(turn(n))
    edit(path, "UPDATE entries SET crc32c = crc32c + 1 WHERE seq = 5")
    with LectureFile.open(path) as file:
        file.append(turn(30))
        read: list[Entry] = []
        while batch := file.read(read[-1].seq if read else 0, limit=10):
            read += batch
        assert [entry.t_ms for entry in read] == [n for n in range(31) if n != 4]
        assert [entry.t_ms for entry in file.read(limit=30)] == [n for n in range(31) if n != 4][:30]


def test_what_is_written_before_a_file_is_folded_is_known_though_the_index_of_times_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.lecture"
    with LectureFile.create(path) as file:
        file.add_track(VOICE)
        for n in range(1000):
            file.append(voice(n * 1000))
    with contextlib.closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'entries_by_time'").fetchone()
    content = bytearray(path.read_bytes())
    at = (root - 1) * 4096
    cell = at + int.from_bytes(content[at + 12 : at + 14], "big")
    first_leaf = int.from_bytes(content[cell : cell + 4], "big")
    whole = Span(0, 2_000_000)
    with LectureFile.open(path) as file:
        with path.open("r+b") as raw:
            raw.seek((first_leaf - 1) * 4096)
            raw.write(b"\xa5" * 4096)
        assert file.gaps([1], whole) == [Span(1_000_000, 2_000_000)]
        for t_ms in (1_500_000, 1_600_000):
            file.append(voice(t_ms))
            file.finish()
            assert not any(gap.start_ms <= t_ms < gap.end_ms for gap in file.gaps([1], whole))
