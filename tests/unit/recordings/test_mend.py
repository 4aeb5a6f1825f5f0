"""A damaged recording is written anew with what can be read of it, and filled from copies."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hallcast.cli import main
from lecture.entries import EVENT_KINDS, Entry, Kind, pack_event
from lecture.errors import LectureFileError
from lecture.file import LectureFile
from recordings.mend import carry_over, mend
from recordings.recording import Recording
from tests.recorded import HOLE_MS, LECTURE

PAGE = 4096


@pytest.fixture
def data(tmp_path: Path, lectures_dir: Path) -> Path:
    shutil.copytree(lectures_dir, tmp_path / "data" / "lectures")
    return tmp_path / "data"


@pytest.fixture
def path(data: Path) -> Path:
    return data / "lectures" / f"{LECTURE}.lecture"


def repair(
    capsys: pytest.CaptureFixture[str], data: Path, *words: str, lecture: str = LECTURE
) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["recordings", "repair", lecture, *words, "--data", str(data), "--json"])
    return code, json.loads(capsys.readouterr().out)


def entries(path: Path) -> list[Entry]:
    with LectureFile.open(path, readonly=True) as file:
        return file.read(limit=10_000)


def torn(path: Path, page: int) -> bytes:
    whole = path.read_bytes()
    content = whole[: page * PAGE] + b"\xa5" * PAGE + whole[(page + 1) * PAGE :]
    path.write_bytes(content)
    return content


@pytest.mark.parametrize("page", [0, 4, 9, 12, 15, -1])
def test_what_can_be_read_stays_as_it_was_and_a_copy_brings_the_rest(
    data: Path, path: Path, lecture_path: Path, capsys: pytest.CaptureFixture[str], page: int
) -> None:
    whole = entries(path)
    damaged = torn(path, page % (path.stat().st_size // PAGE))
    with LectureFile.open(path, readonly=True) as file:
        assert not file.verify().ok
    left = entries(path)

    code, said = repair(capsys, data)
    aside = path.with_name(f"{LECTURE}.damaged-1.lecture")
    assert (code, said["set_aside"], said["brought"]) == (1, aside.name, [])
    assert aside.read_bytes() == damaged
    assert sorted(os.listdir(path.parent)) == [aside.name, path.name]
    assert entries(path) == left, "under their own numbers"
    with Recording.open(path) as recording:
        assert recording.verify().ok
        assert (recording.state, recording.lecture_id) == ("ended", LECTURE)
    assert main(["recordings", "list", "--data", str(data), "--json"]) == 0, "it is listed, and the old file is not"

    code, said = repair(capsys, data, "--from", str(lecture_path))
    assert (code, said["set_aside"]) == (1, ""), "what was never recorded is missing still"
    assert said["missing_ms"] == {"en": HOLE_MS[1] - HOLE_MS[0]}
    with Recording.open(path) as recording, Recording.open(lecture_path) as sound:
        assert recording.verify().ok
        assert [(turn.t_ms, turn.page) for turn in recording.turns()] == [
            (turn.t_ms, turn.page) for turn in sound.turns()
        ]
        assert [page.images for page in recording.pages()] == [page.images for page in sound.pages()]
        for mine, theirs in zip(recording.pages(), sound.pages(), strict=True):
            assert all(recording.blob(image.digest) == sound.blob(image.digest) for image in theirs.images), mine
        assert recording.voice_gaps("en") == sound.voice_gaps("en")
    if page == 0:
        assert entries(path) == whole, "behind the first page all was sound"


def test_a_second_damage_keeps_both_files(data: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2):
        torn(path, 0)
        assert repair(capsys, data)[1]["set_aside"] == f"{LECTURE}.damaged-{number}.lecture"
    assert len(os.listdir(path.parent)) == 3


@pytest.mark.parametrize(
    ("content", "error_id"), [(b"", "not_a_lecture_file"), (bytes(PAGE * 20), "not_a_lecture_file")]
)
def test_what_tells_nothing_is_left_alone(
    data: Path, path: Path, capsys: pytest.CaptureFixture[str], content: bytes, error_id: str
) -> None:
    path.write_bytes(content)
    code, said = repair(capsys, data)
    assert (code, said["error"]["id"]) == (2, error_id)
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]


def test_the_file_of_a_lecture_that_goes_on_is_the_relays(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE meta SET value = 'live' WHERE key = 'state'")
    content = torn(path, 0)
    with pytest.raises(LectureFileError, match="has not ended"):
        mend(path)
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]


def test_nobody_mends_what_another_is_writing(path: Path) -> None:
    with LectureFile.open(path), pytest.raises(LectureFileError) as busy:
        mend(path)
    assert busy.value.error_id == "file_busy"


def wal_of_another_file(folder: Path) -> bytes:
    """The WAL of a file of the same id, as a killed relay leaves it."""
    with LectureFile.create(folder / "former.lecture", {"lecture": LECTURE}) as former:
        former.append(Entry(Kind.MARK, 9_000_000, pack_event({"text": "of another file"})))
        former.commit()
        return (folder / "former.lecture-wal").read_bytes()


@pytest.mark.parametrize("way", ["imported", "into the bin", "out of the bin"])
def test_a_file_that_takes_a_place_does_not_get_the_wal_that_lies_there(
    data: Path, path: Path, lecture_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    """Somebody has removed a file and left what belonged to it."""
    here = ("--data", str(data), "--json")
    binned = data / "recycle" / path.name
    binned.parent.mkdir()
    main(["recordings", "list", *here])
    place = binned if way == "into the bin" else path
    if way == "imported":
        path.unlink()
    elif way == "out of the bin":
        assert main(["recordings", "delete", LECTURE, *here]) == 0
    place.with_name(f"{path.name}-wal").write_bytes(wal_of_another_file(tmp_path))
    words = {"imported": ["import", str(lecture_path)], "into the bin": ["delete", LECTURE]}
    assert main(["recordings", *words.get(way, ["restore", LECTURE]), *here]) == 0, capsys.readouterr()
    assert entries(place) == entries(lecture_path)
    with LectureFile.open(place, readonly=True) as file:
        assert file.verify().ok


def test_what_is_carried_over_may_be_more_than_memory_has_room_for(tmp_path: Path) -> None:
    with LectureFile.create(tmp_path / "damaged.lecture") as damaged:
        for n in range(200):
            damaged.append(Entry(Kind.MARK, n, pack_event({"text": "x" * 1000})))
        damaged.commit()
        with LectureFile.create(tmp_path / "begun.lecture", pending_limit_bytes=20_000) as begun:
            carry_over(damaged, begun, EVENT_KINDS)
            assert (len(begun.read()), begun.dropped_entries) == (200, 0)
