"""The media connection: WebRTC beside the hall socket, made again for ever."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from classroom_client.camera_stream import CameraStream
from classroom_client.data_stream import DataStream
from classroom_client.media_feedback import MediaFeedback
from classroom_client.meter import LinkMeter
from classroom_client.voice_stream import VoiceStream
from lecture.entries import EncodedFrame
from lecture.errors import HallcastError
from lecture.messages import Answer, Candidate, Message, Offer
from lecture.wire import Frame
from transport.backoff import Backoff
from transport.errors import TransportError
from transport.network import NetworkConfig
from transport.peer import Peer
from transport.rtp import MalformedPacket, parse
from transport.sdp import (
    HALL_CAMERA_CODECS,
    TRANSPORT_CC,
    NegotiatedMedia,
    OfferSpec,
    RemoteTransport,
    hall_media,
    make_offer,
    parse_answer,
)

log = logging.getLogger("hallcast.hall")

_ANSWER_TIMEOUT_S = 15.0
_SILENCE_S = 20.0
"""A peer from which nothing came for so long while there is voice is replaced: this is our ICE restart. Where UDP is
blocked only for a while, the peer that stands works again sooner than a new one."""


@dataclass(frozen=True, slots=True)
class MediaEvents:
    """Who gets what the media connection brings.

    :ivar began: a connection stands.
    :ivar voice: frames of 60 ms as (lecture time, Opus packet), and ``now``.
    :ivar camera: codec and coded picture.
    :ivar data: messages and frames, as they come over the socket too.
    :ivar packet: anything came, at ``now``.
    :ivar keyframe_wanted: whether whoever shows the camera needs a keyframe.
    :ivar near_ms: about what lecture time it is (RTP timestamps wrap after 24 h).
    :ivar voice_expected: whether voice should be coming now.
    """

    began: Callable[[], None]
    voice: Callable[[list[tuple[int, bytes]], float], None]
    camera: Callable[[str, EncodedFrame], None]
    data: Callable[[Message | Frame], None]
    packet: Callable[[float], None]
    keyframe_wanted: Callable[[], bool]
    near_ms: Callable[[], int]
    voice_expected: Callable[[], bool]


class MediaLink:
    """One hall's media connections, one after the other, while one hall socket lives.

    :param send: sends a message on the hall socket.
    :ivar last_packet_s: when the last packet came.
    """

    def __init__(
        self,
        network: NetworkConfig,
        send: Callable[[Message], None],
        events: MediaEvents,
        meter: LinkMeter,
        *,
        language: str,
        camera: bool,
        deadline_s: float,
    ) -> None:
        self.last_packet_s = float("-inf")
        self.deadline_s = deadline_s
        self._network = network
        self._send = send
        self._events = events
        self._meter = meter
        self._language = language
        self._camera_wanted = camera
        self._answer: asyncio.Future[str] | None = None
        self._peer: Peer | None = None
        self._voice: VoiceStream | None = None
        self._camera: CameraStream | None = None
        self._data: tuple[int, DataStream] | None = None  # with its payload type
        self._feedback: MediaFeedback | None = None

    @property
    def fraction_lost(self) -> float:
        """Of the voice's packets, before repair, over the last seconds."""
        return self._voice.fraction_lost if self._voice else 0.0

    @property
    def rtt_s(self) -> float | None:
        """Round-trip time, where known."""
        return self._peer.rtt_s if self._peer else None

    async def run(self) -> None:
        """Connect, stay, and begin again when it breaks; ends only by cancellation."""
        backoff = Backoff(first_s=1.0, longest_s=20.0)
        while True:
            began = asyncio.get_running_loop().time()
            try:
                reason = await self._one()
            except HallcastError as error:
                reason = error.error_id
            if self.last_packet_s >= began:
                backoff.reset()
            log.info("media connection ended: %s", reason)
            await asyncio.sleep(backoff.next_s(random.random()))

    def answered(self, message: Answer) -> None:
        """The relay's answer to our offer came."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(message.sdp)

    def refused(self, error: HallcastError) -> None:
        """The relay could not answer our offer."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    async def candidate(self, message: Candidate) -> None:
        """The relay trickled a candidate."""
        if self._peer is not None:
            await self._peer.add_candidate(message.candidate or None)

    def count(self) -> None:
        """Bring the meter up to date."""
        peer = self._peer
        if peer is not None:
            self._meter.udp_totals(
                bytes_in=peer.bytes_received,
                packets_in=peer.packets_received,
                bytes_out=peer.bytes_sent,
                packets_out=peer.packets_sent,
            )

    async def _one(self) -> str:
        """One connection; returns why it ended."""
        spec = hall_media(camera=self._camera_wanted, camera_codecs=HALL_CAMERA_CODECS, data=True)
        async with await Peer.create(self._network, controlling=True) as peer:
            closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            self._peer = peer
            try:
                remote, media = await self._negotiate(peer, spec)
                self._route(peer, media)
                peer.on_closed = lambda reason: None if closed.done() else closed.set_result(reason)
                await peer.connect(remote)
                log.info("media connection stands")
                self._events.began()
                return await self._stay(closed)
            finally:
                self.count()
                self._drop()

    async def _negotiate(self, peer: Peer, spec: OfferSpec) -> tuple[RemoteTransport, list[NegotiatedMedia]]:
        self._answer = asyncio.get_running_loop().create_future()
        self._send(Offer(make_offer(spec, peer.local), self._language))
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                text = await self._answer
        except TimeoutError:
            raise TransportError("answer_timeout", "The relay did not answer our offer.") from None
        return parse_answer(spec, text)

    def _route(self, peer: Peer, media: list[NegotiatedMedia]) -> None:
        """Where packets go, by payload type: everything is in one bundle and each kind has its own types."""
        numbered = next((item.extensions[TRANSPORT_CC] for item in media if TRANSPORT_CC in item.extensions), None)
        feedback = self._feedback = MediaFeedback(media[0].ssrc, numbered, peer.send_rtcp)
        for item in media:
            if item.kind == "audio":
                self._voice = VoiceStream(item, feedback.send, self._events.near_ms)
                self._voice.on_frames = self._events.voice
            elif item.kind == "video":
                self._camera = CameraStream(item, feedback.send, self._events.near_ms)
                self._camera.on_frame = self._events.camera
            else:
                self._data = item.codec.payload_type, DataStream(self._events.data)
        peer.on_rtp = self._on_rtp
        peer.on_rtcp = self._on_rtcp

    def _on_rtp(self, data: bytes, now: float) -> None:
        try:
            packet = parse(data)
        except MalformedPacket:
            return
        self._heard(now)
        if self._feedback is not None:
            self._feedback.arrived(packet.extensions, now)
        if self._data is not None and packet.payload_type == self._data[0]:
            self._data[1].push(packet.payload)
            return
        for stream in (self._voice, self._camera):
            if stream is not None and stream.takes(packet):
                stream.push(packet, now)

    def _on_rtcp(self, data: bytes, now: float) -> None:
        self._heard(now)
        for stream in (self._voice, self._camera):
            if stream is not None:
                stream.push_rtcp(data, now)

    def _heard(self, now: float) -> None:
        self.last_packet_s = now
        self._events.packet(now)

    async def _stay(self, closed: asyncio.Future[str]) -> str:
        loop = asyncio.get_running_loop()
        began = loop.time()
        if self._feedback is not None:
            self._feedback.begin()
        while not closed.done():
            await asyncio.wait((closed,), timeout=1.0)
            now = loop.time()
            if self._feedback is not None:
                self._feedback.tune(self._meter.usage(now).in_kbps)
            rtt_s = self.rtt_s
            for stream in (self._voice, self._camera):
                if stream is not None:
                    stream.tune(now, rtt_s, self.deadline_s)
            if self._camera is not None and self._events.keyframe_wanted():
                self._camera.request_keyframe(now)
            if self._events.voice_expected() and now - max(began, self.last_packet_s) > _SILENCE_S:
                return "silent"
        return closed.result()

    def _drop(self) -> None:
        for part in (self._voice, self._camera, self._feedback):
            if part is not None:
                part.close()
        self._peer = self._voice = self._camera = self._data = self._feedback = None
