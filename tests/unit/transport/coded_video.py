"""Real coded video for the tests, and the packetisers only they need."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import av
import numpy as np

from transport import video
from transport.receive import ReceivedPacket
from transport.thread_priorities import priorities_kept

ENCODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9", "h264": "libx264", "av1": "libsvtav1"}
OPTIONS: dict[str, dict[str, str]] = {
    "vp8": {"deadline": "realtime", "cpu-used": "8"},
    "vp9": {"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "0", "lag-in-frames": "0"},
    "h264": {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "slices=2:repeat-headers=1"},
    "av1": {"preset": "10", "svtav1-params": "pred-struct=1:lookahead=0:rc=2"},
}
FRAMES = 24
KEYFRAME_EVERY = 8


def picture(n: int) -> Any:
    """A gradient over which a noisy square wanders, as a frame of 160 by 96."""
    y, x = np.mgrid[0:96, 0:160]
    pixels = np.stack([(x + 3 * n) % 256, (2 * y) % 256, (x + y) % 256], axis=-1).astype(np.uint8)
    at = 4 * n % 100
    pixels[20:60, at : at + 40] = np.random.default_rng(n).integers(0, 255, (40, 40, 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
    frame.pts = n
    return frame


@cache
def encoded(codec: str) -> tuple[tuple[bytes, bool], ...]:
    """Coded frames, and whether each is a keyframe. Encoded once: libvpx codes by the clock, never twice the same."""
    encoder = av.CodecContext.create(ENCODERS[codec], "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 160, 96, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 15), Fraction(15)
    encoder.bit_rate, encoder.gop_size, encoder.options = 600_000, KEYFRAME_EVERY, OPTIONS[codec]
    with priorities_kept():
        encoder.open()
    packets = [packet for n in range(FRAMES) for packet in encoder.encode(picture(n))] + encoder.encode(None)
    return tuple((bytes(packet), packet.is_keyframe) for packet in packets)


def decoded(codec: str, frames: list[bytes]) -> int:
    """How many pictures the frames decode to."""
    decoder = av.CodecContext.create(codec if codec != "av1" else "libdav1d", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    pictures = [one for data in frames for one in decoder.decode(av.Packet(data))]
    return len(pictures + decoder.decode(None))


def packetise_vp9(frame: bytes, size: int, *, keyframe: bool) -> list[bytes]:
    """Non-flexible mode with a 15-bit picture id; on keyframes a scalability structure of one layer."""
    out = []
    for at in range(0, len(frame), size):
        flags = 0x80 | (0 if keyframe else 0x40) | (0x08 if at == 0 else 0) | (0x04 if at + size >= len(frame) else 0)
        structure = bytes.fromhex("18" + "00a00060" + "01" + "0401") if keyframe and at == 0 else b""
        head = bytes((flags | (0x02 if structure else 0),)) + b"\x81\x02"
        out.append(head + structure + frame[at : at + size])
    return out


def obus(unit: bytes) -> list[bytes]:
    """The OBUs of a temporal unit in the low-overhead format, sizes taken out, without temporal delimiters."""
    out, at = [], 0
    while at < len(unit):
        head = unit[at]
        begin = at + (2 if head & 4 else 1)
        size, shift = 0, 0
        at = begin
        while True:
            size |= (unit[at] & 0x7F) << shift
            shift += 7
            at += 1
            if unit[at - 1] < 0x80:
                break
        if head >> 3 & 15 != 2:
            extension = unit[begin - 1 : begin] if head & 4 else b""
            out.append(bytes((head & ~2,)) + extension + unit[at : at + size])
        at += size
    return out


def packetise_av1(unit: bytes, size: int, *, keyframe: bool, stated_count: bool) -> list[bytes]:
    """One OBU element after the other, cut where a packet is full."""
    packets: list[tuple[int, list[bytes]]] = []
    flags, parts, room = 0x08 if keyframe else 0, [], size
    for obu in obus(unit):
        rest = obu
        while rest:
            part, rest = rest[:room], rest[room:]
            parts.append(part)
            room -= len(part)
            if room <= 0 or len(parts) == 3:
                packets.append((flags | (0x40 if rest else 0), parts))
                flags, parts, room = 0x80 if rest else 0, [], size
    if parts:
        packets.append((flags, parts))
    out = []
    for head, elements in packets:
        lengths = [video.video_av1._leb128(len(element)) for element in elements]
        if stated_count:
            body = b"".join(length + element for length, element in zip(lengths[:-1], elements[:-1], strict=True))
            out.append(bytes((head | len(elements) << 4,)) + body + elements[-1])
        else:
            out.append(
                bytes((head,)) + b"".join(length + element for length, element in zip(lengths, elements, strict=True))
            )
    return out


def payloads(codec: str, frame: bytes, *, keyframe: bool, size: int = 200) -> list[bytes]:
    """One frame's RTP payloads, by our own packetiser where there is one."""
    if codec in video.PACKETISED_CODECS:
        return video.Packetiser(codec, max_payload_bytes=size).packetise(frame)
    if codec == "vp9":
        return packetise_vp9(frame, size, keyframe=keyframe)
    return packetise_av1(frame, size, keyframe=keyframe, stated_count=True)


def packets(codec: str, *, size: int = 200) -> list[ReceivedPacket]:
    """A whole stream as received packets, one timestamp per frame, markers set."""
    out: list[ReceivedPacket] = []
    for n, (frame, keyframe) in enumerate(encoded(codec)):
        parts = payloads(codec, frame, keyframe=keyframe, size=size)
        for number, part in enumerate(parts):
            out.append(ReceivedPacket(70_000 + len(out), n * 6000, number == len(parts) - 1, part))
    return out
