"""A lecture that is going on although its file was damaged."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from hallcast.cli import main
from lecture.entries import Entry, Kind, pack_event
from lecture.errors import LectureFileError
from lecture.file import LectureFile
from lecture.log import Span
from recordings.merge import QUIET_MS
from recordings.shelf import files_in
from relay import librarian
from relay.app import Relay
from relay.media.directory import LectureDirectory
from relay.media.lecture_clock import LectureClock, read_boot_time
from tests.network.media_kit import FAST, INFO, LOOPBACK, VoicePublisher, until
from tests.network.relays import served
from tests.unit.recordings.test_merge import LENGTH_MS, SOURCE, spoken, write

MINUTE_MS = 60_000


PAGE = b"page" * 500
DECK = {"deck": "d", "title": "Deck", "page_count": 9, "pages": []}


def torn(path: Path, at: int, size: int = 4096) -> None:
    """Make a stretch of a file unreadable."""
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + b"\xa5" * size + whole[at + size :])


def damaged(folder: Path, state: str, *, header: bool = False) -> tuple[Path, int]:
    """A lecture's file, a minute into it, of which one page on disk is not readable; and its highest number."""
    path = folder / "lectures" / "talk.lecture"
    path.parent.mkdir()
    now, clock = time.monotonic(), LectureClock()
    clock.start(now - MINUTE_MS / 1000)
    facts = {"lecture": "talk", "state": state, "languages": '["en"]', "started_at": "2026-03-01T09:00:00+00:00"}
    with LectureFile.create(path, facts | clock.to_meta(now, read_boot_time())) as file:
        digest = file.put_blob(PAGE, "image/avif")
        image = {"deck": "d", "page": 7, "tier": 1, "digest": digest, "media_type": "image/avif"}
        size = {"width": 64, "height": 36, "size_bytes": len(PAGE)}
        file.append(Entry(Kind.DECK, 0, pack_event(DECK)))
        file.append(Entry(Kind.PAGE, 0, pack_event(image | size)))
        for offset_ms in range(0, MINUTE_MS, LENGTH_MS):
            write(file, SOURCE, spoken(offset_ms))
        last = file.append(Entry(Kind.TURN, MINUTE_MS, pack_event({"deck": "d", "page": 7})))
    torn(path, 0 if header else path.stat().st_size // 2 // 4096 * 4096)
    with pytest.raises(LectureFileError, match="file_damaged"):
        LectureFile.open(path)
    return path, last.seq


@pytest.mark.parametrize("header", [False, True])
async def test_a_live_lecture_goes_on_in_a_new_file_and_the_readable_rest_comes_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, header: bool
) -> None:
    path, last_seq = damaged(tmp_path, "live", header=header)
    before = path.read_bytes()
    aside = path.with_name("talk.damaged-1.lecture")
    with caplog.at_level(logging.CRITICAL, "hallcast.lectures"):
        async with LectureDirectory(tmp_path, LOOPBACK, FAST) as directory:
            (lecture,) = directory.lectures()
            assert (lecture.lecture_id, lecture.state) == ("talk", "live")
            assert lecture.now_ms() >= MINUTE_MS
            assert lecture.snapshot()["recorder"]["set_aside"] == aside.name
            # The deck is there, and the page that is on the projector, under the numbers that halls know.
            (turn,) = lecture.log.read(kinds={Kind.TURN})
            assert (turn.seq, turn.t_ms) == (last_seq, MINUTE_MS)
            lecture.turn("d", 8)
            assert lecture.log.read(kinds={Kind.TURN})[-1].seq > last_seq
            assert lecture.log.blob_sizes()[0][1] == len(PAGE)
        async with LectureDirectory(tmp_path, LOOPBACK, FAST) as directory:
            assert [lecture.lecture_id for lecture in directory.lectures()] == ["talk"]
            await directory.lectures()[0].end()
    (record,) = caplog.records
    assert aside.name in record.getMessage()
    assert aside.read_bytes() == before
    assert files_in(path.parent) == {"talk": path}
    assert {file.name for file in path.parent.glob("*.lecture")} == {path.name, aside.name}

    repaired = main(["recordings", "repair", str(path), "--from", str(aside)])
    with LectureFile.open(path, readonly=True) as file:
        is_quiet_for_long = file.last_t_ms() - MINUTE_MS > QUIET_MS  # nobody spoke at the end
        assert repaired == (0 if header and not is_quiet_for_long else 1)
        assert file.verify().ok
        assert file.get_meta("started_at") == "2026-03-01T09:00:00+00:00"
        track = next(track for track in file.tracks() if track.rung == "16")
        lacking = file.gaps([track.track_id], Span(0, MINUTE_MS))
        lacking_ms = sum(gap.end_ms - gap.start_ms for gap in lacking)
        assert lacking_ms == 0 if header else 0 < lacking_ms < 0.2 * MINUTE_MS
        assert next(entry.t_ms for entry in file.read(kinds={Kind.TURN})) == MINUTE_MS
        assert len(file.read(kinds={Kind.TURN, Kind.DECK, Kind.PAGE})) == 4


