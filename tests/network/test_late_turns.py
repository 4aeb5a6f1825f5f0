"""Page turns that reach the relay long after they were made, as after an outage of the lecturer's line."""

from __future__ import annotations

import time
from pathlib import Path

from lecture.entries import Entry, Kind, pack_event
from lecture.file import LectureFile
from recordings.recording import Recording
from relay.media.directory import LectureDirectory
from relay.media.lecture_clock import LectureClock, read_boot_time
from tests.network.media_kit import FAST, LOOPBACK

MINUTE_MS = 60_000
DECK = {"deck": "d", "title": "Deck", "page_count": 9, "pages": []}


async def test_turns_of_a_long_outage_keep_their_time(tmp_path: Path) -> None:
    path = tmp_path / "lectures" / "talk.lecture"
    path.parent.mkdir()
    now, clock = time.monotonic(), LectureClock()
    clock.start(now - 30 * 60)
    facts = {"lecture": "talk", "state": "live", "languages": '["en"]', **clock.to_meta(now, read_boot_time())}
    with LectureFile.create(path, facts) as file:
        file.append(Entry(Kind.DECK, 0, pack_event(DECK)))
        file.append(Entry(Kind.TURN, MINUTE_MS, pack_event({"deck": "d", "page": 1})))
    async with LectureDirectory(tmp_path, LOOPBACK, FAST) as directory:
        (lecture,) = directory.lectures()
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
