"""On a line that loses packets the voice goes twice to who cannot wait for what was lost: a standard player that takes
redundant audio, and a hall that plays sooner than two round trips."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from classroom_client.delay import DelaySettings
from tests.network.hall_kit import lecture_hall, seat
from tests.network.link import LinkSpec, Loss
from tests.network.media_kit import LOOPBACK, VoicePublisher, open_lecture, until
from transport import red, rtp, twcc
from transport.peer import Peer
from transport.sdp import TRANSPORT_CC, hall_media, make_offer, parse_answer
from transport.twcc import FeedbackRecorder

RED_TYPE = 63


@dataclass
class Ear:
    """Takes the voice, reports on all but a tenth of it."""

    peer: Peer
    extension_id: int
    recorder: FeedbackRecorder
    rng: random.Random
    loss: float = 0.0
    plain: int = 0
    frames: dict[int, set[bytes]] = field(default_factory=dict)  # by timestamp
    repeated: int = 0

    def on_rtp(self, data: bytes, now: float) -> None:
        if self.rng.random() < self.loss:
            return
        packet = rtp.parse(data)
        number = twcc.sequence_of(packet.extensions, self.extension_id)
        assert number is not None
        self.recorder.arrived(number, now)
        if packet.payload_type != RED_TYPE:
            self.plain += 1
            self.frames.setdefault(packet.timestamp, set()).add(packet.payload)
            return
        blocks = red.unpack(packet.payload)
        assert {block.payload_type for block in blocks} == {111}
        self.repeated += len(blocks) - 1
        for block in blocks:
            self.frames.setdefault(packet.timestamp - block.timestamp_offset, set()).add(block.payload)

    async def report(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0.05)
            if (packet := self.recorder.poll(loop.time())) is not None:
                self.peer.send_rtcp(packet)


@pytest.mark.parametrize("offered", [True, False])
async def test_voice_is_sent_twice_where_packets_are_lost(tmp_path: Path, offered: bool) -> None:
    spec = hall_media(camera=False, voice=("opus",), transport_cc=True)
    async with open_lecture(tmp_path) as lecture, await Peer.create(LOOPBACK, controlling=True) as peer:
        text = make_offer(spec, peer.local)
        if offered:
            text = text.replace("SAVPF 111\r\n", f"SAVPF 111 {RED_TYPE}\r\n").replace(
                "a=rtpmap:111", f"a=rtpmap:{RED_TYPE} red/48000/2\r\na=fmtp:{RED_TYPE} 111/111\r\na=rtpmap:111"
            )
        endpoint = await lecture.play(text)
        remote, media = parse_answer(spec, endpoint.answer_sdp)
        ear = Ear(peer, media[0].extensions[TRANSPORT_CC], FeedbackRecorder(7, interval_s=0.1), random.Random(5))
        peer.on_rtp = ear.on_rtp
        peer.on_rtcp = lambda data, now: None
        await peer.connect(remote)
        reporting = asyncio.create_task(ear.report())
        try:
            async with VoicePublisher.publishing(lecture):
                await until(lambda: ear.plain > 20, "voice")
                assert ear.repeated == 0
                ear.loss = 0.2
                plain = ear.plain
                if offered:
                    await until(lambda: ear.repeated > 20, "redundant voice")
                else:
                    await until(lambda: ear.plain > plain + 60, "more voice")
                    assert ear.repeated == 0
        finally:
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)
        # What is repeated is the very frame that was sent at its time.
        assert all(len(same) == 1 for same in ear.frames.values())


@pytest.mark.realtime
async def test_a_hall_that_plays_sooner_than_two_round_trips_gets_its_voice_twice(tmp_path: Path) -> None:
    thin = LinkSpec(rate_kbps=150, delay_ms=350)
    soon = DelaySettings(fixed_ms=1_200, socket_ms=1_200)
    async with lecture_hall(tmp_path) as room, seat(room, tmp_path / "soon", down=thin, up=thin, delay=soon) as hall:

        def link() -> dict[str, Any]:
            return next((each.get("link", {}) for each in room.lecture.snapshot()["halls"]), {})

        async with VoicePublisher.publishing(room.lecture):
            await until(lambda: hall.hall.view.carrier == "rtp", "voice over RTP", 30)
            assert not link()["voice_copies"], "nothing is lost"
            hall.link.down.spec = replace(thin, loss=Loss.bursts(0.15, 2))
            await until(lambda: link()["voice_copies"], "copies", 30)
            assert link()["voice_copies"] == 3, "the one that comes in time and is farthest away"
            from_ms = room.lecture.now_ms()
            await until(lambda: (hall.hall.view.heard_ms or 0) > from_ms + 6_000, "more voice", 30)
        await room.lecture.end()
        receipt = await hall.receipt()
    assert receipt.voice_kept_ms == receipt.voice_sent_ms
    voice = [(each["t_ms"], each["t_ms"] + each["lecture_ms"]) for each in hall.segments if each["what"] == "voice"]
    heard_ms = sum(max(0, min(end, from_ms + 6_000) - max(start, from_ms + 1_000)) for start, end in voice)
    assert heard_ms > 0.9 * 5_000
