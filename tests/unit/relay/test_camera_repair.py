"""A copy's camera fills the holes of a recording: real pictures, file to file, by what goes over the line."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from lecture.entries import EncodedFrame
from lecture.file import LectureFile
from lecture.log import Span
from lecture.segment import pack_segment, parse_segment
from recordings.camera_fill import digest_of
from recordings.copy_spans import MAX_COPIES, MAX_SPANS
from relay.media.camera_book import CAMERA_HOLE_MS, CameraBook
from relay.media.camera_repair import CameraRepair
from streamer.copy_source import CopySource, Wanted
from tests.film import FILM, HOLE, LENGTH_MS, own_copy, pictures_of, recording, seen_ms, without, write_film
from tests.watched_file import WatchedFile


def copy_of(folder: Path, pictures: list[EncodedFrame], off_ms: int = 0) -> CopySource:
    return CopySource(own_copy(folder, pictures, off_ms))


def watched(log: LectureFile) -> CameraRepair:
    repair = CameraRepair(log, lambda copy: 0)
    repair.know_anew(repair.covered())
    log.follow(repair.appended)
    return repair


async def bring(repair: CameraRepair, source: CopySource, max_bytes: int = 60_000) -> list[int]:
    """Bring all that is wanted of a lecture that has ended; returns what each segment added, in ms."""
    added = []
    while wanted := await repair.wanted("laptop", LENGTH_MS, ended=True):
        assert len(added) < 100, "it never ends"
        one = wanted[0]
        span = Span(one["start_ms"], one["end_ms"])
        asked = Wanted("", span, one["kind"], one.get("after", ""))
        segment = source.segment(asked, max_bytes=max_bytes, spoken="en")
        assert segment is not None
        assert len(pack_segment(segment)) <= max_bytes
        added.append(await repair.take(parse_segment(pack_segment(segment)), LENGTH_MS, ended=True))
    return added


@pytest.mark.parametrize("off_ms", [0, 30, -30, 900, -900])
@pytest.mark.parametrize("max_bytes", [60_000, 800])
async def test_a_hole_is_filled_with_every_picture_whatever_the_copys_clock_says(
    tmp_path: Path, off_ms: int, max_bytes: int
) -> None:
    with recording(tmp_path, without(HOLE)) as log:
        added = await bring(watched(log), copy_of(tmp_path, FILM, off_ms), max_bytes)
        assert (len(added) > 3) == (max_bytes < 2_000)
        found = pictures_of(log)
        assert [one.data for one in found] == [one.data for one in FILM]
        assert [one.t_ms for one in found] == pytest.approx([one.t_ms for one in FILM], abs=1)
        assert seen_ms(found) == pytest.approx([one.t_ms for one in FILM], abs=120)
        assert log.verify().ok


async def test_a_copy_that_does_not_know_the_picture_before_begins_with_a_keyframe(tmp_path: Path) -> None:
    """The laptop was restarted during the outage."""
    with recording(tmp_path, without(HOLE)) as log:
        await bring(watched(log), copy_of(tmp_path, [one for one in FILM if one.t_ms >= 2_000]))
        filled = [one for one in pictures_of(log) if HOLE.start_ms <= one.t_ms < HOLE.end_ms]
        assert filled == [one for one in FILM if 2_700 <= one.t_ms < HOLE.end_ms]


async def test_a_restarted_relay_goes_on_where_it_was_and_asks_for_nothing_twice(tmp_path: Path) -> None:
    source = copy_of(tmp_path, [one for one in FILM if not 2_000 <= one.t_ms < 2_700])
    with recording(tmp_path, without(HOLE)) as log:
        (wanted,) = await watched(log).wanted("laptop", LENGTH_MS, ended=True)
        asked = Wanted("", Span(wanted["start_ms"], wanted["end_ms"]), "camera", wanted["after"])
        segment = source.segment(asked, max_bytes=800, spoken="en")
        assert segment is not None
        await watched(log).take(segment, LENGTH_MS, ended=True)
    with LectureFile.open(tmp_path / "a.lecture") as log:
        await bring(watched(log), source, 800)
        expected = [one.data for one in FILM if not 2_000 <= one.t_ms < 2_700]
        assert [one.data for one in pictures_of(log)] == expected
        assert await watched(log).wanted("laptop", LENGTH_MS, ended=True) == []


async def test_a_copy_without_a_camera_is_asked_once(tmp_path: Path) -> None:
    with recording(tmp_path, without(HOLE)) as log:
        assert await bring(watched(log), copy_of(tmp_path, [])) == [0]
        assert pictures_of(log) == without(HOLE)
        assert await watched(log).wanted("laptop", LENGTH_MS, ended=True) == []
        assert len(await watched(log).wanted("phone", LENGTH_MS, ended=True)) == 1


async def test_a_lecture_without_a_camera_wants_none(tmp_path: Path) -> None:
    with LectureFile.create(tmp_path / "a.lecture", {"lecture": "a"}) as log:
        assert await watched(log).wanted("laptop", LENGTH_MS, ended=True) == []


def test_holes_lie_between_pictures_and_behind_the_last_only_once_the_lecture_has_ended() -> None:
    book = CameraBook()
    assert book.holes(9_000, ended=True) == []
    book.know([Span(1_000, 2_000), Span(2_000 + CAMERA_HOLE_MS - 1, 3_500), Span(5_000, 6_000)])
    assert book.holes(9_000, ended=False) == [Span(3_500, 5_000)]
    assert book.holes(4_500, ended=False) == []
    assert book.holes(9_000, ended=True) == [Span(3_500, 5_000), Span(6_000, 9_000)]
    book.answered("laptop", Span(3_500, 4_600), Span(4_600, 5_000))
    assert book.wanted(9_000, "laptop", ended=False) == [Span(4_600, 5_000)], "however short what is left is"
    again = CameraBook()
    again.load({"repair_camera": book.to_meta()}.get)
    again.know([Span(1_000, 4_600), Span(5_000, 6_000)])
    assert (
        again.wanted(9_000, "laptop", ended=False) == again.wanted(9_000, "phone", ended=False) == [Span(4_600, 5_000)]
    )


def test_a_camera_with_more_holes_than_are_remembered_one_by_one_is_asked_for_all_of_them_once() -> None:
    book, count = CameraBook(), MAX_SPANS + 50
    book.know(Span(at * 4_000, at * 4_000 + 1_000) for at in range(count + 1))
    end_ms = count * 4_000 + 1_000
    asked = []
    while wanted := book.wanted(end_ms, "laptop", ended=True)[:10]:
        assert len(asked) < count, "it never ends"
        asked += wanted
        for hole in wanted:
            book.answered("laptop", hole, Span(0, 0))
    assert asked == book.holes(end_ms, ended=True)
    forged = json.dumps({"answered": {f"copy{at}": [[at, at + 1]] for at in range(100)}, "rests": [[9, 9]] * 10**5})
    book.load({"repair_camera": forged}.get)
    assert len(json.loads(book.to_meta())["answered"]) == MAX_COPIES


async def test_no_read_holds_up_the_event_loop_and_a_hole_is_looked_at_once_whoever_asks(tmp_path: Path) -> None:
    source = copy_of(tmp_path, FILM)
    with WatchedFile.create(tmp_path / "a.lecture", {"lecture": "a"}) as log:
        write_film(log, without(HOLE))
        log.readers = set()
        repair = watched(log)
        log.readers.clear()
        first = await repair.wanted("phone", LENGTH_MS, ended=True)
        assert log.readers
        log.readers.clear()
        assert await repair.wanted("laptop", LENGTH_MS, ended=True) == first
        assert not log.readers
        await bring(repair, source)
        assert log.readers
        assert threading.current_thread().name not in log.readers


async def test_what_is_laid_in_before_a_hole_is_the_picture_that_goes_before_it(tmp_path: Path) -> None:
    with recording(tmp_path, without(HOLE)) as log:
        repair = watched(log)
        (wanted,) = await repair.wanted("laptop", LENGTH_MS, ended=True)
        asked = Wanted("", Span(wanted["start_ms"], HOLE.end_ms), "camera", wanted["after"])
        segment = copy_of(tmp_path, FILM).segment(asked, max_bytes=800, spoken="en")
        assert segment is not None
        await repair.take(segment, LENGTH_MS, ended=True)
        (rest,) = await repair.wanted("phone", LENGTH_MS, ended=True)
        last = [one for one in pictures_of(log) if one.t_ms < rest["start_ms"]][-1]
        assert rest["after"] == digest_of(last)
