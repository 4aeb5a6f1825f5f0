"""What the replay page gets of a recording, read back with FFmpeg instead of our own code."""

from __future__ import annotations

import io
import json
import sqlite3
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from benchmarks import long_lecture
from lecture.entries import EncodedFrame, Entry, Flag, Kind, pack_event, pack_frames
from lecture.file import LectureFile
from lecture.log import Span
from lecture.screen import ScreenUpdate, pack_update, parse_update
from lecture.screen_canvas import ScreenCanvas
from lecture.screen_mosaic import mosaic_of
from lecture.tracks import SCREEN_CODEC, VOICE_FRAME_MS, Track
from recordings import screen
from recordings.errors import RecordingError
from recordings.library import Library, NotMadeError
from recordings.recording import Recording
from recordings.replay import MAX_SHOWN, pages_shown
from recordings.voice import SEGMENT_MS
from tests import recorded
from transport import webp

LONG = long_lecture.LECTURE


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Holds the small lecture and a longer one."""
    folder = tmp_path_factory.mktemp("library")
    recorded.write(folder)
    long_lecture.write(folder, minutes=2.02, pages=4, turns=6, pictures_of=lambda tier: [bytes([tier])])
    return Library(folder, folder / "cache")


def manifest(library: Library, lecture: str) -> dict[str, Any]:
    return dict(json.loads(library.manifest(lecture).read_bytes()))


def sound(data: bytes) -> tuple[list[int], np.ndarray]:
    """Times in ms of a segment's frames, and its samples."""
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(audio=0))
    return [round(float(frame.time) * 1000) for frame in frames], np.concatenate([f.to_ndarray()[0] for f in frames])


def test_manifest_has_pages_turns_and_voices(library: Library) -> None:
    found = manifest(library, recorded.LECTURE)
    assert found["turns"] == [[0, 0], [1500, 1], [1600, 1], [4000, 2]]
    assert [page["title"] for page in found["pages"]] == ["What a price is", "세 가지 질문", "Try it"]
    assert [len(page["images"]) for page in found["pages"]] == [2, 2, 2]
    with library.open(recorded.LECTURE) as recording:
        named = [recording.blob_by_name(name) for page in found["pages"] for name in page["images"]]
        digests = [image.digest for page in recording.pages() for image in page.images]
    assert [blob.digest for blob in named if blob] == digests
    assert found["camera"]["offset_ms"] == recorded.CAMERA_FROM_MS
    assert found["camera"]["kbps"] >= 1
    assert found["voice"] == [{"language": "en", "rungs": {"light": 16, "full": 16}}]
    assert "drawn" not in found["pages"][0]


def test_manifest_of_a_longer_lecture_names_both_voices_questions_and_drawn_pages(library: Library) -> None:
    found = manifest(library, LONG)
    assert [voice["language"] for voice in found["voice"]] == ["en", "ko"]
    assert found["voice"][1]["rungs"] == {"light": 12, "full": 16}
    assert all(page["drawn"] for page in found["pages"])
    drawing = json.loads(library.drawing(LONG, 1))
    assert len(drawing["ink"]) > 10
    assert len(drawing["pointer"]) == 8 * len(drawing["ink"])
    assert drawing["ink"] == sorted(drawing["ink"], key=lambda mark: mark["t_ms"])
    assert set(drawing["ink"][0]["fields"]) == {"number", "stroke", "colour", "width", "points"}
    with pytest.raises(RecordingError, match="no such page"):
        library.drawing(LONG, 4)


