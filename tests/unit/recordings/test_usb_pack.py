"""A recording as a folder for a USB stick. That a browser plays it is tests/interop/test_exports_play.py."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from hallcast.cli import main
from lecture.entries import EncodedFrame, Entry, Kind, pack_event, pack_frames
from lecture.file import LectureFile
from lecture.tracks import Track
from recordings import voice
from recordings.errors import RecordingError
from recordings.export import export
from recordings.export_order import ExportOrder
from recordings.files import copy_lecture_file
from recordings.pack_scripts import bytes_script, facts_script
from recordings.recording import Recording
from recordings.usb_pack import pack_page
from relay import pages
from tests.recorded import LECTURE

NODE = shutil.which("node")
ORDER = ExportOrder("usb", with_camera=False, zipped=False, page_sources=str(pages.FOLDER))
READ_BACK = """
import {bytesOf} from %s;
import {readFileSync} from "node:fs";
const found = {};
globalThis.hallcastPack = (name, facts, text) => {
  found[name] = [facts, text === undefined ? null : [...bytesOf(text)]];
};
for (const path of process.argv.slice(1)) (0, eval)(new TextDecoder("windows-1252").decode(readFileSync(path)));
console.log(JSON.stringify(found));
"""


def packed(path: Path, out: Path, order: ExportOrder = ORDER) -> Path:
    with Recording.open(path) as recording:
        export(recording, order, out)
    return out


def read_back(*scripts: Path) -> dict[str, tuple[object, list[int] | None]]:
    """What scripts bring, read as a browser reads them."""
    module = json.dumps((pages.FOLDER / "lib/replay-pack.js").as_uri())
    command = [str(NODE), "--input-type=module", "-e", READ_BACK % module, *map(str, scripts)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, tuple[object, list[int] | None]] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_scripts_bring_every_byte_and_every_letter(tmp_path: Path) -> None:
    pieces = [bytes(range(256)) * 3, b"", b"</script>\\\r\n\"'`${}\0" + b"1"]
    (tmp_path / "a.js").write_bytes(bytes_script("a", pieces))
    (tmp_path / "b.js").write_bytes(facts_script("b", {"title": "세 가지 질문 \u2028 </script>"}))
    found = read_back(tmp_path / "a.js", tmp_path / "b.js")
    assert found["a"] == [[len(piece) for piece in pieces], list(b"".join(pieces))]
    assert found["b"] == [{"title": "세 가지 질문 \u2028 </script>"}, None]


def test_bytes_as_a_script_are_hardly_more_than_the_bytes(lecture_path: Path) -> None:
    with Recording.open(lecture_path) as recording:
        segment = voice.segment(recording, "en", "full", 0)
    assert len(bytes_script("voice-0-0", [segment])) < len(segment) * 1.03 + 60


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_pack_holds_voice_pages_and_the_recording_itself(lecture_path: Path, tmp_path: Path) -> None:
    pack = packed(lecture_path, tmp_path / "pack")
    checked = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=pack, capture_output=True, text=True, check=True)
    files = {path.relative_to(pack).as_posix() for path in pack.rglob("*") if path.is_file()}
    assert {line.removesuffix(": OK") for line in checked.stdout.splitlines()} == files - {"SHA256SUMS"}
    with LectureFile.open(pack / f"{LECTURE}.lecture", readonly=True) as file:
        assert file.verify().ok
    found = read_back(pack / "data/lecture.js", pack / "data/voice-0-0.js")
    contents, (lengths, voice_bytes) = found["lecture"][0], found["voice-0-0"]
    assert [page["title"] for page in contents["replay"]["pages"]] == ["What a price is", "세 가지 질문", "Try it"]
    assert {pages for page in contents["replay"]["pages"] for pages in page["images"]} == set(contents["images"])
    assert set(contents["images"].values()) == {name for name in files if name.startswith("pages/")}
    assert (contents["camera"], contents["replay"]["camera"]) == ("", None)
    with Recording.open(lecture_path) as recording:
        segment = voice.segment(recording, "en", "light", 0)
    assert (lengths, bytes(voice_bytes or [])) == ([len(segment)], segment)
    html = (pack / "index.html").read_text()
    assert all((pack / name).is_file() for name in re.findall(r'(?:src|href)="([^"#]+)"', html))
    assert 'type="module"' not in html, "browsers run no modules from a folder"


def test_a_lecture_file_that_somebody_writes_to_is_copied_whole(
    lecture_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, copyfile = tmp_path / "talk.lecture", shutil.copyfile
    copyfile(lecture_path, path)

    def copied_while_somebody_writes(source: Path, to: Path) -> Path:
        copyfile(source, to)
        with LectureFile.open(path) as file:
            file.append(Entry(Kind.MARK, 0, pack_event({"text": "meanwhile"})))
        return to

    monkeypatch.setattr(shutil, "copyfile", copied_while_somebody_writes)
    copy_lecture_file(path, tmp_path / "copy.lecture")
    with LectureFile.open(path) as open_here:
        open_here.append(Entry(Kind.MARK, 0, pack_event({"text": "no WAL any more"})))
        open_here.finish()
        copy_lecture_file(path, tmp_path / "later.lecture")
    for name, notes in (("copy", 1), ("later", 2)):
        with LectureFile.open(tmp_path / f"{name}.lecture", readonly=True) as file:
            assert (len(file.read(kinds=[Kind.MARK])), file.verify().ok) == (notes, True)


def test_pack_can_be_a_zip_with_a_camera_and_without_the_recording(lecture_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "pricing.zip"
    order = ExportOrder("usb", "en", with_lecture_file=False, page_sources=str(pages.FOLDER))
    names = zipfile.ZipFile(packed(lecture_path, out, order)).namelist()
    assert {name.partition("/")[0] for name in names} == {"pricing"}
    assert "pricing/camera.webm" in names
    assert not [name for name in names if name.endswith(".lecture")]
    assert list(tmp_path.iterdir()) == [out]


def test_a_voice_that_is_not_there_leaves_no_half_a_pack(lecture_path: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordingError) as caught:
        packed(lecture_path, tmp_path / "pack", ExportOrder("usb", "ko", zipped=False, page_sources=str(pages.FOLDER)))
    assert caught.value.error_id == "voice_missing"
    assert list(tmp_path.iterdir()) == []


def test_a_replay_page_that_has_changed_makes_no_broken_pack() -> None:
    html = (pages.FOLDER / "replay.html").read_text()
    for changed in (html.replace("</body>", ""), html.replace("</body>", '<img src="/new.png"></body>')):
        with pytest.raises(RecordingError, match="has changed"):
            pack_page(changed, "x")


def test_command_line_makes_a_pack_and_never_mixes_two(
    lecture_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "stick"
    words = ["recordings", "export", str(lecture_path), "--to", "usb", "--out", str(out), "--json"]
    assert main(words) == 1, "a part of this voice is missing"
    assert json.loads(capsys.readouterr().out)["bytes"] == sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    assert (out / "index.html").is_file()
    assert main(words) == 2
    assert "already" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [out]


def test_command_line_tells_of_every_voice_in_a_pack_whether_it_is_whole(
    lecture_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "talk.lecture"
    shutil.copyfile(lecture_path, path)
    with LectureFile.open(path) as file:
        korean = file.add_track(Track("voice", "opus", 48_000, "ko", "16", 1)).track_id
        for t_ms in (0, 5000):
            frames = [EncodedFrame(t_ms, 60, b"\x58\xff\xfe")]
            file.append(Entry(Kind.VOICE, t_ms, pack_frames(t_ms, frames), korean, 60))
    words = ["recordings", "export", str(path), "--to", "usb", "--no-lecture-file", "--json", "--out"]
    assert main([*words, str(tmp_path / "all")]) == 1
    assert json.loads(capsys.readouterr().out)["missing_ms"] == 1200 + 4940
    assert main([*words, str(tmp_path / "english"), "--language", "en"]) == 1
    assert json.loads(capsys.readouterr().out)["missing_ms"] == 1200
