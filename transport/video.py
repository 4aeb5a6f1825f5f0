"""Coded video in RTP: keyframe detection, packetising, and putting frames together again, by codec name.

Codec names are those of SDP in lower case: ``vp8`` (RFC 7741), ``h264`` (RFC 6184), ``vp9`` (RFC 9628), ``av1``
(AV1 RTP specification). H264 frames are Annex B with their parameter sets in band; AV1 frames are temporal units in
the low-overhead format without temporal delimiters: what PyAV's muxers take.
"""

from __future__ import annotations

from typing import Protocol

from lecture.entries import EncodedFrame, Flag
from transport import video_av1, video_h264, video_vp8, video_vp9
from transport.received import ReceivedPacket
from transport.rtp import MalformedPacket
from transport.video_vp8 import Vp8Continuity as Vp8Continuity

CLOCK_RATE = 90_000

_STARTS_KEYFRAME = {
    "vp8": video_vp8.starts_keyframe,
    "h264": video_h264.starts_keyframe,
    "vp9": video_vp9.starts_keyframe,
    "av1": video_av1.starts_keyframe,
}


class _Frame(Protocol):
    @staticmethod
    def can_begin(payload: bytes, *, after_hole: bool) -> bool: ...
    def add(self, payload: bytes) -> int: ...
    def finish(self) -> tuple[bytes, bool]: ...


_FRAMES: dict[str, type[_Frame]] = {
    "vp8": video_vp8.Vp8Frame,
    "h264": video_h264.H264Frame,
    "vp9": video_vp9.Vp9Frame,
    "av1": video_av1.Av1Frame,
}


class _Packetiser(Protocol):
    def __init__(self, max_payload_bytes: int) -> None: ...
    def packetise(self, frame: bytes) -> list[bytes]: ...


_PACKETISERS: dict[str, type[_Packetiser]] = {
    "av1": video_av1.Av1Packetiser,
    "vp8": video_vp8.Vp8Packetiser,
    "h264": video_h264.H264Packetiser,
}

ASSEMBLED_CODECS = frozenset(_FRAMES)
"""Codecs :class:`FrameAssembler` knows. Others are forwarded, but not recorded."""

PACKETISED_CODECS = frozenset(_PACKETISERS)
"""Codecs :class:`Packetiser` knows."""


def starts_keyframe(codec: str, payload: bytes) -> bool:
    """Whether an RTP payload is the first of a frame that decodes without any other. Unknown codecs, malformed
    payloads: never.

    For simulcast and switching: from this packet on a receiver can begin.
    """
    look = _STARTS_KEYFRAME.get(codec)
    if look is None:
        return False
    try:
        return look(payload)
    except MalformedPacket:
        return False


class Packetiser:
    """Cuts encoded frames into RTP payloads; the marker belongs on the last of each frame.

    :param codec: one of :data:`PACKETISED_CODECS`.
    :param max_payload_bytes: of one payload.
    :raises ValueError: for a codec it does not know.
    """

    def __init__(self, codec: str, *, max_payload_bytes: int = 1150) -> None:
        if codec not in _PACKETISERS:
            raise ValueError(f"no packetiser for {codec}")
        self._packetiser = _PACKETISERS[codec](max_payload_bytes)

    def packetise(self, frame: bytes) -> list[bytes]:
        """The payloads of one frame (a VP8 frame; an H264 access unit in Annex B or with 4-byte lengths; an AV1
        temporal unit).

        :raises MalformedPacket: if it is not a frame of the codec.
        """
        return self._packetiser.packetise(frame)


