"""A bare Peer sends to Chromium: transport-wide feedback comes back, and redundant audio fills holes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from tests.interop.browser import PLAYER_ANSWER, PLAYER_OFFER, Browser, Page
from tests.network.peers import LOOPBACK, until
from transport import red, rtcp, twcc
from transport.opus import Encoder
from transport.peer import Peer
from transport.sdp import AnswerPolicy, NegotiatedMedia, make_answer, parse_offer
from transport.send import SendStream
from transport.twcc import Outcome, SentLog

pytestmark = pytest.mark.timeout(120)

NETWORK = replace(LOOPBACK, connect_timeout_s=20)
POLICY = AnswerPolicy(direction="sendonly", transport_cc=True, red=True)
FRAME_MS, FRAME_SAMPLES = 60, 2880
LOST_EVERY = 5


@dataclass
class Sender:
    """A voice sent to the browser, of which the link loses every fifth packet."""

    peer: Peer
    media: NegotiatedMedia
    log: SentLog = field(default_factory=lambda: SentLog(0xFFF8))
    outcomes: list[Outcome] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)

    def on_rtcp(self, data: bytes, now: float) -> None:
        for packet in rtcp.parse(data):
            self.kinds.add(type(packet).__name__)
            if isinstance(packet, rtcp.TransportFeedback):
                self.outcomes += self.log.feedback(packet, now)

    async def play(self, seconds: float, *, redundant: bool) -> None:
        loop = asyncio.get_running_loop()
        encoder = Encoder(bitrate_bps=16_000)
        stream = SendStream.negotiated(self.media, transport_cc=True)
        offset = stream.transport_sequence_offset
        assert offset is not None
        began, before = loop.time(), b""
        for number in range(int(seconds * 1000 / FRAME_MS)):
            at = np.arange(number * FRAME_SAMPLES, (number + 1) * FRAME_SAMPLES)
            frame = encoder.encode((np.sin(at * 0.03) * (1 + np.sin(at * 0.0003)) * 8000).astype(np.int16))
            payload, kind = frame, None
            if redundant:
                kind = self.media.red_payload_type
                payload = red.pack(frame, [(FRAME_SAMPLES, before)], self.media.codec.payload_type)
            packet = stream.send(payload, number * FRAME_SAMPLES, number == 0, loop.time(), kind)
            before = frame
            sequence = self.log.sent(len(packet) + 38, loop.time(), number)
            if number % LOST_EVERY != LOST_EVERY - 1:
                twcc.stamp(packet, offset, sequence)
                self.peer.send_rtp(packet)
            await asyncio.sleep(max(0.0, began + (number + 1) * FRAME_MS / 1000 - loop.time()))
        encoder.close()


@asynccontextmanager
async def player(browser: Browser) -> AsyncIterator[tuple[Page, Sender]]:
    opened = await browser.open("about:blank")
    page = opened.page
    await page.route("http://localhost/**", lambda route: route.fulfill(body="<p>", content_type="text/html"))
    await page.goto("http://localhost/")
    async with await Peer.create(NETWORK, controlling=False) as peer:
        offer = parse_offer(await page.evaluate(PLAYER_OFFER))
        answer, media = make_answer(offer, POLICY, peer.local)
        sender = Sender(peer, media[0])
        peer.on_rtcp = sender.on_rtcp
        connecting = asyncio.create_task(peer.connect(offer.transport))
        await page.evaluate(PLAYER_ANSWER, answer)
        await connecting
        yield opened, sender


async def test_chromium_gives_transport_wide_feedback_of_all_that_was_stamped(browser: Browser) -> None:
    async with player(browser) as (_, sender):
        await sender.play(4, redundant=False)
        await until(lambda: len(sender.outcomes) > 55)
        lost = {one.token for one in sender.outcomes if one.arrival_s is None}
        assert lost == set(range(LOST_EVERY - 1, len(sender.outcomes), LOST_EVERY))
        arrivals = [one for one in sender.outcomes if one.arrival_s is not None]
        skews = [one.arrival_s - one.sent_s for one in arrivals if one.arrival_s is not None]
        assert max(skews) - min(skews) < 0.1
        assert "Remb" not in sender.kinds


async def concealed(page: Page) -> float:
    stats = (await page.stats())["inbound audio"]
    return float(stats["concealedSamples"] / stats["totalSamplesReceived"])


async def test_redundant_audio_fills_the_holes_of_a_player(browser: Browser) -> None:
    shares = {}
    for redundant in (False, True):
        async with player(browser) as (page, sender):
            assert sender.media.red_payload_type == 63
            await sender.play(6, redundant=redundant)
            shares[redundant] = await concealed(page)
    assert shares[False] > 0.1
    assert shares[True] < shares[False] / 3
