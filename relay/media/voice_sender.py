"""One subscriber's voice over RTP."""

from __future__ import annotations

from collections.abc import Mapping

from lecture.tracks import VOICE_FRAME_MS
from transport.peer import Peer
from transport.sdp import HALLCAST_VOICE, NegotiatedMedia
from transport.send import SendStream

PAUSE_MS = 300
RESEND_BYTES_PER_S = 6_000
"""What retransmission may cost beside the voice itself: a hall that asks for everything again must not double what its
thin link carries. What is not sent again is a gap, which the hall fetches from the log."""


class VoiceSender:
    """One subscriber's voice.

    :ivar packed: it takes several frames in one packet (our hall), else standard Opus packets.
    :ivar wanted_kbps: rung it should get; :attr:`sent_kbps` is the one it got last.
    """

    def __init__(self, peer: Peer, media: NegotiatedMedia) -> None:
        self.packed = media.codec.is_named(HALLCAST_VOICE)
        self.stream = SendStream.negotiated(media, mid=True, resend_bytes_per_s=RESEND_BYTES_PER_S)
        self.wanted_kbps = 16
        self.sent_kbps = 0
        self.end_ms = 0
        self._peer = peer

    def send_frame(self, t_ms: int, rungs: Mapping[int, bytes], now: float) -> None:
        """Send one 60-ms frame in the rung wanted."""
        self._send(t_ms, VOICE_FRAME_MS, rungs, now)

    def send_pack(self, t_ms: int, frames: int, payloads: Mapping[int, bytes], now: float) -> None:
        """Send one pack in the rung wanted."""
        self._send(t_ms, frames * VOICE_FRAME_MS, payloads, now)

    def _send(self, t_ms: int, duration_ms: int, payloads: Mapping[int, bytes], now: float) -> None:
        # A rung just taken up may not be there yet: the former one goes on, else the best there is.
        for kbps in (self.wanted_kbps, self.sent_kbps):
            if kbps in payloads:
                break
        else:
            kbps = max(payloads)
        marker = t_ms - self.end_ms > PAUSE_MS or not self.end_ms
        self._peer.send_rtp(self.stream.send(payloads[kbps], t_ms * 48, marker, now))
        self.sent_kbps = kbps
        self.end_ms = t_ms + duration_ms
