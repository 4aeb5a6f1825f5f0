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
            frames = self._timed(packet, t_ms)
        except (MalformedPacket, opus.OpusError) as error:
            log.warning("an unreadable voice packet is left out: %s", error)
            return
        self.on_frames(frames, now)

    def _timed(self, packet: ReceivedPacket, t_ms: int) -> list[tuple[int, bytes]]:
        """Its frames, those of an earlier packet that it brings along first."""
        if not self._media.codec.is_named(HALLCAST_VOICE):
            return _at(t_ms, [_single(packet.payload)])
        own, copy = voice_payload.split(packet.payload)
        frames = _at(t_ms, voice_payload.unpack(own))
        if copy is None:
            return frames
        earlier = _at(t_ms - copy.slots_before * VOICE_FRAME_MS, voice_payload.unpack(copy.payload))
        if self._stream is not None:
            self._stream.recovered(packet.extended_seq - copy.packets_before)
        return [frame for frame in earlier if 0 <= frame[0] < t_ms] + frames


def _at(t_ms: int, frames: list[bytes]) -> list[tuple[int, bytes]]:
    return [(t_ms + slot * VOICE_FRAME_MS, data) for slot, data in enumerate(frames) if data]


def _single(payload: bytes) -> bytes:
    if opus.packet_duration_ms(payload) != VOICE_FRAME_MS:
        raise MalformedPacket("voice packet of another length than 60 ms")
    return bytes(payload)
