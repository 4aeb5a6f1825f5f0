"""WebP images by PyAV, which is there for the camera anyway. Blocks for some 20 ms on a screen full of text.

Lossless for text and drawings, lossy for photographs. :func:`decode` gives the same pixels on every machine of ours.
"""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av import CodecContext, Packet, VideoFrame
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""

_EFFORT = "3"
"""The method of libwebp: above it a lossless screen takes longer and becomes no smaller."""
_LOSSLESS_QUALITY = 100
"""How hard libwebp looks for repetitions: 6 % smaller than at 70, in the same time."""


def encode(pixels: Pixels, quality: int | None = None) -> bytes:
    """Code a picture.

    :param quality: 0 to 100 of a lossy image; None: lossless.
    """
    context = CodecContext.create("libwebp", "w")
    context.height, context.width = pixels.shape[:2]
    context.pix_fmt = "bgra" if quality is None else "yuv420p"
    context.time_base = Fraction(1, 1)
    context.options = {
        "lossless": "1" if quality is None else "0",
        "quality": str(_LOSSLESS_QUALITY if quality is None else quality),
        "compression_level": _EFFORT,
    }
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(format=context.pix_fmt)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))


def decode(data: bytes, width: int, height: int) -> Pixels:
    """Decode an image of a known size.

    :raises ValueError: it is damaged, or of another size (told by its header: nothing larger is ever decoded).
    """
    if _size(data) != (width, height):
        raise ValueError(f"no WebP image of {width} x {height}")
    context = CodecContext.create("webp", "r")
    context.thread_count = 1
    try:
        frames = [*context.decode(Packet(data)), *context.decode(None)]
    except av.FFmpegError as error:
        raise ValueError(f"unreadable WebP image: {error}") from error
    if not frames or (frames[0].width, frames[0].height) != (width, height):
        raise ValueError("unreadable WebP image")
    return np.asarray(frames[0].to_ndarray(format="rgb24"), np.uint8)


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a plain image (RFC 9649, sections 2.5 and 2.6); None for anything else."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    if data[12:16] == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if data[12:16] == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    return None