def test_a_piece_of_voice_tells_which_pages_are_shown_meanwhile_to_who_does_not_know(library: Library) -> None:
    first, second, third = (page["images"][0] for page in manifest(library, recorded.LECTURE)["pages"])
    found = library.voice_segment(recorded.LECTURE, "-", "light", 0)
    assert list(found.pages) == [(0, first), (1500, second), (4000, third)]
    assert not library.voice_segment(recorded.LECTURE, "-", "light", 0, revision=found.revision).pages
    facts = manifest(library, LONG)
    for t_ms in range(0, facts["duration_ms"], 1000):
        page = [index for turned_ms, index in facts["turns"] if turned_ms <= t_ms][-1]
        piece = library.voice_segment(LONG, "en", "light", t_ms // SEGMENT_MS, revision="older")
        assert [name for from_ms, name in piece.pages if from_ms <= t_ms][-1] == facts["pages"][page]["images"][0]


def _turning(folder: Path, turns: list[tuple[int, int]], digest: str | None = None) -> Recording:
    """A lecture with these turns and an image of each of two pages; with ``digest`` instead of the first page's."""
    file = LectureFile.create(folder / "turning.lecture", {"lecture": "turning", "state": "ended"})
    for number in (1, 2):
        of_image = file.put_blob(bytes([number]), "image/avif")
        page = {"deck": "d1", "page": number, "tier": 1, "digest": of_image, "media_type": "image/avif"}
        file.append(Entry(Kind.PAGE, 0, pack_event(page | ({"digest": digest} if digest and number == 1 else {}))))
    for t_ms, number in turns:
        file.append(Entry(Kind.TURN, t_ms, pack_event({"deck": "d1", "page": number})))
    file.finish()
    file.close()
    return Recording.open(folder / "turning.lecture")


@pytest.mark.parametrize(
    ("turns", "shown"),
    [
        ([], []),
        ([(9_000, 1), (30_000, 2)], [(0, 1)]),  # the lecturer's first turn, a moment after the first word
        ([(11_000, 1)], []),
        ([(1000, 1), (2000, 3), (3000, 2), (4000, 2), (6000, 1)], [(0, 1), (2000, 0), (3000, 2)]),
        ([(t_ms, 1 + t_ms % 2) for t_ms in range(5000)], [(t_ms, 1 + t_ms % 2) for t_ms in range(MAX_SHOWN)]),
    ],
)
def test_pages_shown_are_those_that_the_page_would_show(
    tmp_path: Path, turns: list[tuple[int, int]], shown: list[tuple[int, int]]
) -> None:
    with _turning(tmp_path, turns) as recording:
        names = {page.page: page.images[0].digest[:16] for page in recording.pages()}
        assert pages_shown(recording, Span(0, SEGMENT_MS)) == [(t_ms, names.get(page, "")) for t_ms, page in shown]


def test_what_is_no_name_of_an_image_is_not_told(tmp_path: Path) -> None:
    with _turning(tmp_path, [(0, 1)], digest="0\r\nSet-Cookie: all=mine\r\n") as recording:
        assert pages_shown(recording, Span(0, SEGMENT_MS)) == [(0, "")]


def test_segments_follow_each_other_without_a_hole(library: Library) -> None:
    duration_ms = manifest(library, LONG)["duration_ms"]
    times: list[int] = []
    for number in range(-(-duration_ms // SEGMENT_MS)):
        data = library.voice_segment(LONG, "ko", "light" if number % 2 else "full", number).data
        segment_times, samples = sound(data)
        assert segment_times[0] == number * SEGMENT_MS
        assert np.abs(samples).max() > 0.01
        times += segment_times
    assert set(np.diff(times)) == {VOICE_FRAME_MS}
    assert duration_ms - times[-1] < 2 * VOICE_FRAME_MS
    light, full = (len(library.voice_segment(LONG, "en", rung, 3).data) for rung in ("light", "full"))
    assert light * 8 / SEGMENT_MS < 14
    assert 1.2 * light < full < 1.5 * light


def test_a_segment_is_silent_where_nothing_was_said_and_keeps_its_length(library: Library) -> None:
    times, samples = sound(library.voice_segment(recorded.LECTURE, "-", "light", 0).data)
    assert times == list(range(0, recorded.VOICE_MS, VOICE_FRAME_MS))
    assert np.abs(samples[2600 * 48 : 3500 * 48]).max() < 0.005
    assert np.abs(samples[4000 * 48 : 5000 * 48]).max() > 0.1


def test_a_segment_can_begin_within(library: Library) -> None:
    whole, _ = sound(library.voice_segment(LONG, "en", "light", 2).data)
    part = library.voice_segment(LONG, "en", "light", 2, from_ms=15_100)
    times, samples = sound(part.data)
    assert times == [t_ms for t_ms in whole if t_ms >= 15_060]
    assert np.abs(samples).max() > 0.01
    assert sound(library.voice_segment(LONG, "en", "light", 2, from_ms=11_000).data)[0] == whole
    with pytest.raises(RecordingError, match="ends before"):
        library.voice_segment(LONG, "en", "light", 2, from_ms=18_000)


def test_what_one_rung_lacks_comes_from_another(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "lectures" / f"{LONG}.lecture"
    path.parent.mkdir()
    path.write_bytes((library._lectures_dir / path.name).read_bytes())
    with sqlite3.connect(path) as database:
        light = "SELECT track_id FROM tracks WHERE language = 'en' AND rung = '12'"
        database.execute(f"DELETE FROM entries WHERE track_id = ({light}) AND t_ms BETWEEN 1000 AND 4000")
    database.close()
    holed = Library(path.parent, tmp_path / "cache")
    times, samples = sound(holed.voice_segment(LONG, "en", "light", 0).data)
    _, whole = sound(library.voice_segment(LONG, "en", "light", 0).data)
    assert times == list(range(0, SEGMENT_MS, VOICE_FRAME_MS))
    part = slice(2000 * 48, 3000 * 48)
    assert np.corrcoef(samples[part], whole[part])[0, 1] > 0.8


@pytest.mark.parametrize(
    ("language", "rung", "number", "error_id"),
    [
        ("de", "light", 0, "voice_missing"),
        ("en", "heavy", 0, "voice_missing"),
        ("../en", "light", 0, "voice_missing"),
        ("en", "light", 999_999_999, "segment_missing"),
    ],
)
def test_segments_that_are_not_there_are_refused(
    library: Library, language: str, rung: str, number: int, error_id: str
) -> None:
    with pytest.raises(RecordingError) as caught:
        library.voice_segment(LONG, language, rung, number)
    assert caught.value.error_id == error_id


def test_a_segment_is_read_without_the_rest_of_the_file(library: Library, tmp_path: Path) -> None:
    """Counted by what SQLite reads, not by the clock."""
    path = library._lectures_dir / f"{LONG}.lecture"
    with library.open(LONG) as recording:
        read: list[int] = []
        rows = recording._file._store._rows
        recording._file._store._rows = lambda *args, **more: (lambda found: (read.append(len(found)), found)[1])(
            rows(*args, **more)
        )  # type: ignore[method-assign]
        from recordings import voice

        voice.segment(recording, "en", "light", 5)
    with sqlite3.connect(path) as database:
        (entries,) = database.execute("SELECT count(*) FROM entries").fetchone()
        plan = " ".join(
            str(row)
            for row in database.execute(
                "EXPLAIN QUERY PLAN SELECT * FROM entries WHERE track_id = 1 AND t_ms < 9 AND t_ms >= 1"
            )
        )
    database.close()
    assert sum(read) < 80 < entries / 10
    assert "entries_by_time" in plan


def test_waveform_is_high_where_somebody_speaks_and_nothing_in_a_hole(library: Library) -> None:
    parts = library.waveform(recorded.LECTURE, "en").read_bytes()
    assert len(parts) == recorded.VOICE_MS // 500
    assert set(parts[5:7]) == {0}
    assert min(parts[:4]) > 150
    assert len(library.waveform(LONG, "en").read_bytes()) == 241
    assert library.waveform(LONG, "ko").read_bytes() != library.waveform(LONG, "en").read_bytes()


def _picture(level: int) -> np.ndarray:
    return np.full((48, 64, 3), level, np.uint8)


def _update(number: int, since: int, picture: np.ndarray, tiles: list[int]) -> bytes:
    mask = np.zeros((3, 4), np.bool_)
    mask.reshape(-1)[tiles] = True
    mosaics = (mosaic_of(picture, mask, webp.encode),) if tiles else ()
    return pack_update(ScreenUpdate(7, number, since, 64, 48, mosaics=mosaics))


def test_a_shared_screen_can_be_entered_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = LectureFile.create(tmp_path / "shared01.lecture", {"lecture": "shared01", "state": "ended"})
    track = file.add_track(Track("screen", SCREEN_CODEC, 1000))
    stop = pack_update(ScreenUpdate(7, 5, 0, 1, 1, stop=True))
    updates = [
        (10_000, _update(1, 0, _picture(40), list(range(12)))),
        (30_000, _update(2, 1, _picture(120), [0])),
        (70_000, _update(3, 2, _picture(200), [5])),
        (130_000, _update(4, 3, _picture(250), [11])),
        (140_000, stop),
        (150_000, _update(6, 0, _picture(10), list(range(12)))),
        (190_000, _update(7, 6, _picture(20), [1])),
        (191_000, _update(8, 0, _picture(30), list(range(12)))),
    ]
    for t_ms, data in updates:
        payload = pack_frames(t_ms, [EncodedFrame(t_ms, 0, data, Flag.NONE)])
        file.append(Entry(Kind.SCREEN, t_ms, payload, track.track_id))
    file.append(Entry(Kind.MARK, 300_000, pack_event({"text": "end"})))
    file.finish()
    file.close()
    library = Library(tmp_path, tmp_path / "cache")
    assert manifest(library, "shared01")["screen"] == [[10_000, 140_000], [150_000, 300_000]]

    def pieces(number: int, *, whole: bool) -> list[tuple[int, ScreenUpdate]]:
        data, found = library.screen_segment("shared01", number, whole=whole), []
        while data:
            t_ms, length = struct.unpack_from("!QI", data)
            found.append((t_ms, parse_update(data[12 : 12 + length])))
            data = data[12 + length :]
        return found

    assert [t_ms for t_ms, _ in pieces(0, whole=True)] == [10_000, 30_000]
    assert [update.number for _, update in pieces(1, whole=False)] == [3]
    canvas = ScreenCanvas(webp.decode)
    for _, update in pieces(2, whole=True)[:3]:
        canvas.apply(update)
        if update.number == 4:
            levels = {tuple(canvas.pixels[y, x]) for y, x in ((0, 0), (20, 20), (47, 63), (0, 40))}
            assert levels == {(120,) * 3, (200,) * 3, (250,) * 3, (40,) * 3}
    assert canvas.position.stopped
    decoded: list[int] = []

    def decode(image: bytes, width: int, height: int) -> np.ndarray:
        decoded.append(len(image))
        return webp.decode(image, width, height)

    monkeypatch.setattr(screen, "webp", SimpleNamespace(decode=decode, encode=webp.encode))
    assert [t_ms for t_ms, _ in pieces(4, whole=True)] == [240_000]
    assert len(decoded) == 1, "nothing before the newest picture that needs none before it"
    assert [t_ms for t_ms, _ in pieces(4, whole=True)] == [240_000]
    assert len(decoded) == 1, "what was made once is kept"
    with pytest.raises(NotMadeError):
        library.screen_segment("shared01", 3, whole=True, make=False)
    with library.open("shared01") as recording:
        each = [screen.segment(recording, number, whole=True) for number in range(6)]
        decoded.clear()
        assert list(screen.whole_segments(recording, 6)) == each
        assert len(decoded) == 7, "each update once"
