"""What was repaired, or recorded, just before a relay was killed is made into the rungs by the next one."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from pathlib import Path

import numpy as np
import pytest

from lecture.chunks import Chunker
from lecture.entries import EncodedFrame, Entry, Kind
from lecture.file import LectureFile
from lecture.log import Span
from lecture.messages import Repaired
from lecture.segment import Segment, pack_segment
from recordings.remake import remake
from relay.media.refinish import REST_S
from relay.media.repair import READ_EVERY_S, RepairDesk
from relay.media.settings import HallSettings, LectureInfo, MediaSettings
from relay.media.stage import Stage
from relay.media.tasks import Crew
from tests.film import CAMERA, film, pictures_of, write_film
from tests.watched_file import WatchedFile
from transport.network import NetworkConfig
from transport.opus import Encoder

LENGTH_MS = 4_800


def stage_on(file: LectureFile) -> Stage:
    return Stage("x", LectureInfo("X"), file, NetworkConfig(), MediaSettings(), HallSettings())


def put_source(stage: Stage, start_ms: int, end_ms: int) -> None:
    encoder = Encoder(1, frame_ms=20)
    chunks = Chunker(Kind.VOICE, stage.voices["en"].source_track.track_id)
    tone = (np.sin(np.arange(960) * 0.05) * 5000).astype(np.int16)
    frames = [EncodedFrame(t_ms, 20, encoder.encode(tone)) for t_ms in range(start_ms, end_ms, 20)]
    for entry in [entry for frame in frames for entry in chunks.push(frame)] + chunks.flush():
        stage.log.append(entry)
    encoder.close()


def killed_before_it_was_made(path: Path) -> LectureFile:
    """A lecture that has ended, with a hole in its rungs and its last half second in none of them."""
    with LectureFile.create(path, {"state": "ended"}) as file:
        stage = stage_on(file)
        put_source(stage, 0, LENGTH_MS)
        for span in (Span(0, 1_920), Span(2_880, 4_320)):
            for entry in remake(file, "en", span):
                file.append(entry)
    return LectureFile.open(path)


def missing(stage: Stage) -> list[Span]:
    return [
        gap
        for track_id in stage.voices["en"].recorded_tracks.values()
        for gap in stage.log.gaps([track_id], Span(0, LENGTH_MS))
    ]


async def made(stage: Stage) -> list[Repaired]:
    """What halls are told until there is nothing more to make."""
    told: list[Repaired] = []
    async with Crew() as crew:
        tasks: list[asyncio.Task[None]] = []
        desk = RepairDesk(stage, lambda what, work: tasks.append(crew.spawn(what, work)), told.append, lambda: None)
        await desk.read()
        desk.resume()
        await asyncio.wait_for(asyncio.gather(*tasks), 20)
        desk.tick(stage.now)
        await asyncio.wait_for(asyncio.gather(*tasks), 20)
    return told


async def test_what_was_not_made_before_a_kill_is_made_by_the_next_relay(tmp_path: Path) -> None:
    with killed_before_it_was_made(tmp_path / "x.lecture") as file:
        stage = stage_on(file)
        assert missing(stage)
        assert await made(stage) == [Repaired("en", 1_920, 2_880), Repaired("en", 4_320, 4_800)]
        assert not missing(stage)
        assert stage.recorded_end_ms("en") == LENGTH_MS
        assert file.finished


async def test_a_lecture_that_lacks_nothing_is_left_as_it_is(tmp_path: Path) -> None:
    with killed_before_it_was_made(tmp_path / "x.lecture") as file:
        await made(stage_on(file))
    with LectureFile.open(tmp_path / "x.lecture") as file:
        entries: list[Entry] = []
        file.follow(entries.append)
        assert await made(stage_on(file)) == []
        assert not entries


async def test_one_segment_that_comes_twice_at_once_is_laid_in_once(tmp_path: Path) -> None:
    pictures, hole = film(LENGTH_MS, (0, 1_500)), Span(1_500, 4_000)
    facts = {"state": "ended", "clock_end_ms": str(LENGTH_MS)}
    with LectureFile.create(tmp_path / "x.lecture", facts) as file:
        write_film(file, [one for one in pictures if not hole.start_ms <= one.t_ms < hole.end_ms])
        stage = stage_on(file)
        async with Crew() as crew:
            desk = RepairDesk(stage, crew.spawn, lambda repaired: None, lambda: None)
            await desk.read()
            file.follow(desk.appended)
            missing = tuple(one for one in pictures if hole.start_ms <= one.t_ms < hole.end_ms)
            body = pack_segment(Segment("laptop", hole, CAMERA, missing))
            digest = hashlib.sha256(body).hexdigest()
            answers = await asyncio.gather(*(desk.take(body, digest, ["en"], camera=True) for _ in range(2)))
        assert sorted(answer["added_ms"] for answer in answers)[0] == 0
        assert [one.data for one in pictures_of(file)] == [one.data for one in pictures]


@pytest.mark.parametrize("is_closed", [False, True])
async def test_the_file_is_finished_once_for_all_that_comes_in_a_row_and_told_then(
    tmp_path: Path, *, is_closed: bool
) -> None:
    """At the latest when the lecture leaves memory."""
    pictures, hole = film(LENGTH_MS, (0, 1_500, 2_000)), Span(1_500, 4_000)
    facts = {"state": "ended", "clock_end_ms": str(LENGTH_MS)}
    with LectureFile.create(tmp_path / "x.lecture", facts) as file:
        write_film(file, [one for one in pictures if not hole.start_ms <= one.t_ms < hole.end_ms])
        stage, tasks, done = stage_on(file), list[asyncio.Task[None]](), list[str]()
        async with Crew() as crew:
            desk = RepairDesk(
                stage, lambda what, work: tasks.append(crew.spawn(what, work)), lambda _: None, lambda: done.append("")
            )
            await desk.read()
            file.follow(desk.appended)

            async def bring(start_ms: int, end_ms: int) -> None:
                missing = tuple(one for one in pictures if start_ms <= one.t_ms < end_ms)
                body = pack_segment(Segment("laptop", Span(start_ms, end_ms), CAMERA, missing))
                await desk.take(body, hashlib.sha256(body).hexdigest(), ["en"], camera=True)
                desk.tick(stage.now)
                await asyncio.gather(*tasks)

            await bring(1_500, 2_000)
            assert (file.pending_bytes, file.finished, done) == (0, False, []), "it is on disk, and more is wanted"
            assert not desk.is_at_rest
            if is_closed:
                await desk.close()
            desk.tick(stage.now + REST_S)
            await asyncio.gather(*tasks)
            assert (file.finished, len(done), desk.is_at_rest) == (True, 1, True)
            await bring(2_000, hole.end_ms)
            assert (len(done), desk.is_at_rest) == (2, True)


async def test_what_a_full_disk_made_the_log_lose_is_looked_for_beside_the_event_loop_and_seldom(
    tmp_path: Path,
) -> None:
    facts = {"state": "ended", "clock_end_ms": str(LENGTH_MS)}
    with WatchedFile.create(tmp_path / "x.lecture", facts, pending_limit_bytes=10_000) as file:
        file.readers = set()
        stage, tasks = stage_on(file), list[asyncio.Task[None]]()
        async with Crew() as crew:
            desk = RepairDesk(
                stage, lambda what, work: tasks.append(crew.spawn(what, work)), lambda _: None, lambda: None
            )
            file.readers.clear()
            await desk.read()
            assert file.readers
            assert threading.current_thread().name not in file.readers, "opening a long lecture holds up no live one"
            file.follow(desk.appended)
            file.readers.clear()
            put_source(stage, 0, LENGTH_MS)
            assert file.dropped_entries
            assert (desk.status().missing_ms, file.readers) == (0, set())
            desk.tick(stage.now)
            await asyncio.gather(*tasks)
            assert file.readers
            assert threading.current_thread().name not in file.readers
            gaps = file.gaps([stage.voices["en"].source_track.track_id], Span(0, LENGTH_MS))
            assert desk.status().missing_ms == sum(gap.end_ms - gap.start_ms for gap in gaps) > 0
            put_source(stage, 0, LENGTH_MS)
            for after_s in (0.0, READ_EVERY_S / 2):
                desk.tick(stage.now + after_s)
            assert len(tasks) == 1
            desk.tick(stage.now + READ_EVERY_S)
            assert len(tasks) == 2
