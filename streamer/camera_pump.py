"""Encodes the camera as VP8, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av import CodecContext
from av.video.frame import PictureType

from streamer.camera_source import MAX_PICTURES_PER_S, CameraSource, fit

KEYFRAME_EVERY_S = 10
"""A hall that joins asks for a keyframe itself; this one is for recordings, so that they can be sought in."""

_TIME_BASE = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """One VP8 frame; ``at_ms`` is stream time."""

    at_ms: int
    data: bytes
    keyframe: bool


class CameraEncoder:
    """VP8 in real time, for pictures of one size."""

    def __init__(self, width: int, height: int, bitrate_bps: int) -> None:
        codec: Any = CodecContext.create("libvpx", "w")
        codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
        codec.time_base, codec.framerate = _TIME_BASE, Fraction(MAX_PICTURES_PER_S, 1)
        codec.bit_rate = bitrate_bps
        codec.gop_size = KEYFRAME_EVERY_S * MAX_PICTURES_PER_S
        codec.thread_count = 1
        codec.options = {
            "deadline": "realtime",
            "cpu-used": "8",
            "lag-in-frames": "0",
            "error-resilient": "1",
            "undershoot-pct": "100",
            "overshoot-pct": "15",
            "rc_init_occupancy": str(bitrate_bps // 2),
            "bufsize": str(bitrate_bps),
            "maxrate": str(bitrate_bps),
            "minrate": str(bitrate_bps),
        }
        self._codec = codec
        self.size = width, height

    def encode(self, picture: Any, at_ms: int, *, keyframe: bool) -> CodedPicture | None:
        """Encode one picture, scaled to the encoder's size; None if the encoder leaves it out."""
        scaled = picture.reformat(*self.size, format="yuv420p")
        scaled.pts, scaled.time_base = at_ms, _TIME_BASE
        scaled.pict_type = PictureType.I if keyframe else PictureType.NONE
        packets = self._codec.encode(scaled)
        if not packets:
            return None
        return CodedPicture(at_ms, b"".join(map(bytes, packets)), bool(packets[0].is_keyframe))


class KeyframeRequest:
    """Asks the pump, from any thread, for a keyframe."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def ask(self) -> None:
        """The next picture shall be a keyframe."""
        self._asked.set()

    def take(self) -> bool:
        """Whether one was asked for since the last call."""
        asked = self._asked.is_set()
        self._asked.clear()
        return asked


def pump_camera(
    source: CameraSource,
    start_s: float,
    emit: Callable[[CodedPicture], None],
    keyframes: KeyframeRequest,
    stop: threading.Event,
    *,
    bitrate_bps: Callable[[], int],
) -> None:
    """Read, scale, encode and ``emit`` until ``stop`` is set. Blocks; runs in a thread.

    :param start_s: ``time.monotonic()`` at stream time 0.
    :param bitrate_bps: asked for each picture; another one costs a keyframe.
    :raises StreamError: ``camera_unreadable``.
    """
    encoder: CameraEncoder | None = None
    encoded_bps = 0
    last_ms = -1
    try:
        for picture in source.pictures(stop):
            at_ms = max(last_ms + 1, round((time.monotonic() - start_s) * 1000))
            size = fit(picture.width, picture.height)
            if encoder is None or encoder.size != size or encoded_bps != bitrate_bps():
                encoded_bps = bitrate_bps()
                encoder = CameraEncoder(*size, encoded_bps)
            coded = encoder.encode(picture, at_ms, keyframe=keyframes.take())
            last_ms = at_ms
            if coded is not None:
                emit(coded)
    finally:
        source.close()
