"""One session of the streamer against a whole relay: what goes to and fro on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lecture.tracks import SOURCE_RUNG
from streamer.address import RelayAddress
from streamer.publication import Publication, Sent, publish
from streamer.uplink import Uplink
from streamer.voice_pump import VoicePacket
from tests.network.link import LossyLink
from tests.network.media_kit import until
from tests.network.relays import LOOPBACK, Served, served
from tests.network.test_streamer import opus_of
from transport.network import NetworkConfig
from transport.whip import WhipClient

pytestmark = pytest.mark.realtime


@asynccontextmanager
async def publishing(relay: Served, url: str = "", network: NetworkConfig = LOOPBACK) -> AsyncIterator[Publication]:
    """A session for voice alone."""
    address = RelayAddress(url or relay.server.local_url, relay.lecture_id)
    async with WhipClient(address.whip(""), relay.lecture.lecturer_token) as whip:
        publication = await publish(
            whip,
            network,
            camera=False,
            camera_bps=0,
            sent=Sent(),
            on_keyframe=lambda: None,
            uplink=Uplink(),
            on_camera_share=lambda share: None,
        )
        try:
            yield publication
        finally:
            await publication.close(goodbye=True)


async def test_last_words_that_are_lost_on_the_way_come_all_the_same(tmp_path: Path) -> None:
    """Nothing follows them by which the relay would notice."""
    spoken = [bytes((0x78, number)) + b"voice" for number in range(20)]
    async with LossyLink(seed=3) as link, served(tmp_path / "data") as relay:
        url = f"http://127.0.0.1:{await link.tcp('127.0.0.1', relay.server.port)}"
        async with publishing(relay, url, link.near(LOOPBACK)) as publication:
            began = asyncio.get_running_loop().time()
            lecture = await relay.relay.open_lecture(relay.lecture_id)

            def kept() -> list[bytes]:
                publication.tick(now := asyncio.get_running_loop().time(), (now - began) * 1000)
                return opus_of(lecture.log, SOURCE_RUNG, "en")

            async def say(first: int, end: int) -> None:
                for number in range(first, end):
                    await asyncio.sleep(0.02)  # as people speak
                    packet = VoicePacket(20 * number, spoken[number], 20 * (number + 1), -20.0)
                    publication.send_voice(packet, asyncio.get_running_loop().time())

            await say(0, 18)
            await until(lambda: kept() == spoken[:18], "the rest is recorded")
            link.udp_blocked = True
            await say(18, 20)
            await until(lambda: link.up.counters.blocked >= 2, "the last two are lost")
            link.udp_blocked = False
            await until(lambda: kept() == spoken, "all of it is recorded")


async def test_who_says_nothing_yet_hears_that_the_relay_is_there(tmp_path: Path) -> None:
    """A microphone that is still to be allowed, a pipe in which nothing comes: no outage."""
    async with served(tmp_path / "data") as relay, publishing(relay) as publication:
        began = publication.heard_s
        await until(lambda: publication.heard_s > began + 2, "reports come again and again")
        assert (await relay.relay.open_lecture(relay.lecture_id)).state == "planned"