class FrameAssembler:
    """Puts frames together from packets in order (:class:`transport.receive.InOrder`).

    A frame with a packet missing is dropped, and all that follow until the next keyframe, since they lean on it;
    :attr:`wants_keyframe` says so meanwhile.

    :param codec: one of :data:`ASSEMBLED_CODECS`.
    :param max_frame_bytes: a frame that grows beyond is dropped.
    :param marked: the sender sets the marker on each frame's last packet; a frame without is one that it cut short.
    :raises ValueError: for a codec it does not know.
    """

    def __init__(self, codec: str, *, max_frame_bytes: int = 4_000_000, marked: bool = False) -> None:
        if codec not in _FRAMES:
            raise ValueError(f"no frames of {codec} can be put together")
        self.codec = codec
        self.wants_keyframe = True
        """True until a keyframe is whole, and from a loss until the next one."""
        self.dropped_frames = 0
        self._frame_class = _FRAMES[codec]
        self._max_frame_bytes = max_frame_bytes
        self._marked = marked
        self._next_seq: int | None = None
        self._timestamp: int | None = None  # of the frame being collected or dropped
        self._frame: _Frame | None = None  # None: what comes of this timestamp is dropped
        self._frame_ms = 0
        self._frame_bytes = 0
        self._in_keyframe = False
        self._parameters = b""

    @property
    def keyframe_is_coming(self) -> bool:
        """Whether a keyframe has begun and not ended: on a thin link that takes a second."""
        return self._frame is not None and self._in_keyframe

    @property
    def asks_for_keyframe(self) -> bool:
        """Whether a keyframe is wanted and none is coming."""
        return self.wants_keyframe and not self.keyframe_is_coming

    def push(self, packet: ReceivedPacket, t_ms: int) -> list[EncodedFrame]:
        """Take the next packet; returns the frame it completes, if any (``Flag.KEYFRAME`` set on keyframes).

        A packet with a new timestamp completes the frame before it as well, for senders that set no marker.

        :param t_ms: lecture time of the packet's timestamp. ``duration_ms`` of frames is 0.
        """
        out: list[EncodedFrame] = []
        after_hole = packet.extended_seq != self._next_seq
        if after_hole and self._next_seq is not None:
            self._drop()
            self.wants_keyframe = True
        self._next_seq = packet.extended_seq + 1
        if not packet.payload:  # padding only
            return out
        try:
            if packet.timestamp_ext != self._timestamp:
                if self._marked and self._frame is not None:
                    self._drop()
                out += self._finish()
                self._begin(packet, t_ms, after_hole)
            if self._frame is not None:
                self._frame_bytes += self._frame.add(packet.payload)
                if self._frame_bytes > self._max_frame_bytes:
                    self._drop()
            if packet.marker:
                out += self._finish()
        except MalformedPacket:
            self._drop()
        return out

    def _begin(self, packet: ReceivedPacket, t_ms: int, after_hole: bool) -> None:
        self._timestamp = packet.timestamp_ext
        self._in_keyframe = starts_keyframe(self.codec, packet.payload)
        if self._frame_class.can_begin(packet.payload, after_hole=after_hole):
            self._frame, self._frame_ms, self._frame_bytes = self._frame_class(), t_ms, 0
        else:
            self.dropped_frames += 1
            self.wants_keyframe = True

    def _drop(self) -> None:
        if self._frame is not None:
            self._frame = None
            self.dropped_frames += 1
        self.wants_keyframe = True

    def _finish(self) -> list[EncodedFrame]:
        frame = self._frame
        if frame is None:
            return []
        try:
            data, keyframe = frame.finish()
        except MalformedPacket:
            self._drop()
            return []
        self._frame = None
        if self.codec == "h264" and (keyframe or self.wants_keyframe):
            data = self._with_parameters(data)
        if self.wants_keyframe and not keyframe:
            self.dropped_frames += 1
            return []
        self.wants_keyframe = False
        return [EncodedFrame(self._frame_ms, 0, data, int(Flag.KEYFRAME) if keyframe else 0)]

    def _with_parameters(self, data: bytes) -> bytes:
        """Every keyframe gets its SPS and PPS, though a sender gave them once only: a recording may be cut anywhere."""
        found = video_h264.parameter_sets(data)
        if found:
            self._parameters = found
            return data
        return self._parameters + data
