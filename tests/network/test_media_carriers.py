"""A hall on a thin link: all of its lecture over RTP in order of need, and over the socket when RTP is dead."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lecture import message_parts as parts
from lecture import messages as m
from lecture.decks import Deck, PageImage, PageTurn, write_deck_event
from lecture.log import Blob
from relay.media.live import LiveLecture
from tests.network.link import LinkSpec, LossyLink
from tests.network.link_model import Loss
from tests.network.media_kit import LOOPBACK, VoicePublisher, open_lecture, until
from tests.network.screenless_hall import ScreenlessHall

pytestmark = pytest.mark.realtime

THIN = LinkSpec(rate_kbps=64, delay_ms=300, loss=Loss.bursts(0.05, 3))
BACK = LinkSpec(rate_kbps=32, delay_ms=300, loss=Loss.bursts(0.05, 3))
FRAMES = (3, 4)


def put_page(lecture: LiveLecture, page: int, size_bytes: int) -> Blob:
    """A page without a picture worth the name, of a deck that the lecture then has."""
    data = hashlib.shake_256(f"page {page}".encode()).digest(size_bytes)
    blob = Blob(lecture.log.put_blob(data, "image/avif"), "image/avif", data)
    stage = lecture._stage
    image = PageImage("d", page, 1, blob.digest, blob.media_type, 1280, 720, size_bytes)
    stage.append_event(*write_deck_event(image))
    return blob


def turn(lecture: LiveLecture, page: int) -> None:
    lecture._stage.append_event(*write_deck_event(PageTurn("d", page)))


@contextlib.asynccontextmanager
async def heard(
    folder: Path, link: LossyLink, hall: ScreenlessHall
) -> AsyncIterator[tuple[LiveLecture, VoicePublisher]]:
    """A lecture with a voice and a hall that gets everything over RTP through the link."""
    async with (
        open_lecture(folder) as lecture,
        VoicePublisher.publishing(lecture) as publisher,
        hall.joined(lecture, frames=FRAMES),
    ):
        lecture._stage.append_event(*write_deck_event(Deck("d", "Deck", 3, ())))
        await hall.listen_live(network=link.near(LOOPBACK), data=True)
        await until(lambda: "clock" in hall.from_rtp and len(hall.live_frames) > 8, "voice and data over RTP")
        yield lecture, publisher


def carrier(lecture: LiveLecture) -> object:
    return lecture.snapshot()["halls"][0]["link"]["carrier"]


async def test_a_page_beside_the_voice_on_a_thin_lossy_link(tmp_path: Path) -> None:
    hall = ScreenlessHall()
    async with LossyLink(seed=5, down=THIN, up=BACK) as link, heard(tmp_path, link, hall) as (lecture, _):
        loop = asyncio.get_running_loop()
        start_ms = min(hall.live_frames)
        await until(lambda: max(hall.live_frames) - start_ms > 3000, "some voice")
        blob = put_page(lecture, 1, 14_000)
        turned = loop.time()
        turn(lecture, 1)
        await until(lambda: hall.page(blob.digest, len(blob.data)) == blob.data, "the page", 15)
        page_s = loop.time() - turned
        end_ms = max(hall.live_frames)
        await until(lambda: not hall.missing_frames(start_ms, end_ms), "all voice", 10)
        queue_ms = link.down.counters.max_queue_ms
        socket = set(hall.from_socket[hall.from_socket.index("answer") + 1 :])
        assert "BlobPartFrame" not in socket
        assert page_s < 5.0
        assert queue_ms < 500


async def test_when_udp_is_blocked_in_mid_lecture_nothing_is_lost_and_when_it_is_free_rtp_is_used_again(
    tmp_path: Path,
) -> None:
    hall = ScreenlessHall()
    link_spec = LinkSpec(rate_kbps=100, delay_ms=200)
    async with LossyLink(seed=6, down=link_spec, up=link_spec) as link, heard(tmp_path, link, hall) as (lecture, _):
        start_ms = min(hall.live_frames)
        blob = put_page(lecture, 1, 30_000)
        turn(lecture, 1)
        await until(lambda: "BlobPartFrame" in hall.from_rtp, "the page has begun")
        link.udp_blocked = True
        blocked_ms = lecture.now_ms()
        await until(lambda: not hall.missing_frames(start_ms, blocked_ms), "what was under way, soon enough", 2.6)
        assert carrier(lecture) == "rtp", "not given up for dead yet"
        await until(lambda: carrier(lecture) == "socket", "socket", 6)
        await until(lambda: not hall.missing_frames(start_ms, blocked_ms + 3000), "voice over the socket", 6)
        assert lecture.now_ms() - blocked_ms < 10_000
        await until(lambda: hall.page(blob.digest, len(blob.data)) == blob.data, "the page, over both carriers", 6)
        turn(lecture, 2)
        await until(lambda: hall.of(m.EntryMessage)[-1].fields.get("page") == 2, "a turn over the socket", 3)
        link.udp_blocked = False
        await until(lambda: carrier(lecture) == "rtp", "rtp again", 8)
        again_ms = lecture.now_ms()
        await until(lambda: max(hall.live_frames) > again_ms + 2000, "voice over RTP")
        turn(lecture, 3)
        turns = len(hall.from_rtp)
        await until(lambda: "entry" in hall.from_rtp[turns:], "a turn over RTP", 5)
        end_ms = again_ms + 2000
        await until(lambda: not hall.missing_frames(start_ms, end_ms), "all voice", 10)
        seqs = [entry.seq for entry in hall.of(m.EntryMessage)]
        assert sorted(set(seqs)) == [entry.seq for entry in lecture.log.read() if entry.kind > 2]


async def test_a_hall_that_comes_back_gets_the_voice_it_missed_with_the_welcome(tmp_path: Path) -> None:
    hall = ScreenlessHall(name="Back again")
    link_spec = LinkSpec(rate_kbps=100, delay_ms=200)
    async with (
        LossyLink(seed=7, down=link_spec, up=link_spec) as link,
        open_lecture(tmp_path) as lecture,
        VoicePublisher.publishing(lecture),
    ):
        await until(lambda: lecture.now_ms() > 6000, "a lecture that has begun", 10)
        async with hall.joined(lecture, frames=FRAMES, have=parts.Have(voice_end_ms=960)):
            await until(lambda: not hall.missing_frames(960, 5400), "what was missed", 5)
            assert "VoiceFrame" in hall.from_socket
            assert not hall.of(m.Filled)
            await hall.listen_live(network=link.near(LOOPBACK), data=True)
            await until(lambda: hall.of(m.Filled), "told where live voice begins", 8)
            filled = hall.of(m.Filled)[0]
            assert filled.start_ms == 960
            assert filled.end_ms == min(hall.live_frames)
            await until(lambda: not hall.missing_frames(960, filled.end_ms + 1200), "no hole where they meet")


async def test_below_the_voice_budget_pages_come_and_the_voice_later(tmp_path: Path) -> None:
    hall = ScreenlessHall()
    narrow = LinkSpec(rate_kbps=64, delay_ms=200)
    async with LossyLink(seed=8, down=narrow, up=narrow) as link, heard(tmp_path, link, hall) as (lecture, _):
        link.down.spec = LinkSpec(rate_kbps=9, delay_ms=200)
        await until(lambda: hall.of(m.Clock)[-1].text, "the hall is told that the voice comes later", 40)
        text_ms = lecture.now_ms()
        page = put_page(lecture, 1, 3_000)
        turn(lecture, 1)
        await hall.say(m.Want("en", 0, 1 << 40))
        await until(lambda: hall.page(page.digest, len(page.data)) == page.data, "the page goes before the voice", 15)
        assert max(hall.live_frames) < text_ms + 3000, "no live voice any more"
        await until(lambda: len(hall.filled_frames) >= 40, "voice from the log", 30)
        assert not hall.missing_frames(0, max(hall.filled_frames))
        link.down.spec = narrow
        await until(lambda: not hall.of(m.Clock)[-1].text, "the link has recovered", 40)
        await until(lambda: max(hall.live_frames) > text_ms + 5000, "live voice again", 20)
