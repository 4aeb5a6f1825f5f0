"""What the media tests stand on: a publisher with a real voice, and a hall without a screen, over real peers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from lecture import codec
from lecture import messages as m
from lecture.entries import EncodedFrame, unpack_frames
from lecture.messages import Message
from lecture.session import HallSession, LecturerSession, Side
from lecture.wire import BlobFrame, BlobPartFrame, ChunkFrame, Frame, VoiceFrame, parse_frame
from relay.media.channel import ChannelClosed
from relay.media.directory import LectureDirectory
from relay.media.greeting import read_hello
from relay.media.live import LiveLecture, Role
from relay.media.settings import LectureInfo, MediaSettings
from transport import opus, rtcp, rtp, voice_payload
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
    publisher_media,
)
from transport.send import SendStream
from transport.twcc import FeedbackRecorder, sequence_of

T = TypeVar("T", bound=Message)
Watch = Callable[[NegotiatedMedia], Callable[[bytes, float], bool]]
"""Makes of the camera's description what takes its packets (True) and leaves others alone (False)."""
LOOPBACK = NetworkConfig(addresses=("127.0.0.1",), connect_timeout_s=5)
INFO = LectureInfo("A lecture", "A course", ("en", "ko"))
FAST = MediaSettings(commit_interval_s=0.2)
TIMEOUT_S = 20.0
CHANNEL_MESSAGES = 8


async def until(condition: Callable[[], object], what: str = "", timeout_s: float = TIMEOUT_S) -> None:
    """Wait for a condition."""
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited {timeout_s} s in vain: {what}") from None


def speech(seconds: float, pitch_hz: float = 140.0) -> npt.NDArray[np.int16]:
    """Something like speech at 48 kHz, mono: harmonics of a gliding pitch under a syllable envelope."""
    t = np.arange(int(seconds * 48_000)) / 48_000
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * t))) / 48_000
    voiced = sum(np.sin(n * phase) / n for n in range(1, 12))
    envelope = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * t)
    return (6000 * envelope * voiced).astype(np.int16)


class MemoryChannel:
    """A channel in memory: the relay's end. The client's end is :meth:`say`, :meth:`hear`, :meth:`hang_up`.

    It holds a few messages each way; a client that does not hear makes the relay wait.
    """

    def __init__(self, messages: int = CHANNEL_MESSAGES) -> None:
        self._to_relay: asyncio.Queue[str | bytes | None] = asyncio.Queue(messages)
        self._to_client: asyncio.Queue[str | bytes] = asyncio.Queue(messages)
        self.close_code: int | None = None
        self.closed = asyncio.Event()
        self._gone = False

    async def send_text(self, text: str) -> None:
        await self._send(text)

    async def send_binary(self, data: bytes) -> None:
        await self._send(data)

    async def receive(self) -> str | bytes:
        item = None if self._gone else await self._to_relay.get()
        if item is None:
            self._gone = True
            raise ChannelClosed
        return item

    async def close(self, code: int, reason: str) -> None:
        if self.close_code is None:
            self.close_code = code
        self.closed.set()

    async def _send(self, item: str | bytes) -> None:
        if self._gone or self.closed.is_set():
            raise ChannelClosed
        await self._to_client.put(item)

    async def say(self, item: str | bytes) -> None:
        await self._to_relay.put(item)

    async def hear(self) -> str | bytes | None:
        """The next message, None once the relay has closed and nothing is left."""
        while True:
            with contextlib.suppress(asyncio.QueueEmpty):
                return self._to_client.get_nowait()
            if self.closed.is_set():
                return None
            await asyncio.sleep(0.005)

    def hang_up(self) -> None:
        self._gone = True
        with contextlib.suppress(asyncio.QueueFull):
            self._to_relay.put_nowait(None)


