"""Exports of a small real recording, read back with FFmpeg and pdfium instead of our own code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pypdfium2
import pytest

from hallcast.cli import main
from lecture.entries import EncodedFrame, Entry, Flag, Kind, pack_event, pack_frames
from lecture.file import LectureFile
from lecture.ink import write_ink
from lecture.lecturer_messages import Ink
from lecture.screen import ScreenUpdate, pack_update
from lecture.screen_mosaic import mosaic_of
from lecture.tracks import SCREEN_CODEC, Track
from recordings.errors import RecordingError
from recordings.export import export
from recordings.export_order import ExportOrder
from recordings.export_process import ExportLimits, export_in_child
from recordings.recording import Recording
from tests.recorded import HOLE_MS, LECTURE, VOICE_MS, loudness, samples, tone
from transport import opus, webp

CHAPTERS = [(0, "What a price is"), (1500, "세 가지 질문"), (4000, "Try it")]
INK_RED, SCREEN_BLUE = (216, 27, 96), (20, 40, 220)


@pytest.fixture(scope="module")
def drawn_on(tmp_path_factory: pytest.TempPathFactory, lectures_dir: Path) -> Path:
    """The recording with a stroke across page 1 from 0.5 s on, and a blue screen shared from 4.5 s to 5.2 s."""
    path = tmp_path_factory.mktemp("drawn") / f"{LECTURE}.lecture"
    shutil.copyfile(lectures_dir / path.name, path)
    with LectureFile.open(path) as file:
        stroke = Ink("d1", 1, "s1", ((0.1, 0.5), (0.9, 0.5)), width=0.02)
        kind, fields = write_ink(1, stroke)
        file.append(Entry(kind, 500, pack_event(fields)))
        track = file.add_track(Track("screen", SCREEN_CODEC, 1000))
        picture = np.full((96, 160, 3), SCREEN_BLUE, np.uint8)
        whole = ScreenUpdate(7, 1, 0, 160, 96, mosaics=(mosaic_of(picture, np.ones((6, 10), np.bool_), webp.encode),))
        for t_ms, update in ((4500, whole), (5200, replace(whole, number=2, mosaics=(), stop=True))):
            payload = pack_frames(t_ms, [EncodedFrame(t_ms, 0, pack_update(update), Flag.KEYFRAME)])
            file.append(Entry(Kind.SCREEN, t_ms, payload, track.track_id, 0, Flag.KEYFRAME))
        file.finish()
    return path


def exported(path: Path, folder: Path, kind: str, **wanted: object) -> Path:
    out = folder / f"out.{kind}"
    with Recording.open(path) as recording:
        export(recording, ExportOrder(kind, **wanted), out)  # type: ignore[arg-type]
    return out


def probed(path: Path) -> dict[str, Any]:
    """What ffprobe says."""
    words = ["ffprobe", "-v", "error", "-of", "json", "-show_chapters", "-show_streams", "-show_format", str(path)]
    facts: dict[str, Any] = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    return facts


def near(colour: np.ndarray, wanted: tuple[int, ...], by: int = 14) -> bool:
    return bool(np.abs(colour.astype(int) - wanted).max() <= by)


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe: apt install ffmpeg")
@pytest.mark.parametrize("kind", ["mp4", "webm", "opus"])
def test_players_find_title_chapters_and_length(drawn_on: Path, tmp_path: Path, kind: str) -> None:
    facts = probed(exported(drawn_on, tmp_path, kind))
    found = [(float(one["start_time"]) * 1000, one["tags"]["title"]) for one in facts["chapters"]]
    assert found == CHAPTERS
    tags = facts["format"].get("tags") or facts["streams"][0]["tags"]
    assert {key.lower(): words for key, words in tags.items()}["title"] == "Pricing"
    assert float(facts["format"]["duration"]) == pytest.approx(VOICE_MS / 1000, abs=0.05)
    codecs = [(one["codec_name"], one.get("profile"), one.get("pix_fmt")) for one in facts["streams"]]
    wanted = {
        "mp4": [("h264", "High", "yuv420p"), ("aac", "LC", None)],
        "webm": [("vp9", "Profile 0", "yuv420p"), ("opus", None, None)],
        "opus": [("opus", None, None)],
    }
    assert codecs[: len(wanted[kind])] == wanted[kind]


def test_mp4_begins_with_its_index_so_that_it_plays_while_it_is_loaded(drawn_on: Path, tmp_path: Path) -> None:
    data = exported(drawn_on, tmp_path, "mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_film_shows_page_pen_screen_and_camera_of_each_moment(drawn_on: Path, tmp_path: Path, kind: str) -> None:
    shown: dict[int, np.ndarray] = {}
    with av.open(str(exported(drawn_on, tmp_path, kind))) as container:
        for frame in container.decode(video=0):
            shown[round(float(frame.time or 0) * 1000)] = frame.to_ndarray(format="rgb24")

    def at(t_ms: int) -> np.ndarray:
        return shown[max(time_ms for time_ms in shown if time_ms <= t_ms)]

    for t_ms, green in ((300, 80), (2000, 160), (4300, 240), (5500, 240)):
        assert near(at(t_ms)[600, 100], (255, green, 0)), t_ms
    assert near(at(300)[360, 640], (255, 80, 0))
    assert near(at(900)[360, 640], INK_RED)
    assert near(at(900)[360, 100], (255, 80, 0)), "the stroke ends where it was ended"
    assert near(at(2000)[360, 640], (255, 160, 0)), "the stroke belongs to its page"
    assert near(at(4800)[360, 640], SCREEN_BLUE)
    camera = at(3000)[600:690, 1080:1240].astype(int)
    assert np.ptp(camera.mean(axis=2)) < 20, "the test's camera shows one grey"
    assert near(camera.mean(axis=(0, 1)), (75, 75, 75), 12)
    assert near(at(500)[650, 1160], (255, 80, 0)), "the camera comes at 1 s"


@pytest.mark.parametrize("kind", ["mp4", "webm", "opus"])
def test_export_sounds_like_the_voice(lecture_path: Path, tmp_path: Path, kind: str) -> None:
    sound = samples(exported(lecture_path, tmp_path, kind))
    assert loudness(sound, 300, 2300) > 0.1
    assert loudness(sound, HOLE_MS[0] + 300, HOLE_MS[1] - 200) < 0.002


def test_what_one_rung_lacks_comes_from_another(lecture_path: Path, tmp_path: Path) -> None:
    path = tmp_path / lecture_path.name
    shutil.copyfile(lecture_path, path)
    with LectureFile.open(path) as file, closing(opus.Encoder(1, bitrate_bps=12_000, frame_ms=60)) as encoder:
        track = file.add_track(Track("voice", "opus", 48_000, "en", "12", 1))
        frames = [EncodedFrame(t_ms, 60, encoder.encode(tone(t_ms))) for t_ms in range(*HOLE_MS, 60)]
        file.append(Entry(Kind.VOICE, HOLE_MS[0], pack_frames(HOLE_MS[0], frames), track.track_id, 1200))
        file.finish()
    assert loudness(samples(exported(path, tmp_path, "opus")), HOLE_MS[0] + 300, HOLE_MS[1] - 200) > 0.1


def test_camera_can_be_left_out(lecture_path: Path, tmp_path: Path) -> None:
    with av.open(str(exported(lecture_path, tmp_path, "mp4", with_camera=False))) as container:
        last = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][-1]
    assert near(last[650, 1160], (255, 240, 0))


def test_pdf_has_each_page_once_in_order_with_title_and_ink(drawn_on: Path, tmp_path: Path) -> None:
    with LectureFile.open(drawn_on) as file:
        file.append(Entry(Kind.TURN, 5900, pack_event({"deck": "d1", "page": 1})))
        file.finish()
    pdf = pypdfium2.PdfDocument(exported(drawn_on, tmp_path, "pdf"))
    assert pdf.get_metadata_dict()["Title"] == "Pricing"
    assert [(mark.get_title(), mark.get_dest().get_index()) for mark in pdf.get_toc()] == [
        (title, index) for index, (_, title) in enumerate(CHAPTERS)
    ]
    pages = [page.render(scale=1).to_pil().convert("RGB") for page in pdf]
    assert [near(np.array(page.getpixel((50, 500))), (255, 80 * n, 0)) for n, page in enumerate(pages, 1)] == [True] * 3
    assert near(np.array(pages[0].getpixel((480, 270))), INK_RED)
    image = next(iter(pdf[0].get_objects()))
    assert image.get_px_size() == (1280, 720), "in full sharpness"


def test_a_recording_without_pages_gives_no_pdf(tmp_path: Path) -> None:
    path = tmp_path / "mute.lecture"
    with LectureFile.create(path, {"lecture": "mute"}) as file:
        file.finish()
    for kind, error_id in (("pdf", "pages_missing"), ("mp4", "recording_empty")):
        with pytest.raises(RecordingError) as caught:
            exported(path, tmp_path, kind)
        assert caught.value.error_id == error_id
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_page_that_is_no_page_image_is_left_out(lecture_path: Path, tmp_path: Path) -> None:
    """A playlist would make a careless reader open other files and addresses."""
    path = tmp_path / lecture_path.name
    shutil.copyfile(lecture_path, path)
    with LectureFile.open(path) as file:
        digest = file.put_blob(b"#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n", "image/avif")
        page = {"deck": "d1", "page": 2, "tier": 3, "digest": digest, "media_type": "image/avif"}
        file.append(Entry(Kind.PAGE, 0, pack_event(page)))
        file.finish()
    assert len(pypdfium2.PdfDocument(exported(path, tmp_path, "pdf"))) == 2


@pytest.mark.parametrize("t_ms", [10**8, 6 * 10**8])
async def test_a_recording_that_claims_to_last_for_ever_is_refused(
    lecture_path: Path, tmp_path: Path, t_ms: int
) -> None:
    path = tmp_path / lecture_path.name
    shutil.copyfile(lecture_path, path)
    with LectureFile.open(path) as file:
        file.append(Entry(Kind.MARK, t_ms, pack_event({"text": "the end"})))
        file.finish()
    with pytest.raises(RecordingError) as caught:
        await export_in_child(path, ExportOrder("opus"), tmp_path / "out.opus")
    assert caught.value.error_id == "recording_too_long"


@pytest.mark.parametrize("limits", [ExportLimits(memory_bytes=250_000_000), ExportLimits(file_bytes=10_000)])
async def test_a_child_that_needs_more_than_it_may_take_ends_with_an_error(
    lecture_path: Path, tmp_path: Path, limits: ExportLimits
) -> None:
    with pytest.raises(RecordingError) as caught:
        await export_in_child(lecture_path, ExportOrder("mp4"), tmp_path / "out.mp4", limits=limits)
    assert caught.value.error_id == "export_failed"
    assert not (tmp_path / "out.mp4").exists()


def test_command_line_exports_and_warns_of_what_is_missing(
    lecture_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "voice.opus"
    assert main(["recordings", "export", str(lecture_path), "--to", "opus", "--out", str(out), "--json"]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert (facts["file"], facts["bytes"]) == (str(out), out.stat().st_size)
    assert facts["missing_ms"] == HOLE_MS[1] - HOLE_MS[0]
    assert main(["recordings", "export", str(lecture_path), "--to", "pdf", "--out", str(out)]) == 0
    assert main(["recordings", "export", str(lecture_path), "--language", "ko", "--out", str(out)]) == 2
    assert "no voice in “ko”" in capsys.readouterr().err
    assert out.read_bytes().startswith(b"%PDF")
    assert list(tmp_path.iterdir()) == [out]


def test_interrupted_export_leaves_nothing_behind(lecture_path: Path, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"the film before")
    words = ["recordings", "export", str(lecture_path), "--out", "film.mp4"]
    command = [sys.executable, "-c", f"import sys; from hallcast.cli import main; sys.exit(main({words!r}))"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(tmp_path.glob(".export-*/*")):
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"the film before"]
