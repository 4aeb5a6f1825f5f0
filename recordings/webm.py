"""WebM (EBML, RFC 8794 and 9559) with one Opus track, written by hand: pieces that a browser joins without a seam.

FFmpeg's muxer cannot begin a file at an hour of lecture time without moving it to zero, and adds more than it carries.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

_MAX_BLOCK_OFFSET_MS = 0x7FFF
_SEEK_PREROLL_NS = 80_000_000
"""As RFC 7845, section 4.6, advises: so long Opus needs to sound right after a jump."""


def _element(identifier: int, body: bytes) -> bytes:
    size = len(body)
    width = 1 if size < 0x7F else 2 if size < 0x3FFF else 4
    marked = size | 1 << 7 * width
    return identifier.to_bytes((identifier.bit_length() + 7) // 8, "big") + marked.to_bytes(width, "big") + body


def _number(identifier: int, value: int) -> bytes:
    return _element(identifier, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def header(channels: int, sample_rate: int) -> bytes:
    """What comes before the clusters; times are in ms.

    The codec delay is none: the pieces begin anywhere in a voice, and lecture time rules where each packet is heard.
    """
    opus_head = b"OpusHead" + struct.pack("<BBHIHB", 1, channels, 0, sample_rate, 0, 0)
    audio = _element(0xB5, struct.pack("!d", sample_rate)) + _number(0x9F, channels)
    track = _element(
        0xAE,
        _number(0xD7, 1)  # number
        + _number(0x73C5, 1)  # id
        + _number(0x83, 2)  # audio
        + _number(0x9C, 0)  # no lacing
        + _element(0x86, b"A_OPUS")
        + _number(0x56BB, _SEEK_PREROLL_NS)
        + _element(0xE1, audio)
        + _element(0x63A2, opus_head),
    )
    information = _number(0x2AD7B1, 1_000_000) + _element(0x4D80, b"Hallcast") + _element(0x5741, b"Hallcast")
    ebml = (
        _number(0x4286, 1)
        + _number(0x42F7, 1)
        + _number(0x42F2, 4)
        + _number(0x42F3, 8)
        + _element(0x4282, b"webm")
        + _number(0x4287, 4)
        + _number(0x4285, 2)
    )
    segment_of_unknown_size = bytes.fromhex("18538067 01ffffffffffffff")
    return (
        _element(0x1A45DFA3, ebml)
        + segment_of_unknown_size
        + _element(0x1549A966, information)
        + _element(0x1654AE6B, track)
    )


def cluster(t_ms: int, packets: Iterable[tuple[int, bytes]]) -> bytes:
    """Packets with their times in ms, the first not before ``t_ms``.

    :raises ValueError: if one lies more than 32 s after ``t_ms``.
    """
    body = bytearray(_number(0xE7, t_ms))
    for at_ms, data in packets:
        if not 0 <= at_ms - t_ms <= _MAX_BLOCK_OFFSET_MS:
            raise ValueError(f"a packet at {at_ms} ms does not fit a cluster at {t_ms} ms")
        body += _element(0xA3, b"\x81" + struct.pack("!hB", at_ms - t_ms, 0x80) + data)
    return _element(0x1F43B675, bytes(body))
