"""What the media tests stand on: a publisher with a real voice, and a hall without a screen, over real peers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import PictureType

from lecture import messages as m
from lecture.entries import EncodedFrame, unpack_frames
from lecture.messages import Message
from lecture.session import HallSession, LecturerSession
from lecture.session import Role as End
from lecture.wire import BlobFrame, ChunkFrame
from relay.media.channel import ChannelClosed
from relay.media.directory import LectureDirectory
from relay.media.greeting import read_hello
from relay.media.live import LiveLecture, Role
from relay.media.settings import LectureInfo, MediaSettings
from transport import opus, rtcp, rtp, voice_payload
from transport.network import NetworkConfig
from transport.peer import Peer
from transport.receive import InOrder, ReceiveStream
from transport.sdp import HALLCAST_VOICE, NegotiatedMedia, hall_media, make_offer, parse_answer, publisher_media
from transport.send import SendStream
from transport.video import FrameAssembler, Packetiser

T = TypeVar("T", bound=Message)
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
    session: HallSession = field(default_factory=lambda: HallSession(End.CLIENT))
    name: str = "Hall"
    reading: bool = True
    reporting: bool = False
    heard: list[Message] = field(default_factory=list)
    live_frames: dict[int, bytes] = field(default_factory=dict)  # by lecture time in ms
    filled_frames: dict[int, EncodedFrame] = field(default_factory=dict)
    blobs: dict[str, bytearray] = field(default_factory=dict)
    blob_order: list[str] = field(default_factory=list)
    packets: int = 0
    peer: Peer | None = None
    viewer: Viewer | None = None

    @contextlib.asynccontextmanager
    async def joined(
        self, lecture: LiveLecture, *, have: m.Have | None = None, voice: tuple[str, ...] = (HALLCAST_VOICE, "opus")
    ) -> AsyncIterator[ScreenlessHall]:
        serving = asyncio.create_task(self._served_by(lecture))
        hello = m.HallHello(
            v=m.PROTOCOL_VERSION, token="t", hall=self.name, voice=voice, camera=True, have=have or m.Have()
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
            listening.cancel()
            reporting.cancel()
            await asyncio.gather(listening, reporting, return_exceptions=True)
            await serving

    async def _served_by(self, lecture: LiveLecture) -> None:
        session = HallSession(End.RELAY)
        hello = await read_hello(self.channel, session)
        await lecture.serve_hall(self.channel, session, hello)

    async def say(self, message: Message) -> None:
        await self.channel.say(self.session.send(message))

    def of(self, kind: type[T]) -> list[T]:
        return [message for message in self.heard if isinstance(message, kind)]

    async def listen_live(self, *, camera: bool = False, language: str = "") -> None:
        """Offer, connect and receive the voice."""
        spec = hall_media(camera=camera)
        self.peer = peer = await Peer.create(LOOPBACK, controlling=True)
        answers = len(self.of(m.Answer))
        await self.say(m.Offer(make_offer(spec, peer.local), language))
        await until(lambda: len(self.of(m.Answer)) > answers, "answer")
        remote, media = parse_answer(spec, self.of(m.Answer)[-1].sdp)
        voice = media[0]
        assert voice.codec.is_named(HALLCAST_VOICE)
        stream = ReceiveStream(voice.remote_ssrcs[0], 48_000, voice.codec.payload_type)

        if camera:
            self.viewer = Viewer(media[1])

        def on_rtp(data: bytes, now: float) -> None:
            if self.viewer is not None and self.viewer.push(data, now):
                return
            for packet in stream.push(data, now):
                self.packets += 1
                t_ms = packet.timestamp_ext % (1 << 32) // 48
                for slot, frame in enumerate(voice_payload.unpack(packet.payload)):
                    self.live_frames[t_ms + slot * 60] = frame

        peer.on_rtp = on_rtp
        await peer.connect(remote)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self.reading:
                await asyncio.sleep(0.05)
                continue
            item = await self.channel.hear()
            if item is None:
                return
            if isinstance(item, str):
                self.heard += self.session.receive_text(item)
            else:
                self._take(item)
            ack = self.session.ack_due(loop.time())
            if ack is not None:
                await self.channel.say(ack)

    async def _report(self) -> None:
        await until(lambda: self.of(m.HallWelcome), "welcome")
        while self.reporting:
            await self.say(m.Report(rtt_ms=20, received_kbps=5000.0, page=1, heads=30))
            await asyncio.sleep(0.5)

    def _take(self, data: bytes) -> None:
        for frame in self.session.receive_binary(data):
            if isinstance(frame, ChunkFrame):
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
    session: LecturerSession = field(default_factory=lambda: LecturerSession(End.CLIENT))
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
        session = LecturerSession(End.RELAY)
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


class CameraPublisher:
    """Publishes voice and a VP8 camera (a moving bar, 320×240, 10 fps) in real time; sends keyframes when asked to."""

    def __init__(self, peer: Peer, media: list[NegotiatedMedia]) -> None:
        self.peer = peer
        self.voice = SendStream(media[0].ssrc, media[0].codec.payload_type, 48_000)
        video = media[1]
        self.camera = SendStream(
            video.ssrc,
            video.codec.payload_type,
            90_000,
            rtx_payload_type=video.rtx_payload_type,
            rtx_ssrc=video.rtx_ssrc,
        )
        self.keyframe_requests = 0
        self.frames_sent = 0
        self._force = True

    @classmethod
    @contextlib.asynccontextmanager
    async def publishing(cls, lecture: LiveLecture) -> AsyncIterator[CameraPublisher]:
        spec = publisher_media("VP8")
        async with await Peer.create(LOOPBACK, controlling=True) as peer:
            endpoint = await lecture.publish(make_offer(spec, peer.local), role="lecturer")
            remote, media = parse_answer(spec, endpoint.answer_sdp)
            await peer.connect(remote)
            publisher = cls(peer, media)
            peer.on_rtcp = publisher._feedback
            task = asyncio.create_task(publisher._film())
            try:
                yield publisher
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def _feedback(self, data: bytes, now: float) -> None:
        packets = rtcp.parse(data)
        for stream in (self.voice, self.camera):
            for packet in stream.handle_rtcp(packets, now):
                self.peer.send_rtp(packet)
        if rtcp.wants_keyframe(packets, self.camera.ssrc):
            self.keyframe_requests += 1
            self._force = True

    async def _film(self) -> None:
        loop = asyncio.get_running_loop()
        context = av.CodecContext.create("libvpx", "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height, context.pix_fmt = 320, 240, "yuv420p"
        context.framerate, context.time_base = Fraction(10), Fraction(1, 10)
        context.bit_rate, context.gop_size = 200_000, 10_000
        context.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
        packetiser = Packetiser("vp8")
        voice = opus.Encoder(1, bitrate_bps=32_000, frame_ms=20)
        pcm = speech(2)
        start = loop.time()
        for number in range(1 << 30):
            await asyncio.sleep(max(0.0, start + number * 0.1 - loop.time()))
            for part in range(5):
                at = (number * 5 + part) % 100 * 960
                self.peer.send_rtp(
                    self.voice.send(voice.encode(pcm[at : at + 960]), (number * 5 + part) * 960, False, loop.time())
                )
            picture = np.zeros((360, 320), np.uint8)
            picture[:240] = 60
            picture[240:] = 128
            picture[:240, number * 8 % 300 :][:, :20] = 220
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts = number
            frame.pict_type = PictureType.I if self._force else PictureType.NONE
            self._force = False
            for encoded in context.encode(frame):
                payloads = packetiser.packetise(bytes(encoded))
                for index, payload in enumerate(payloads):
                    last = index == len(payloads) - 1
                    self.peer.send_rtp(self.camera.send(payload, number * 9000, last, loop.time()))
            self.frames_sent += 1


class Viewer:
    """Receives a camera and decodes it."""

    def __init__(self, media: NegotiatedMedia) -> None:
        assert media.codec.is_named("VP8")
        self.decoded = 0
        self.brightest = 0
        self.times_ms: list[int] = []
        self._stream = ReceiveStream(
            media.remote_ssrcs[0], 90_000, media.codec.payload_type, media.rtx_payload_type, local_ssrc=media.ssrc
        )
        self._ssrcs = {media.remote_ssrcs[0], *media.remote_rtx_ssrcs.values()}
        self._in_order = InOrder(0.5)
        self._assembler = FrameAssembler("vp8")
        self._decoder = av.CodecContext.create("vp8", "r")

    def push(self, data: bytes, now: float) -> bool:
        if rtp.ssrc_of(data) not in self._ssrcs:
            return False
        for packet in self._stream.push(data, now):
            for ordered in self._in_order.push(packet, now):
                for frame in self._assembler.push(ordered, ordered.timestamp_ext % (1 << 32) // 90):
                    self._decode(frame)
        return True

    def _decode(self, frame: EncodedFrame) -> None:
        assert isinstance(self._decoder, av.VideoCodecContext)
        for picture in self._decoder.decode(av.Packet(frame.data)):
            self.decoded += 1
            self.times_ms.append(frame.t_ms)
            self.brightest = int(picture.to_ndarray(format="gray").max())
