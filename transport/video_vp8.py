"""VP8 in RTP (RFC 7741): descriptor, packetising, keyframes, and ids that stay continuous when the source changes."""

from __future__ import annotations

import random
from dataclasses import dataclass

from transport.rtp import MalformedPacket

_PICTURE_ID_SPAN = 1 << 15


@dataclass(slots=True)
class Vp8Descriptor:
    """The payload descriptor (RFC 7741 section 4.2).

    :param starts_frame: the payload begins with the frame's first byte (S set, partition 0).
    :param picture_id_at: where in the payload the picture id lies, 0 for none.
    :param long_picture_id: it has 15 bits, else 7.
    :param tl0_at: where the temporal level zero index lies, 0 for none.
    :param size: of the descriptor, in bytes.
    """

    starts_frame: bool
    picture_id_at: int
    long_picture_id: bool
    tl0_at: int
    size: int


def parse_descriptor(payload: bytes) -> Vp8Descriptor:
    """Read the descriptor of a payload.

    :raises MalformedPacket: if the payload ends within it, or right after it.
    """
    try:
        first = payload[0]
        starts_frame = first & 0x17 == 0x10
        at, picture_id_at, long_picture_id, tl0_at = 1, 0, False, 0
        if first & 0x80:
            flags = payload[1]
            at = 2
            if flags & 0x80:
                picture_id_at = at
                long_picture_id = payload[at] >= 0x80
                at += 2 if long_picture_id else 1
            if flags & 0x40:
                tl0_at = at
                at += 1
            if flags & 0x30:
                at += 1
        payload[at]
    except IndexError:
        raise MalformedPacket("VP8 payload ends within its descriptor") from None
    return Vp8Descriptor(starts_frame, picture_id_at, long_picture_id, tl0_at, at)


def starts_keyframe(payload: bytes) -> bool:
    """Whether a payload is the first of a keyframe (RFC 7741 section 4.3: P bit clear).

    :raises MalformedPacket: if it is not VP8.
    """
    descriptor = parse_descriptor(payload)
    return descriptor.starts_frame and not payload[descriptor.size] & 1


class Vp8Frame:
    """Collects one frame's payloads."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    @staticmethod
    def can_begin(payload: bytes, *, after_hole: bool) -> bool:
        """Whether a frame can begin with this payload."""
        return parse_descriptor(payload).starts_frame

    def add(self, payload: bytes) -> int:
        """Take the next payload; returns the bytes it adds.

        :raises MalformedPacket: if it is not VP8.
        """
        self._parts.append(payload[parse_descriptor(payload).size :])
        return len(self._parts[-1])

    def finish(self) -> tuple[bytes, bool]:
        """The frame, and whether it is a keyframe."""
        frame = b"".join(self._parts)
        return frame, not frame[0] & 1


class Vp8Packetiser:
    """Cuts VP8 frames into payloads with a 15-bit picture id."""

    def __init__(self, max_payload_bytes: int) -> None:
        self._room = max_payload_bytes - 4
        self._picture_id = random.getrandbits(15)

    def packetise(self, frame: bytes) -> list[bytes]:
        """The payloads of one frame, of about equal size."""
        picture = (0x8000 | self._picture_id).to_bytes(2, "big")
        self._picture_id = (self._picture_id + 1) % _PICTURE_ID_SPAN
        count = max(1, -(-len(frame) // self._room))
        size = -(-len(frame) // count)
        return [
            bytes((0x80 if at else 0x90, 0x80)) + picture + frame[at : at + size] for at in range(0, len(frame), size)
        ]


class Vp8Continuity:
    """Rewrites picture ids and temporal level zero indexes of forwarded VP8, so that they go on without a break when
    the source changes (simulcast layers and rungs count each on their own; decoders take a break for a loss).

    Use one per receiver; :meth:`switch_source` before the keyframe from which another source is forwarded.
    """

    def __init__(self) -> None:
        self._picture: int | None = None  # the newest sent
        self._tl0: int | None = None
        self._picture_shift: int | None = None
        self._tl0_shift: int | None = None

    def switch_source(self) -> None:
        """The next payload is of another source."""
        self._picture_shift = self._tl0_shift = None

    def rewrite(self, payload: bytes) -> bytes:
        """A payload with its ids moved; the same object where nothing is to be changed.

        :raises MalformedPacket: if it is not VP8.
        """
        descriptor = parse_descriptor(payload)
        picture_at, tl0_at = descriptor.picture_id_at, descriptor.tl0_at
        out: bytearray | None = None
        if picture_at:
            width = 2 if descriptor.long_picture_id else 1
            span = _PICTURE_ID_SPAN if descriptor.long_picture_id else 1 << 7
            picture = int.from_bytes(payload[picture_at : picture_at + width], "big") & (span - 1)
            if self._picture_shift is None:
                self._picture_shift = 0 if self._picture is None else self._picture + 1 - picture
            moved = (picture + self._picture_shift) % span
            if self._picture is None or (moved - self._picture) % span < span >> 1:
                self._picture = moved
            if moved != picture:
                out = bytearray(payload)
                out[picture_at : picture_at + width] = (moved | (span if width == 2 else 0)).to_bytes(width, "big")
        if tl0_at:
            if self._tl0_shift is None:
                self._tl0_shift = 0 if self._tl0 is None else self._tl0 + 1 - payload[tl0_at]
            index = (payload[tl0_at] + self._tl0_shift) & 0xFF
            if self._tl0 is None or (index - self._tl0) & 0xFF < 0x80:
                self._tl0 = index
            if index != payload[tl0_at]:
                out = out or bytearray(payload)
                out[tl0_at] = index
        return payload if out is None else bytes(out)
