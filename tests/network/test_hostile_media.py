"""Garbage by a publisher with a good token (RTP, Opus, VP8 and RTCP that make no sense) costs the lecture nothing."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.network.media_kit import LOOPBACK, VoicePublisher, open_lecture, until
from tests.network.screenless_hall import ScreenlessHall
from transport.peer import Peer
from transport.sdp import NegotiatedMedia, make_offer, parse_answer, publisher_media

PACKETS = 400
BATCH = 20

Garbage = Callable[[random.Random, int, dict[str, NegotiatedMedia]], bytes]


def rtp(
    media: NegotiatedMedia, number: int, payload: bytes, *, timestamp: int, bits: int = 0x80, ssrc: int = 0
) -> bytes:
    head = (bits, media.codec.payload_type, number & 0xFFFF, timestamp & 0xFFFF_FFFF, ssrc or media.ssrc)
    return struct.pack("!BBHII", *head) + payload


def noise_for_opus(chance: random.Random, number: int, media: dict[str, NegotiatedMedia]) -> bytes:
    return rtp(media["audio"], number, chance.randbytes(chance.randrange(1, 1000)), timestamp=number * 960)


def any_timestamp(chance: random.Random, number: int, media: dict[str, NegotiatedMedia]) -> bytes:
    return rtp(media["audio"], number, b"\x78" + chance.randbytes(40), timestamp=chance.getrandbits(32))


def the_future(chance: random.Random, number: int, media: dict[str, NegotiatedMedia]) -> bytes:
    return rtp(media["audio"], number, b"\x78" + chance.randbytes(40), timestamp=number * 91_000)


def any_number_and_source(chance: random.Random, number: int, media: dict[str, NegotiatedMedia]) -> bytes:
    ssrc = chance.choice([0, chance.getrandbits(32) | 1])
    return rtp(media["audio"], chance.getrandbits(16), b"\x78" + chance.randbytes(40), timestamp=0, ssrc=ssrc)


def extensions_and_padding(chance: random.Random, number: int, media: dict[str, NegotiatedMedia]) -> bytes:
    tail = struct.pack("!HH", chance.choice([0xBEDE, 0x1000, 7]), chance.choice([0, 1, 5, 65_535])) + chance.randbytes(
        9
    )
    return rtp(media["audio"], number, tail, timestamp=number * 960, bits=chance.choice([0x90, 0xA0, 0xB0, 0x9F]))


def noise_for_vp8(chance: random.Random, number: int, media: dict[str, NegotiatedMedia]) -> bytes:
    start = chance.choice([b"", b"\x10\x00\x00\x00\x9d\x01\x2a", b"\x90\xff", b"\x80\x80"])
    return rtp(media["video"], number, start + chance.randbytes(chance.randrange(200)), timestamp=number % 7)


def any_rtcp(chance: random.Random, number: int, media: dict[str, NegotiatedMedia]) -> bytes:
    head = struct.pack(
        "!BBH", 0x80 | chance.randrange(32), chance.randrange(200, 208), chance.choice([0, 1, 6, 65_535])
    )
    return head + struct.pack("!I", media["audio"].ssrc) + chance.randbytes(chance.choice([0, 8, 20, 400]))


FAMILIES: list[Garbage] = [
    noise_for_opus,
    any_timestamp,
    the_future,
    any_number_and_source,
    extensions_and_padding,
    noise_for_vp8,
    any_rtcp,
]


@pytest.mark.parametrize("garbage", FAMILIES, ids=lambda family: family.__name__)
async def test_garbage_in_one_language_is_not_heard_in_the_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, garbage: Garbage
) -> None:
    chance, hall, spec = random.Random(5), ScreenlessHall(), publisher_media()
    async with (
        open_lecture(tmp_path) as lecture,
        VoicePublisher.publishing(lecture, role="interpreter", language="ko"),
        hall.joined(lecture),
        await Peer.create(LOOPBACK, controlling=True) as peer,
    ):
        await hall.listen_live(language="ko")
        await until(lambda: len(hall.live_frames) > 4, "live")
        endpoint = await lecture.publish(make_offer(spec, peer.local), role="lecturer")
        remote, media = parse_answer(spec, endpoint.answer_sdp)
        by_kind = {item.kind: item for item in media}
        await peer.connect(remote)
        for number in range(PACKETS):
            packet = garbage(chance, number, by_kind)
            (peer.send_rtcp if 192 <= packet[1] <= 223 else peer.send_rtp)(packet)
            if number % BATCH == 0:
                await asyncio.sleep(0)
        at_ms = lecture.now_ms()
        await until(lambda: max(hall.live_frames) > at_ms + 500, "the interpreter is still heard")
        assert peer.connected
        assert lecture.snapshot()["voices"]["en"]["recorded_end_ms"] <= lecture.now_ms() + 11_000
    heard = sorted(hall.live_frames)
    assert all(later - earlier == 60 for earlier, later in itertools.pairwise(heard))
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
