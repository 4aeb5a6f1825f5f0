"""One subscriber's camera over RTP."""

from __future__ import annotations

from transport.peer import Peer
from transport.receive import ReceivedPacket
from transport.rtp import MalformedPacket
from transport.sdp import NegotiatedMedia
from transport.send import SendStream
from transport.video import Vp8Continuity

RESEND_BYTES_PER_S = 20_000
"""What retransmission may cost beside the camera itself; a picture that is not completed waits for a keyframe."""


class CameraSender:
    """One subscriber's camera: off, waiting for a keyframe to begin with, or on.

    :ivar codec: negotiated codec in lower case; a camera of another cannot be sent.
    """

    def __init__(self, peer: Peer, media: NegotiatedMedia) -> None:
        self.codec = media.codec.name.lower()
        self.stream = SendStream.negotiated(media, mid=True, resend_bytes_per_s=RESEND_BYTES_PER_S)
        self.on = False
        self.started = False
        self.lost_picture = False
        self._continuity = Vp8Continuity() if self.codec == "vp8" else None
        self._peer = peer

    @property
    def waits_for_keyframe(self) -> bool:
        return self.on and (self.lost_picture or not self.started)

    def turn(self, on: bool) -> None:
        """Switch the camera on (from the next keyframe) or off (at once)."""
        if on != self.on:
            self.on = on
            self.restart()

    def restart(self) -> None:
        """The source changes: go on from its next keyframe."""
        if self.started:
            self.stream.switch_source()
            if self._continuity is not None:
                self._continuity.switch_source()
        self.started = False

    def send(self, packet: ReceivedPacket, timestamp: int, starts_keyframe: bool, now: float) -> None:
        """Forward one packet of the camera."""
        if not self.on or not (self.started or starts_keyframe):
            return
        self.started = True
        if starts_keyframe:
            self.lost_picture = False
        payload = packet.payload
        if self._continuity is not None and payload:
            try:
                payload = self._continuity.rewrite(payload)
            except MalformedPacket:
                return
        data = self.stream.forward(packet, timestamp, now, payload)
        if data is not None:
            self._peer.send_rtp(data)
