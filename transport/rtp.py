"""RTP packets (RFC 3550 section 5.1) with header extensions (RFC 8285), parsed and built without copies to spare.

Everything here is pure. Bytes that are not an RTP packet raise :class:`MalformedPacket`, never anything else.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

HEADER_BYTES = 12
"""Size of the fixed header."""

ONE_BYTE_PROFILE = 0xBEDE
TWO_BYTE_PROFILE = 0x1000
"""Profiles of the extension block; the low four bits of the two-byte profile are application bits (RFC 8285 4.3)."""

NO_EXTENSIONS: Mapping[int, bytes] = MappingProxyType({})

_FIXED = struct.Struct("!BBHII")
_PAIR = struct.Struct("!HH")


class MalformedPacket(ValueError):
    """The peer sent bytes that are not what they claim to be (RTP, RTCP or a payload format)."""


@dataclass(slots=True)
class RtpPacket:
    """One RTP packet.

    :param sequence_number: 16 bits, as on the wire.
    :param timestamp: 32 bits, as on the wire.
    :param payload: without padding.
    :param extensions: header extension elements by their id (1 to 255), unknown profiles left out.
    :param padding_bytes: how many bytes of padding followed the payload.
    """

    payload_type: int
    marker: bool
    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes
    extensions: Mapping[int, bytes] = field(default_factory=lambda: NO_EXTENSIONS)
    csrcs: tuple[int, ...] = ()
    padding_bytes: int = 0


def is_rtcp(data: bytes) -> bool:
    """Whether a datagram of an RTP/RTCP multiplex is RTCP (RFC 5761 section 4: payload types 64 to 95)."""
    return len(data) >= 2 and 192 <= data[1] <= 223


def ssrc_of(data: bytes) -> int:
    """The SSRC of an RTP packet, without parsing the rest (for handing it to its stream).

    :raises MalformedPacket: if it is shorter than a header.
    """
    if len(data) < HEADER_BYTES:
        raise MalformedPacket("RTP packet is shorter than its header")
    return int.from_bytes(data[8:12], "big")


def parse(data: bytes) -> RtpPacket:
    """Parse one RTP packet.

    :raises MalformedPacket: if it is cut short, of another version, or its lengths contradict each other.
    """
    size = len(data)
    if size < HEADER_BYTES:
        raise MalformedPacket("RTP packet is shorter than its header")
    first, second, sequence_number, timestamp, ssrc = _FIXED.unpack_from(data)
    if first >> 6 != 2:
        raise MalformedPacket("not RTP version 2")
    at = HEADER_BYTES
    csrcs: tuple[int, ...] = ()
    csrc_count = first & 0x0F
    if csrc_count:
        at += 4 * csrc_count
        if at > size:
            raise MalformedPacket("RTP packet ends within its contributing sources")
        csrcs = struct.unpack_from(f"!{csrc_count}I", data, HEADER_BYTES)
    extensions = NO_EXTENSIONS
    if first & 0x10:
        if at + 4 > size:
            raise MalformedPacket("RTP packet ends within its extension header")
        profile, words = _PAIR.unpack_from(data, at)
        at += 4
        end = at + 4 * words
        if end > size:
            raise MalformedPacket("RTP packet ends within its extensions")
        extensions = parse_extensions(profile, data[at:end])
        at = end
    padding_bytes = 0
    if first & 0x20:
        padding_bytes = data[-1]
        if padding_bytes == 0 or at + padding_bytes > size:
            raise MalformedPacket("RTP padding is longer than the packet")
    return RtpPacket(
        second & 0x7F,
        second >= 0x80,
        sequence_number,
        timestamp,
        ssrc,
        bytes(data[at : size - padding_bytes]),
        extensions,
        csrcs,
        padding_bytes,
    )


def build(packet: RtpPacket) -> bytes:
    """Lay out one RTP packet (its extensions in the one-byte form where they fit, else the two-byte form).

    :raises ValueError: if a field does not fit its place.
    """
    block = build_extensions(packet.extensions)
    if len(packet.csrcs) > 15 or not 0 <= packet.payload_type <= 127 or not 0 <= packet.padding_bytes <= 255:
        raise ValueError("a field of the RTP packet does not fit its place")
    first = 0x80 | (0x20 if packet.padding_bytes else 0) | (0x10 if block else 0) | len(packet.csrcs)
    try:
        header = _FIXED.pack(
            first,
            packet.payload_type | (0x80 if packet.marker else 0),
            packet.sequence_number,
            packet.timestamp,
            packet.ssrc,
        )
        csrcs = struct.pack(f"!{len(packet.csrcs)}I", *packet.csrcs)
    except struct.error as error:
        raise ValueError("a field of the RTP packet does not fit its place") from error
    padding = bytes(packet.padding_bytes - 1) + bytes([packet.padding_bytes]) if packet.padding_bytes else b""
    return b"".join((header, csrcs, block, packet.payload, padding))


def parse_extensions(profile: int, block: bytes) -> Mapping[int, bytes]:
    """Read the elements of an extension block (RFC 8285 sections 4.2 and 4.3); unknown profiles give none.

    :raises MalformedPacket: if an element reaches beyond the block.
    """
    if profile == ONE_BYTE_PROFILE:
        return _parse_one_byte(block)
    if profile & 0xFFF0 == TWO_BYTE_PROFILE:
        return _parse_two_byte(block)
    return NO_EXTENSIONS


def _parse_one_byte(block: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at, size = 0, len(block)
    while at < size:
        head = block[at]
        at += 1
        if head == 0:
            continue
        if head >> 4 == 15:  # RFC 8285 4.2: id 15 is reserved; what follows it is ignored
            break
        end = at + (head & 0x0F) + 1
        if end > size:
            raise MalformedPacket("a header extension reaches beyond its block")
        found[head >> 4] = bytes(block[at:end])
        at = end
    return found


def _parse_two_byte(block: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at, size = 0, len(block)
    while at < size:
        if block[at] == 0:
            at += 1
            continue
        end = at + 2 + block[at + 1] if at + 1 < size else size + 1
        if end > size:
            raise MalformedPacket("a header extension reaches beyond its block")
        found[block[at]] = bytes(block[at + 2 : end])
        at = end
    return found


def build_extensions(extensions: Mapping[int, bytes]) -> bytes:
    """The extension block with its own header, empty for no extensions.

    :raises ValueError: if an id or a value does not fit the two-byte form.
    """
    if not extensions:
        return b""
    if any(not 1 <= key <= 255 or len(value) > 255 for key, value in extensions.items()):
        raise ValueError("a header extension does not fit")
    out = bytearray()
    if all(key <= 14 and 1 <= len(value) <= 16 for key, value in extensions.items()):
        profile = ONE_BYTE_PROFILE
        for key, value in extensions.items():
            out.append(key << 4 | len(value) - 1)
            out += value
    else:
        profile = TWO_BYTE_PROFILE
        for key, value in extensions.items():
            out += bytes((key, len(value)))
            out += value
    out += bytes(-len(out) % 4)
    return _PAIR.pack(profile, len(out) // 4) + out


class Unwrapper:
    """Turns counters that wrap (sequence numbers, timestamps) into integers that do not.

    Each value is taken to lie within half the range of the newest one. The first value maps to itself plus one
    whole range, so that what came just before it never turns negative.

    :param bits: width of the counter on the wire.
    """

    __slots__ = ("_bits", "newest")

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self.newest: int | None = None
        """The largest unwrapped value so far, ``None`` before the first."""

    def peek(self, value: int) -> int:
        """Unwrap without remembering."""
        span = 1 << self._bits
        if self.newest is None:
            return value + span
        step = (value - self.newest) & (span - 1)
        return self.newest + (step if step < span >> 1 else step - span)

    def unwrap(self, value: int) -> int:
        """Unwrap and remember the value if it is the newest."""
        extended = self.peek(value)
        if self.newest is None or extended > self.newest:
            self.newest = extended
        return extended
