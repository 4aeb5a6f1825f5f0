"""Coded video in RTP: keyframe detection, packetising, and putting frames together again, by codec name.

Codec names are those of SDP in lower case: ``vp8`` (RFC 7741), ``h264`` (RFC 6184), ``vp9`` (RFC 9628), ``av1``
(AV1 RTP specification). H264 frames are Annex B with their parameter sets in band; AV1 frames are temporal units in
the low-overhead format without temporal delimiters: what PyAV's muxers take.
"""

from __future__ import annotations

from lecture.entries import EncodedFrame
from transport.receive import ReceivedPacket

CLOCK_RATE = 90_000

ASSEMBLED_CODECS = frozenset({"vp8", "h264", "vp9", "av1"})
"""Codecs :class:`FrameAssembler` knows. Others are forwarded, but not recorded."""

PACKETISED_CODECS = frozenset({"vp8", "h264"})
"""Codecs :class:`Packetiser` knows."""


def starts_keyframe(codec: str, payload: bytes) -> bool:
    """Whether an RTP payload is the first of a frame that decodes without any other. Unknown codecs: never.

    For simulcast and switching: from this packet on a receiver can begin.
    """
    raise NotImplementedError


class Packetiser:
    """Cuts encoded frames into RTP payloads; the marker belongs on the last of each frame.

    :param codec: one of :data:`PACKETISED_CODECS`.
    :param max_payload_bytes: of one payload.
    :raises ValueError: for a codec it does not know.
    """

    def __init__(self, codec: str, *, max_payload_bytes: int = 1150) -> None:
        raise NotImplementedError

    def packetise(self, frame: bytes) -> list[bytes]:
        """The payloads of one frame (a VP8 frame; an H264 access unit in Annex B or with 4-byte lengths)."""
        raise NotImplementedError


class FrameAssembler:
    """Puts frames together from packets in order (:class:`transport.receive.InOrder`).

    A frame with a packet missing is dropped, and all that follow until the next keyframe, since they lean on it;
    :attr:`wants_keyframe` says so meanwhile.

    :param codec: one of :data:`ASSEMBLED_CODECS`.
    :param max_frame_bytes: a frame that grows beyond is dropped.
    :raises ValueError: for a codec it does not know.
    """

    def __init__(self, codec: str, *, max_frame_bytes: int = 4_000_000) -> None:
        self.codec = codec
        self.wants_keyframe = True
        """True until a keyframe is whole, and from a loss until the next one."""
        self.dropped_frames = 0
        raise NotImplementedError

    def push(self, packet: ReceivedPacket, t_ms: int) -> list[EncodedFrame]:
        """Take the next packet; returns the frame it completes, if any (``Flag.KEYFRAME`` set on keyframes).

        :param t_ms: lecture time of the packet's timestamp. ``duration_ms`` of frames is 0.
        """
        raise NotImplementedError