@pytest.mark.parametrize("left", ["no file", "nothing", "zeros", "no facts"])
async def test_of_a_file_that_tells_nothing_the_catalogue_tells_what_goes_on(tmp_path: Path, left: str) -> None:
    """As a power cut leaves files: empty, or full of zeros; or somebody has tidied up."""
    data = tmp_path / "data"
    async with served(data) as relay:
        lecture = await relay.relay.open_lecture(relay.lecture_id)
        async with VoicePublisher.publishing(lecture):
            await until(lambda: lecture.now_ms() > 1000, "it is live")
            async with asyncio.timeout(20):
                while (await relay.relay.record(relay.lecture_id)).state != "live":
                    await asyncio.sleep(0.02)
        said_ms, last_seq = lecture.now_ms(), lecture.log.read(limit=100_000)[-1].seq
    path = data / "lectures" / f"{relay.lecture_id}.lecture"
    match left:
        case "no file":
            path.unlink()
        case "nothing":
            path.write_bytes(b"")
        case "zeros":
            path.write_bytes(bytes(path.stat().st_size))
        case "no facts":
            torn(path, 0, 2 * 4096)
    before = path.read_bytes() if path.exists() else b""
    async with AsyncExitStack() as stack:
        again = await stack.enter_async_context(Relay(relay.relay.config))
        (going_on,) = again.directory.lectures()
        assert (going_on.lecture_id, going_on.state) == (relay.lecture_id, "live")
        assert going_on.now_ms() >= said_ms
        assert going_on.log.append(Entry(Kind.MARK, going_on.now_ms(), pack_event({"text": "on"}))).seq > last_seq
        async with VoicePublisher.publishing(going_on):
            await until(
                lambda: going_on.snapshot()["voices"]["en"]["recorded_end_ms"] > said_ms, "it is recorded again"
            )
    aside = path.with_name(f"{path.stem}.damaged-1.lecture")
    with LectureFile.open(path, readonly=True) as file:
        assert file.verify().ok
    if left == "no file":
        assert not aside.exists()
        return
    assert aside.read_bytes() == before
    brought = main(["recordings", "repair", str(path), "--from", str(aside), "--json"])
    assert brought == (2 if left != "no facts" else 1)
    with LectureFile.open(path, readonly=True) as file:
        track = next(track for track in file.tracks() if track.rung == "source")
        assert bool(file.read_span(track.track_id, Span(0, said_ms - 500))) == (left == "no facts")


async def test_the_file_of_a_lecture_that_has_ended_stays_where_it_is(tmp_path: Path) -> None:
    path, _ = damaged(tmp_path, "ended")
    before = path.read_bytes()
    async with LectureDirectory(tmp_path, LOOPBACK, FAST) as directory:
        with pytest.raises(LectureFileError, match="file_damaged"):
            await directory.open("talk", INFO)
    assert path.read_bytes() == before
    assert list(files_in(path.parent)) == ["talk"]


