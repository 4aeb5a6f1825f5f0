"""The other side of :mod:`benchmarks.fanout`: a publisher, and as many players and halls as it is told to be.

They speak the real protocols (WHIP, WHEP, the hall socket, DTLS-SRTP, transport-wide feedback) and throw away what they
get. Lines on stdin tell how many there are to be: ``players 25``, ``halls 100``.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import av
import numpy as np
import uvloop
from websockets.asyncio.client import connect

from lecture.message_parts import Client
from lecture.messages import Answer, HallHello, HallWelcome, Message, Offer, Report
from lecture.session import HallSession, Side
from transport import rtcp, rtp
from transport.network import NetworkConfig
from transport.opus import Encoder
from transport.peer import Peer
from transport.sdp import TRANSPORT_CC, OfferSpec, hall_media, make_offer, parse_answer, publisher_media
from transport.send import SendStream
from transport.twcc import FeedbackRecorder, sequence_of
from transport.video import Packetiser
from transport.whip import WhipClient

LOOPBACK = NetworkConfig(addresses=("127.0.0.1",), connect_timeout_s=60)
SAMPLES = Path(__file__).resolve().parent.parent / "samples"
CAMERA_FPS = 10
HALL_FEEDBACK_S = 0.25
BROWSER_FEEDBACK_S = 0.1
REPORT_S = 2.0
AT_ONCE = 8
"""Clients that join at the same time: a handshake costs both sides milliseconds."""


def voice_packets() -> list[bytes]:
    """20 s of the sample's voice as a browser would send it: 20 ms, 32 kbit/s."""
    encoder = Encoder(1, bitrate_bps=32_000, frame_ms=20)
    resampler = av.AudioResampler("s16", "mono", 48_000)
    pcm: list[np.ndarray] = []
    with av.open(str(SAMPLES / "voice.opus")) as file:
        for frame in file.decode(audio=0):
            pcm += [piece.to_ndarray().reshape(-1) for piece in resampler.resample(frame)]
            if sum(map(len, pcm)) >= 20 * 48_000:
                break
    samples = np.concatenate(pcm).astype(np.int16)
    return [encoder.encode(samples[at : at + 960]) for at in range(0, len(samples) - 960, 960)]


def camera_pictures() -> list[list[bytes]]:
    """The sample's camera, each picture as RTP payloads; it begins with a keyframe."""
    packetiser = Packetiser("vp8")
    with av.open(str(SAMPLES / "camera.webm")) as file:
        return [packetiser.packetise(bytes(packet)) for packet in file.demux(video=0) if packet.size]


