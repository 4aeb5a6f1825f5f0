"""Decoding the publisher's camera and encoding its rungs, through PyAV. Takes milliseconds: for a thread of its own."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import cast

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from lecture.entries import EncodedFrame
from relay.media.camera_rungs import CameraRung, fitted
from transport.thread_priorities import priorities_kept

# The encoder writes its settings to stderr otherwise, each time one is made. It reads this when it is made.
os.environ.setdefault("SVT_LOG", "1")

_DECODERS = {"vp8": "vp8", "h264": "h264", "vp9": "vp9", "av1": "libdav1d"}
_ENCODERS = {"av1": "libsvtav1", "vp8": "libvpx"}


class CoderError(Exception):
    """A picture that cannot be decoded or encoded."""


@cache
def made_codecs() -> tuple[str, ...]:
    """Codecs that rungs can be made in here, best first."""
    return tuple(codec for codec, encoder in _ENCODERS.items() if _is_there(encoder))


def _is_there(encoder: str) -> bool:
    try:
        av.codec.Codec(encoder, "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


class CameraDecoder:
    """Decodes the camera.

    :param codec: in lower case.
    :raises CoderError: for a codec that cannot be decoded.
    """

    def __init__(self, codec: str) -> None:
        if codec not in _DECODERS:
            raise CoderError(f"no decoder for {codec}")
        self._context = cast(VideoCodecContext, av.CodecContext.create(_DECODERS[codec], "r"))
        self._context.thread_count = 1  # frame threads would hold pictures back

    def decode(self, frame: EncodedFrame) -> VideoFrame | None:
        """The picture of one coded frame, ``None`` where it shows none.

        :raises CoderError: for a frame that does not decode; go on with the next keyframe.
        """
        try:
            pictures = self._context.decode(av.Packet(frame.data))
        except (av.FFmpegError, ValueError) as error:
            raise CoderError(str(error)) from error
        return pictures[-1] if pictures else None


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """What an encoder makes of one picture."""

    data: bytes
    keyframe: bool


class RungEncoder:
    """Encodes one rung of pictures of one size.

    :param codec: of :func:`made_codecs`.
    :param width: of the pictures that come; they are scaled down to the rung.
    :raises CoderError: if there is no such encoder here.
    """

    def __init__(self, codec: str, rung: CameraRung, width: int, height: int) -> None:
        self.source_size = width, height
        context = cast(VideoCodecContext, av.CodecContext.create(_ENCODERS[codec], "w"))
        context.width, context.height = fitted(width, height, rung.pixels)
        context.pix_fmt = "yuv420p"
        # Time counts pictures: the encoders share out their rate evenly, whatever the camera's own times.
        context.framerate, context.time_base = Fraction(rung.pictures_per_s), Fraction(1, rung.pictures_per_s)
        context.bit_rate = round(rung.coded_kbps * 1000)
        context.gop_size = 1 << 20  # keyframes are made when somebody needs one
        context.thread_count = 1
        context.options = _options(codec, rung)
        try:
            with priorities_kept():
                context.open()
        except (av.FFmpegError, ValueError) as error:
            raise CoderError(f"{codec} cannot be encoded: {error}") from error
        self._context = context
        self._count = 0

    def encode(self, picture: VideoFrame, *, keyframe: bool) -> CodedPicture | None:
        """Encode a picture; ``None`` where the encoder leaves it out to keep its rate.

        :param keyframe: make it a keyframe.
        :raises CoderError: if it cannot be encoded.
        """
        context = self._context
        self._count += 1
        try:
            scaled = picture.reformat(context.width, context.height, "yuv420p", interpolation="AREA")
            scaled.pts, scaled.time_base = self._count, context.time_base
            scaled.pict_type = PictureType.I if keyframe else PictureType.NONE
            packets = context.encode(scaled)
        except (av.FFmpegError, ValueError) as error:
            raise CoderError(str(error)) from error
        if not packets:
            return None
        return CodedPicture(b"".join(bytes(packet) for packet in packets), packets[0].is_keyframe)

    def close(self) -> None:
        """Let go of the encoder, which wants to be told that nothing more comes."""
        with contextlib.suppress(av.FFmpegError):
            self._context.encode(None)


def _options(codec: str, rung: CameraRung) -> dict[str, str]:
    if codec == "av1":
        # Low delay without look-ahead, constant rate, its real-time tools, one thread: 4–30 ms of CPU a second of
        # video at these sizes. Variable rate is not to be had with low delay.
        return {"preset": str(rung.preset), "svtav1-params": "pred-struct=1:rc=2:rtc=1:lp=1"}
    rate = str(round(rung.coded_kbps * 1000))
    return {
        "deadline": "realtime",
        "cpu-used": "4",
        "lag-in-frames": "0",
        "minrate": rate,
        "maxrate": rate,
        "bufsize": rate,
        "undershoot-pct": "95",
    }
