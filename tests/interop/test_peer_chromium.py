"""Chromium publishes to a bare Peer through our answerer."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.interop.browser import Browser
from tests.network.link import LinkSpec, LossyLink
from tests.network.peers import LOOPBACK, End, until
from transport import rtcp, rtp
from transport.peer import Peer
from transport.sdp import RID, AnswerPolicy, make_answer, parse_offer

pytestmark = pytest.mark.timeout(120)

NETWORK = replace(LOOPBACK, connect_timeout_s=20)

OFFER = """async (rids) => {
  const stream = await navigator.mediaDevices.getUserMedia({audio: true, video: {width: 1280, height: 720}});
  const peer = new RTCPeerConnection();
  peer.addTransceiver(stream.getAudioTracks()[0], {direction: 'sendonly'});
  const sendEncodings = rids.map((rid, index) => ({rid, scaleResolutionDownBy: 2 ** index}));
  const video = sendEncodings.length ? {direction: 'sendonly', sendEncodings} : {direction: 'sendonly'};
  peer.addTransceiver(stream.getVideoTracks()[0], video);
  peer.createDataChannel('not for us');
  await peer.setLocalDescription();
  return peer.localDescription.sdp;
}"""
ANSWER = "(sdp) => hallcastPeers.at(-1).setRemoteDescription({type: 'answer', sdp})"
CLOSE = "() => hallcastPeers.at(-1).close()"


@asynccontextmanager
async def published(
    browser: Browser, policy: AnswerPolicy, rids: list[str], link: LossyLink | None = None
) -> AsyncIterator[End]:
    """What a Chromium publishes, connected."""
    opened = await browser.open("about:blank")
    page = opened.page
    await page.route("http://localhost/**", lambda route: route.fulfill(body="<p>", content_type="text/html"))
    await page.goto("http://localhost/")
    async with await Peer.create(NETWORK, controlling=False) as peer:
        end = End(peer)
        text = await page.evaluate(OFFER, rids)
        offer = parse_offer(link.hide(text) if link else text)
        answer, end.media = make_answer(offer, policy, peer.local)
        connecting = asyncio.create_task(peer.connect(offer.transport))
        await page.evaluate(ANSWER, link.through(answer) if link else answer)
        await connecting
        yield end
        await page.evaluate(CLOSE)
        await until(lambda: end.closed)
        assert end.closed == ["closed_by_peer"]


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_voice_and_camera_arrive_with_the_agreed_payload_types(browser: Browser, codec: str) -> None:
    async with published(browser, AnswerPolicy(video_codecs=(codec,)), []) as end:
        audio, video = end.media
        assert audio.codec.is_named("opus")
        assert video.codec.name == codec
        got: dict[int, set[int]] = defaultdict(set)
        await until(lambda: len(end.rtp) > 100 and len(end.rtcp) > 2)
        for packet in map(rtp.parse, end.rtp):
            got[packet.payload_type].add(packet.ssrc)
        assert set(got) <= {audio.codec.payload_type, video.codec.payload_type, video.rtx_payload_type}
        assert got[audio.codec.payload_type] == set(audio.remote_ssrcs)
        assert got[video.codec.payload_type] == set(video.remote_ssrcs)


async def test_each_layer_of_a_simulcast_arrives_under_its_rid(browser: Browser) -> None:
    async with published(browser, AnswerPolicy(video_codecs=("VP8",)), ["h", "m", "l"]) as end:
        video = end.media[1]
        assert video.rids == ("h", "m", "l")

        def layers() -> set[str]:
            packets = [rtp.parse(packet) for packet in end.rtp if packet[1] & 0x7F == video.codec.payload_type]
            return {rid.decode() for packet in packets if (rid := packet.extensions.get(video.extensions[RID]))}

        # The highest layer waits for an estimate of the line that only REMB or transport-cc would give.
        await until(lambda: len(layers()) >= 2)
        assert layers() <= set(video.rids)


async def test_lost_voice_is_sent_again_when_asked_for(browser: Browser) -> None:
    """Chromium offers no nack for Opus, and answers one all the same."""
    delay = LinkSpec(delay_ms=50)
    async with (
        LossyLink(seed=1, down=delay, up=delay) as link,
        published(browser, AnswerPolicy(video_codecs=()), [], link) as end,
    ):
        audio = end.media[0]
        unwrapper = rtp.Unwrapper(16)
        numbers: list[int] = []
        end.peer.on_rtp = lambda packet, _now: numbers.append(unwrapper.unwrap(rtp.parse(packet).sequence_number))
        await until(lambda: len(numbers) > 20)
        link.up.broken = True
        await until(lambda: link.up.counters.blocked > 5)
        link.up.broken = False
        newest = max(numbers)
        await until(lambda: max(numbers) > newest + 10)
        missing = set(range(min(numbers), max(numbers))) - set(numbers)
        assert missing
        nack = rtcp.Nack(audio.ssrc, audio.remote_ssrcs[0], tuple(number & 0xFFFF for number in sorted(missing)))
        end.peer.send_rtcp(rtcp.build(nack))
        await until(lambda: missing <= set(numbers))
