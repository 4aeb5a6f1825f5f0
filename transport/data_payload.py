"""``hallcast-data/1000``: messages and frames over RTP, between a relay and a hall of ours.

What the hall socket carries as text is a *message* here, what it carries as binary a *frame*. Both are *objects*, cut
into pieces where they are large; messages and frames are numbered each from 0 in the order of their first sending.

RTP header: clock rate 1000, the timestamp is lecture time in milliseconds when the packet was sent (modulo 2**32), the
marker bit is 0. Payload: one byte with the version of this layout, 0, then one or more pieces to its end::

     0 1 2 3 4 5 6 7
    +-+-+-+-+-+-+-+-+--------+----------+----------+-------+
    |F|L|O|S|W| 0   | number | [offset] | [length] | bytes |
    +-+-+-+-+-+-+-+-+--------+----------+----------+-------+

``F``
    the object is a frame, else a message (UTF-8).
``L``
    the object ends with this piece.
``O``
    the offset of the piece in its object is there, else it is 0.
``S``
    the length of the piece is there, else it reaches to the end of the payload.
``W``
    the object is withdrawn: it will not come (or not come to its end), and what has come of it may be forgotten. Its
    number counts as done. ``L``, ``O`` and ``S`` are 0, and the next piece follows the number.

The three lowest bits are 0. Number, offset and length are variable-length integers of RFC 9000 section 16 in one, two
or four bytes. An object has at least one and at most :data:`MAX_OBJECT_BYTES` bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transport.rtp import MalformedPacket

CLOCK_RATE = 1000
VERSION = 0

MAX_OBJECT_BYTES = 1 << 20
"""Largest message or frame."""

MAX_AHEAD = 1 << 16
"""How far beyond the oldest object of its kind that is not done an object's number may be."""

OBJECT_OVERHEAD_BYTES = 256
"""What an object that is held counts beside its bytes, so that many small ones meet the bounds too."""

_FRAME, _LAST, _OFFSET, _LENGTH, _WITHDRAWN, _RESERVED = 0x80, 0x40, 0x20, 0x10, 0x08, 0x07


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an object.

    :param last: the object ends with it.
    :param withdrawn: the object will not come; there is no ``data``.
    """

    frame: bool
    number: int
    offset: int = 0
    last: bool = False
    data: bytes = b""
    withdrawn: bool = False


def pack(pieces: Sequence[Piece]) -> bytes:
    """Lay pieces into a payload.

    :raises ValueError: for none, or a number that does not fit.
    """
    if not pieces:
        raise ValueError("a data payload holds at least one piece")
    out = bytearray((VERSION,))
    for index, piece in enumerate(pieces):
        head = _FRAME if piece.frame else 0
        if piece.withdrawn:
            out.append(head | _WITHDRAWN)
            _put_integer(out, piece.number)
            continue
        has_length = index < len(pieces) - 1
        head |= (_LAST if piece.last else 0) | (_OFFSET if piece.offset else 0) | (_LENGTH if has_length else 0)
        out.append(head)
        _put_integer(out, piece.number)
        if piece.offset:
            _put_integer(out, piece.offset)
        if has_length:
            _put_integer(out, len(piece.data))
        out += piece.data
    return bytes(out)


def head_bytes(number: int, offset: int, length: int | None = None) -> int:
    """How many bytes a piece costs beside its data, with its length where that is given."""
    known = 1 + _integer_bytes(number) + (_integer_bytes(offset) if offset else 0)
    return known if length is None else known + _integer_bytes(length)


def parse(payload: bytes) -> list[Piece]:
    """The pieces of a payload.

    :raises MalformedPacket: if it is of another version, cut short, or says what cannot be.
    """
    size = len(payload)
    if size < 2 or payload[0] != VERSION:
        raise MalformedPacket("empty data payload" if size < 2 else f"data payload of version {payload[0]}")
    pieces: list[Piece] = []
    at = 1
    while at < size:
        head = payload[at]
        if head & _RESERVED or (head & _WITHDRAWN and head & (_LAST | _OFFSET | _LENGTH)):
            raise MalformedPacket("data payload has a piece of an unknown kind")
        number, at = _take_integer(payload, at + 1)
        if head & _WITHDRAWN:
            pieces.append(Piece(bool(head & _FRAME), number, withdrawn=True))
            continue
        offset, length = 0, 0
        if head & _OFFSET:
            offset, at = _take_integer(payload, at)
        if head & _LENGTH:
            length, at = _take_integer(payload, at)
            if at + length > size:
                raise MalformedPacket("data payload ends within a piece")
        else:
            length = size - at
        if length == 0 or offset + length > MAX_OBJECT_BYTES:
            raise MalformedPacket("data payload has a piece of an impossible length")
        pieces.append(Piece(bool(head & _FRAME), number, offset, bool(head & _LAST), bytes(payload[at : at + length])))
        at += length
    return pieces


def _integer_bytes(value: int) -> int:
    return 1 if value < 0x40 else 2 if value < 0x4000 else 4


def _put_integer(out: bytearray, value: int) -> None:
    if value < 0x40:
        out.append(value)
    elif value < 0x4000:
        out += (0x4000 | value).to_bytes(2, "big")
    elif value < 0x4000_0000:
        out += (0x8000_0000 | value).to_bytes(4, "big")
    else:
        raise ValueError(f"{value} is too large for a data payload")


def _take_integer(payload: bytes, at: int) -> tuple[int, int]:
    if at >= len(payload):
        raise MalformedPacket("data payload ends within a number")
    kind = payload[at] >> 6
    end = at + (1 << kind)
    if kind == 3 or end > len(payload):
        raise MalformedPacket("data payload has a number that is cut short or too long")
    return int.from_bytes(payload[at:end], "big") & ((1 << (8 * (end - at) - 2)) - 1), end
