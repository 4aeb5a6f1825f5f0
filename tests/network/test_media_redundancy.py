"""A standard player on a line that loses packets gets its voice twice, if it said that it takes redundant audio."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

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
