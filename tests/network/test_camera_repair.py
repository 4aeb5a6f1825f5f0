"""A lecture with a camera and a deck whose uplink broke: the recording ends with the pictures of that time, too."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from lecture.entries import Flag, Kind, unpack_event
from lecture.file import LectureFile
from relay.media.camera_book import CAMERA_HOLE_MS
from streamer.turns import TimedTurn
from tests import sound
from tests.film import pictures_of
from tests.network.link import LinkSpec, LossyLink
from tests.network.media_kit import until
from tests.network.relays import LOOPBACK, served
from tests.network.test_repair import missing_ms
from tests.network.test_streamer import SAMPLES, options, recorded, slides, streaming

__all__ = ["slides"]

SECONDS = 11
OUTAGE_AT_MS, OUTAGE_S = 3_000, 4.0
TURNS = (TimedTurn(0, 1), TimedTurn(4_500, 2), TimedTurn(8_500, 3))


@pytest.mark.realtime
async def test_an_outage_of_the_uplink_leaves_no_hole_in_the_recorded_camera(tmp_path: Path, slides: Path) -> None:
    voice = sound.cut(SAMPLES / "voice.opus", 1, SECONDS, tmp_path / "voice.wav")
    spec = LinkSpec(rate_kbps=1_500, delay_ms=40)
    async with served(tmp_path / "data") as relay, LossyLink(seed=5, down=spec, up=spec) as link:
        port = await link.tcp("127.0.0.1", relay.server.port)
        more = {"relay": f"http://127.0.0.1:{port}", "slides": slides, "turns": TURNS}
        given = options(relay, tmp_path, voice, camera=str(SAMPLES / "camera.webm"), **more)
        async with streaming(given, link.near(LOOPBACK)) as (streamer, _, task):
            open_lecture = relay.relay.directory.get
            await until(
                lambda: (lecture := open_lecture("waves")) and lecture.log.read(kinds={Kind.CAMERA}),
                "the camera is recorded",
                60,
            )
            await until(lambda: (status := streamer.status()) and status.spoken_ms > OUTAGE_AT_MS, "some seconds", 60)
            link.down_for(OUTAGE_S)
            receipt = await asyncio.wait_for(task, 90)
    assert receipt.ended
    with (
        LectureFile.open(recorded(tmp_path / "data"), readonly=True) as theirs,
        LectureFile.open(Path(receipt.own_copy), readonly=True) as ours,
    ):
        assert theirs.verify().ok
        pictures, own = pictures_of(theirs), pictures_of(ours)
        assert pictures[0].flags & Flag.KEYFRAME
        # What the laptop's own camera did not get to on a busy machine is missing everywhere.
        never_ms = max(after.t_ms - before.t_ms for before, after in pairwise(own))
        hole_ms = max(after.t_ms - before.t_ms for before, after in pairwise(pictures))
        assert hole_ms < max(CAMERA_HOLE_MS, never_ms + 100)
        # Each once, in order, and none that leans on one that is not there.
        place = {picture.data: number for number, picture in enumerate(own)}
        places = [place[picture.data] for picture in pictures]
        assert places == sorted(set(places))
        for (before, at), picture in zip(pairwise(places), pictures[1:], strict=True):
            assert at == before + 1 or picture.flags & Flag.KEYFRAME, (before, at)
        assert missing_ms(theirs, "source") <= missing_ms(ours, "source")
        assert [unpack_event(entry)["page"] for entry in theirs.read(kinds={Kind.TURN})] == [1, 2, 3]
        pages = {unpack_event(entry)["page"] for entry in theirs.read(kinds={Kind.PAGE})}
        assert pages == {1, 2, 3}