async def test_no_empty_file_takes_the_place_of_a_recording_that_was_removed(tmp_path: Path) -> None:
    async with served(tmp_path / "data") as relay:
        lecture = await relay.relay.open_lecture(relay.lecture_id)
        async with VoicePublisher.publishing(lecture):
            await until(lambda: lecture.snapshot()["voices"]["en"].get("recorded_end_ms", 0) > 500, "voice")
        await relay.relay.end_lecture(relay.lecture_id)
    path = tmp_path / "data" / "lectures" / f"{relay.lecture_id}.lecture"
    kept = path.rename(tmp_path / "kept.lecture")
    async with served(tmp_path / "data") as relay:
        answer = await relay.http.post(f"/api/lectures/{relay.lecture_id}/end", headers=relay.staff)
        assert (answer.status_code, answer.json()["error"]["id"]) == (404, "file_missing")
        assert not path.exists()
        assert (await relay.relay.record(relay.lecture_id)).state == "ended"
        kept.rename(path)
        assert (await relay.relay.open_lecture(relay.lecture_id)).state == "ended"


async def test_a_death_between_putting_aside_and_taking_the_place_costs_nothing(tmp_path: Path) -> None:
    path, _ = damaged(tmp_path, "live")
    async with LectureDirectory(tmp_path, LOOPBACK, FAST):
        pass
    path.rename(path.with_name("talk.fresh.lecture"))  # as it was a moment before
    async with LectureDirectory(tmp_path, LOOPBACK, FAST) as directory:
        lecture = await directory.open("talk", INFO)
        assert (lecture.state, lecture.snapshot()["recorder"]["set_aside"]) == ("live", "talk.damaged-1.lecture")
        lecture.turn("d", 8)
    assert sorted(file.name for file in path.parent.glob("*.lecture")) == ["talk.damaged-1.lecture", "talk.lecture"]


@pytest.mark.parametrize("header", [False, True])
async def test_after_the_end_the_relay_itself_brings_back_what_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: bool
) -> None:
    """Twice damaged: from both files."""
    monkeypatch.setattr(librarian, "ROUND_S", 0.1)
    path, _ = damaged(tmp_path, "live", header=header)
    async with served(tmp_path, media={"idle_close_s": 0.2}) as relay:
        second = relay.relay.directory.get("talk")
        assert second is not None
        second.log.append(Entry(Kind.MARK, MINUTE_MS + 1, pack_event({"text": "in the second file"})))
    torn(path, 0)
    async with served(tmp_path, media={"idle_close_s": 0.2}) as relay:
        third = relay.relay.directory.get("talk")
        assert third is not None
        assert third.snapshot()["recorder"]["set_aside"] == "talk.damaged-2.lecture"
        lasts_ms = third.now_ms()
        await relay.relay.end_lecture("talk")

        def whole() -> bool:
            with LectureFile.open(path, readonly=True) as file:
                return file.get_meta("set_aside") == ""

        await until(whole, "both are merged", 60)
    assert {file.name for file in path.parent.glob("talk*.lecture")} == {
        *("talk.lecture", "talk.damaged-1.lecture", "talk.damaged-2.lecture")
    }
    with LectureFile.open(path, readonly=True) as file:
        assert file.verify().ok
        assert file.last_t_ms() >= lasts_ms - 1000
        track = next(track for track in file.tracks() if track.rung == "source")
        lacking_ms = sum(gap.end_ms - gap.start_ms for gap in file.gaps([track.track_id], Span(0, MINUTE_MS)))
        assert lacking_ms == 0 if header else 0 < lacking_ms < 0.2 * MINUTE_MS
        assert [entry.t_ms for entry in file.read(kinds={Kind.MARK, Kind.TURN})] == [MINUTE_MS, MINUTE_MS + 1]
