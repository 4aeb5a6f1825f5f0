"""A lecturer's camera through a relay to halls whose links carry a rung of it."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path

import av
import pytest

from classroom_client.engine import Hall
from lecture.entries import Flag
from relay.adaptation.pacer import Class
from relay.media.camera_rungs import Feed
from tests.network import parts
from tests.network.hall_kit import Class as Room
from tests.network.hall_kit import lecture_hall, seat
from tests.network.link import LinkSpec
from tests.network.link_model import Loss
from tests.network.media_kit import until

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(180)]

MEASURED_S = 12.0
UDP_AND_SRTP_BYTES = 20 + 8 + 10
THREAD = "hallcast-camera-rungs"
DECODERS = {"av1": "libdav1d", "vp8": "vp8"}


@dataclass
class Viewer:
    """Decodes all that comes of a hall's camera."""

    hall: Hall
    codecs: set[str] = field(default_factory=set)
    sizes: set[tuple[int, int]] = field(default_factory=set)
    coded: int = 0
    decoded: int = 0
    keyframes: int = 0
    _decoder: av.VideoCodecContext | None = None

    def look(self) -> None:
        for picture in self.hall.camera.due(1 << 60):
            if picture.codec not in self.codecs:
                self.codecs.add(picture.codec)
                decoder = av.CodecContext.create(DECODERS[picture.codec], "r")
                assert isinstance(decoder, av.VideoCodecContext)
                decoder.thread_count = 1
                self._decoder = decoder
            assert self._decoder is not None
            self.coded += 1
            self.keyframes += bool(picture.frame.flags & Flag.KEYFRAME)
            for shown in self._decoder.decode(av.Packet(picture.frame.data)):
                self.decoded += 1
                self.sizes.add((shown.width, shown.height))


def makers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD]


def lecturer(room: Room, folder: Path) -> tuple[str | Path, ...]:
    relay = room.relay
    words: tuple[str | Path, ...] = ("stream", "--relay", relay.server.local_url, "--lecture", relay.lecture_id)
    words += ("--token", relay.lecture.lecturer_token, "--voice", parts.SAMPLES / "voice.opus")
    return (*words, "--camera", parts.SAMPLES / "camera.webm", "--keep", folder / "own", "--json")


@pytest.mark.parametrize(
    ("link_kbps", "loss", "rung_kbps", "size"),
    [(86, 0.0, 15, (160, 120)), (125, 0.05, 40, (240, 176))],
)
async def test_a_thin_link_gets_a_rung_at_its_rate(
    tmp_path: Path, link_kbps: int, loss: float, rung_kbps: int, size: tuple[int, int]
) -> None:
    down = LinkSpec(rate_kbps=link_kbps, delay_ms=150, loss=Loss.bursts(loss, 2) if loss else Loss())
    async with (
        lecture_hall(tmp_path) as room,
        seat(room, tmp_path / "hall", down=down, up=LinkSpec(rate_kbps=64, delay_ms=150)) as one,
    ):
        viewer = Viewer(one.hall)
        one.hall.camera.open()
        loop = asyncio.get_running_loop()
        fanout = room.lecture._stage.fanout
        async with parts.part(*lecturer(room, tmp_path)):

            def shown(least: int) -> bool:
                viewer.look()
                return viewer.decoded >= least

            await until(lambda: shown(5), "the camera is shown", timeout_s=60)
            subscriber = next(iter(fanout._subscribers))
            camera = subscriber.camera
            assert camera is not None
            # The camera gives way to whatever comes up (a page, a budget that is found anew): its rate is what it
            # takes while it is being sent.
            seconds, sent_bytes, decoded = 0.0, 0, 0
            while seconds < MEASURED_S:
                feed, began_s, stats, shown_before = camera.feed, loop.time(), camera.stream.stats, viewer.decoded
                before = stats.bytes + stats.packets * UDP_AND_SRTP_BYTES
                await asyncio.sleep(0.25)
                viewer.look()
                if feed == camera.feed == Feed("av1", rung_kbps):
                    seconds += loop.time() - began_s
                    sent_bytes += stats.bytes + stats.packets * UDP_AND_SRTP_BYTES - before
                    decoded += viewer.decoded - shown_before
            kbps = sent_bytes * 8 / 1000 / seconds
            assert abs(kbps - rung_kbps) < 0.15 * rung_kbps
            assert viewer.codecs == {"av1"}
            assert size in viewer.sizes
            assert viewer.decoded == viewer.coded
            assert decoded >= 0.8 * seconds * (4 if rung_kbps == 15 else 5)
            assert subscriber.outlet.sent_bytes[Class.CAMERA] > 0
            assert makers()
        await room.lecture.end()
        await until(lambda: not makers(), "the rungs' thread ends")
        await one.receipt()
    tracks = [track for track in room.lecture.log.tracks() if track.kind == "camera"]
    assert [(track.codec, track.rung) for track in tracks] == [("vp8", "source")], "recorded as it came"
