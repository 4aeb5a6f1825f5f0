"""What the lecturer reads in the terminal."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from lecture.message_parts import HallStatus
from streamer.cli import repeat, sentences
from streamer.events import PageTurned, Said, StreamReceipt, StreamStatus
from streamer.view import View, in_words

STATUS = StreamStatus(
    line="up",
    link_kbps=287.4,
    rtt_s=0.081,
    fraction_lost=0.02,
    spoken_ms=83_000,
    duration_ms=242_000,
    level_db=-20.0,
    camera=True,
    page=3,
    page_count=10,
    page_title="The idea in one sentence",
    deck_sent=1.0,
    deck_rendered=10,
    halls=(HallStatus("Hall 1", behind_ms=2300, page=3, heads=42, rung="12", rtt_ms=640, fraction_lost=0.1),),
    lecture_state="live",
    own_copy="hallcast-lectures/waves.lecture",
    own_copy_trouble="",
)
RECEIPT = StreamReceipt("waves", 242_000, 230_000, 27.1, 2900, 240.2, 280.0, 12, 10, 10, 1, 12.3, "x.lecture", True)


def drawn(status: StreamStatus | None, view: View | None = None) -> str:
    out = io.StringIO()
    Console(file=out, width=100).print((view or View("waves", "https://relay.example.org")).draw(status))
    return out.getvalue()


def test_all_that_matters_is_shown() -> None:
    text = drawn(STATUS)
    for words in (
        "waves",
        "connected",
        "287 kbit/s",
        "81 ms",
        "1:23 of 4:02",
        "3 of 10  The idea",
        "Hall 1",
        "42",
        "2.3 s",
        "12 kbit/s",
    ):
        assert words in text
    assert "slides:" not in text


def test_trouble_is_shown() -> None:
    halls = (HallStatus("Hall 2", connected=False),)
    text = drawn(replace(STATUS, line="down", own_copy_trouble="The disk is full.", deck_sent=0.4, halls=halls))
    for words in ("DOWN", "NOT WRITTEN", "The disk is full.", "40% sent", "not connected"):
        assert words in text


def test_before_anything_there_are_the_keys_and_many_halls_are_cut_short() -> None:
    view = View("waves", "x")
    view.say("Connected to the relay.")
    view.prompt = "Go to page 1_"
    text = drawn(None, view)
    assert "Connected" in text
    assert "Go to page" in text
    many = tuple(HallStatus(f"Hall {number}") for number in range(30))
    assert "and 18 more" in drawn(replace(STATUS, halls=many))


def test_events_in_words_and_as_json() -> None:
    assert sentences(Said("Hello.")) == ["Hello."]
    assert sentences(PageTurned(2, "")) == ["Page 2"]
    words = "\n".join(sentences(RECEIPT))
    assert "3:50 sent of 4:02" in words
    assert "down once, 12 s" in words
    assert "left open" not in words
    assert "left open" in "\n".join(sentences(replace(RECEIPT, ended=False)))
    assert RECEIPT.as_json()["event"] == "receipt"
    assert RECEIPT.as_json()["voice_sent_ms"] == 230_000
    assert PageTurned(2, "Costs").as_json() == {"event": "page", "page": 2, "title": "Costs"}


def test_how_it_is_going_in_one_line_and_as_json() -> None:
    assert in_words(STATUS) == (
        "1:23  line connected; 287 kbit/s sent; round trip 81 ms; 2.0% lost; page 3 of 10  The idea in one sentence;"
        " 1 hall, at most 2.3 s behind"
    )
    halls = (HallStatus("Hall 1", connected=False), *STATUS.halls)
    words = in_words(replace(STATUS, line="down", rtt_s=None, missing_ms=5000, repaired_ms=1000, halls=halls))
    for part in ("line DOWN", "repairing: 1 of 6 s", "1 hall, at most 2.3 s behind, 1 not connected"):
        assert part in words
    assert in_words(replace(STATUS, page=0, deck_sent=0.4, halls=())).endswith(
        "page none shown yet   slides: 40% sent; 0 halls"
    )
    line = json.loads(json.dumps(STATUS.as_json(), allow_nan=False))
    assert (line["event"], line["line"], line["link_kbps"], line["page"]) == ("progress", "up", 287.4, 3)
    assert line["halls"][0]["behind_ms"] == 2300


async def test_how_it_goes_is_shown_on_after_something_was_wrong_with_it_which_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shown, wrong = asyncio.Event(), ["x", "x", "y"]

    def show() -> None:
        if wrong:
            raise ValueError(wrong.pop())
        shown.set()

    showing = asyncio.create_task(repeat(0.0, show))
    async with asyncio.timeout(10):
        await shown.wait()
    showing.cancel()
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["y", "x"]
