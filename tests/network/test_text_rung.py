"""A hall behind a link that does not carry the voice. Its parts wait for the link, whatever else the machine does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from classroom_client.view import Link
from lecture.entries import Kind
from tests.network.hall_kit import lecture_hall, seat
from tests.network.link import LinkSpec
from tests.network.media_kit import VoicePublisher, until

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(240)]


async def test_link_below_the_voice_still_shows_pages_and_brings_the_voice_later(tmp_path: Path) -> None:
    thin = LinkSpec(rate_kbps=10, delay_ms=200, queue_ms=4000)
    async with lecture_hall(tmp_path) as room, seat(room, tmp_path / "hall", down=thin) as one:
        await until(lambda: one.hall.view.link is Link.UP, "the hall is connected", 60)
        async with VoicePublisher.publishing(room.lecture):
            await until(lambda: one.hall.view.text_rung, "the hall does without live voice", 60)
            room.lecture.turn(room.deck, 2)
            room.lecture._stage.append_event(Kind.MARK, {"text": "쉬는 시간까지 2분"})
            turned_ms = room.lecture.now_ms()
            await until(lambda: one.hall.view.page == 2, "pages go on with the lecture", 60)
            await until(lambda: one.hall.view.note, "and so do notes", 60)
            assert (one.hall.view.heard_ms or 0) < turned_ms, "although the voice of that moment has not been heard"
            one.link.down.spec = LinkSpec(rate_kbps=150, delay_ms=150)
        await room.lecture.end()
        receipt = await one.receipt(120)
        in_order = one.played_in_order()
        noted = json.loads((one.folder / "pages" / "notes.json").read_text())
    assert {note["text"] for note in noted} == {"쉬는 시간까지 2분"}
    assert receipt.complete
    assert receipt.voice_heard_ms == receipt.voice_sent_ms
    assert in_order
