"""The streamer's control connection against a whole relay whose lecture goes on."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from lecture.entries import Entry, Kind, pack_event, unpack_event
from lecture.file import LectureFile
from relay.media.lecture_clock import LectureClock, read_boot_time
from streamer.address import RelayAddress
from streamer.control import Control
from streamer.line import LinePart
from tests.network.media_kit import until
from tests.network.relays import served

MINUTE_MS = 60_000


def write_lecture(path: Path) -> None:
    """The file of a lecture that began half an hour ago."""
    path.parent.mkdir()
    now, clock = time.monotonic(), LectureClock()
    clock.start(now - 30 * 60)
    facts = {"lecture": "talk", "state": "live", "languages": '["en"]', **clock.to_meta(now, read_boot_time())}
    with LectureFile.create(path, facts) as file:
        file.append(Entry(Kind.DECK, 0, pack_event({"deck": "d", "title": "Deck", "page_count": 9, "pages": []})))


async def test_turns_of_a_program_that_begins_on_a_dead_line_keep_their_time(tmp_path: Path) -> None:
    """The relay has the deck, and tells of it before it has told the time. The end, too, waits for them."""
    write_lecture(tmp_path / "lectures" / "talk.lecture")
    async with served(tmp_path) as relay:
        control = Control(
            RelayAddress.parse(relay.server.local_url, "talk"),
            relay.relay.tokens.lecturer("talk"),
            line=LinePart("control", lambda name, why: None),
            say=lambda text: None,
            on_ended=lambda: None,
            on_leave=lambda: None,
        )
        control.deck = "d"
        now = asyncio.get_running_loop().time()
        for page, minutes_ago in ((2, 3), (3, 1)):
            control.turn(page, now - 60 * minutes_ago)
        control.end()
        running = asyncio.create_task(control.run())
        lecture = await relay.relay.open_lecture("talk")
        log = lecture.log
        await until(lambda: len(log.read(kinds={Kind.TURN})) == 2, "the turns")
        turns = log.read(kinds={Kind.TURN})
        await until(lambda: lecture.state == "ended", "the end")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [unpack_event(entry)["page"] for entry in turns] == [2, 3]
    assert [entry.t_ms for entry in turns] == pytest.approx([27 * MINUTE_MS, 29 * MINUTE_MS], abs=MINUTE_MS / 4)
