"""Captions: files of them, laid into a recording, found by part of a word."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hallcast.cli import main
from lecture.captions import Caption, caption_entry, read_caption
from lecture.entries import Entry, Kind, pack_event, unpack_event
from lecture.file import LectureFile
from recordings.caption_files import MAX_FILE_BYTES, read_cues
from recordings.captions import caption_passages, captions_of, lay_in
from recordings.catalogue import Catalogue
from recordings.errors import RecordingError
from recordings.export import export
from recordings.export_order import ExportOrder
from recordings.library import Library
from recordings.merge import merge
from recordings.recording import Recording
from recordings.search import Query, search
from relay import pages
from tests.recorded import LECTURE

VTT = """WEBVTT - of the first lecture
Kind: captions

STYLE
::cue { color: yellow }

NOTE 00:00.000 --> 00:01.000 is no cue

intro
00:00.500 --> 00:02.000 align:start position:10%
<v Dr. Kim>오늘은 <b>탄력성</b>을</v>

00:00:02.000 --> 00:00:03.500
배웁니다 &amp; <00:00:02.500>묻습니다
"""
SRT = (
    "1\r\n00:00:01,500 --> 00:00:03,000\r\n<i>What is</i>\r\na price?\r\n\r\n"
    "2\r\n00:00:00,000 --> 00:00:01,000\r\n{\\an8}1 < 2\r\n"
)


@pytest.mark.parametrize(
    ("text", "cues"),
    [
        (VTT, [(500, 2000, "오늘은 탄력성을"), (2000, 3500, "배웁니다 & 묻습니다")]),
        (SRT, [(0, 1000, "1 < 2"), (1500, 3000, "What is\na price?")]),
        ("\ufeff" + SRT.replace("\r\n", "\r"), [(0, 1000, "1 < 2"), (1500, 3000, "What is\na price?")]),
        ("\ufeffWEBVTT\n\n01:02:03.004 --> 101:00:00.000\nx", None),
        ("WEBVTT\n\n01:02:03.004 --> 01:02:04.5\nlate", [(3_723_004, 3_724_500, "late")]),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\n\n00:03.000 --> 00:04.000\n<c></c>a\0b\n\n\n", [(3000, 4000, "a b")]),
    ],
)
def test_what_caption_files_say(text: str, cues: list[tuple[int, int, str]] | None) -> None:
    if cues is None:
        with pytest.raises(RecordingError, match="line 3 is a caption of more than an hour"):
            read_cues(text.encode())
    else:
        assert [(cue.start_ms, cue.end_ms, cue.text) for cue in read_cues(text.encode())] == cues


@pytest.mark.parametrize(
    ("data", "error_id", "says"),
    [
        (b"", "captions_invalid", "there is no caption in it"),
        (b"WEBVTT\n\nNOTE nothing yet\n", "captions_invalid", "there is no caption in it"),
        (b"WEBVTT\n\n00:00.000 --> 00:01.000\nx\n\nand more\n", "captions_invalid", "line 6 begins no caption"),
        (b"1\n00:00:01,000 -> 00:00:02,000\nx\n", "captions_invalid", "line 1 begins no caption"),
        (b"1\r\n0:61:00,000 --> 0:62:00,000\r\nx\r\n", "captions_invalid", "line 2 has no times"),
        (b"1\n00:00:02,000 --> 00:00:02,000\nx\n", "captions_invalid", "line 2 ends before it begins"),
        (b"WEBVTT\n\n00:00.000 --> 00:01.000\n" + b"x" * 1001, "captions_invalid", "more than 1000 characters"),
        ("WEBVTT\n\n00:00.000 --> 00:01.000\n가격".encode("cp949"), "captions_invalid", "line 4 is not UTF-8"),
        (b"--> x\n\n" * 9, "captions_invalid", "line 9 has no times.*; and 4 more"),
        (b"PK\x03\x04" + bytes(100), "captions_invalid", "line 1 begins no caption"),
        (bytes(MAX_FILE_BYTES + 1), "captions_too_large", "4 MB"),
        (b"0:00.0-->9:00.0\nx\n\n" * 20_001, "captions_too_large", "20000"),
    ],
    ids=range(12),
)
def test_a_bad_caption_file_is_refused_naming_its_lines(data: bytes, error_id: str, says: str) -> None:
    with pytest.raises(RecordingError, match=says) as caught:
        read_cues(data)
    assert caught.value.error_id == error_id


def test_an_entry_that_makes_no_sense_is_no_caption() -> None:
    caption = Caption("ko", "가격", 1500, 1)
    entry = caption_entry(500, caption)
    assert (entry.kind, entry.t_ms, read_caption(unpack_event(entry))) == (Kind.CAPTION, 500, caption)
    fields = unpack_event(entry)
    for wrong in ({"language": "../ko"}, {"text": ""}, {"text": "x" * 1001}, {"duration_ms": 0}, {"edition": "1"}):
        assert read_caption(fields | wrong) is None, wrong


@pytest.mark.parametrize(
    ("language", "good"),
    [
        ("ko", True),
        ("zh-Hant-TW-pinyin-heploc", True),
        ("abcdefgh-abcdefgh-abcdefgh-abcdefgh", True),
        ("abcdefgh-abcdefgh-abcdefgh-abcdefg-h", False),
        ("ko-a-b-c-d-e", False),
    ],
)
def test_a_caption_is_in_any_language_that_a_lecture_can_have(language: str, good: bool) -> None:
    entry = caption_entry(0, Caption(language, "가격", 1, 1))
    assert (read_caption(unpack_event(entry)) is not None) == good


def lay(data: Path, text: str, *more: str) -> int:
    path = data / "captions.vtt"
    path.write_text(text)
    return main(["recordings", "captions", LECTURE, str(path), "--data", str(data), "--json", *more])


def read(data: Path) -> dict[str, list[tuple[int, str]]]:
    with Recording.open(data / "lectures" / f"{LECTURE}.lecture") as recording:
        found = captions_of(recording)
        assert recording.verify().ok
        assert recording.duration_ms == 6000
    return {language: [(cue.start_ms, cue.text) for cue in cues] for language, cues in found.items()}


def test_captions_are_laid_in_found_and_replaced(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lay(data, VTT, "--language", "ko") == 0
    assert lay(data, SRT) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told == [
        {"recording": LECTURE, "language": "ko", "captions": 2, "replaced": 0},
        {"recording": LECTURE, "language": "en", "captions": 2, "replaced": 0},
    ]
    assert list(read(data)) == ["en", "ko"], "the lecturer's language first"
    with Catalogue(data / "catalogue.db") as catalogue:  # the command has told the index already
        (found,) = search(catalogue, Query("탄력")).lectures
        assert [(hit.kind, hit.page, hit.moments) for hit in found.hits] == [("caption", None, (500,))]
        assert found.hits[0].snippet == ["오늘은 ", "탄력", "성을 배웁니다 & 묻습니다"]
        (found,) = search(catalogue, Query('"탄력성을 배웁니다"')).lectures
        assert [hit.moments for hit in found.hits] == [(500,)], "words that run on in the next caption"
    assert lay(data, "WEBVTT\n\n00:04.000 --> 00:05.000\n수요\n", "--language", "ko") == 0
    assert json.loads(capsys.readouterr().out)["replaced"] == 2
    assert read(data)["ko"] == [(4000, "수요")]
    assert len(read(data)["en"]) == 2
    with Catalogue(data / "catalogue.db") as catalogue:
        assert search(catalogue, Query("탄력")).total == 0
        assert search(catalogue, Query("수요")).total == 1


def test_the_replay_page_and_a_pack_get_them(data: Path, tmp_path: Path) -> None:
    assert lay(data, VTT, "--language", "ko") == 0
    told = [[500, 2000, "오늘은 탄력성을"], [2000, 3500, "배웁니다 & 묻습니다"]]
    library = Library(data / "lectures", tmp_path / "cache")
    assert json.loads(library.manifest(LECTURE).read_text())["captions"] == ["ko"]
    assert json.loads(library.captions(LECTURE, "ko")) == told
    with pytest.raises(RecordingError) as caught:
        library.captions(LECTURE, "en")
    assert caught.value.error_id == "captions_missing"
    order = ExportOrder("usb", with_camera=False, zipped=False, page_sources=str(pages.FOLDER))
    with Recording.open(data / "lectures" / f"{LECTURE}.lecture") as recording:
        export(recording, order, tmp_path / "pack")
    script = (tmp_path / "pack" / "data" / "captions-0.js").read_text()
    assert json.loads("[" + script.partition("(")[2].removesuffix(");\n") + "]") == ["captions-0", told]


@pytest.mark.parametrize(
    ("text", "more", "error_id"),
    [
        ("WEBVTT\n\n00:01.000 -> 00:02.000\nx", (), "captions_invalid"),
        ("WEBVTT\n\n00:06.000 --> 00:07.000\nafter the end", (), "captions_invalid"),
        (VTT, ("--language", "../ko"), "language_invalid"),
    ],
)
def test_what_is_refused_changes_nothing(
    data: Path, capsys: pytest.CaptureFixture[str], text: str, more: tuple[str, ...], error_id: str
) -> None:
    path = data / "lectures" / f"{LECTURE}.lecture"
    before = path.read_bytes()
    assert lay(data, text, *more) == 2
    assert json.loads(capsys.readouterr().out)["error"]["id"] == error_id
    assert path.read_bytes() == before


def test_a_lecture_that_is_open_or_goes_on_takes_none(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LectureFile.open(data / "lectures" / f"{LECTURE}.lecture") as file:
        assert lay(data, SRT) == 2
        file.set_meta("state", "live")
    assert lay(data, SRT) == 2
    assert main(["recordings", "captions", LECTURE, str(data / "none.srt"), "--data", str(data), "--json"]) == 2
    told = [json.loads(line)["error"]["id"] for line in capsys.readouterr().out.splitlines()]
    assert told == ["file_busy", "lecture_live", "captions_unreadable"]


def test_a_merge_takes_captions_along_once_and_the_later_ones_count(data: Path) -> None:
    path = data / "lectures" / f"{LECTURE}.lecture"
    other = Path(shutil.copy(path, data / "other.lecture"))
    with LectureFile.open(path) as file, LectureFile.open(other) as copy:
        lay_in(file, "en", read_cues(b"0:00.0-->0:01.0\nYes.\n\n0:01.0-->0:02.0\nYes.\n\n0:02.0-->0:03.0\nOld.\n"))
        assert (merge(copy, file).events, merge(copy, file).events) == (3, 0)
        lay_in(copy, "en", read_cues(b"0:00.0-->0:01.0\nNew.\n"))
        assert (merge(file, copy).events, merge(file, copy).events) == (1, 0)
    assert read(data) == {"en": [(0, "New.")]}


def test_captions_that_were_laid_in_meanwhile_keep_out_no_event_that_has_their_number(data: Path) -> None:
    path = data / "lectures" / f"{LECTURE}.lecture"
    other = Path(shutil.copy(path, data / "other.lecture"))
    with LectureFile.open(path) as file, LectureFile.open(other) as copy:
        lay_in(file, "en", read_cues(b"0:00.0-->0:01.0\nYes.\n"))
        copy.append(Entry(Kind.MARK, 500, pack_event({"text": "exam"})))
        assert merge(file, copy).events == 1
    with LectureFile.open(path, readonly=True) as file:
        marks = [unpack_event(entry)["text"] for entry in file.read(kinds={Kind.MARK}, limit=100)]
    assert "exam" in marks


def test_a_hostile_file_has_no_endless_captions(data: Path) -> None:
    path = data / "lectures" / f"{LECTURE}.lecture"
    with LectureFile.open(path) as file:
        for n in range(30):
            file.append(caption_entry(n, Caption(f"en-{n}", "x", 10, 1)))
        file.append(Entry(Kind.CAPTION, 0, b"["))
        file.append(Entry(Kind.CAPTION, 0, pack_event({"language": [], "text": {}})))
    with Recording.open(path) as recording:
        assert len(captions_of(recording)) == len(caption_passages(recording)) == 16
