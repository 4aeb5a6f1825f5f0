"""A hall without a screen or a clock of its own: all that a relay sends it, over real peers, for tests to look at."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from lecture import codec
from lecture import message_parts as parts
from lecture import messages as m
from lecture.entries import EncodedFrame, unpack_frames
from lecture.messages import Message
from lecture.session import HallSession, Side
from lecture.wire import BlobFrame, BlobPartFrame, ChunkFrame, EntryFrame, Frame, VoiceFrame, parse_frame
from relay.media.greeting import read_hello
from relay.media.live import LiveLecture
from tests.network.media_kit import LOOPBACK, MemoryChannel, until
from transport import rtcp, rtp, voice_payload
from transport.data_receive import DataReceiver
from transport.network import NetworkConfig
from transport.peer import Peer
from transport.receive import ReceiveStream
from transport.sdp import (
    HALLCAST_VOICE,
    TRANSPORT_CC,
    NegotiatedMedia,
    hall_media,
    make_offer,
    parse_answer,
)
from transport.twcc import FeedbackRecorder, sequence_of

T = TypeVar("T", bound=Message)
Watch = Callable[[NegotiatedMedia], Callable[[bytes, float], bool]]
"""Makes of the camera's description what takes its packets (True) and leaves others alone (False)."""


@dataclass
class ScreenlessHall:
    """A hall's engine as small as can be: real protocol, real peer, no playout."""

    channel: MemoryChannel = field(default_factory=MemoryChannel)
    session: HallSession = field(default_factory=lambda: HallSession(Side.CLIENT))
    name: str = "Hall"
    instance: str = ""
    reading: bool = True
    reporting: bool = False
    heard: list[Message] = field(default_factory=list)
    live_frames: dict[int, bytes] = field(default_factory=dict)  # by lecture time in ms
    filled_frames: dict[int, EncodedFrame] = field(default_factory=dict)
    blobs: dict[str, bytearray] = field(default_factory=dict)
    blob_order: list[str] = field(default_factory=list)
    packets: int = 0
    peer: Peer | None = None
    from_socket: list[str] = field(default_factory=list)  # kinds of messages and frames, as they came
    from_rtp: list[str] = field(default_factory=list)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)  # by beginning of digest, by offset
    _feeding: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def joined(
        self,
        lecture: LiveLecture,
        *,
        have: parts.Have | None = None,
        voice: tuple[str, ...] = (HALLCAST_VOICE, "opus"),
        frames: tuple[int, ...] = (),
    ) -> AsyncIterator[ScreenlessHall]:
        serving = asyncio.create_task(self._served_by(lecture))
        hello = m.HallHello(
            v=m.PROTOCOL_VERSION,
            token="t",
            hall=self.name,
            instance=self.instance,
            voice=voice,
            camera=True,
            frames=frames,
            have=have or parts.Have(),
        )
        await self.say(hello)
        listening = asyncio.create_task(self._listen())
        reporting = asyncio.create_task(self._report())
        try:
            await until(lambda: self.of(m.HallWelcome), "welcome")
            yield self
        finally:
            self.channel.hang_up()
            if self.peer is not None:
                await self.peer.close()
            tasks = [task for task in (listening, reporting, self._feeding) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await serving

    async def _served_by(self, lecture: LiveLecture) -> None:
        session = HallSession(Side.RELAY)
        hello = await read_hello(self.channel, session)
        await lecture.serve_hall(self.channel, session, hello)

    async def say(self, message: Message) -> None:
        await self.channel.say(self.session.send(message))

    def of(self, kind: type[T]) -> list[T]:
        return [message for message in self.heard if isinstance(message, kind)]

    def page(self, digest: str, size_bytes: int) -> bytes | None:
        """A page's bytes once all its parts are here."""
        parts = self.parts.get(digest[:16], {})
        data = b"".join(parts[offset] for offset in sorted(parts))
        return data if len(data) == size_bytes else None

    def missing_frames(self, start_ms: int, end_ms: int) -> list[int]:
        """Lecture times of voice that came neither live nor from the log."""
        return [
            t_ms
            for t_ms in range(start_ms, end_ms, 60)
            if not (self.live_frames.get(t_ms) or self.filled_frames.get(t_ms))
        ]

    async def listen_live(
        self, *, watch: Watch | None = None, language: str = "", network: NetworkConfig = LOOPBACK, data: bool = False
    ) -> None:
        """Offer, connect and receive the voice, the camera for ``watch``, and data, with feedback for all of it."""
        spec = hall_media(camera=watch is not None, data=data)
        self.peer = peer = await Peer.create(network, controlling=True)
        answers = len(self.of(m.Answer))
        await self.say(m.Offer(make_offer(spec, peer.local), language))
        await until(lambda: len(self.of(m.Answer)) > answers, "answer")
        remote, media = parse_answer(spec, self.of(m.Answer)[-1].sdp)
        voice = media[0]
        assert voice.codec.is_named(HALLCAST_VOICE)
        stream = ReceiveStream(voice.remote_ssrcs[0], 48_000, voice.codec.payload_type)

        viewer = watch(media[1]) if watch else None
        receiver, recorder = DataReceiver(), FeedbackRecorder(voice.ssrc)
        data_type = media[-1].codec.payload_type if data else None

        def on_rtp(data: bytes, now: float) -> None:
            packet = rtp.parse(data)
            number = sequence_of(packet.extensions, voice.extensions.get(TRANSPORT_CC, 0))
            if number is not None:
                recorder.arrived(number, now)
            if packet.payload_type == data_type:
                for item in receiver.push(packet.payload):
                    self._take_item(item, self.from_rtp)
                return
            if viewer is not None and viewer(data, now):
                return
            for packet in stream.push(data, now):
                self.packets += 1
                t_ms = packet.timestamp_ext % (1 << 32) // 48
                for slot, frame in enumerate(voice_payload.unpack(packet.payload)):
                    self.live_frames[t_ms + slot * 60] = frame

        peer.on_rtp = on_rtp
        await peer.connect(remote)
        if data:
            self._feeding = asyncio.create_task(self._feed_back(peer, recorder, voice.ssrc))

    async def _feed_back(self, peer: Peer, recorder: FeedbackRecorder, ssrc: int) -> None:
        loop = asyncio.get_running_loop()
        sent_s = 0.0
        while True:
            await asyncio.sleep(0.05)
            packet = recorder.poll(loop.time())
            if packet is None and loop.time() - sent_s > 0.9:
                packet = rtcp.build(rtcp.ReceiverReport(ssrc, ()))
            if packet is not None:
                sent_s = loop.time()
                peer.send_rtcp(packet)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self.reading:
                await asyncio.sleep(0.05)
                continue
            item = await self.channel.hear()
            if item is None:
                return
            self._take_item(item, self.from_socket)
            ack = self.session.ack_due(loop.time())
            if ack is not None:
                await self.channel.say(ack)

    async def _report(self) -> None:
        await until(lambda: self.of(m.HallWelcome), "welcome")
        while self.reporting:
            await self.say(m.Report(rtt_ms=20, received_kbps=5000.0, page=1, heads=30))
            await asyncio.sleep(0.5)

    def _take_item(self, item: str | bytes, log: list[str]) -> None:
        socket = log is self.from_socket
        if isinstance(item, str):
            messages = self.session.receive_text(item) if socket else [codec.decode(item, codec.RELAY_TO_HALL)]
            log += [message.KIND for message in messages]
            self.heard += messages
        else:
            frames = self.session.receive_binary(item) if socket else [parse_frame(item)]
            log += [type(frame).__name__ for frame in frames]
            self._take(frames)

    def _take(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            if isinstance(frame, VoiceFrame):
                for encoded in frame.frames:
                    self.filled_frames[encoded.t_ms] = encoded
            elif isinstance(frame, BlobPartFrame):
                self.parts.setdefault(frame.short_digest, {})[frame.offset] = frame.data
            elif isinstance(frame, EntryFrame):
                self.heard.append(m.EntryMessage.of(frame.entry))
            elif isinstance(frame, ChunkFrame):
                for encoded in unpack_frames(frame.entry):
                    self.filled_frames[encoded.t_ms] = encoded
            elif isinstance(frame, BlobFrame):
                blob = self.blobs.setdefault(frame.digest, bytearray())
                if not blob:
                    self.blob_order.append(frame.digest)
                assert frame.offset == len(blob)
                blob += frame.data
