"""A small recorded lecture with real Opus, real VP8 and real page images, written through the lecture file;
and how files made of it sound."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

from lecture.entries import EncodedFrame, Entry, Kind, pack_event, pack_frames
from lecture.file import LectureFile
from lecture.tracks import VOICE_FRAME_MS, Track
from tests.film import CAMERA, film
from transport import opus

LECTURE = "pricing01"
VOICE_MS = 6000
HOLE_MS = (2400, 3600)
CAMERA_FROM_MS = 1000
KEYFRAMES_MS = range(CAMERA_FROM_MS, VOICE_MS, 1400)


def tone(t_ms: int) -> np.ndarray:
    """60 ms of a 440 Hz tone, in phase along lecture time."""
    at = np.arange(2880) + t_ms * 48
    return (8000 * np.sin(2 * np.pi * 440 * at / 48_000)).astype(np.int16)[:, None]


def _voice(file: LectureFile) -> None:
    track = file.add_track(Track("voice", "opus", 48_000, "en", "16", 1))
    with closing(opus.Encoder(1, bitrate_bps=16_000, frame_ms=60)) as encoder:
        for start in range(0, VOICE_MS, 600):
            frames = [
                EncodedFrame(t_ms, VOICE_FRAME_MS, encoder.encode(tone(t_ms)))
                for t_ms in range(start, start + 600, VOICE_FRAME_MS)
            ]
            if not HOLE_MS[0] <= start < HOLE_MS[1]:
                file.append(Entry(Kind.VOICE, start, pack_frames(start, frames), track.track_id, 600))


def _camera(file: LectureFile) -> None:
    track = file.add_track(CAMERA)
    for picture in film(VOICE_MS, KEYFRAMES_MS, from_ms=CAMERA_FROM_MS, every_ms=200):
        payload = pack_frames(picture.t_ms, [replace(picture, duration_ms=200)])
        file.append(Entry(Kind.CAMERA, picture.t_ms, payload, track.track_id, 200, picture.flags))


def _deck(file: LectureFile) -> None:
    titles = ["What a price is", "세 가지 질문", "Try it"]
    pages = [{"page": number, "title": title, "text": title} for number, title in enumerate(titles, 1)]
    deck = {"deck": "d1", "title": "Pricing", "page_count": 3, "pages": pages}
    file.append(Entry(Kind.DECK, 0, pack_event(deck)))
    for number in (1, 2, 3):
        for tier, size in ((1, (640, 360)), (2, (1280, 720))):
            image = Image.new("RGB", size, (255, 80 * number, 0))
            ImageDraw.Draw(image).text((20, 20), f"page {number}")
            data = io.BytesIO()
            image.save(data, "AVIF", quality=40, speed=9)
            digest = file.put_blob(data.getvalue(), "image/avif")
            page = {"deck": "d1", "page": number, "tier": tier, "digest": digest, "media_type": "image/avif"}
            size_bytes = {"width": size[0], "height": size[1], "size_bytes": len(data.getvalue())}
            file.append(Entry(Kind.PAGE, 0, pack_event(page | size_bytes)))
    for t_ms, number in ((0, 1), (1500, 2), (1600, 2), (4000, 3)):
        file.append(Entry(Kind.TURN, t_ms, pack_event({"deck": "d1", "page": number})))


def write(folder: Path) -> Path:
    """Write the lecture file of :data:`LECTURE` into a folder; returns the file."""
    path = folder / f"{LECTURE}.lecture"
    facts = {"lecture": LECTURE, "title": "Pricing", "course": "Business 1", "languages": '["en"]', "state": "ended"}
    file = LectureFile.create(path, facts | {"started_at": "2026-03-01T09:00:00Z"})
    _deck(file)
    _voice(file)
    _camera(file)
    file.finish()
    file.close()
    return path


def samples(path: Path) -> np.ndarray:
    """The sound of a file as mono float samples at 48 kHz."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", 48_000)
        blocks = [out.to_ndarray()[0] for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    return np.concatenate(blocks)


def loudness(sound: np.ndarray, start_ms: int, end_ms: int) -> float:
    """Root mean square of a stretch of it."""
    return float(np.sqrt(np.mean(sound[start_ms * 48 : end_ms * 48] ** 2)))
