"""Lecture files that were cut, bitten into, mixed up or forged: an error or a report, no crash, no loop, no change."""

from __future__ import annotations

import contextlib
import functools
import json
import sqlite3
import tempfile
from pathlib import Path

import pytest

from hallcast.cli import main
from lecture import store_read
from lecture.entries import MAX_SEQ, EncodedFrame, Entry, Kind, pack_event, pack_frames
from lecture.errors import LectureFileError
from lecture.file import LectureFile
from lecture.log import Span
from lecture.tracks import Track
from recordings import recording
from recordings.index import passages_of
from recordings.lecture_facts import file_facts, record_from_file
from recordings.recording import LONGEST_MS, Recording
from recordings.replay import drawings, replay_manifest
from recordings.voice import write_ogg
from tests.unit.lecture.file_kit import VOICE, turn, voice
from tests.unit.recordings.damage_kit import PAGE_BYTES, kept

PAGE = bytes(range(256)) * 60
SECONDS = 300


@functools.cache
def sound_file() -> bytes:
    """A real recording: voice, page turns, a deck, a page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "talk.lecture")
        with LectureFile.create(path, {"title": "Physics", "lecture": "talk", "languages": '["en"]'}) as file:
            file.add_track(VOICE)
            digest = file.put_blob(PAGE, "image/avif")
            file.append(Entry(Kind.DECK, 0, pack_event({"deck": "d", "page_count": 9})))
            file.append(Entry(Kind.PAGE, 0, pack_event({"deck": "d", "page": 1, "tier": 1, "digest": digest})))
            for n in range(SECONDS):
                file.append(voice(n * 1000, size_bytes=200))
                if n % 10 == 0:
                    file.append(turn(n * 1000))
            file.finish()
        return path.read_bytes()


@pytest.mark.parametrize("kept_share", [0.4, 0.7, 0.95])
def test_a_file_that_lacks_its_end_plays_as_far_as_it_goes(kept_share: float) -> None:
    whole = sound_file()
    with (
        kept(whole[: int(len(whole) * kept_share) // PAGE_BYTES * PAGE_BYTES + 100]) as path,
        LectureFile.open(path, readonly=True) as file,
    ):
        report = file.verify()
        assert not report.ok
        assert any("cannot be read" in problem for problem in report.problems), report.problems
        read = [entry for entry in file.read(limit=10_000) if entry.kind == Kind.VOICE]
        assert len(read) >= SECONDS * (kept_share - 0.35)
        assert [entry.t_ms for entry in read] == [entry.t_ms for entry in file.read_span(1, Span(0, SECONDS * 1000))]
        with pytest.raises(LectureFileError, match="file_damaged"):
            LectureFile.open(path)


def test_a_flipped_bit_makes_no_lecture_longer() -> None:
    with kept(sound_file()) as path:
        edit(path, "UPDATE entries SET t_ms = t_ms + (1 << 40) WHERE seq = (SELECT max(seq) FROM entries)")
        edit(path, "UPDATE entries SET duration_ms = 131000 WHERE t_ms = 298000 AND track_id = 1")
        with Recording.open(path) as recording:
            assert (recording.duration_ms, len(recording.verify().problems)) == (SECONDS * 1000 - 2000, 2)


def test_without_its_index_of_times_a_file_is_read_once_and_not_for_every_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with kept(sound_file()) as path:
        with contextlib.closing(sqlite3.connect(path)) as db:
            sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'entries_by_time'"
            root = db.execute(sql).fetchone()[0]
            count = db.execute("SELECT count(*) FROM entries").fetchone()[0]
        with path.open("rb+") as file:
            file.seek((root - 1) * PAGE_BYTES)
            file.write(b"\xa5" * PAGE_BYTES)
        checked: list[tuple[object, ...]] = []
        check = store_read.sound_entry
        monkeypatch.setattr(store_read, "sound_entry", lambda row: checked.append(row) or check(row))
        with Recording.open(path) as recording:
            (track,) = recording.tracks("voice")
            seconds = [Span(at * 1000, at * 1000 + 1) for at in range(SECONDS)]
            frames = [frame for second in seconds for frame in recording.frames(track, second)]
        assert [frame.t_ms for frame in frames] == [second.start_ms for second in seconds]
        assert len(checked) < 3 * count


def test_one_bad_page_in_the_middle_costs_only_what_was_on_it() -> None:
    whole = sound_file()
    voice_at = whole.index(pack_event({"deck": "d", "page": 1}), len(whole) // 2) // PAGE_BYTES * PAGE_BYTES
    with (
        kept(whole[:voice_at] + b"\xa5" * PAGE_BYTES + whole[voice_at + PAGE_BYTES :]) as path,
        LectureFile.open(path, readonly=True) as file,
    ):
        report = file.verify()
        (named,) = [problem for problem in report.problems if "cannot be read" in problem]
        _, _, after, _, until, *_ = named.split()
        assert 0 < int(until) - int(after) < 40
        assert report.gaps["en"], "what is lost is a gap, for repair to find"
        entries = file.read(limit=10_000)
        assert len(entries) == report.entries > 0.85 * SECONDS * 1.1
        assert [entry.seq for entry in entries] == sorted({entry.seq for entry in entries})


FORGERIES = {
    "a view": ["DROP TABLE blobs", "CREATE VIEW blobs AS SELECT 1"],
    "a virtual table": ["DROP TABLE blobs", "CREATE VIRTUAL TABLE blobs USING fts5(digest, media_type, size)"],
    "loose types": ["DROP TABLE meta", "CREATE TABLE meta (key, value)"],
    "a reckoned column": [
        "DROP TABLE blobs",
        """CREATE TABLE blobs (digest TEXT PRIMARY KEY, media_type TEXT, size INTEGER, crc32c INTEGER,
        data BLOB AS (zeroblob(999999999))) STRICT""",
    ],
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_schema_is_refused(name: str) -> None:
    with kept(sound_file()) as path:
        edit(path, *FORGERIES[name])
        for readonly in (True, False):
            with pytest.raises(LectureFileError, match="file_damaged"):
                LectureFile.open(path, readonly=readonly)


def test_what_would_run_by_itself_is_never_run() -> None:
    with kept(sound_file()) as path:
        edit(path, "CREATE TRIGGER t AFTER INSERT ON entries BEGIN DELETE FROM entries; END")
        before = path.read_bytes()
        with pytest.raises(LectureFileError, match="trigger"):
            LectureFile.open(path)
        assert path.read_bytes() == before
        with LectureFile.open(path, readonly=True) as file:
            assert len(file.read(limit=10_000)) > SECONDS


def test_a_file_that_claims_four_gigabytes_costs_no_memory() -> None:
    with kept(sound_file()) as path:
        content = bytearray(path.read_bytes())
        content[28:32] = (1 << 20).to_bytes(4, "big")  # pages, in the header (SQLite file format, 1.3.7)
        path.write_bytes(content)
        with LectureFile.open(path, readonly=True) as file:
            assert len(file.read(limit=10_000)) > SECONDS
            assert not file.verify().ok


def edit(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def forged(path: Path) -> Path:
    """A file whose every checksum is right and whose every word is hostile."""
    nested = b'{"deck":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    meta = {"lecture": "../../etc/passwd", "title": "[/b]<img src=x onerror=alert(1)>\x1b[2J\n", "languages": "[[1" * 9}
    with LectureFile.create(path, meta) as file:
        file.add_track(VOICE)
        odd = file.add_track(Track("voice", "opus", 48000, "en", "9" * 5000, 200))
        file.add_track(Track("camera", "../x", 0, "", "source", -4))
        camera = file.add_track(Track("camera", "vp8", 90_000, "", "-1e9", 1))
        picture = pack_frames(0, [EncodedFrame(0, 40, b"picture")])
        file.append(Entry(Kind.CAMERA, 0, picture, camera.track_id, 40))
        for n in range(10):
            file.append(voice(n * 1000))
        file.append(voice(MAX_SEQ - 1000))
        file.append(voice(10**12, track_id=odd.track_id))
        file.append(Entry(Kind.VOICE, 10_000, b"\0\0\0\x3c\0\xff\xff\xff\xffcut", 1, 1000))
        file.append(Entry(Kind.VOICE, 11_000, pack_frames(11_000, [EncodedFrame(11_000, 60, b"")] * 5000), 1, 1000))
        file.append(Entry(Kind.DECK, 0, nested))
        file.append(Entry(Kind.DECK, 0, b'{"deck":"d","page_count":' + b"9" * 10_000 + b"}"))
        file.append(Entry(Kind.TURN, 0, b"\xff\xfe"))
        file.append(Entry(Kind.POINTER, 0, b"{}"))
        file.append(Entry(Kind.QUESTION, 0, b"["))
        file.append(Entry(Kind.QUESTION, 0, b'{"text": "Why?"}'))
        file.append(turn(2000, page=2))
        file.finish()
    return path


def test_hostile_words_in_a_sound_file_reach_neither_paths_nor_clocks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = forged(tmp_path / "talk.lecture")
    with Recording.open(path) as recording:
        manifest = replay_manifest(recording, ())
        assert drawings(recording, recording.pages()) == []
        passages = passages_of(recording)
        write_ogg(recording, "en", tmp_path / "voice.ogg")
        report = recording.verify()
    assert manifest["lecture"] == "talk"
    assert manifest["title"].isprintable()
    assert manifest["duration_ms"] <= LONGEST_MS
    assert [page["page"] for page in manifest["pages"]] == []
    assert manifest["camera"] == {"offset_ms": 0, "kbps": 1}
    assert manifest["questions"] == [[0, "Why?"]]
    assert [passage.text for passage in passages if passage.kind == "question"] == ["Why?"]
    assert [voice["language"] for voice in manifest["voice"]] == ["en"]
    # Ten seconds of voice and no years of silence.
    assert (tmp_path / "voice.ogg").stat().st_size < 20_000
    assert len([problem for problem in report.problems if "cannot be read" in problem]) == 5, report.problems
    for action in ("info", "verify"):
        assert main(["recordings", action, str(path)]) == (action == "verify")
        assert "onerror" in capsys.readouterr().out or action == "verify"


def test_what_a_file_claims_costs_no_more_than_what_a_lecture_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MAX_PAGES", 100)
    monkeypatch.setattr(recording, "MAX_NOTES", 100)
    path = tmp_path / "talk.lecture"
    listed = json.dumps([f"t{n}" for n in range(1000)])
    with LectureFile.create(path, {"lecture": "talk", "state": "ended", "tags": listed, "languages": listed}) as file:
        file.add_track(Track("voice", "opus", 48_000, "x" * 10_000, "16", 1))
        for n in range(100):
            file.add_track(Track("voice", "opus", 48_000, f"en-{n}", "16", 1))
        for deck in "abc":
            file.append(Entry(Kind.DECK, 0, pack_event({"deck": deck, "page_count": 60})))
            image = {"deck": deck * 2, "tier": 1, "digest": "0" * 64, "media_type": "image/avif"}
            for page in range(1, 61):
                file.append(Entry(Kind.PAGE, 0, pack_event(image | {"page": page})))
        for n in range(300):
            file.append(Entry(Kind.MARK, n, pack_event({"text": f"note {n}"})))
    with Recording.open(path) as opened:
        facts, record = file_facts(opened), record_from_file("talk", opened)
        assert len(opened.pages()) == facts["page_count"] == 100
        assert len(passages_of(opened)) == 100
    assert len(json.loads(facts["languages"])) < 50 > len(record.tags)
    assert max(map(len, json.loads(facts["languages"]))) <= 35


def test_many_large_entries_of_one_moment_are_not_read_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_read, "READ_BYTES", 10_000)
    with LectureFile.create(tmp_path / "talk.lecture") as file:
        file.add_track(VOICE)
        for _ in range(100):
            file.append(voice(0, size_bytes=1000))
        file.commit()
        assert len(file.read_span(1, Span(0, 1000))) == 10
        (plan,) = file._store._rows(f"EXPLAIN QUERY PLAN {store_read.SPAN_SQL}", 1, 1, 1, 1, 1, 1)
        assert "entries_by_time" in plan[3], "SQLite sorts nothing: it would have to read everything first"


def test_verify_says_what_is_damaged_and_exits_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "talk.lecture"
    path.write_bytes(sound_file()[: len(sound_file()) // 2])
    assert main(["recordings", "verify", str(path)]) == 1
    said = capsys.readouterr().out
    assert "damaged" in said
    assert "its end is missing" in said
    path.write_bytes(b"<html>" * 1000)
    assert main(["recordings", "verify", str(path)]) != 0
    assert "not a lecture file" in capsys.readouterr().err
