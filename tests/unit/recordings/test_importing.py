"""Lecture files from elsewhere: what is sound becomes one recording, what is not harms nothing and leaves nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import stat
import struct
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hallcast.cli import main
from lecture.entries import Entry, Kind, pack_event
from lecture.file import LectureFile
from lecture.log import Span
from lecture.schema import USER_VERSION
from lecture.verify import verify_file
from recordings.export import ExportOrder, export
from recordings.merge import merge
from recordings.recording import Recording
from relay import pages
from tests.recorded import LECTURE

SUMS = "SHA256SUMS"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with an empty library."""
    (tmp_path / "data" / "lectures").mkdir(parents=True)
    return tmp_path / "data"


class Command:
    """``hallcast recordings import`` into a data folder."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._data = data
        self._capsys = capsys

    def __call__(self, *words: Path | str) -> tuple[int, list[dict[str, Any]], list[str]]:
        """Exit code, what was imported, ids of the errors."""
        code = main(["recordings", "import", *map(str, words), "--data", str(self._data), "--json"])
        said = json.loads(self._capsys.readouterr().out)
        return code, said["imported"], [error["id"] for error in said["failed"]]


@pytest.fixture
def command(data: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(data, capsys)


def here(data: Path) -> list[str]:
    """All that the import has left in the data folder, the catalogue aside."""
    return sorted(
        path.relative_to(data).as_posix()
        for path in data.rglob("*")
        if path.is_file() and not path.name.startswith("catalogue.db") and path.name != "lock"
    )


def zipped(path: Path, members: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", how) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return path


def test_a_packs_folder_its_zip_and_the_file_itself_are_one_recording(
    lecture_path: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    with Recording.open(lecture_path) as recording:
        for zips, name in ((False, "pack"), (True, "pack.zip")):
            order = ExportOrder("usb", with_camera=False, zipped=zips, page_sources=str(pages.FOLDER))
            export(recording, order, stick / name)
    (stick / f"._{LECTURE}.lecture").write_bytes(b"what another system leaves on a stick")
    code, done, failed = command(stick / "pack.zip")
    assert (code, [one["result"] for one in done], failed) == (0, ["new"], [])
    assert here(data) == [f"lectures/{LECTURE}.lecture"]
    assert verify_file(data / "lectures" / f"{LECTURE}.lecture").ok
    code, done, failed = command(stick, lecture_path)
    assert (code, [one["result"] for one in done], failed) == (0, ["unchanged"] * 3, [])
    with Recording.open(data / "lectures" / f"{LECTURE}.lecture") as found, Recording.open(lecture_path) as given:
        assert (found.state, found.duration_ms, found.turns()) == ("ended", given.duration_ms, given.turns())
        assert [blob.data for blob in _images(found)] == [blob.data for blob in _images(given)]
    assert here(data) == [f"lectures/{LECTURE}.lecture"]
    assert main(["recordings", "list", "--data", str(data)]) == 0


def _images(recording: Recording) -> list[Any]:
    return [recording.blob(image.digest) for page in recording.pages() for image in page.images]


def test_what_is_there_gains_what_the_copy_has(lecture_path: Path, data: Path, command: Command) -> None:
    target = data / "lectures" / f"{LECTURE}.lecture"
    shutil.copy(lecture_path, target)
    with closing(sqlite3.connect(target)) as db, db:
        db.execute("DELETE FROM entries WHERE kind = ? AND t_ms IN (4200, 4800)", (Kind.VOICE,))
    with Recording.open(target) as cut, Recording.open(lecture_path) as given:
        assert cut.voice_gaps("en") != given.voice_gaps("en")
    code, (done,), _ = command(lecture_path)
    assert (code, done["result"], done["merged"]["voice_ms"]) == (0, "merged", {"en": 1200})
    with Recording.open(target) as whole, Recording.open(lecture_path) as given:
        assert whole.voice_gaps("en") == given.voice_gaps("en")


def test_a_live_lectures_file_becomes_a_recording_that_has_ended(
    lecture_path: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    shutil.copy(lecture_path, tmp_path / "live.lecture")
    with LectureFile.open(tmp_path / "live.lecture") as file:
        file.set_meta("state", "live")
        file.append(Entry(Kind.MARK, 5900, pack_event({"text": "Not folded in yet."})))
        file.commit()
        code, (done,), _ = command(tmp_path / "live.lecture")
    assert (code, done["result"]) == (0, "new")
    with LectureFile.open(data / "lectures" / f"{LECTURE}.lecture", readonly=True) as found:
        assert (found.get_meta("state"), found.get_meta("clock_end_ms")) == ("ended", "6000")
        assert len(found.read(kinds=[Kind.MARK])) == 1


@pytest.mark.parametrize("role", ["hall", "lecturer"])
def test_anothers_copy_of_an_unknown_lecture_becomes_its_recording(
    role: str, lecture_path: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    copy = tmp_path / "copy.lecture"
    with LectureFile.create(copy, {"lecture": LECTURE, "title": "Pricing", "role": role}) as file:
        with LectureFile.open(lecture_path, readonly=True) as given:
            merge(file, given)
        file.set_meta("role", role)
    code, (done,), _ = command(copy)
    assert (code, done["result"], done["title"]) == (0, "new", "Pricing")
    with Recording.open(data / "lectures" / f"{LECTURE}.lecture") as found, Recording.open(lecture_path) as given:
        assert found.voice_gaps("en") == given.voice_gaps("en")
        assert len(found.turns()) == len(given.turns())
    # The relay's own file comes later: it brings what is missing, and nothing twice.
    command(lecture_path)
    with Recording.open(data / "lectures" / f"{LECTURE}.lecture") as found, Recording.open(lecture_path) as given:
        assert [(turn.t_ms, turn.page) for turn in found.turns()] == [(turn.t_ms, turn.page) for turn in given.turns()]
        assert len(found.pages()) == len(given.pages())
    assert command(lecture_path)[1][0]["result"] == "unchanged"


def test_of_a_damaged_file_the_sound_rest_is_taken_if_one_says_so(
    lecture_path: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    bad = tmp_path / "bad.lecture"
    shutil.copy(lecture_path, bad)
    with closing(sqlite3.connect(bad)) as db, db:
        db.execute("UPDATE entries SET crc32c = crc32c + 1 WHERE kind = ? AND t_ms = 600", (Kind.VOICE,))
    assert command(bad) == (2, [], ["import_damaged"])
    assert here(data) == []
    code, (done,), failed = command(bad, "--damaged")
    assert (code, done["result"], len(done["problems"]), failed) == (1, "new", 1, [])
    target = data / "lectures" / f"{LECTURE}.lecture"
    assert verify_file(target).ok
    with Recording.open(target) as found:
        assert Span(600, 1200) in found.voice_gaps("en")
        assert (found.title, found.course, len(found.turns())) == ("Pricing", "Business 1", 4)
    # A sound copy fills what was damaged.
    assert command(lecture_path)[1][0]["merged"]["voice_ms"] == {"en": 600}
    with Recording.open(target) as found:
        assert Span(600, 1200) not in found.voice_gaps("en")
        assert len(found.turns()) == 4


def test_what_claims_a_time_that_no_lecture_has_is_damaged_and_costs_no_hour(
    lecture_path: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    bad = tmp_path / "bad.lecture"
    shutil.copy(lecture_path, bad)
    with LectureFile.open(bad) as file:
        file.append(Entry(Kind.MARK, 1 << 52, pack_event({"text": "for ever"})))
    assert command(bad) == (2, [], ["import_damaged"])
    assert command(bad, "--damaged")[0] == 1
    with Recording.open(data / "lectures" / f"{LECTURE}.lecture") as found:
        assert found.duration_ms == 6000


def test_one_zip_that_is_no_good_holds_up_nothing_else_in_a_folder(
    lecture_path: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    shutil.copy(lecture_path, stick)
    zipped(stick / "pictures.zip", {"cat.png": b"meow"})
    zipped(stick / "pack.zip", {"talk.lecture": lecture_path.read_bytes()})
    (stick / "a.zip").write_bytes((stick / "pack.zip").read_bytes()[:-1000])
    code, done, failed = command(stick)
    assert (code, [one["result"] for one in done], failed) == (2, ["new", "unchanged"], ["import_zip_damaged"])
    assert command(stick / "pictures.zip")[2] == ["import_empty"]


def test_what_lies_in_the_bin_is_restored_first(lecture_path: Path, data: Path, command: Command) -> None:
    command(lecture_path)
    main(["recordings", "delete", LECTURE, "--data", str(data), "--json"])
    command._capsys.readouterr()
    assert command(lecture_path) == (2, [], ["import_recycled"])
    main(["recordings", "restore", LECTURE, "--data", str(data), "--json"])
    command._capsys.readouterr()
    assert command(lecture_path)[1][0]["result"] == "unchanged"


def test_a_recording_that_is_open_elsewhere_is_left_alone(lecture_path: Path, data: Path, command: Command) -> None:
    command(lecture_path)
    with LectureFile.open(data / "lectures" / f"{LECTURE}.lecture"):
        assert command(lecture_path) == (2, [], ["file_busy"])


def test_another_lecture_of_the_same_id_is_not_mixed_in(
    lecture_path: Path, tmp_path: Path, data: Path, command: Command
) -> None:
    command(lecture_path)
    before = (data / "lectures" / f"{LECTURE}.lecture").read_bytes()
    other = tmp_path / "other.lecture"
    shutil.copy(lecture_path, other)
    with LectureFile.open(other) as file:
        file.set_meta("started_at", "2026-04-01T09:00:00Z")
    assert command(other) == (2, [], ["import_other_lecture"])
    assert len((data / "lectures" / f"{LECTURE}.lecture").read_bytes()) == len(before)


def _with(path: Path, sql: str) -> bytes:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(sql)
    return path.read_bytes()


def _link(out: Path, sound: bytes) -> Path:
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("a/x.lecture", sound)
        info = zipfile.ZipInfo("a/y.lecture")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(info, "/etc/passwd")
    return out


def _encrypted(out: Path, sound: bytes) -> Path:
    whole = bytearray(zipped(out, {"x.lecture": sound}).read_bytes())
    at = whole.rindex(b"PK\1\2")
    whole[at + 8] |= 1
    out.write_bytes(whole)
    return out


def _claims_a_million(out: Path, sound: bytes) -> Path:
    """A zip of a million empty files, of which the directory alone has 50 MB."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, *(0,) * 4, *(0,) * 3, 4, *(0,) * 4, 0, 0)
    with out.open("wb") as file:
        for _ in range(100):
            file.write((entry + b"a.js") * 10_000)
        size = file.tell()
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, size, 0, 0))
    data = out.read_bytes()
    out.write_bytes(b"PK\3\4" + bytes(26) + data)
    return out


