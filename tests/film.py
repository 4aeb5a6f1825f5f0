"""A small film in real VP8 whose pictures tell by their grey when they were taken, and what a viewer sees of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from lecture.chunks import Chunker
from lecture.copy_time import COPY_TIME_KEY, CopyTime
from lecture.entries import EncodedFrame, Flag, Kind, unpack_frames
from lecture.file import LectureFile
from lecture.log import LectureLog, Span
from lecture.tracks import Track

CAMERA = Track("camera", "vp8", 90_000)
PICTURE_MS = 100
GREY_MS = 40
"""A picture this much later is lighter by one."""


def film(
    length_ms: int, keyframes_ms: Collection[int] = (0,), *, from_ms: int = 0, every_ms: int = PICTURE_MS
) -> list[EncodedFrame]:
    """Pictures of a while; only those named are keyframes, all others lean on the one before them."""
    encoder: Any = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 160, 120, "yuv420p"
    encoder.time_base, encoder.gop_size = Fraction(1, 1000), 10_000
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    pictures = []
    for t_ms in range(from_ms, length_ms, every_ms):
        frame = VideoFrame.from_ndarray(np.full((120, 160, 3), t_ms // GREY_MS, np.uint8), format="rgb24")
        frame.pts, frame.time_base = t_ms, encoder.time_base
        frame.pict_type = PictureType.I if t_ms in keyframes_ms else PictureType.NONE
        for packet in encoder.encode(frame):
            flags = int(Flag.KEYFRAME if packet.is_keyframe else Flag.NONE)
            pictures.append(EncodedFrame(t_ms, 0, bytes(packet), flags))
    return pictures


LENGTH_MS = 6_000
HOLE = Span(1_500, 4_000)
FILM = film(LENGTH_MS, (0, 2_700, HOLE.end_ms))
"""The relay asked for a keyframe when the line was back; the one in the hole a change of the rate has brought."""


def within(pictures: Iterable[EncodedFrame], hole: Span = HOLE) -> list[EncodedFrame]:
    """Those that were taken in a hole."""
    return [one for one in pictures if hole.start_ms <= one.t_ms < hole.end_ms]


def without(hole: Span = HOLE) -> list[EncodedFrame]:
    """What an outage leaves of the film."""
    return [one for one in FILM if not hole.start_ms <= one.t_ms < hole.end_ms]


def recording(folder: Path, pictures: Iterable[EncodedFrame]) -> LectureFile:
    """A relay's lecture file that holds these pictures."""
    file = LectureFile.create(folder / "a.lecture", {"lecture": "a"})
    write_film(file, pictures)
    return file


def own_copy(folder: Path, pictures: Iterable[EncodedFrame], off_ms: int = 0) -> LectureFile:
    """A lecturer's own copy of that lecture, begun five seconds before it.

    :param off_ms: so much too early it takes lecture time to be.
    """
    times = CopyTime()
    times.begin(0)
    times.learn(1, -5_000 - off_ms)
    facts = {"lecture": "a", "role": "lecturer", "copy": "laptop", COPY_TIME_KEY: times.to_meta()}
    file = LectureFile.create(folder / "own.lecture", facts)
    write_film(file, [replace(one, t_ms=one.t_ms + 5_000) for one in pictures])
    file.commit()
    return file


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