async def publish(url: str, token: str) -> None:
    """Send voice and camera in real time, again and again."""
    spec = publisher_media("VP8")
    voice_source, pictures = voice_packets(), camera_pictures()
    async with await Peer.create(LOOPBACK, controlling=True) as peer, WhipClient(url, token) as client:
        session = await client.publish(make_offer(spec, peer.local))
        remote, media = parse_answer(spec, session.answer_sdp)
        await peer.connect(remote)
        voice, camera = (SendStream.negotiated(one) for one in media)

        picture_number = 0

        def feedback(data: bytes, now: float) -> None:
            nonlocal picture_number
            packets = rtcp.parse(data)
            for stream in (voice, camera):
                for packet in stream.handle_rtcp(packets, now):
                    peer.send_rtp(packet)
            if rtcp.wants_keyframe(packets, camera.ssrc):
                picture_number = 0

        peer.on_rtcp = feedback
        loop = asyncio.get_running_loop()
        start = loop.time()
        for n in count():
            await asyncio.sleep(max(0.0, start + n * 0.02 - loop.time()))
            peer.send_rtp(voice.send(voice_source[n % len(voice_source)], n * 960, False, loop.time()))
            if n % (50 // CAMERA_FPS) == 0:
                picture = pictures[picture_number % len(pictures)]
                picture_number += 1
                for number, payload in enumerate(picture, 1):
                    peer.send_rtp(camera.send(payload, n * 1800, number == len(picture), loop.time()))


class Receiver:
    """Throws away what comes, and tells the relay what came."""

    def __init__(self, peer: Peer, spec: OfferSpec, answer_sdp: str, feedback_s: float) -> None:
        self.remote, media = parse_answer(spec, answer_sdp)
        self._peer = peer
        self._number = media[0].extensions.get(TRANSPORT_CC, 0)
        self._recorder = FeedbackRecorder(media[0].ssrc, interval_s=feedback_s)
        peer.on_rtp = self._take

    def _take(self, data: bytes, now: float) -> None:
        sequence = sequence_of(rtp.parse(data).extensions, self._number)
        if sequence is not None:
            self._recorder.arrived(sequence, now)

    async def tell(self) -> None:
        """Send feedback for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._recorder.interval_s)
            feedback = self._recorder.poll(loop.time())
            if feedback is not None:
                self._peer.send_rtcp(feedback)


async def play(url: str, token: str, door: asyncio.Semaphore) -> None:
    """A standard player: 60-ms Opus and the camera."""
    spec = hall_media(voice=("opus",), transport_cc=True)
    async with AsyncExitStack() as stack:
        async with door:
            peer = await stack.enter_async_context(await Peer.create(LOOPBACK, controlling=True))
            client = await stack.enter_async_context(WhipClient(url, token))
            session = await client.publish(make_offer(spec, peer.local))
            receiver = Receiver(peer, spec, session.answer_sdp, BROWSER_FEEDBACK_S)
            await peer.connect(receiver.remote)
        await receiver.tell()


async def attend(url: str, token: str, name: str, door: asyncio.Semaphore) -> None:
    """A hall of ours without what it does with the lecture: packed voice, data, socket, reports."""
    spec = hall_media(camera=False, data=True)
    session = HallSession(Side.CLIENT)
    async with AsyncExitStack() as stack:
        async with door:
            peer = await stack.enter_async_context(await Peer.create(LOOPBACK, controlling=True))
            socket = await stack.enter_async_context(connect(url, proxy=None, max_size=None))
            hello = HallHello(
                v="1.0", token=token, hall=name, client=Client("bench", "1"), voice=("hallcast-voice",), camera=False
            )
            await socket.send(session.send(hello))

            async def hear(kind: type[Message]) -> Message:
                async for said in socket:
                    if isinstance(said, str):
                        for message in session.receive_text(said):
                            if isinstance(message, kind):
                                return message
                raise ConnectionError("the relay has closed the socket")

            await hear(HallWelcome)
            await socket.send(session.send(Offer(make_offer(spec, peer.local))))
            answer = await hear(Answer)
            assert isinstance(answer, Answer)
            receiver = Receiver(peer, spec, answer.sdp, HALL_FEEDBACK_S)
            await peer.connect(receiver.remote)

        async def report() -> None:
            while True:
                facts = Report(behind_ms=3000, playout_delay_ms=3000, carrier="rtp", rung="24", page=1, heads=30)
                await socket.send(session.send(facts))
                await asyncio.sleep(REPORT_S)

        async def listen() -> None:
            async for said in socket:
                if isinstance(said, str):
                    session.receive_text(said)
                else:
                    session.receive_binary(said)
                    if (ack := session.ack_due(asyncio.get_running_loop().time())) is not None:
                        await socket.send(ack)

        async with asyncio.TaskGroup() as tasks:
            for part in (receiver.tell(), report(), listen()):
                tasks.create_task(part)


async def main(base: str, lecture: str, lecturer_token: str, hall_token: str) -> None:
    """Publish, and be whom stdin says."""
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    door = asyncio.Semaphore(AT_ONCE)
    halls = count(1)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(publish(f"{base}/whip/{lecture}", lecturer_token))
        while line := await orders.readline():
            kind, number = line.decode().split()
            for _ in range(int(number)):
                if kind == "players":
                    tasks.create_task(play(f"{base}/whep/{lecture}", hall_token, door))
                else:
                    url = f"{base.replace('http', 'ws', 1)}/ws/hall/{lecture}"
                    tasks.create_task(attend(url, hall_token, f"Hall {next(halls)}", door))
        raise SystemExit


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
