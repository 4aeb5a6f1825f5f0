"""Redundant audio (RFC 2198): a packet that also carries frames sent before, for a receiver that cannot wait for a
retransmission.

Chromium offers it for Opus as ``red/48000/2`` with ``fmtp`` ``111/111``: primary and redundant blocks all have the
payload type of Opus. It takes a redundant frame where the packet that had it is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transport.rtp import MalformedPacket

MAX_TIMESTAMP_OFFSET = (1 << 14) - 1
"""In timestamp units: at 48 kHz 341 ms, five frames of 60 ms."""
MAX_REDUNDANT_BYTES = (1 << 10) - 1
MAX_BLOCKS = 32

_MORE = 0x80


@dataclass(frozen=True, slots=True)
class RedBlock:
    """One block of a packet.

    :param timestamp_offset: how much earlier than the packet's own timestamp it belongs; 0 for the primary block.
    """

    payload_type: int
    timestamp_offset: int
    payload: bytes


def pack(primary: bytes, redundant: Sequence[tuple[int, bytes]], payload_type: int) -> bytes:
    """Lay a frame and copies of earlier ones into one payload.

    :param redundant: pairs of timestamp offset (before the primary) and frame, oldest first; those that do not fit
        their fields (:data:`MAX_TIMESTAMP_OFFSET`, :data:`MAX_REDUNDANT_BYTES`) are left out.
    :param payload_type: of the frames (not that of the packet, which is the one of ``red``).
    :raises ValueError: for a payload type that does not fit.
    """
    if not 0 <= payload_type <= 127:
        raise ValueError(f"no RTP payload type {payload_type}")
    headers = bytearray()
    blocks: list[bytes] = []
    for offset, frame in redundant:
        if 0 < offset <= MAX_TIMESTAMP_OFFSET and 0 < len(frame) <= MAX_REDUNDANT_BYTES:
            headers.append(_MORE | payload_type)
            headers += (offset << 10 | len(frame)).to_bytes(3, "big")
            blocks.append(frame)
    headers.append(payload_type)
    return b"".join((headers, *blocks, primary))


def unpack(payload: bytes) -> list[RedBlock]:
    """The blocks of a payload in its order: redundant ones, and the primary at the end.

    :raises MalformedPacket: if it is cut short or has more than :data:`MAX_BLOCKS` blocks.
    """
    heads: list[tuple[int, int, int]] = []
    at, size = 0, len(payload)
    while True:
        if at >= size or len(heads) >= MAX_BLOCKS:
            raise MalformedPacket("redundant audio ends within its headers")
        head = payload[at]
        if not head & _MORE:
            break
        if at + 4 > size:
            raise MalformedPacket("redundant audio ends within its headers")
        fields = int.from_bytes(payload[at + 1 : at + 4], "big")
        heads.append((head & 0x7F, fields >> 10, fields & 0x3FF))
        at += 4
    primary_type = payload[at] & 0x7F
    at += 1
    blocks: list[RedBlock] = []
    for payload_type, offset, length in heads:
        if at + length > size:
            raise MalformedPacket("redundant audio reaches beyond its packet")
        blocks.append(RedBlock(payload_type, offset, bytes(payload[at : at + length])))
        at += length
    blocks.append(RedBlock(primary_type, 0, bytes(payload[at:])))
    return blocks


class Redundancy:
    """Payloads of one source of audio, each with the frame before it as long as that is wanted.

    :param payload_type: of the frames.
    :param red_payload_type: of redundant payloads; ``None`` where the receiver takes none.
    :ivar wanted: whether frames are to be repeated from now on.
    """

    def __init__(self, payload_type: int, red_payload_type: int | None) -> None:
        self.wanted = False
        self._payload_type = payload_type
        self._red_payload_type = red_payload_type
        self._before: tuple[int, bytes] | None = None

    def payload(self, frame: bytes, timestamp: int) -> tuple[bytes, int | None]:
        """What to send for the next frame, and its payload type where that is not the usual one.

        :param timestamp: of any width, in the source's clock rate.
        """
        if self._red_payload_type is None:
            return frame, None
        before, self._before = self._before, (timestamp, frame)
        if not self.wanted or before is None:
            return frame, None
        return pack(frame, [(timestamp - before[0], before[1])], self._payload_type), self._red_payload_type