def _flipped(out: Path, sound: bytes) -> Path:
    whole = bytearray(zipped(out, {"x.lecture": sound}).read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    out.write_bytes(whole)
    return out


BAD: dict[str, tuple[Callable[[Path, bytes], Path], str]] = {
    "up and out": (lambda out, sound: zipped(out, {"../../lectures/x.lecture": sound}), "import_zip_unsafe"),
    "beside good ones": (lambda out, sound: zipped(out, {"x.lecture": sound, "a/../../y": b""}), "import_zip_unsafe"),
    "windows ways": (lambda out, sound: zipped(out, {"..\\..\\x.lecture": sound}), "import_zip_unsafe"),
    "absolute": (lambda out, sound: zipped(out, {"/tmp/x.lecture": sound}), "import_zip_unsafe"),
    "drive": (lambda out, sound: zipped(out, {"C:/x.lecture": sound}), "import_zip_unsafe"),
    "link": (_link, "import_zip_unsafe"),
    "encrypted": (_encrypted, "import_zip_unsafe"),
    "odd packing": (lambda out, sound: zipped(out, {"x.lecture": sound}, zipfile.ZIP_LZMA), "import_zip_unsafe"),
    "bomb": (
        lambda out, sound: zipped(out, {"x.lecture": sound, "b": bytes(100_000_000)}, zipfile.ZIP_DEFLATED),
        "import_zip_unsafe",
    ),
    "many files": (
        lambda out, sound: zipped(out, {f"{number}": b"" for number in range(10_001)} | {"x.lecture": sound}),
        "import_zip_unsafe",
    ),
    "a million files": (_claims_a_million, "import_zip_unsafe"),
    "cut short": (
        lambda out, sound: out.write_bytes(zipped(out, {"x.lecture": sound}).read_bytes()[:-1000]) and out,
        "import_zip_damaged",
    ),
    "flipped": (_flipped, "import_zip_damaged"),
    "nothing in it": (lambda out, sound: zipped(out, {"index.html": b"x"}), "import_empty"),
    "other checksum": (
        lambda out, sound: zipped(out, {"p/x.lecture": sound, f"p/{SUMS}": b"0" * 64 + b"  x.lecture\n"}),
        "import_checksum_wrong",
    ),
    "foreign file": (lambda out, sound: out.write_bytes(b"%PDF-1.7 and so on") and out, "not_a_lecture_file"),
    "foreign database": (
        lambda out, sound: _with(out, "CREATE TABLE entries (seq)") and out,
        "not_a_lecture_file",
    ),
    "foreign in a zip": (lambda out, sound: zipped(out, {"x.lecture": b"no"}), "not_a_lecture_file"),
    "newer": (
        lambda out, sound: out.write_bytes(sound) and _with(out, f"PRAGMA user_version={USER_VERSION + 1000}") and out,
        "file_too_new",
    ),
    "its end is missing": (lambda out, sound: out.write_bytes(sound[: len(sound) // 2]) and out, "import_damaged"),
    "path as id": (
        lambda out, sound: (
            out.write_bytes(sound) and _with(out, "UPDATE meta SET value = '../../x' WHERE key = 'lecture'") and out
        ),
        "import_id_invalid",
    ),
    "runs by itself": (
        lambda out, sound: (
            out.write_bytes(sound)
            and _with(out, "CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM entries; END")
            and out
        ),
        "file_damaged",
    ),
    "not there": (lambda out, sound: out, "import_unknown"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_by_name_and_leaves_nothing(
    name: str, lecture_path: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    make, error_id = BAD[name]
    bad = make(tmp_path / "given", lecture_path.read_bytes())
    before = hashlib.sha256(bad.read_bytes()).digest() if bad.exists() else b""
    assert command(bad) == (2, [], [error_id])
    assert here(data) == []
    assert not bad.exists() or hashlib.sha256(bad.read_bytes()).digest() == before
    # The next one in the row has its turn all the same.
    code, done, failed = command(bad, lecture_path)
    assert (code, [one["result"] for one in done], failed) == (2, ["new"], [error_id])
