"""Hall and lecturer sessions against the real media part: pages, turns, and clients that misbehave."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lecture import lecturer_messages as lm
from lecture import message_parts as parts
from lecture import messages as m
from lecture.entries import Kind, unpack_event
from lecture.errors import CloseCode, RefusedError
from lecture.session import HallSession, Side
from relay.media.directory import LectureDirectory
from relay.media.greeting import read_hello, refuse
from relay.media.live import LiveLecture
from tests.network.media_kit import (
    FAST,
    INFO,
    LOOPBACK,
    LecturerClient,
    MemoryChannel,
    VoicePublisher,
    open_lecture,
    until,
)
from tests.network.screenless_hall import ScreenlessHall


def deck_pdf(path: Path, pages: int) -> Path:
    """A PDF of a few pages that are not all alike."""
    noise = np.random.default_rng(7)
    images = []
    for number in range(pages):
        image = Image.fromarray(noise.integers(90, 255, (12, 20, 3), np.uint8)).resize((640, 360))
        ImageDraw.Draw(image).text((40, 40), f"Page {number + 1}", fill="black", font_size=60)
        images.append(image)
    images[0].save(path, save_all=True, append_images=images[1:])
    return path


async def rendered(lecture: LiveLecture, pages: int) -> None:
    await until(lambda: len(lecture.log.read(kinds=[Kind.PAGE])) == 2 * pages, "all pages in both tiers", 60)


def page_digests(lecture: LiveLecture) -> dict[tuple[int, int], str]:
    facts = [unpack_event(entry) for entry in lecture.log.read(kinds=[Kind.PAGE])]
    return {(fact["page"], fact["tier"]): fact["digest"] for fact in facts}


async def test_pages_are_pushed_in_order_of_need(tmp_path: Path) -> None:
    lecturer, hall = LecturerClient(), ScreenlessHall()
    async with open_lecture(tmp_path) as lecture, lecturer.joined(lecture):
        deck = await lecture.set_deck(deck_pdf(tmp_path / "deck.pdf", 3), title="Deck")
        await rendered(lecture, 3)
        assert await lecture.set_deck(tmp_path / "deck.pdf") == deck, "the same PDF is the same deck"
        await lecturer.say(lm.Turn(deck, 2))
        await until(lambda: lecture.snapshot()["deck"]["page"] == 2, "turned")
        digests = page_digests(lecture)
        async with hall.joined(lecture):
            await until(lambda: len(hall.blobs) == 6, "all pages")
            await until(lambda: all(hashlib.sha256(b).hexdigest() == d for d, b in hall.blobs.items()), "whole")
            places = {digest: place for place, digest in digests.items()}
            assert [places[d] for d in hall.blob_order] == [(2, 1), (2, 2), (3, 1), (3, 2), (1, 1), (1, 2)]
            kinds = [entry.entry_kind for entry in hall.of(m.EntryMessage)]
            assert kinds[0] == Kind.DECK
            assert kinds.count(Kind.PAGE) == 6
            assert kinds[-1] == Kind.TURN
            await lecturer.say(lm.Turn(deck, 3))
            await until(lambda: hall.of(m.EntryMessage)[-1].fields == {"deck": deck, "page": 3}, "page turn")
        progress = lecturer.of(lm.DeckProgress)
        assert progress[-1] == lm.DeckProgress(deck, 3, 3)


async def test_a_hall_gets_only_what_it_lacks(tmp_path: Path) -> None:
    async with open_lecture(tmp_path) as lecture:
        await lecture.set_deck(deck_pdf(tmp_path / "deck.pdf", 2))
        await rendered(lecture, 2)
        digests = page_digests(lecture)
        whole = lecture.log.get_blob(digests[1, 1])
        part = lecture.log.get_blob(digests[1, 2])
        assert whole is not None
        assert part is not None
        last_seq = lecture.log.read(kinds=[Kind.PAGE])[-1].seq
        hall = ScreenlessHall()
        hall.blobs[part.digest] = bytearray(part.data[:1000])
        have = parts.Have(last_seq, ((whole.digest, len(whole.data)), (part.digest, 1000)))
        async with hall.joined(lecture, have=have):
            await until(lambda: len(hall.blobs) == 3 and hall.blobs[part.digest] == part.data, "the rest")
            assert whole.digest not in hall.blobs
            assert [e for e in hall.of(m.EntryMessage) if e.seq <= last_seq] == []


async def test_a_turn_to_nowhere_is_refused_and_the_session_goes_on(tmp_path: Path) -> None:
    lecturer = LecturerClient()
    async with open_lecture(tmp_path) as lecture, lecturer.joined(lecture):
        deck = await lecture.set_deck(deck_pdf(tmp_path / "deck.pdf", 1))
        await rendered(lecture, 1)
        await lecturer.say(lm.Turn("nothing", 1))
        await lecturer.say(lm.Turn(deck, 2))
        await lecturer.say(lm.Ping(7, 123))
        await until(lambda: lecturer.of(lm.Pong), "pong")
        assert [error.id for error in lecturer.of(m.ErrorMessage)] == ["deck_unknown", "page_unknown"]
        assert lecturer.of(lm.Pong)[0].sent_ms == 123


async def test_an_interpreter_may_not_turn_pages(tmp_path: Path) -> None:
    client = LecturerClient()
    async with open_lecture(tmp_path) as lecture, client.joined(lecture, role="interpreter"):
        await client.say(lm.Turn("deck", 1))
        await client.say(lm.End())
        await until(lambda: len(client.of(m.ErrorMessage)) == 2, "errors")
        assert {error.id for error in client.of(m.ErrorMessage)} == {"role_forbidden"}
        assert lecture.state == "planned"


@pytest.mark.parametrize(("data", "error_id"), [(b"no pdf", "deck_not_pdf"), (b"%PDF-" * 100, "deck_too_large")])
async def test_a_bad_deck_is_refused_at_once(tmp_path: Path, data: bytes, error_id: str) -> None:
    settings = replace(FAST, deck_max_bytes=400)
    async with open_lecture(tmp_path, settings=settings) as lecture:
        with pytest.raises(RefusedError) as caught:
            await lecture.set_deck(data)
        assert caught.value.error_id == error_id


async def test_a_deck_that_breaks_while_rendering_is_reported(tmp_path: Path) -> None:
    lecturer = LecturerClient()
    async with open_lecture(tmp_path) as lecture, lecturer.joined(lecture):
        deck = await lecture.set_deck(b"%PDF-1.7 and then nothing that makes sense")
        await until(lambda: lecturer.of(m.ErrorMessage), "error")
        assert lecturer.of(m.ErrorMessage)[0].id.startswith("deck_")
        assert not lecturer.of(m.ErrorMessage)[0].fatal
        assert list(lecture.snapshot()["deck"]["troubles"]) == [deck]
        again = await lecture.set_deck(deck_pdf(tmp_path / "deck.pdf", 1))
        assert again != deck


async def test_a_deck_that_a_killed_relay_left_unfinished_is_finished(tmp_path: Path) -> None:
    pdf = deck_pdf(tmp_path / "deck.pdf", 1).read_bytes()
    deck = hashlib.sha256(pdf).hexdigest()[:16]
    (tmp_path / "cache").mkdir()
    left_over = tmp_path / "cache" / f"talk.{deck}.pdf"
    left_over.write_bytes(pdf)
    async with open_lecture(tmp_path) as lecture:
        await rendered(lecture, 1)
        assert lecture.snapshot()["deck"]["decks"] == [deck]
        await until(lambda: not left_over.exists(), "tidied up")


async def test_an_idle_lecture_leaves_memory_and_comes_back(tmp_path: Path) -> None:
    hall = ScreenlessHall()
    settings = replace(FAST, idle_close_s=0.3)
    async with LectureDirectory(tmp_path, LOOPBACK, settings) as directory:
        first = await directory.open("talk", INFO)
        async with hall.joined(first):
            await until(lambda: len(hall.of(m.State)) == 1)
            assert directory.get("talk") is first
        await until(lambda: directory.get("talk") is None, "closed in memory")
        second = await directory.open("talk", INFO)
        assert second is not first
        assert second.state == "planned"
        assert await directory.open("talk", INFO) is second


@pytest.mark.parametrize(
    ("garbage", "code"),
    [
        ("not json", CloseCode.PROTOCOL),
        ('{"kind": "ack", "bytes": 5}', CloseCode.PROTOCOL),
        ('{"kind": "hello", "v": "1.0", "token": "t"}', CloseCode.PROTOCOL),
        ("x" * 100_000, CloseCode.TOO_BIG),
        (b"\x01\x01binary", CloseCode.PROTOCOL),
    ],
)
async def test_garbage_ends_only_that_hall(tmp_path: Path, garbage: str | bytes, code: CloseCode) -> None:
    good, bad = ScreenlessHall(name="Good"), ScreenlessHall(name="Bad")
    async with open_lecture(tmp_path) as lecture, good.joined(lecture):
        async with bad.joined(lecture):
            await bad.channel.say(garbage)
            await until(lambda: bad.channel.close_code is not None, "closed")
            assert bad.channel.close_code == code
        assert good.channel.close_code is None
        names = {hall["name"]: hall["connected"] for hall in lecture.snapshot()["halls"]}
        assert names == {"Good": True, "Bad": False}


async def test_a_hall_that_stops_reading_is_dropped_alone(tmp_path: Path) -> None:
    settings = replace(FAST, hall_send_timeout_s=0.5)
    slow, quick = ScreenlessHall(name="Slow", channel=MemoryChannel(1)), ScreenlessHall(name="Quick")
    async with (
        open_lecture(tmp_path, settings=settings) as lecture,
        VoicePublisher.publishing(lecture),
        slow.joined(lecture),
        quick.joined(lecture),
    ):
        slow.reading = False
        await until(lambda: slow.channel.close_code is not None, "dropped")
        assert slow.channel.close_code == CloseCode.OVERLOADED
        clocks = len(quick.of(m.Clock))
        await until(lambda: len(quick.of(m.Clock)) > clocks, "the other hall goes on")


async def test_a_hall_that_falls_silent_is_dropped(tmp_path: Path) -> None:
    hall = ScreenlessHall()
    async with open_lecture(tmp_path, settings=replace(FAST, hall_silence_s=0.3)) as lecture, hall.joined(lecture):
        await until(lambda: hall.channel.close_code is not None, "dropped")
        await until(lambda: bool(hall.of(m.ErrorMessage)), "the reason is read")
        assert hall.of(m.ErrorMessage)[-1].id == "silent"


async def test_who_says_goodbye_while_there_is_something_to_be_told_has_left_in_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lecturer = LecturerClient()
    async with open_lecture(tmp_path) as lecture, lecturer.joined(lecture):
        await lecturer.say(lm.Ping(1, 5))
        await lecturer.say(m.Bye())  # the relay reads both before it writes
        await asyncio.wait_for(lecturer.channel.closed.wait(), 10)
    assert (lecturer.channel.close_code, caplog.messages) == (CloseCode.NORMAL, [])


async def test_two_halls_of_one_name_are_both_served(tmp_path: Path) -> None:
    one, two = ScreenlessHall(name="Room 4"), ScreenlessHall(name="Room 4")
    async with open_lecture(tmp_path) as lecture, one.joined(lecture), two.joined(lecture):
        assert [hall["name"] for hall in lecture.snapshot()["halls"]] == ["Room 4", "Room 4 (2)"]
        assert one.channel.close_code is None


async def test_a_hall_that_dials_anew_takes_the_place_of_its_old_connection(tmp_path: Path) -> None:
    old, new = (ScreenlessHall(name="Room 4", instance="same run") for _ in range(2))
    other = ScreenlessHall(name="Room 4", instance="another run")
    async with open_lecture(tmp_path) as lecture, old.joined(lecture), new.joined(lecture):
        await until(lambda: old.channel.close_code == CloseCode.GOING_AWAY, "the old one is sent away")
        async with other.joined(lecture):
            assert [hall["name"] for hall in lecture.snapshot()["halls"]] == ["Room 4", "Room 4 (2)"]
        assert new.channel.close_code is None


async def test_a_full_lecture_refuses_more_halls(tmp_path: Path) -> None:
    one = ScreenlessHall()
    async with open_lecture(tmp_path, settings=replace(FAST, max_halls=1)) as lecture, one.joined(lecture):
        channel, session = MemoryChannel(), HallSession(Side.RELAY)
        await channel.say(HallSession(Side.CLIENT).send(m.HallHello(v=m.PROTOCOL_VERSION, token="t")))
        hello = await read_hello(channel, session)
        await lecture.serve_hall(channel, session, hello)
        assert channel.close_code == CloseCode.OVERLOADED


async def test_questions_and_reports_reach_the_lecturer(tmp_path: Path) -> None:
    hall, lecturer = ScreenlessHall(name="Aula", reporting=True), LecturerClient()
    async with open_lecture(tmp_path) as lecture, lecturer.joined(lecture), hall.joined(lecture):
        await hall.say(m.Question("Why?"))
        await hall.say(m.Question("And how?"))
        await until(lambda: hall.of(m.ErrorMessage), "the second is one too many")
        assert hall.of(m.ErrorMessage)[0].id == "too_many_questions"
        await until(lambda: any(hall.page for halls in lecturer.of(lm.Halls) for hall in halls.halls), "halls")
        status = lecturer.of(lm.Halls)[-1].halls[0]
        assert (status.name, status.page, status.heads, status.connected) == ("Aula", 1, 30, True)
        questions = [entry.fields for entry in lecturer.of(m.EntryMessage) if entry.entry_kind == Kind.QUESTION]
        assert questions == [{"hall": "Aula", "text": "Why?"}]
        assert not [entry for entry in hall.of(m.EntryMessage) if entry.entry_kind == Kind.QUESTION]


async def test_a_question_with_an_id_is_answered_and_taken_once(tmp_path: Path) -> None:
    async with open_lecture(tmp_path) as lecture:
        for again in range(2):
            hall = ScreenlessHall(name="Aula")
            async with hall.joined(lecture):
                await hall.say(m.Question("Why?", "q1"))
                if not again:
                    await hall.say(m.Question("And how?", "q2"))
                    await until(lambda hall=hall: m.Asked("q2", "too_many_questions") in hall.of(m.Asked), "too soon")
                await until(lambda hall=hall: m.Asked("q1") in hall.of(m.Asked), "the answer")
                refused = [] if again else [m.Asked("q2", "too_many_questions")]
                assert sorted(hall.of(m.Asked), key=lambda told: told.id) == [m.Asked("q1"), *refused]
        asked = [unpack_event(entry) for entry in lecture.log.read(kinds=[Kind.QUESTION])]
        assert asked == [{"hall": "Aula", "text": "Why?", "id": "q1"}]


async def test_a_client_that_does_not_say_hello_is_refused() -> None:
    channel, session = MemoryChannel(), HallSession(Side.RELAY)
    with pytest.raises(RefusedError) as caught:
        await read_hello(channel, session, timeout_s=0.05)
    await refuse(channel, session, caught.value)
    assert channel.close_code == CloseCode.OVERLOADED, "a slow line is no wrong token"
    assert "hello_timeout" in str(await channel.hear())


async def test_halls_are_sent_away_when_the_relay_stops(tmp_path: Path) -> None:
    hall = ScreenlessHall()
    async with asyncio.timeout(20):
        async with open_lecture(tmp_path) as lecture:
            joined = hall.joined(lecture)
            await joined.__aenter__()
        assert hall.channel.close_code == CloseCode.GOING_AWAY
        await joined.__aexit__(None, None, None)
