"""A publisher with a real camera picture, and a viewer that decodes it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from fractions import Fraction

import av
import numpy as np
from av.video.frame import PictureType

from lecture.entries import EncodedFrame
from relay.media.live import LiveLecture
from tests.network.media_kit import LOOPBACK, speech
from transport import opus, rtcp, rtp
from transport.peer import Peer
from transport.receive import InOrder, ReceiveStream
from transport.sdp import NegotiatedMedia, make_offer, parse_answer, publisher_media
from transport.send import SendStream
from transport.video import FrameAssembler, Packetiser


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
        vp8 = next(item for item in media.formats if item.codec.is_named("VP8"))
        self.decoded = 0
        self.brightest = 0
        self.times_ms: list[int] = []
        self._stream = ReceiveStream(
            media.remote_ssrcs[0], 90_000, vp8.codec.payload_type, vp8.rtx_payload_type, local_ssrc=media.ssrc
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
