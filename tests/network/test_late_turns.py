"""What reaches the relay long after it was done, as after an outage of the lecturer's line: turns, ink, notes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from lecture import lecturer_messages as lm
from lecture import messages as m
from lecture.entries import Entry, Kind, pack_event, unpack_event
from lecture.file import LectureFile
from recordings.recording import Recording
from relay.media.directory import LectureDirectory
from relay.media.hall_outbox import ENTRY
from relay.media.lecture_clock import LectureClock, read_boot_time
from relay.media.live import LiveLecture
from tests.network.media_kit import FAST, LOOPBACK, LecturerClient, until
from tests.network.screenless_hall import ScreenlessHall

MINUTE_MS = 60_000
DECK = {"deck": "d", "title": "Deck", "page_count": 9, "pages": []}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lectures" / "talk.lecture"


@pytest.fixture
async def lecture(tmp_path: Path, path: Path) -> AsyncIterator[LiveLecture]:
    """A lecture that has been going on for half an hour."""
    path.parent.mkdir()
    now, clock = time.monotonic(), LectureClock()
    clock.start(now - 30 * 60)
    facts = {"lecture": "talk", "state": "live", "languages": '["en"]', **clock.to_meta(now, read_boot_time())}
    with LectureFile.create(path, facts) as file:
        file.append(Entry(Kind.DECK, 0, pack_event(DECK)))
        file.append(Entry(Kind.TURN, MINUTE_MS, pack_event({"deck": "d", "page": 1})))
    async with LectureDirectory(tmp_path, LOOPBACK, FAST) as directory:
        (lecture,) = directory.lectures()
        yield lecture


async def test_turns_of_a_long_outage_keep_their_time(lecture: LiveLecture, path: Path) -> None:
    for minute, page in ((29, 4), (10, 2), (20, 3)):
        lecture.turn("d", page, at_ms=minute * MINUTE_MS)
    assert lecture.snapshot()["deck"]["page"] == 4
    lecture.turn("d", 5, at_ms=100 * MINUTE_MS)
    assert lecture.now_ms() < 31 * MINUTE_MS, "the future counts as now"
    await lecture.end()
    with Recording(LectureFile.open(path, readonly=True)) as recording:
        turns = recording.turns()
    assert [turn.page for turn in turns] == [1, 2, 3, 4, 5]
    assert [turn.t_ms for turn in turns[:4]] == [minute * MINUTE_MS for minute in (1, 10, 20, 29)]


async def test_what_was_drawn_and_noted_in_an_outage_is_taken_once_at_its_time_and_seen(lecture: LiveLecture) -> None:
    def part(first: int, count: int, at_ms: int) -> lm.Ink:
        points = tuple((n / 10, 0.5) for n in range(first, first + count))
        return lm.Ink("d", 1, "s", points, at_ms=at_ms, first=first)

    said: list[m.Message] = [
        part(0, 2, 10 * MINUTE_MS),
        part(2, 1, 10 * MINUTE_MS + 300),
        lm.Mark("exam", 9 * MINUTE_MS, "n1"),
    ]
    hall = ScreenlessHall()
    for again in (said, [*said, part(3, 1, 11 * MINUTE_MS), lm.Erase("d", 1, "s", 12 * MINUTE_MS)]):
        lecturer = LecturerClient()
        async with lecturer.joined(lecture):
            for message in again:
                await lecturer.say(message)
            await lecturer.say(lm.Ping(1))
            await until(lambda lecturer=lecturer: lecturer.of(lm.Pong), "all of it was dealt with")  # type: ignore[misc]
    ink = [
        (entry.t_ms, [x for x, _ in fields.get("points", [])], "at_ms" in fields or "first" in fields)
        for entry in lecture.log.read(kinds=[Kind.INK])
        for fields in [unpack_event(entry)]
    ]
    assert ink == [
        (10 * MINUTE_MS, [0.0, 0.1], False),
        (10 * MINUTE_MS + 300, [0.2], False),
        (11 * MINUTE_MS, [0.3], False),
        (12 * MINUTE_MS, [], False),
    ]
    notes = [(entry.t_ms, unpack_event(entry)) for entry in lecture.log.read(kinds=[Kind.MARK])]
    assert notes == [(9 * MINUTE_MS, {"text": "exam", "id": "n1"})]
    async with hall.joined(lecture, frames=(ENTRY,)):
        await until(lambda: len(drawn_in(hall)) == len(ink), "a hall has all that was drawn")
    assert drawn_in(hall) == [t_ms for t_ms, _, _ in ink]


async def test_what_came_is_confirmed_when_the_file_has_it_and_the_time_told_at_once(
    lecture: LiveLecture, path: Path
) -> None:
    lecturer = LecturerClient()
    async with lecturer.joined(lecture):
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN IMMEDIATE")  # the relay cannot write meanwhile
            for message in (
                lm.Ink("d", 1, "s", ((0.1, 0.5),), more=True),
                lm.Ink("d", 1, "s", ((0.2, 0.5),), more=True),
                lm.Mark("exam", 9 * MINUTE_MS, "n1"),
                lm.Ping(1),
                lm.Ping(2, sent_ms=123),
            ):
                await lecturer.say(message)
            await until(lambda: len(lecture.log.read(kinds=[Kind.INK])) == 2, "all was taken")
            await until(lambda: lecturer.of(lm.Pong), "the time")
            assert [pong.id for pong in lecturer.of(lm.Pong)] == [2]
            reader.execute("ROLLBACK")
        await until(lambda: len(lecturer.of(lm.Pong)) == 2, "the confirmation")
        with closing(LectureFile.open(path, readonly=True)) as file:
            kinds = [entry.kind for entry in file.read(kinds=[Kind.INK, Kind.MARK])]
    assert sorted(kinds) == sorted([Kind.INK, Kind.INK, Kind.MARK])


def drawn_in(hall: ScreenlessHall) -> list[int]:
    return [entry.t_ms for entry in hall.of(m.EntryMessage) if entry.entry_kind == Kind.INK]
