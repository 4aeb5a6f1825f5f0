"""``hallcast-voice/48000``: several Opus frames in one RTP packet, between a relay and a hall of ours.

A thin link pays 50 bytes of IP, UDP, RTP and SRTP per packet; a 60 ms frame at 12 kbit/s has about 90. Four frames in
a packet make 13.4 kbit/s on the wire where single frames make 18.3.

RTP header: clock rate 48000; the timestamp is the lecture time of the first frame slot in milliseconds times 48,
modulo 2**32; the marker bit is set on the first packet of the stream and on the first after a pause. One packet fills
one to four consecutive slots of :data:`FRAME_MS`; slot ``i`` begins ``i * 60`` ms after the first. Slots lie on the
grid of lecture time (multiples of 60 ms).

Payload::

     0 1 2 3 4 5 6 7
    +-+-+-+-+-+-+-+-+--------------------+---------------------+
    | V | N | P     | lengths            | Opus frames         |
    +-+-+-+-+-+-+-+-+--------------------+---------------------+

``V`` (2 bits, the most significant)
    version of this layout, 0; 1 for a payload with a copy, below. A receiver drops packets of a version it does not
    know.
``N`` (2 bits)
    number of slots minus one.
``P`` (4 bits)
    which slots have a frame: the most significant bit for slot 0. A slot without a frame was not there when the
    packet was made (a hole in the uplink): the receiver conceals it now and asks for it later. Bits beyond ``N``
    are 0; at least one bit is set.
lengths
    one length for each frame that is there except the last, in order of slots: one byte ``a`` if ``a`` is below 252,
    else two bytes ``a`` and ``b`` with a length of ``a + 4 * b`` (as in RFC 6716 section 3.2.1). A length of 0 is an
    error; the largest is 1275.
frames
    the Opus packets (RFC 6716) in order of slots, each of 60 ms; the last one reaches to the end of the payload.
    Silence is a frame of one or two bytes (Opus DTX), never an empty slot.

A payload of version 1 also has a *copy* of what an earlier packet had, for a receiver that cannot wait for a
retransmission. It goes only to one that says that it takes it (``copies=1`` in the ``fmtp`` of its offer)::

    +-+-+-+-+-+-+-+-+----------+----------+---------+---------+
    | V | slots     | packets  | length   | payload | copy    |
    +-+-+-+-+-+-+-+-+----------+----------+---------+---------+

``slots`` (6 bits) and ``packets`` (1 byte)
    how many slots before this packet's first one the copy begins, and how many sequence numbers before this packet the
    other one was; both at least 1.
``length`` (2 bytes, big-endian)
    of the payload: this packet's own, of version 0. The copy, likewise, reaches to the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transport.rtp import MalformedPacket

CLOCK_RATE = 48_000
FRAME_MS = 60
"""Length of one slot."""
MAX_FRAMES = 4
MAX_FRAME_BYTES = 1275
MAX_COPY_SLOTS = 63
MAX_COPY_PACKETS = 255
COPIES = "copies"
"""The ``fmtp`` parameter of who takes version 1."""

_WITH_COPY = 0x40
_COPY_HEAD_BYTES = 4

TIMESTAMP_PER_MS = CLOCK_RATE // 1000


def pack(frames: Sequence[bytes]) -> bytes:
    """Lay one to four consecutive 60 ms frames into a payload; an empty frame marks a slot that is missing.

    :raises ValueError: for no frame at all, too many, or one over :data:`MAX_FRAME_BYTES`.
    """
    if not 1 <= len(frames) <= MAX_FRAMES or not any(frames):
        raise ValueError(f"a voice payload holds 1 to {MAX_FRAMES} frames, at least one of them there")
    present = 0
    lengths = bytearray()
    for slot, frame in enumerate(frames):
        if len(frame) > MAX_FRAME_BYTES:
            raise ValueError(f"a voice frame of {len(frame)} bytes is too long")
        if frame:
            present |= 0x08 >> slot
    there = [frame for frame in frames if frame]
    for frame in there[:-1]:
        length = len(frame)
        if length < 252:
            lengths.append(length)
        else:
            low = 252 + (length & 3)
            lengths += bytes((low, (length - low) >> 2))
    return b"".join((bytes(((len(frames) - 1) << 4 | present,)), lengths, *there))


def unpack(payload: bytes) -> list[bytes]:
    """The frames of a payload, one per slot, ``b""`` where the slot is missing.

    :raises MalformedPacket: if it is of another version, cut short, or contradicts itself.
    """
    if not payload:
        raise MalformedPacket("empty voice payload")
    head = payload[0]
    if head >> 6:
        raise MalformedPacket(f"voice payload of version {head >> 6}")
    count = (head >> 4 & 3) + 1
    present = [bool(head & 0x08 >> slot) for slot in range(MAX_FRAMES)]
    there = sum(present)
    if not there or any(present[count:]):
        raise MalformedPacket("voice payload contradicts itself about its frames")
    at = 1
    lengths: list[int] = []
    for _ in range(there - 1):
        if at >= len(payload):
            raise MalformedPacket("voice payload ends within its lengths")
        length = payload[at]
        at += 1
        if length >= 252:
            if at >= len(payload):
                raise MalformedPacket("voice payload ends within its lengths")
            length += 4 * payload[at]
            at += 1
        lengths.append(length)
    lengths.append(len(payload) - at - sum(lengths))
    if any(not 1 <= length <= MAX_FRAME_BYTES for length in lengths):
        raise MalformedPacket("voice payload has a frame of an impossible length")
    sizes = iter(lengths)
    frames: list[bytes] = []
    for slot in range(count):
        length = next(sizes) if present[slot] else 0
        frames.append(bytes(payload[at : at + length]))
        at += length
    return frames


@dataclass(frozen=True, slots=True)
class Copy:
    """What an earlier packet had.

    :param slots_before: how far before this packet's first slot its own first one lies.
    :param packets_before: how many sequence numbers before this packet it had.
    :param payload: of version 0.
    """

    slots_before: int
    packets_before: int
    payload: bytes


def with_copy(payload: bytes, copy: Copy) -> bytes:
    """A payload of version 1.

    :param payload: of version 0.
    :raises ValueError: if the copy is from too long ago, or not from before.
    """
    near = 1 <= copy.slots_before <= MAX_COPY_SLOTS and 1 <= copy.packets_before <= MAX_COPY_PACKETS
    if not near or not copy.payload:
        raise ValueError("no copy of such a packet can be sent")
    head = bytes((_WITH_COPY | copy.slots_before, copy.packets_before)) + len(payload).to_bytes(2, "big")
    return head + payload + copy.payload


def split(payload: bytes) -> tuple[bytes, Copy | None]:
    """A packet's own payload, for :func:`unpack`, and the copy that came with it.

    :raises MalformedPacket: if a payload of version 1 is cut short or contradicts itself.
    """
    if not payload or payload[0] >> 6 != _WITH_COPY >> 6:
        return payload, None
    slots_before = payload[0] & MAX_COPY_SLOTS
    end = _COPY_HEAD_BYTES + int.from_bytes(payload[2:_COPY_HEAD_BYTES], "big")
    if not slots_before or end >= len(payload) or not payload[1]:
        raise MalformedPacket("voice payload with an impossible copy")
    return payload[_COPY_HEAD_BYTES:end], Copy(slots_before, payload[1], payload[end:])


def timestamp_of(t_ms: int) -> int:
    """The RTP timestamp of a packet whose first slot begins at lecture time ``t_ms``."""
    return t_ms * TIMESTAMP_PER_MS & 0xFFFF_FFFF


def t_ms_of(timestamp: int, near_ms: int) -> int:
    """The lecture time of an RTP timestamp: of all that share it (24.8 h apart) the nearest to ``near_ms``."""
    step = (timestamp - timestamp_of(near_ms)) & 0xFFFF_FFFF
    if step >= 1 << 31:
        step -= 1 << 32
    return near_ms + round(step / TIMESTAMP_PER_MS)
