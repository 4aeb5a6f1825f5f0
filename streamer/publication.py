"""One WHIP session: voice and camera as RTP over one peer connection."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from streamer.camera_pump import CodedPicture
from streamer.pacing import FRAME_MS
from streamer.uplink import Uplink
from streamer.voice_pump import VoicePacket
from transport import rtcp, sdp
from transport.errors import WhipError
from transport.network import NetworkConfig
from transport.peer import Peer
from transport.rtp import MalformedPacket
from transport.sdp import TRANSPORT_CC
from transport.send import SendStream
from transport.twcc import SentLog, stamp
from transport.video import Packetiser
from transport.whip import WhipClient, WhipSession

log = logging.getLogger("hallcast.streamer")

VOICE_PER_MS = 48
CAMERA_PER_MS = 90
HEADER_BYTES = 28
"""IPv4 and UDP."""

SENDER_REPORT_EVERY_S = 1.0
CAMERA_BURST = 4.0
"""A keyframe leaves at no more than this many times the camera's rate: it must not queue in front of the voice."""
MAX_CAMERA_QUEUE = 300
"""Packets of the camera that wait for that. Beyond it all are dropped and a keyframe begins anew."""
GOODBYE_S = 3.0
LAST_AGAIN_S = (0.2, 0.5, 0.9, 1.4)
"""So long after the newest voice it is sent again: no packet follows the last words that would tell of their loss."""
SRTP_TAG_BYTES = 10
UNKNOWN_RTT_S = 0.5

_Waiting = tuple[bytes, int, bool]


@dataclass(slots=True)
class Sent:
    """What was sent over all sessions.

    :ivar voice_ms: voice handed to a standing connection.
    :ivar wire_bytes: everything, with UDP and IP.
    """

    voice_ms: int = 0
    voice_bytes: int = 0
    pictures: int = 0
    picture_bytes: int = 0
    resent_packets: int = 0
    wire_bytes: int = 0
    sessions: int = 0


