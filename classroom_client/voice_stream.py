"""The voice as it comes over RTP, as 60-ms frames of lecture time."""

from __future__ import annotations

import logging
from collections.abc import Callable

from classroom_client.rtp_stream import RtpStream
from lecture.tracks import VOICE_FRAME_MS
from transport import opus, voice_payload
from transport.receive import ReceivedPacket, ReceiveStream
from transport.rtp import MalformedPacket
from transport.sdp import HALLCAST_VOICE

REPEAT_ROUND_TRIPS = 0.7
"""The relay holds off for a round trip after each answer, so asking sooner only makes up for lost requests."""

log = logging.getLogger("hallcast.hall")


class VoiceStream(RtpStream):
    """Takes ``hallcast-voice`` packets and standard Opus packets of 60 ms.

    :ivar on_frames: gets (lecture time, Opus packet) pairs and ``now``.
    """

    on_frames: Callable[[list[tuple[int, bytes]], float], None] | None = None

    def _begin(self, ssrc: int, now: float) -> ReceiveStream:
        stream = super()._begin(ssrc, now)
        stream.repeat_round_trips = REPEAT_ROUND_TRIPS
        return stream

    def _received(self, packet: ReceivedPacket, now: float) -> None:
        if not packet.payload or self.on_frames is None:
            return
        t_ms = voice_payload.t_ms_of(packet.timestamp_ext & 0xFFFF_FFFF, self._near_ms())
        try:
            frames = self._frames(packet.payload)
        except (MalformedPacket, opus.OpusError) as error:
            log.warning("an unreadable voice packet is left out: %s", error)
            return
        self.on_frames([(t_ms + slot * VOICE_FRAME_MS, data) for slot, data in enumerate(frames) if data], now)

    def _frames(self, payload: bytes) -> list[bytes]:
        if self._media.codec.is_named(HALLCAST_VOICE):
            return voice_payload.unpack(payload)
        if opus.packet_duration_ms(payload) != VOICE_FRAME_MS:
            raise MalformedPacket("voice packet of another length than 60 ms")
        return [bytes(payload)]
