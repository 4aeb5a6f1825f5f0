"""The camera as it comes over RTP, as coded pictures of lecture time."""

from __future__ import annotations

from collections.abc import Callable

from classroom_client.rtp_stream import RtpStream
from lecture.entries import EncodedFrame
from transport.receive import InOrder, ReceivedPacket
from transport.sdp import NegotiatedMedia
from transport.video import FrameAssembler

_CLOCK_PER_MS = 90
_ORDER_WAIT_S = 1.5  # the camera is shown with the voice, so there is time for a retransmission
_LONGEST_WAIT_S = 3.0
_DECODING_S = 0.3
_PAUSED_S = 3.0


class CameraStream(RtpStream):
    """Puts packets in order and pictures together; asks for a keyframe when one is needed.

    :ivar on_frame: gets the codec's name in lower case and the picture.
    """

    on_frame: Callable[[str, EncodedFrame], None] | None = None

    def __init__(self, media: NegotiatedMedia, send_rtcp: Callable[[bytes], None], near_ms: Callable[[], int]) -> None:
        super().__init__(media, send_rtcp, near_ms)
        self._codecs = {item.codec.payload_type: item.codec.name.lower() for item in media.formats}
        self._restarted()

    def _restarted(self) -> None:
        self._order = InOrder(_ORDER_WAIT_S)
        self._assembler: FrameAssembler | None = None
        self._packet_s = float("-inf")

    def tune(self, now: float, rtt_s: float | None, deadline_s: float) -> None:
        """Wait for retransmissions about as long as the voice does, since camera and voice are shown together."""
        super().tune(now, rtt_s, deadline_s)
        self._order.max_wait_s = min(_LONGEST_WAIT_S, max(_ORDER_WAIT_S, deadline_s - _DECODING_S))

    def _received(self, packet: ReceivedPacket, now: float) -> None:
        self._packet_s = now
        for ordered in [*self._order.push(packet, now), *self._order.poll(now)]:
            assembler = self._assembler_for(self._codecs[ordered.payload_type])
            for frame in assembler.push(ordered, self._t_ms(ordered.timestamp_ext)):
                if self.on_frame is not None:
                    self.on_frame(assembler.codec, frame)
        if self._assembler is not None and self._assembler.asks_for_keyframe:
            self.request_keyframe(now)

    def _assembler_for(self, codec: str) -> FrameAssembler:
        """The relay changes between the untouched camera and its rungs at keyframes, and the codec with them."""
        if self._assembler is None or self._assembler.codec != codec:
            self._assembler = FrameAssembler(codec, marked=True)
        return self._assembler

    def request_keyframe(self, now: float) -> None:
        """Ask for a keyframe, at most once a second; not while one is coming, nor of a camera that is not being sent
        (it begins with one)."""
        if self._assembler is not None and self._assembler.keyframe_is_coming:
            return
        if self._stream is not None and now - self._packet_s < _PAUSED_S:
            for request in self._stream.request_keyframe(now, min_interval_s=1.0):
                self._send_rtcp(request)

    def _t_ms(self, timestamp: int) -> int:
        """Lecture time of a 90-kHz timestamp: of all that share it (13 h apart) the nearest to now."""
        near_ms = self._near_ms()
        step = (timestamp - near_ms * _CLOCK_PER_MS) & 0xFFFF_FFFF
        if step >= 1 << 31:
            step -= 1 << 32
        return max(0, near_ms + round(step / _CLOCK_PER_MS))
