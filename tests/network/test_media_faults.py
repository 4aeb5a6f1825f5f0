"""What may go wrong around a lecture: a lossy uplink, a full disk, a killed relay, many halls."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from lecture import messages as m
from lecture.entries import unpack_frames
from lecture.file import LectureFile
from lecture.log import LectureLog, Span
from relay.media.directory import LectureDirectory
from tests.network.link import LinkSpec, Loss, LossyLink
from tests.network.media_kit import FAST, LOOPBACK, VoicePublisher, open_lecture, until
from tests.network.screenless_hall import ScreenlessHall

RELAY = """
import asyncio, sys
from pathlib import Path
from tests.network.media_kit import VoicePublisher, open_lecture

async def main():
    async with open_lecture(Path(sys.argv[1])) as lecture, VoicePublisher.publishing(lecture):
        while True:
            print(lecture.now_ms(), flush=True)
            await asyncio.sleep(0.02)

asyncio.run(main())
"""


async def test_a_lossy_uplink_loses_no_word(tmp_path: Path) -> None:
    lossy = LinkSpec(delay_ms=40, loss=Loss.bursts(0.10, 3))
    async with LossyLink(seed=5, down=lossy, up=lossy) as link, open_lecture(tmp_path) as lecture:
        async with VoicePublisher.publishing(lecture, network=link.near(LOOPBACK)):
            await until(
                lambda: lecture.snapshot()["voices"].get("en", {}).get("recorded_end_ms", 0) > 5000, "five seconds"
            )
        source = next(track for track in lecture.log.tracks() if track.rung == "source" and track.language == "en")
        entries = lecture.log.read_span(source.track_id, Span(0, 1 << 30))
        frames = sum(1 for entry in entries for _ in unpack_frames(entry))
        assert link.up.counters.lost > 10, "the link was lossy indeed"
        assert frames * 20 >= 0.99 * (entries[-1].end_ms - entries[0].t_ms)
        made_id = next(track.track_id for track in lecture.log.tracks() if (track.language, track.rung) == ("en", "16"))
        made = lecture.log.gaps([made_id], Span(entries[0].t_ms + 60, 4500))
        assert made == [], "the made rung has no hole at all"


async def test_a_full_disk_does_not_stop_the_lecture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    hall = ScreenlessHall()
    async with open_lecture(tmp_path) as lecture, VoicePublisher.publishing(lecture), hall.joined(lecture):
        await hall.listen_live()
        await until(lambda: len(hall.live_frames) > 4, "live")
        with caplog.at_level(logging.ERROR, "hallcast.recorder"):
            lecture.log.set_limit_bytes(1)
            await until(lambda: lecture.snapshot()["recorder"]["trouble"] == "disk_full", "noticed")
            assert "NOT RECORDING" in caplog.text
        heard = len(hall.live_frames)
        await until(lambda: len(hall.live_frames) > heard + 10, "the lecture goes on")
        lecture.log.set_limit_bytes(None)
        await until(lambda: not lecture.snapshot()["recorder"]["trouble"], "recovered")
        await lecture.end()
        assert lecture.log.verify().ok
        assert lecture.log.verify().gaps.get("en", []) == []


async def test_a_killed_relay_loses_a_second_at_most_and_goes_on(tmp_path: Path) -> None:
    relay = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RELAY, str(tmp_path), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert relay.stdout is not None
    reached_ms = 0
    async with asyncio.timeout(40):
        while reached_ms < 3000:
            reached_ms = int(await relay.stdout.readline())
    os.kill(relay.pid, signal.SIGKILL)
    await relay.wait()
    killed_at = time.monotonic()
    path = tmp_path / "lectures" / "talk.lecture"
    with LectureFile.open(path, readonly=True) as file:
        report = file.verify()
        assert report.ok, report.problems
        assert report.duration_ms > reached_ms - 1200
    async with LectureDirectory(tmp_path, LOOPBACK, FAST) as directory:
        lecture = directory.lectures()[0]
        expected_ms = reached_ms + (time.monotonic() - killed_at) * 1000
        assert abs(lecture.now_ms() - expected_ms) < 300
        async with VoicePublisher.publishing(lecture):
            await until(lambda: lecture.snapshot()["voices"]["en"]["recorded_end_ms"] > expected_ms, "voice again")
        await lecture.end()
        assert len(lecture.log.verify().gaps["en"]) == 1, "the time the relay was dead, nothing else"


def recorded_frames(log: LectureLog, kbps: int) -> dict[int, bytes]:
    """A made rung's frames by lecture time."""
    track = next(track for track in log.tracks() if (track.language, track.rung) == ("en", str(kbps)))
    entries = log.read_span(track.track_id, Span(0, 1 << 30))
    return {frame.t_ms: frame.data for entry in entries for frame in unpack_frames(entry)}


async def test_twenty_halls_hear_the_same_packets(tmp_path: Path) -> None:
    halls = [ScreenlessHall(name=f"Hall {number}") for number in range(20)]
    async with contextlib.AsyncExitStack() as stack:
        lecture = await stack.enter_async_context(open_lecture(tmp_path))
        await stack.enter_async_context(VoicePublisher.publishing(lecture))
        for hall in halls:
            await stack.enter_async_context(hall.joined(lecture))
        await asyncio.gather(*(hall.listen_live() for hall in halls))
        await until(lambda: all(len(hall.live_frames) >= 24 for hall in halls), "all hear")
        common = set.intersection(*(set(hall.live_frames) for hall in halls))
        assert len(common) >= 8
        await until(lambda: all(hall["link"]["rung"] == 12 for hall in lecture.snapshot()["halls"]), "all on one rung")
        settled_ms = max(max(hall.live_frames) for hall in halls)
        await until(lambda: all(max(hall.live_frames) >= settled_ms + 8 * 60 for hall in halls), "eight more for all")
        common = set.intersection(*(set(hall.live_frames) for hall in halls))
        # A hall comes to its rung when its link is known; in each rung there is one encoding, the recorded one.
        newest_ms = max(common)
        await until(lambda: lecture.snapshot()["voices"]["en"]["recorded_end_ms"] > newest_ms, "recorded")
        made = {kbps: recorded_frames(lecture.log, kbps) for kbps in (12, 16)}
        for t_ms in common:
            assert {hall.live_frames[t_ms] for hall in halls} <= {made[12][t_ms], made[16][t_ms]}, t_ms
        for t_ms in (t_ms for t_ms in common if t_ms > settled_ms):
            assert {hall.live_frames[t_ms] for hall in halls} == {made[12][t_ms]}, "one encoding for all"
        links = [hall["link"] for hall in lecture.snapshot()["halls"]]
        assert all(link["connected"] and link["rung"] == 12 for link in links)
        assert lecture.snapshot()["voices"]["en"]["made_kbps"] == [12, 16]
        assert all(hall.of(m.ErrorMessage) == [] for hall in halls)
