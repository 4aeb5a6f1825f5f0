"""A wall clock that is set forth and back by hours while a lecture is given: only lecture time counts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from lecture.entries import MEDIA_KINDS
from lecture.file import LectureFile
from recordings.recording import Recording
from recordings.replay import replay_manifest
from relay import librarian
from relay.media.live import LiveLecture
from tests.network.media_kit import VoicePublisher, until
from tests.network.relays import Served, served

HOUR_S = 3600.0
REAL = time.time


@dataclass
class Wall:
    """The machine's clock as an administrator sets it."""

    off_s: float = 0.0

    def __call__(self) -> float:
        return REAL() + self.off_s


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    clock = Wall()
    monkeypatch.setattr(time, "time", clock)
    monkeypatch.setattr(librarian, "ROUND_S", 0.05)
    monkeypatch.setattr(librarian, "RETENTION_S", 0.05)
    return clock


async def goes_on(relay: Served, lecture: LiveLecture) -> None:
    """A second more is recorded and committed, and everyone is still let in."""
    here_ms = lecture.now_ms()
    await until(lambda: lecture.snapshot()["voices"]["en"].get("recorded_end_ms", 0) > here_ms + 1000, "a second more")
    await until(lambda: lecture.snapshot()["recorder"]["committed_ms"] > here_ms + 500, "it is on disk")
    assert (await relay.http.post("/join", json={"code": relay.hall_code})).status_code == 200
    assert (await relay.http.get("/api/live", headers=relay.staff)).status_code == 200
    blob = await relay.http.get(f"/library/{relay.lecture_id}/blob/{'0' * 64}", headers=relay.lecturer)
    assert blob.status_code == 404


async def test_a_wall_clock_that_jumps_by_hours_costs_a_lecture_nothing(tmp_path: Path, wall: Wall) -> None:
    began_s = time.monotonic()
    async with served(tmp_path / "data", library={"keep_days": 0.1}) as relay:
        lecture = await relay.relay.open_lecture(relay.lecture_id)
        async with VoicePublisher.publishing(lecture):
            await until(lambda: lecture.state == "live", "it is live")
            for off_s in (0.0, 7 * HOUR_S, -9 * HOUR_S, 400 * 24 * HOUR_S, -2 * HOUR_S):
                wall.off_s = off_s
                if off_s < 30 * 24 * HOUR_S:  # beyond, a hall code has expired as it should
                    await goes_on(relay, lecture)
            said_ms = lecture.now_ms()
    wall.off_s = -20 * HOUR_S
    async with served(tmp_path / "data") as relay:
        (lecture,) = relay.relay.directory.lectures()
        assert (lecture.state, lecture.lecture_id) == ("live", relay.lecture_id)
        assert said_ms <= lecture.now_ms() <= (time.monotonic() - began_s) * 1000
        async with VoicePublisher.publishing(lecture):
            await goes_on(relay, lecture)
            wall.off_s = 11 * HOUR_S
            await goes_on(relay, lecture)
        await relay.relay.end_lecture(relay.lecture_id)
        took_ms = (time.monotonic() - began_s) * 1000
        record = await relay.relay.record(relay.lecture_id)
        assert record.state == "ended"
        assert 6_000 < record.duration_ms <= took_ms
    path = tmp_path / "data" / "lectures" / f"{relay.lecture_id}.lecture"
    with LectureFile.open(path, readonly=True) as file:
        report = file.verify()
        times = [entry.t_ms for entry in file.read(limit=100_000, kinds=MEDIA_KINDS) if entry.track_id == 3]
    assert report.ok, report.problems
    assert report.duration_ms <= took_ms
    assert times == sorted(times)
    # One hole, while the relay was down.
    assert len(report.gaps["en"]) == 1, report.gaps
    assert report.gaps["en"][0].start_ms >= said_ms - 1500
    with Recording.open(path) as recording:
        assert replay_manifest(recording, ())["duration_ms"] == report.duration_ms
