"""Cameras as films, read back with FFmpeg."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from lecture.entries import EncodedFrame, Entry, Flag, Kind, pack_frames
from lecture.file import LectureFile
from lecture.tracks import Track
from recordings.camera import media_type, write_film
from recordings.recording import Recording

STEP_MS, PICTURES = 2000, 240
BEGAN_MS = 5000


def picture(encoder: str) -> bytes:
    """A keyframe of noise, which is large."""
    codec = av.CodecContext.create(encoder, "w")
    codec.width, codec.height, codec.pix_fmt, codec.bit_rate = 640, 480, "yuv420p", 50_000_000
    codec.time_base = Fraction(1, 10)
    noise = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
    return b"".join(map(bytes, [*codec.encode(VideoFrame.from_ndarray(noise, format="rgb24")), *codec.encode(None)]))


@pytest.mark.parametrize(("name", "encoder"), [("vp8", "libvpx"), ("h264", "libx264")])
def test_a_long_camera_becomes_a_film_piece_by_piece(tmp_path: Path, name: str, encoder: str) -> None:
    data = picture(encoder)
    path, film = tmp_path / "talk.lecture", tmp_path / "camera.film"
    with LectureFile.create(path, {"lecture": "talk", "state": "ended"}) as file:
        track = file.add_track(Track("camera", name, 90_000))
        for t_ms in range(BEGAN_MS, BEGAN_MS + PICTURES * STEP_MS, STEP_MS):
            payload = pack_frames(t_ms, [EncodedFrame(t_ms, STEP_MS, data, int(Flag.KEYFRAME))])
            file.append(Entry(Kind.CAMERA, t_ms, payload, track.track_id, STEP_MS, Flag.KEYFRAME))
            file.commit()
    with Recording.open(path) as recording:
        tracemalloc.start()
        try:
            write_film(recording, film)
            _, most_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert media_type(track) == ("video/mp4" if name == "h264" else "video/webm")
    # What an hour of a good camera would take in memory is many times what a relay has to spare.
    assert most_bytes < 0.3 * PICTURES * len(data)
    with av.open(str(film)) as container:
        times = [
            round(float(packet.pts * packet.time_base) * 1000) for packet in container.demux(video=0) if packet.size
        ]
    assert times == list(range(0, PICTURES * STEP_MS, STEP_MS))
    with av.open(str(film)) as container:
        assert next(container.decode(video=0)).width == 640
