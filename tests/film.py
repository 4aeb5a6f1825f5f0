"""A small film in real VP8 whose pictures tell by their grey when they were taken, and what a viewer sees of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from lecture.chunks import Chunker
from lecture.entries import EncodedFrame, Flag, Kind, unpack_frames
from lecture.file import LectureFile
from lecture.log import LectureLog, Span
from lecture.tracks import Track

CAMERA = Track("camera", "vp8", 90_000)
PICTURE_MS = 100
GREY_MS = 40
"""A picture this much later is lighter by one."""


def film(length_ms: int, keyframes_ms: Collection[int] = (0,)) -> list[EncodedFrame]:
    """Pictures of :data:`PICTURE_MS`; only those named are keyframes, all others lean on the one before them."""
    encoder: Any = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 160, 120, "yuv420p"
    encoder.time_base, encoder.gop_size = Fraction(1, 1000), 10_000
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    pictures = []
    for t_ms in range(0, length_ms, PICTURE_MS):
        frame = VideoFrame.from_ndarray(np.full((120, 160, 3), t_ms // GREY_MS, np.uint8), format="rgb24")
        frame.pts, frame.time_base = t_ms, encoder.time_base
        frame.pict_type = PictureType.I if t_ms in keyframes_ms else PictureType.NONE
        for packet in encoder.encode(frame):
            flags = int(Flag.KEYFRAME if packet.is_keyframe else Flag.NONE)
            pictures.append(EncodedFrame(t_ms, 0, bytes(packet), flags))
    return pictures


def write_film(file: LectureFile, pictures: Iterable[EncodedFrame]) -> None:
    """Put pictures into a file as a recorder does."""
    chunks = Chunker(Kind.CAMERA, file.add_track(CAMERA).track_id)
    for entry in [entry for picture in pictures for entry in chunks.push(picture)] + chunks.flush():
        file.append(entry)


def pictures_of(log: LectureLog) -> list[EncodedFrame]:
    """All pictures of the camera, in order of time."""
    entries = log.read_span(next(one.track_id for one in log.tracks() if one.kind == "camera"), Span(0, 1 << 40))
    return [picture for entry in entries for picture in unpack_frames(entry)]


def seen_ms(pictures: Iterable[EncodedFrame]) -> list[int]:
    """When each of a film's pictures was taken, by what a viewer sees who begins at the first."""
    decoder = cast(VideoCodecContext, av.CodecContext.create("libvpx", "r"))
    seen = []
    for picture in pictures:
        for shown in decoder.decode(av.Packet(picture.data)):
            seen.append(round(float(shown.to_ndarray(format="rgb24").mean()) * GREY_MS))
    return seen