class Publication:
    """A standing session. Made by :func:`publish`; everything is called in the event loop.

    :param uplink: says how much of the camera the way to the relay bears, where the relay tells what arrives.
    :param on_camera_share: told when that has changed: 0 to 1.
    :ivar closed: done with a plain reason when the connection is lost.
    :ivar heard_s: ``now`` of the last RTCP packet from the relay.
    """

    def __init__(
        self,
        peer: Peer,
        session: WhipSession,
        media: list[sdp.NegotiatedMedia],
        sent: Sent,
        on_keyframe: Callable[[], None],
        camera_bps: int,
        uplink: Uplink,
        on_camera_share: Callable[[float], None],
        now: float,
    ) -> None:
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.heard_s = now
        self._peer = peer
        self._session = session
        self._sent = sent
        self._on_keyframe = on_keyframe
        self._wire_before = sent.wire_bytes
        streams = {one.kind: SendStream.negotiated(one, transport_cc=True) for one in media}
        self.voice = streams.get("audio")
        self.camera = streams.get("video")
        self._streams = list(streams.values())
        self._packetiser = Packetiser("vp8")
        self._queue: deque[_Waiting] = deque()
        self._camera_bps = camera_bps
        self._log = SentLog() if all(TRANSPORT_CC in one.extensions for one in media) else None
        self._uplink = uplink
        self._on_camera_share = on_camera_share
        uplink.begin(now)
        on_camera_share(self.camera_share)
        self._tokens = 0.0
        self._voice_s, self._sent_again = now, len(LAST_AGAIN_S)
        self._ticked_s = self._reported_s = now
        peer.on_rtcp = self._rtcp
        peer.on_closed = self._lost

    @property
    def rtt_s(self) -> float | None:
        """Round-trip time to the relay."""
        return (self.voice.rtt_s if self.voice else None) or self._peer.rtt_s

    @property
    def fraction_lost(self) -> float:
        """0 to 1: what the relay last reported of the voice."""
        return self.voice.stats.fraction_lost if self.voice else 0.0

    @property
    def camera_share(self) -> float:
        """How much of the camera's rate is sent, 0 to 1."""
        return self._uplink.share if self._log is not None else 1.0  # a relay that tells nothing gets all

    def send_voice(self, packet: VoicePacket, now: float) -> None:
        """Send 20 ms of voice now."""
        if self.voice is None:
            return
        self._send(self.voice, self.voice.send(packet.data, packet.at_ms * VOICE_PER_MS, False, now), now)
        self._voice_s, self._sent_again = now, 0
        self._sent.voice_ms += FRAME_MS
        self._sent.voice_bytes += len(packet.data)
        self._count()

    def send_camera(self, picture: CodedPicture, now: float) -> None:
        """Send one picture, spread over the next moments."""
        if self.camera is None or not self.camera_share:
            return
        payloads = self._packetiser.packetise(picture.data)
        if len(self._queue) + len(payloads) > MAX_CAMERA_QUEUE:
            self._queue.clear()
            self._on_keyframe()
            return
        timestamp = picture.at_ms * CAMERA_PER_MS
        last = len(payloads) - 1
        self._queue.extend((payload, timestamp, index == last) for index, payload in enumerate(payloads))
        self._sent.pictures += 1
        self._sent.picture_bytes += len(picture.data)
        self._send_queued(now)

    def tick(self, now: float, stream_ms: float) -> None:
        """Send what waits, and reports; call every 10 ms or so.

        :param stream_ms: stream time now.
        """
        self._send_queued(now)
        self._send_last_again(now)
        self._follow_uplink(now)
        if now - self._reported_s >= SENDER_REPORT_EVERY_S:
            self._reported_s = now
            for stream in self._streams:
                self._peer.send_rtcp(stream.sender_report(now, stream_ms))
        self._count()

    def _send_last_again(self, now: float) -> None:
        if self.voice is None or self._sent_again >= len(LAST_AGAIN_S):
            return
        if now - self._voice_s >= LAST_AGAIN_S[self._sent_again]:
            self._sent_again += 1
            if (packet := self.voice.newest_again()) is not None:
                self._send(self.voice, packet, now)

    def _send_queued(self, now: float) -> None:
        earned = (now - self._ticked_s) * CAMERA_BURST * self.camera_share * self._camera_bps / 8
        self._ticked_s = now
        self._tokens = min(self._tokens + earned, 2 * 1200.0)
        while self._queue and self._tokens > 0 and self.camera is not None:
            payload, timestamp, marker = self._queue.popleft()
            packet = self.camera.send(payload, timestamp, marker, now)
            self._tokens -= len(packet)
            self._send(self.camera, packet, now)

    def _send(self, stream: SendStream, packet: bytearray, now: float) -> None:
        offset = stream.transport_sequence_offset
        if self._log is not None and offset is not None:
            stamp(packet, offset, self._log.sent(len(packet) + SRTP_TAG_BYTES + HEADER_BYTES, now))
        self._peer.send_rtp(packet)

    def _follow_uplink(self, now: float) -> None:
        log, uplink = self._log, self._uplink
        if log is None:
            return
        rtt_s = self.rtt_s or UNKNOWN_RTT_S
        uplink.feedback(log.overdue(now, rtt_s), now)
        before = uplink.share
        if not uplink.follow(now, rtt_s, unheard=log.in_flight_bytes > 0):
            return
        if not uplink.share:
            self._queue.clear()
        self._on_camera_share(uplink.share)
        if not before:
            self._on_keyframe()

    def _rtcp(self, data: bytes, now: float) -> None:
        self.heard_s = now
        try:
            packets = rtcp.parse(data)
        except MalformedPacket:
            return
        for packet in packets:
            if self._log is not None and isinstance(packet, rtcp.TransportFeedback):
                self._uplink.feedback(self._log.feedback(packet, now), now)
        for stream in self._streams:
            for again in stream.handle_rtcp(packets, now):
                self._send(stream, again, now)
                self._sent.resent_packets += 1
        if self.camera is not None and rtcp.wants_keyframe(packets, self.camera.ssrc):
            self._on_keyframe()

    def _count(self) -> None:
        peer = self._peer
        self._sent.wire_bytes = self._wire_before + peer.bytes_sent + HEADER_BYTES * peer.packets_sent

    def _lost(self, reason: str) -> None:
        if not self.closed.done():
            self.closed.set_result(reason)

    async def close(self, *, goodbye: bool) -> None:
        """End the session.

        :param goodbye: also tell the relay, if it can be reached within a moment.
        """
        await self._peer.close()
        if goodbye:
            await _delete(self._session)


async def publish(
    client: WhipClient,
    network: NetworkConfig,
    *,
    camera: bool,
    camera_bps: int,
    sent: Sent,
    on_keyframe: Callable[[], None],
    uplink: Uplink,
    on_camera_share: Callable[[float], None],
) -> Publication:
    """Offer, connect, and be ready to send.

    :raises WhipError: the server refused or cannot be reached.
    :raises TransportError: no connection came about.
    """
    servers = network.ice_servers or await client.ice_servers()
    spec = sdp.publisher_media("VP8" if camera else None, transport_cc=True)
    peer = await Peer.create(replace(network, ice_servers=servers), controlling=True)
    try:
        session = await client.publish(sdp.make_offer(spec, peer.local))
        try:
            remote, media = sdp.parse_answer(spec, session.answer_sdp)
            await peer.connect(remote)
        except BaseException:
            await _delete(session)
            raise
    except BaseException:
        await peer.close()
        raise
    sent.sessions += 1
    now = asyncio.get_running_loop().time()
    return Publication(peer, session, media, sent, on_keyframe, camera_bps, uplink, on_camera_share, now)


async def _delete(session: WhipSession) -> None:
    with suppress(WhipError, TimeoutError):
        async with asyncio.timeout(GOODBYE_S):
            await session.delete()
