"""VP9 in RTP (RFC 9628): what recording and switching need of it."""

from __future__ import annotations

from dataclasses import dataclass

from transport.rtp import MalformedPacket


@dataclass(slots=True)
class Vp9Descriptor:
    """The payload descriptor (RFC 9628 section 4.2), as far as it is used here.

    :param predicted: from earlier pictures (P).
    :param starts_frame: of a layer (B).
    :param spatial_layer: 0 without layers.
    :param size: of the descriptor, in bytes.
    """

    predicted: bool
    starts_frame: bool
    spatial_layer: int
    size: int


def parse_descriptor(payload: bytes) -> Vp9Descriptor:
    """Read the descriptor of a payload.

    :raises MalformedPacket: if the payload ends within it, or right after it.
    """
    try:
        flags = payload[0]
        at, spatial_layer = 1, 0
        if flags & 0x80:  # I
            at += 2 if payload[at] >= 0x80 else 1
        if flags & 0x20:  # L
            spatial_layer = payload[at] >> 1 & 7
            at += 1 if flags & 0x10 else 2
        if flags & 0x10 and flags & 0x40:  # F and P: up to three reference distances
            for _ in range(3):
                at += 1
                if not payload[at - 1] & 1:
                    break
        if flags & 0x02:  # V
            at = _skip_structure(payload, at)
        payload[at]
    except IndexError:
        raise MalformedPacket("VP9 payload ends within its descriptor") from None
    return Vp9Descriptor(bool(flags & 0x40), bool(flags & 0x08), spatial_layer, at)


def _skip_structure(payload: bytes, at: int) -> int:
    """The scalability structure (RFC 9628 section 4.2.1)."""
    head = payload[at]
    at += 1
    if head & 0x10:  # Y: a size for each layer
        at += 4 * ((head >> 5) + 1)
    if head & 0x08:  # G: a description of each picture of the group
        pictures = payload[at]
        at += 1
        for _ in range(pictures):
            at += 1 + (payload[at] >> 2 & 3)
    return at


def starts_keyframe(payload: bytes) -> bool:
    """Whether a payload is the first of a keyframe.

    :raises MalformedPacket: if it is not VP9.
    """
    descriptor = parse_descriptor(payload)
    return descriptor.starts_frame and not descriptor.predicted and descriptor.spatial_layer == 0


class Vp9Frame:
    """Collects one picture's payloads (of all its spatial layers)."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._keyframe = False

    @staticmethod
    def can_begin(payload: bytes, *, after_hole: bool) -> bool:
        """Whether a picture can begin with this payload."""
        descriptor = parse_descriptor(payload)
        return descriptor.starts_frame and descriptor.spatial_layer == 0

    def add(self, payload: bytes) -> int:
        """Take the next payload; returns the bytes it adds.

        :raises MalformedPacket: if it is not VP9.
        """
        if not self._parts:
            self._keyframe = starts_keyframe(payload)
        self._parts.append(payload[parse_descriptor(payload).size :])
        return len(self._parts[-1])

    def finish(self) -> tuple[bytes, bool]:
        """The picture, and whether it is a keyframe."""
        return b"".join(self._parts), self._keyframe
