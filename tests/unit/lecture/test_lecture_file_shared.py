"""The lecture file while others have it: read while written, busy, removed, closed."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from lecture import schema
from lecture.errors import LectureFileError
from lecture.file import LectureFile
from tests.unit.lecture.file_kit import VOICE, finished_file, refused, turn, voice


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return finished_file(tmp_path)


def test_a_reader_follows_a_live_file_and_finishing_waits_for_it(tmp_path: Path) -> None:
    path = tmp_path / "a.lecture"
    with LectureFile.create(path) as file:
        file.add_track(VOICE)
        with LectureFile.open(path, readonly=True) as reader:
            file.append(voice(0))
            assert reader.read() == []
            assert reader.tracks() == []
            file.commit()
            assert [entry.t_ms for entry in reader.read()] == [0]
            assert reader.tracks() == file.tracks()
            assert not reader.finished
            file.finish()
            assert reader.finished
            assert reader.read() == file.read()
        file.append(turn(5))
    assert os.listdir(tmp_path) == ["a.lecture"]
    assert path.read_bytes()[18:20] == b"\x01\x01"  # no WAL mode: file format versions 1 (SQLite file format, 1.3)
    with LectureFile.open(path, readonly=True) as reader:
        assert reader.finished
        assert len(reader.read()) == 2


def test_a_finished_file_is_one_file_at_once_and_can_go_on(tmp_path: Path) -> None:
    path = tmp_path / "a.lecture"
    with LectureFile.create(path) as file:
        file.append(turn(0))
        file.finish()
        assert sorted(os.listdir(tmp_path)) == ["a.lecture", "a.lecture-lock"]
        assert [entry.t_ms for entry in file.read()] == [0]
        file.append(turn(1))
        file.commit()
        assert [entry.t_ms for entry in file.read()] == [0, 1]
        file.finish()
    with LectureFile.open(path) as file:
        file.append(turn(2))
    assert os.listdir(tmp_path) == ["a.lecture"]
    assert path.read_bytes()[18:20] == b"\x01\x01"


def test_a_second_writer_is_told_so_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.lecture"
    with LectureFile.create(path) as first:
        assert refused(path, readonly=False).error_id == "file_busy"
        first.add_track(VOICE)
        first.append(voice(0))
        assert first.verify().ok
    with LectureFile.open(path) as later:
        assert len(later.read()) == 1
    assert os.listdir(tmp_path) == ["a.lecture"]


@pytest.mark.parametrize("suffixes", [[""], ["", "-wal", "-shm"], ["", "-wal", "-shm", "-lock"]])
def test_a_file_removed_by_hand_while_it_is_written_comes_back_whole(tmp_path: Path, suffixes: list[str]) -> None:
    path = tmp_path / "a.lecture"
    with LectureFile.create(path) as file:
        file.add_track(VOICE)
        file.append(voice(0))
        file.commit()
        for suffix in suffixes:
            Path(f"{path}{suffix}").unlink()
        file.append(voice(1000))
        file.commit()
        with LectureFile.open(path, readonly=True) as reader:
            assert [entry.t_ms for entry in reader.read()] == [0, 1000]
            assert reader.verify().ok
        file.append(voice(2000))
        file.finish()
        assert [entry.t_ms for entry in file.read()] == [0, 1000, 2000]
    assert os.listdir(tmp_path) == ["a.lecture"]


@pytest.mark.parametrize(
    "act", ["append", "add_track", "set_meta", "put_blob", "put_blob_part", "finish", "set_limit_bytes"]
)
def test_a_reader_cannot_write(path: Path, act: str) -> None:
    arguments: dict[str, tuple[object, ...]] = {
        "append": (turn(0),),
        "add_track": (VOICE,),
        "set_meta": ("title", "x"),
        "put_blob": (b"x", "image/avif"),
        "put_blob_part": ("0" * 64, "image/avif", 0, 2, b"x"),
        "finish": (),
        "set_limit_bytes": (1,),
    }
    with LectureFile.open(path, readonly=True) as reader, pytest.raises(LectureFileError) as caught:
        getattr(reader, act)(*arguments[act])
    assert caught.value.error_id == "file_unwritable"


def test_nothing_is_taken_after_closing(path: Path) -> None:
    file = LectureFile.open(path)
    file.close()
    file.close()
    with pytest.raises(LectureFileError):
        file.append(turn(0))


def test_the_schema_says_what_it_is(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (int.from_bytes(b"HCLF", "big"),)
        assert db.execute("PRAGMA user_version").fetchone() == (1000,)
        # Outside of SQLite too: file(1) and friends look at these bytes.
        assert path.read_bytes()[68:72] == b"HCLF"
    assert schema.USER_VERSION == 1000
