"""Entries for the lecture file's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from lecture.entries import EncodedFrame, Entry, Kind, pack_event, pack_frames
from lecture.errors import LectureFileError
from lecture.file import LectureFile
from lecture.tracks import Track

VOICE = Track("voice", "opus", 48000, "en", "16", 1)
PAGE = b"page" * 500


def voice(t_ms: int, duration_ms: int = 1000, track_id: int = 1, *, size_bytes: int = 40) -> Entry:
    """A piece of voice; one frame stands for all of it."""
    payload = pack_frames(t_ms, [EncodedFrame(t_ms, 60, b"x" * size_bytes)])
    return Entry(Kind.VOICE, t_ms, payload, track_id, duration_ms)


def turn(t_ms: int, page: int = 1) -> Entry:
    """A page turn."""
    return Entry(Kind.TURN, t_ms, pack_event({"deck": "d", "page": page}))


def finished_file(folder: Path) -> Path:
    """A finished file: two minutes of voice with a hole, page turns, a page."""
    path = folder / "a.lecture"
    with LectureFile.create(path, {"title": "Physics"}) as file:
        file.add_track(VOICE)
        for n in range(120):
            if n not in {30, 31, 77}:
                file.append(voice(n * 1000))
            if n % 20 == 0:
                file.append(turn(n * 1000))
        file.put_blob(PAGE, "image/avif")
        file.finish()
    return path


def refused(path: Path, *, readonly: bool = True) -> LectureFileError:
    with pytest.raises(LectureFileError) as caught:
        LectureFile.open(path, readonly=readonly)
    return caught.value
