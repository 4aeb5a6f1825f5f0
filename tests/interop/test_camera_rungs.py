"""Chromium shows one camera while it changes between the source and rungs in other codecs and sizes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from lecture.entries import EncodedFrame, Flag
from relay.media.camera_maker import CameraMaker
from relay.media.camera_rungs import Feed
from relay.media.camera_sender import CameraSender
from streamer.camera_pump import CameraEncoder
from tests.interop.browser import PLAYER_ANSWER, PLAYER_OFFER, Browser, Page
from tests.network.peers import LOOPBACK
from tests.unit.relay.test_camera_maker import scene
from transport import rtcp
from transport.peer import Peer
from transport.receive import ReceivedPacket
from transport.sdp import AnswerPolicy, make_answer, parse_offer
from transport.video import Packetiser

pytestmark = pytest.mark.timeout(120)

NETWORK = replace(LOOPBACK, connect_timeout_s=20)
PER_S = 15
SOURCE_KBPS = 300

SHOWN = """async () => {
  const peer = hallcastPeers.at(-1);
  const stats = [...(await peer.getStats()).values()];
  const video = stats.find((s) => s.type === 'inbound-rtp' && s.kind === 'video');
  const codec = video && stats.find((s) => s.id === video.codecId);
  return {
    codec: codec ? codec.mimeType : '', decoded: video ? video.framesDecoded : 0,
    width: window.player.videoWidth, freezes: video ? video.freezeCount : 0,
  };
}"""


@dataclass
class Broadcast:
    """A camera with its rungs, for one player."""

    sender: CameraSender
    maker: CameraMaker
    page: Page
    asked: int = 0

    async def film(self) -> None:
        """The source, in real time, for ever."""
        loop = asyncio.get_running_loop()
        encoder, packetiser = CameraEncoder(320, 240, SOURCE_KBPS * 1000), Packetiser("vp8")
        began, seq = loop.time(), 0
        for number in range(1 << 30):
            await asyncio.sleep(max(0.0, began + number / PER_S - loop.time()))
            t_ms, now = number * 1000 // PER_S, loop.time()
            sender = self.sender
            sender.source_is("vp8", SOURCE_KBPS)
            wanted = sender.wanted
            self.maker.want(frozenset({wanted} if wanted and wanted.made else ()), now)
            if wanted and wanted.made and sender.waits_for_keyframe:
                self.maker.request_keyframe(wanted)
            keyframe = number % (4 * PER_S) == 0 or self.maker.wants_keyframe or sender.waits_for_keyframe
            coded = encoder.encode(scene(number), t_ms, keyframe=keyframe)
            if coded is None:
                continue
            payloads = packetiser.packetise(coded.data)
            for part, payload in enumerate(payloads, 1):
                packet = ReceivedPacket(seq, t_ms * 90, part == len(payloads), payload)
                sender.forward(packet, "vp8", t_ms * 90, coded.keyframe and part == 1, now)
                seq += 1
            self.maker.push("vp8", EncodedFrame(t_ms, 0, coded.data, int(Flag.KEYFRAME) if coded.keyframe else 0))

    async def shown(self) -> dict[str, Any]:
        return dict(await self.page.page.evaluate(SHOWN))

    async def until_shown(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(30):
            while not condition(shown := await self.shown()):
                await asyncio.sleep(0.2)
        return shown


@asynccontextmanager
async def broadcast(browser: Browser, codecs: tuple[str, ...]) -> AsyncIterator[Broadcast]:
    opened = await browser.open("about:blank")
    page = opened.page
    await page.route("http://localhost/**", lambda route: route.fulfill(body="<p>", content_type="text/html"))
    await page.goto("http://localhost/")
    policy = AnswerPolicy(direction="sendonly", video_codecs=codecs, max_video_codecs=len(codecs))
    async with await Peer.create(NETWORK, controlling=False) as peer:
        offer = parse_offer(await page.evaluate(PLAYER_OFFER))
        answer, media = make_answer(offer, policy, peer.local)
        sender = CameraSender(media[1], lambda packet, now: peer.send_rtp(packet))
        maker = CameraMaker(
            lambda made, now: sender.send_picture(made.feed, made.payloads, made.t_ms * 90, made.keyframe, now)
        )
        result = Broadcast(sender, maker, opened)

        def on_rtcp(data: bytes, now: float) -> None:
            packets = rtcp.parse(data)
            for packet in sender.stream.handle_rtcp(packets, now):
                peer.send_rtp(packet)
            if rtcp.wants_keyframe(packets, sender.stream.ssrc):
                result.asked += 1
                sender.keyframe_asked(now)

        peer.on_rtcp = on_rtcp
        connecting = asyncio.create_task(peer.connect(offer.transport))
        await page.evaluate(PLAYER_ANSWER, answer)
        await connecting
        filming = asyncio.create_task(result.film())
        try:
            yield result
        finally:
            filming.cancel()
            await asyncio.gather(filming, return_exceptions=True)
            maker.stop()
            await asyncio.to_thread(maker.join)


@pytest.mark.parametrize("made", ["AV1", "VP8"])
async def test_a_player_is_taken_from_the_source_to_a_rung_and_back(browser: Browser, made: str) -> None:
    codecs = ("VP8", "AV1") if made == "AV1" else ("VP8",)
    async with broadcast(browser, codecs) as camera:
        camera.sender.turn(1000)
        before = await camera.until_shown(lambda shown: shown["decoded"] > 20)
        assert (before["codec"], before["width"]) == ("video/VP8", 320)
        camera.sender.turn(40)
        assert camera.sender.wanted == Feed(made.lower(), 40)
        thin = await camera.until_shown(lambda shown: shown["width"] == 240)
        thin = await camera.until_shown(lambda shown: shown["decoded"] > thin["decoded"] + 20)
        assert thin["codec"] == f"video/{made}"
        camera.sender.turn(1000)
        after = await camera.until_shown(lambda shown: shown["width"] == 320)
        after = await camera.until_shown(lambda shown: shown["decoded"] > after["decoded"] + 20)
        assert after["codec"] == "video/VP8"
        assert camera.asked <= 2, "changes need no help of the player"
