"""The body of transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from transport.rtcp_types import TransportFeedback
from transport.rtp import MalformedPacket

TICKS_PER_REFERENCE = 256
"""Ticks of 250 µs in a unit of the reference time, 64 ms."""

MAX_STATUSES = 8192
"""More packets than that are not spoken of at once: the format could name 65,535 lost ones in 22 bytes."""

MIN_DELTA_TICKS, MAX_DELTA_TICKS = -(1 << 15), (1 << 15) - 1
"""Between the arrivals of two packets of one feedback (8.19 s)."""

_HEAD = struct.Struct("!IIHHI")
_CHUNK = struct.Struct("!H")
_LARGE = struct.Struct("!h")

_LOST, _SMALL, _LARGE_DELTA = 0, 1, 2
_MAX_RUN = 0x1FFF
_ONE_BIT, _TWO_BIT = 14, 7  # statuses in a vector chunk


def parse_feedback(body: bytes) -> TransportFeedback:
    """Read what follows the RTCP header.

    :raises MalformedPacket: if it contradicts itself, or speaks of more than :data:`MAX_STATUSES` packets.
    :raises struct.error: if it is cut short.
    """
    sender_ssrc, media_ssrc, base_sequence, count, packed = _HEAD.unpack_from(body)
    if not 0 < count <= MAX_STATUSES:
        raise MalformedPacket(f"transport-wide feedback of {count} packets")
    statuses, at = _parse_statuses(body, count)
    arrivals: list[int | None] = []
    ticks = 0
    for status in statuses:
        if status == _LOST:
            arrivals.append(None)
            continue
        if status == _SMALL:
            if at >= len(body):
                raise MalformedPacket("transport-wide feedback ends within its times")
            ticks += body[at]
            at += 1
        elif status == _LARGE_DELTA:
            ticks += _LARGE.unpack_from(body, at)[0]
            at += 2
        else:
            raise MalformedPacket("transport-wide feedback has a packet of reserved status")
        arrivals.append(ticks)
    return TransportFeedback(sender_ssrc, media_ssrc, base_sequence, packed & 0xFF, packed >> 8, tuple(arrivals))


def _parse_statuses(body: bytes, count: int) -> tuple[list[int], int]:
    """The status of each packet, and where the chunks end."""
    statuses: list[int] = []
    at = _HEAD.size
    while len(statuses) < count:
        (chunk,) = _CHUNK.unpack_from(body, at)
        at += 2
        if chunk < 0x8000:
            statuses += [chunk >> 13] * min(chunk & _MAX_RUN, count - len(statuses))
            if chunk & _MAX_RUN == 0:
                raise MalformedPacket("transport-wide feedback has an empty run")
        elif chunk < 0xC000:
            statuses += [chunk >> shift & 1 for shift in range(_ONE_BIT - 1, -1, -1)]
        else:
            statuses += [chunk >> shift & 3 for shift in range(2 * _TWO_BIT - 2, -1, -2)]
    return statuses[:count], at


def build_feedback(packet: TransportFeedback) -> bytes:
    """Lay out what follows the RTCP header, padded with zeros.

    :raises ValueError: if it speaks of no packet or of too many, or two arrivals are too far apart.
    """
    if not 0 < len(packet.arrivals) <= MAX_STATUSES:
        raise ValueError(f"transport-wide feedback cannot speak of {len(packet.arrivals)} packets")
    statuses: list[int] = []
    deltas = bytearray()
    before = 0
    for ticks in packet.arrivals:
        if ticks is None:
            statuses.append(_LOST)
            continue
        delta = ticks - before
        before = ticks
        if 0 <= delta <= 0xFF:
            statuses.append(_SMALL)
            deltas.append(delta)
        elif MIN_DELTA_TICKS <= delta <= MAX_DELTA_TICKS:
            statuses.append(_LARGE_DELTA)
            deltas += _LARGE.pack(delta)
        else:
            raise ValueError("two arrivals are too far apart for one feedback")
    head = _HEAD.pack(
        packet.sender_ssrc,
        packet.media_ssrc,
        packet.base_sequence,
        len(statuses),
        (packet.reference & 0xFF_FFFF) << 8 | packet.feedback_count & 0xFF,
    )
    out = head + _build_chunks(statuses) + deltas
    return out + bytes(-len(out) % 4)


def most_chunk_bytes(count: int) -> int:
    """What the statuses of so many packets take at the most."""
    return 2 * -(-count // _TWO_BIT)


def _build_chunks(statuses: Sequence[int]) -> bytes:
    """At each place the chunk that covers most."""
    out = bytearray()
    at, size = 0, len(statuses)
    while at < size:
        first = statuses[at]
        run = 1
        while run < _MAX_RUN and at + run < size and statuses[at + run] == first:
            run += 1
        ones = statuses[at : at + _ONE_BIT]
        if run >= _ONE_BIT or run == size - at or (run >= _TWO_BIT and _LARGE_DELTA in ones):
            out += _CHUNK.pack(first << 13 | run)
            at += run
        elif _LARGE_DELTA not in ones:
            bits = 0
            for place, status in enumerate(ones):
                bits |= status << (_ONE_BIT - 1 - place)
            out += _CHUNK.pack(0x8000 | bits)
            at += len(ones)
        else:
            bits = 0
            for place, status in enumerate(statuses[at : at + _TWO_BIT]):
                bits |= status << (2 * (_TWO_BIT - 1 - place))
            out += _CHUNK.pack(0xC000 | bits)
            at += min(_TWO_BIT, size - at)
    return bytes(out)