class VoicePublisher:
    """Publishes a synthetic voice: 20 ms stereo-capable Opus at 32 kbit/s in real time."""

    def __init__(self, peer: Peer, stream: SendStream) -> None:
        self.peer = peer
        self.stream = stream
        self.sent_ms = 0
        self.muted = False
        self._task: asyncio.Task[None] | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def publishing(
        cls,
        lecture: LiveLecture,
        *,
        role: Role = "lecturer",
        language: str | None = None,
        pitch_hz: float = 140.0,
        network: NetworkConfig = LOOPBACK,
    ) -> AsyncIterator[VoicePublisher]:
        spec = publisher_media(None)
        async with await Peer.create(network, controlling=True) as peer:
            endpoint = await lecture.publish(make_offer(spec, peer.local), role=role, language=language)
            remote, media = parse_answer(spec, endpoint.answer_sdp)
            await peer.connect(remote)
            stream = SendStream(media[0].ssrc, media[0].codec.payload_type, 48_000)
            publisher = cls(peer, stream)
            peer.on_rtcp = publisher._feedback
            publisher._task = asyncio.create_task(publisher._speak(speech(10, pitch_hz)))
            try:
                yield publisher
            finally:
                publisher._task.cancel()
                await asyncio.gather(publisher._task, return_exceptions=True)

    def _feedback(self, data: bytes, now: float) -> None:
        for packet in self.stream.handle_rtcp(data, now):
            self.peer.send_rtp(packet)

    async def _speak(self, pcm: npt.NDArray[np.int16]) -> None:
        loop = asyncio.get_running_loop()
        encoder = opus.Encoder(1, bitrate_bps=32_000, frame_ms=20)
        start = loop.time()
        frames = len(pcm) // 960
        for number in range(1 << 30):
            at = number % frames * 960
            packet = encoder.encode(pcm[at : at + 960])
            await asyncio.sleep(max(0.0, start + number * 0.02 - loop.time()))
            if self.muted:
                continue
            self.peer.send_rtp(self.stream.send(packet, number * 960, number == 0, loop.time()))
            self.sent_ms += 20


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
        have: m.Have | None = None,
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
            have=have or m.Have(),
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
            elif isinstance(frame, ChunkFrame):
                for encoded in unpack_frames(frame.entry):
                    self.filled_frames[encoded.t_ms] = encoded
            elif isinstance(frame, BlobFrame):
                blob = self.blobs.setdefault(frame.digest, bytearray())
                if not blob:
                    self.blob_order.append(frame.digest)
                assert frame.offset == len(blob)
                blob += frame.data


@dataclass
class LecturerClient:
    """The lecturer's socket."""

    channel: MemoryChannel = field(default_factory=MemoryChannel)
    session: LecturerSession = field(default_factory=lambda: LecturerSession(Side.CLIENT))
    heard: list[Message] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def joined(self, lecture: LiveLecture, *, role: Role = "lecturer") -> AsyncIterator[LecturerClient]:
        serving = asyncio.create_task(self._served_by(lecture, role))
        await self.say(m.LecturerHello(v=m.PROTOCOL_VERSION, token="t"))
        listening = asyncio.create_task(self._listen())
        try:
            await until(lambda: self.of(m.LecturerWelcome), "welcome")
            yield self
        finally:
            self.channel.hang_up()
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await serving

    async def _served_by(self, lecture: LiveLecture, role: Role) -> None:
        session = LecturerSession(Side.RELAY)
        hello = await read_hello(self.channel, session)
        await lecture.serve_lecturer(self.channel, session, hello, role=role)

    async def say(self, message: Message) -> None:
        await self.channel.say(self.session.send(message))

    def of(self, kind: type[T]) -> list[T]:
        return [message for message in self.heard if isinstance(message, kind)]

    async def _listen(self) -> None:
        while (item := await self.channel.hear()) is not None:
            assert isinstance(item, str)
            self.heard += self.session.receive_text(item)


@contextlib.asynccontextmanager
async def open_lecture(
    folder: Path, *, settings: MediaSettings = FAST, info: LectureInfo = INFO
) -> AsyncIterator[LiveLecture]:
    """A directory with one lecture."""
    async with LectureDirectory(folder, LOOPBACK, settings) as directory:
        yield await directory.open("talk", info)
