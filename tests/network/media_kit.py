"""What the media tests stand on: a lecture, a publisher with a real voice over real peers, a lecturer's socket."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from lecture import lecturer_messages as lm
from lecture import messages as m
from lecture.messages import Message
from lecture.session import LecturerSession, Side
from relay.media.channel import ChannelClosed
from relay.media.directory import LectureDirectory
from relay.media.greeting import read_hello
from relay.media.live import LiveLecture, Role
from relay.media.settings import LectureInfo, MediaSettings
from transport import opus
from transport.network import NetworkConfig
from transport.peer import Peer
from transport.sdp import (
    make_offer,
    parse_answer,
    publisher_media,
)
from transport.send import SendStream

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


@functools.cache
def speech(seconds: float, pitch_hz: float = 140.0) -> npt.NDArray[np.int16]:
    """Something like speech at 48 kHz, mono: harmonics of a gliding pitch under a syllable envelope."""
    t = np.arange(int(seconds * 48_000)) / 48_000
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * t))) / 48_000
    voiced = sum(np.sin(n * phase) / n for n in range(1, 12))
    envelope = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * t)
    spoken = (6000 * envelope * voiced).astype(np.int16)
    spoken.flags.writeable = False  # every publisher has the same
    return spoken


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
        self.sent: list[tuple[float, bytes]] = []
        """Each Opus packet with the loop's time at which it left, in s."""
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
            self.sent.append((loop.time(), packet))


@dataclass
class LecturerClient:
    """The lecturer's socket."""

    channel: MemoryChannel = field(default_factory=MemoryChannel)
    session: LecturerSession = field(default_factory=lambda: LecturerSession(Side.CLIENT))
    heard: list[Message] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def joined(self, lecture: LiveLecture, *, role: Role = "lecturer") -> AsyncIterator[LecturerClient]:
        serving = asyncio.create_task(self._served_by(lecture, role))
        await self.say(lm.LecturerHello(v=m.PROTOCOL_VERSION, token="t"))
        listening = asyncio.create_task(self._listen())
        try:
            await until(lambda: self.of(lm.LecturerWelcome), "welcome")
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
