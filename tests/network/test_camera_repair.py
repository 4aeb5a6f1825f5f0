"""A hole in the recorded camera, as an outage of the uplink leaves one, is filled from the laptop's copy."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from lecture.entries import Flag, Kind, unpack_event
from lecture.file import LectureFile
from lecture.log import Span
from lecture.segment import After, Segment, pack_segment
from recordings.camera_fill import digest_of
from relay.media.camera_book import CAMERA_HOLE_MS
from streamer.turns import TimedTurn
from tests import sound
from tests.film import CAMERA, film, pictures_of, write_film
from tests.network.link import LinkSpec, LossyLink
from tests.network.media_kit import until
from tests.network.relays import LOOPBACK, served
from tests.network.test_http_repair import LENGTH_MS, ask, put
from tests.network.test_http_repair import recorded as ended_recording
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


async def test_an_ended_lecture_takes_pictures_from_its_lecturer_alone_and_its_file_is_finished_again(
    tmp_path: Path,
) -> None:
    pictures, hole = film(LENGTH_MS, (0, 4_000)), Span(1_500, 4_000)
    async with served(tmp_path / "data") as relay:
        path = ended_recording(tmp_path / "data")
        with LectureFile.open(path) as file:
            write_film(file, [one for one in pictures if not hole.start_ms <= one.t_ms < hole.end_ms])
            file.finish()
        facts = await ask(relay, copy="laptop")
        assert [one["kind"] for one in facts["wanted"]] == ["voice", "camera"]
        before, missing = pictures[14], [one for one in pictures if hole.start_ms <= one.t_ms < hole.end_ms]
        wanted = facts["wanted"][1]
        assert (wanted["after"], wanted["end_ms"]) == (digest_of(before), hole.end_ms)
        span = Span(wanted["start_ms"], wanted["end_ms"])
        body = pack_segment(Segment("laptop", span, CAMERA, tuple(missing), After(wanted["after"], before.t_ms)))
        status, refusal = await put(relay, body, relay.lecture.interpreter_token)
        assert (status, refusal["error"]["id"]) == (403, "forbidden")
        assert [one["kind"] for one in (await ask(relay, relay.lecture.interpreter_token))["wanted"]] == []
        assert [one["kind"] for one in (await ask(relay, copy="laptop", language="en"))["wanted"]] == ["voice"]
        status, facts = await put(relay, body)
        assert (status, [one["kind"] for one in facts["wanted"]]) == (200, ["voice"])
        assert facts["added_ms"] > 2_000
        status, facts = await put(relay, body)
        assert (status, facts["added_ms"]) == (200, 0)
        await until(lambda: relay.relay.directory.get("waves").log.finished, "its file is finished again")
    with LectureFile.open(path, readonly=True) as file:
        assert pictures_of(file) == pictures
        assert file.verify().ok
