"""What a copy sends next, and how fast beside live voice."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import httpx
import pytest

from lecture.copy_time import COPY_TIME_KEY, CopyTime
from lecture.file import LectureFile
from lecture.log import Span
from lecture.segment import After, Segment, pack_segment, parse_segment
from streamer.address import RelayAddress
from streamer.copy_source import BEHIND_MS, MARGIN_MS, CopySource, Wanted
from streamer.repair import RepairClient
from streamer.spare_rate import LEAST_KBPS, QUIET_S, SpareRate
from tests.film import film, write_film
from tests.unit.recordings.test_merge import FRAMES, OWN, write


@pytest.fixture
def source(tmp_path: Path) -> CopySource:
    file = LectureFile.create(tmp_path / "own.lecture", {"lecture": "a", "copy": "laptop"})
    write(file, OWN, [one for one in FRAMES if not 4_000 <= one.t_ms < 5_000])
    return CopySource(file)


def test_a_span_is_answered_piece_by_piece_and_what_is_not_there_by_an_empty_one(source: CopySource) -> None:
    at_ms, pieces = 2_000, 0
    while at_ms < 4_600:
        wanted = Wanted("en", Span(at_ms, 4_600))
        segment = source.segment(wanted, max_bytes=5_000, spoken="en", goes_on=pieces > 0)
        assert segment is not None
        assert len(pack_segment(segment)) <= 5_000
        assert parse_segment(pack_segment(segment)) == segment
        assert segment.span.start_ms == at_ms
        if at_ms < 4_000:
            assert any(frame.t_ms >= at_ms for frame in segment.frames)
        at_ms, pieces = segment.span.end_ms, pieces + 1
    assert pieces > 2
    nothing = source.segment(Wanted("en", Span(4_100, 4_900)), max_bytes=5_000, spoken="en")
    assert nothing is not None
    assert (nothing.span, nothing.frames) == (Span(4_100, 4_900), ())
    other = source.segment(Wanted("ko", Span(0, 4_000)), max_bytes=5_000, spoken="en")
    assert other is not None
    assert other.frames == ()


def test_it_brings_what_lies_around_so_that_the_relay_can_place_it(source: CopySource) -> None:
    segment = source.segment(Wanted("en", Span(2_000, 2_200)), max_bytes=60_000, spoken="en")
    assert segment is not None
    assert segment.frames[0].t_ms == 2_000 - MARGIN_MS
    assert segment.frames[-1].t_ms > 2_200 + MARGIN_MS - 40


def test_the_last_of_a_span_goes_with_enough_of_what_lies_behind_it(source: CopySource) -> None:
    for end_ms in range(1_060, 3_300, 60):
        at_ms = 1_000
        while at_ms < end_ms:
            wanted = Wanted("en", Span(at_ms, end_ms))
            segment = source.segment(wanted, max_bytes=6_000, spoken="en", goes_on=at_ms > 1_000)
            assert segment is not None
            at_ms = segment.span.end_ms
        assert segment.frames[-1].t_ms >= end_ms + BEHIND_MS - 40, end_ms


def test_before_lecture_time_is_known_it_answers_nothing(tmp_path: Path) -> None:
    times = CopyTime()
    times.begin(0)
    with LectureFile.create(tmp_path / "own.lecture", {COPY_TIME_KEY: times.to_meta()}) as file:
        write(file, OWN, FRAMES)
        assert CopySource(file).segment(Wanted("en", Span(0, 100)), max_bytes=5_000, spoken="en") is None


def test_the_spare_rate_grows_while_the_voice_is_well_and_makes_way_at_once() -> None:
    rate = SpareRate()

    def run(start_s: int, end_s: int, *, rtt_s: float = 0.3, lost: float = 0.02, up: bool = True) -> None:
        for now in range(start_s, end_s):
            rate.observe(now, rtt_s=rtt_s, fraction_lost=lost, up=up)

    run(0, 20)
    grown = rate.kbps
    assert grown > 8 * LEAST_KBPS
    run(20, 22, rtt_s=0.5)
    assert rate.kbps == grown / 4
    assert not rate.may_begin(21 + QUIET_S - 1)
    run(22, 30)
    assert rate.may_begin(30)
    assert rate.kbps > grown / 4
    run(30, 34, lost=0.3)
    assert not rate.may_begin(34)
    run(34, 50, up=False)
    assert rate.kbps == LEAST_KBPS
    assert not rate.may_begin(50)


async def test_whatever_answers_in_the_relays_place_does_not_end_the_lecture(source: CopySource) -> None:
    answers = [
        httpx.Response(200, content=b'{"missing_ms": 1e999}'),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(404, json={"error": {"id": "lecture_unknown", "text": "There is no such lecture."}}),
    ]
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda request: answers.pop(0))) as http:
        client = RepairClient(RelayAddress.parse("http://relay.test", "a"), "token", source, http=http)
        await client.run()
    assert client.unavailable == "There is no such lecture."


async def test_pictures_come_after_all_voice_and_wait_for_the_live_camera(tmp_path: Path) -> None:
    pictures = film(4_000)
    file = LectureFile.create(tmp_path / "own.lecture", {"lecture": "a", "copy": "laptop"})
    write(file, OWN, FRAMES)
    write_film(file, pictures)
    after = hashlib.sha256(pictures[9].data).hexdigest()
    camera = {"kind": "camera", "start_ms": 1_000, "end_ms": 3_000, "after": after}
    voice = {"kind": "voice", "language": "en", "start_ms": 1_000, "end_ms": 3_000}
    strange = {"kind": "smell", "start_ms": 0, "end_ms": 9}
    facts = {"language": "en", "missing_ms": 0, "repaired_ms": 0, "segment_bytes": 65_536, "state": "live"}
    brought: list[Segment] = []

    def relay(request: httpx.Request) -> httpx.Response:
        kinds = [one.track.kind for one in brought]
        if request.method == "PUT":
            brought.append(parse_segment(request.read()))
            return httpx.Response(200, json=facts | {"wanted": []})  # of the voice that was sent, nothing more
        wanted = [strange, camera, voice] if not kinds else [camera] if kinds == ["voice"] else []
        return httpx.Response(200, json=facts | {"wanted": wanted})

    with file:
        async with httpx.AsyncClient(transport=httpx.MockTransport(relay)) as http:
            address = RelayAddress.parse("http://relay.test", "a")
            client = RepairClient(address, "token", CopySource(file), http=http, rate=SpareRate(1_000.0))
            running = asyncio.create_task(client.run())
            await asyncio.wait_for(client.rested.wait(), 20)
            assert [one.track.kind for one in brought] == ["voice"]
            assert client.lacks_pictures
            client.hurry()
            await asyncio.wait_for(client.rested.wait(), 20)
            running.cancel()
    assert [one.track.kind for one in brought] == ["voice", "camera"]
    assert not client.lacks_pictures
    assert brought[1].frames == tuple(pictures[10:30])
    assert brought[1].after == After(after, 900)


async def test_a_copy_without_a_camera_leaves_the_pictures_to_others(source: CopySource) -> None:
    camera = {"kind": "camera", "start_ms": 1_000, "end_ms": 3_000}
    asked: list[str] = []

    def relay(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        return httpx.Response(200, json={"segment_bytes": 65_536, "state": "ended", "wanted": [camera]})

    async with httpx.AsyncClient(transport=httpx.MockTransport(relay)) as http:
        client = RepairClient(RelayAddress.parse("http://relay.test", "a"), "token", source, http=http)
        running = asyncio.create_task(client.run())
        await asyncio.wait_for(client.rested.wait(), 20)
        running.cancel()
    assert set(asked) == {"GET"}
    assert not client.lacks_pictures
