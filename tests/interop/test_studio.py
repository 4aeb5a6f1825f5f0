"""The studio page publishes from a real browser: hall page, relay and library get what it sends."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lecture.entries import Kind
from recordings.recording import Recording
from tests import sound
from tests.interop.browser import Browser, Page, until
from tests.interop.drawing import line, sees
from tests.network import parts
from tests.network.test_whole_lecture import join_words

pytestmark = pytest.mark.timeout(180)

TITLE = "Starting a small business"

FORBID_CAMERA = """() => {
  const devices = navigator.mediaDevices;
  const open = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (wanted) => {
    if (wanted.video) throw new DOMException('', 'NotAllowedError');
    return open(wanted);
  };
}"""
"""Does what a browser does whose user allows the microphone alone; Chromium's fake devices cannot be forbidden."""


async def open_studio(browser: Browser, url: str, handout: dict[str, Any]) -> Page:
    studio = await browser.open(f"{url}/studio/{handout['lecture']}#token={handout['lecturer_token']}")
    await studio.page.wait_for_selector("#studio:not([hidden])")
    return studio


async def go_on_air(studio: Page) -> None:
    await studio.page.click("#turn-on")
    await studio.page.wait_for_selector("#devices:not([hidden])")
    # The browser's noise reduction takes the fake voice for noise at times.
    await studio.page.uncheck("#clean")
    await studio.page.click("#air")
    await until(lambda: is_on_air(studio), "on air")


async def is_on_air(studio: Page) -> bool:
    return await studio.text("#air-state") == "You are on air."


async def upload(studio: Page, deck: Path) -> None:
    await studio.page.set_input_files("#file", deck)
    await until(studio.shown_page, "the deck's first page in the studio", 60)


async def open_hall(browser: Browser, url: str, handout: dict[str, Any]) -> Page:
    hall = await browser.open(f"{url}/hall#code={handout['hall_code']}")
    await hall.page.wait_for_selector("#projector:not([hidden])")
    if await hall.page.locator("#start-button").is_visible():
        await hall.page.click("#start-button")
    return hall


async def plays_voice(hall: Page, loudness: float = 0.0) -> bool:
    return await hall.stat("inbound audio", "totalAudioEnergy") > loudness


async def plays_at_full_speed(hall: Page) -> bool:
    """Until its buffer has reached the two seconds that it was asked for, the browser plays slower than it hears."""
    names = ("jitterBufferDelay", "jitterBufferTargetDelay", "jitterBufferEmittedCount")
    before = (await hall.stats())["inbound audio"]

    async def grown() -> list[float]:
        after = (await hall.stats())["inbound audio"]
        more = [after[name] - before[name] for name in names]
        return more if more[-1] >= 48_000 else []

    delay, target, emitted = await until(grown, "a second of sound")
    return target / emitted > 1.5 and delay > 0.95 * target


async def test_studio_publishes_and_a_hall_page_hears_sees_and_turns(
    browser: Browser, spoken: Path, deck: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    async with parts.relay(data) as (_, url):
        handout = await parts.create_lecture(url, data, title=TITLE)
        studio, hall = await open_studio(browser, url, handout), await open_hall(browser, url, handout)
        assert "#" not in studio.page.url, "the token stays in the address bar"
        assert "not begun" in await until(lambda: hall.text("#waiting-hint"), "the hall says that it waits")

        await upload(studio, deck)
        await go_on_air(studio)
        first = await until(hall.shown_page, "the first page in the hall")
        await until(lambda: plays_voice(hall), "the hall plays the voice")
        await until(lambda: plays_at_full_speed(hall), "the hall's buffer is full", 60)
        heard = await hall.listen(8)
        assert sound.mean_likeness(np.tile(sound.load(spoken), 2), heard) > 0.85
        await until(lambda: hall.stat("inbound video", "framesDecoded"), "the camera in the hall")
        await hall.page.wait_for_selector("#camera:not([hidden])")

        await studio.page.keyboard.press("PageDown")
        assert "Page 2 of 3" in await studio.text("#page-number")
        await until(lambda: other_page(hall, first), "page 2 in the hall")
        await studio.page.keyboard.press("PageUp")
        await until(lambda: same_title(hall, "Starting a small business"), "page 1 again in the hall")
        assert "Browser hall" in await until(lambda: studio.text("#halls"), "the studio lists the hall")

        stats = await studio.stats()
        assert stats["outbound video"]["frameWidth"] <= 640
        await until(lambda: voice_is_thin(studio), "voice at about 32 kbit/s")

        await write_note(studio, "질문은 여기서 받습니다")
        await until(lambda: noted(studio), "the note is in the recording")

        await studio.page.click("#air")
        await until(lambda: says(hall, "not sending just now"), "the hall says that the lecturer has stopped sending")
        await studio.page.click("#air")
        await until(lambda: is_on_air(studio), "on air again")
        await hall.page.wait_for_selector("#sign", state="hidden")

        await studio.page.click("#end")
        await studio.page.click("#end-dialog button[value=end]")
        assert await until(lambda: has_ended(hall), "the hall says that it is over")
        await studio.page.click("#replay")
        await studio.page.wait_for_selector("#page:not([hidden])")
        await studio.page.click("#play")
        await until(lambda: replay_runs(studio), "the replay plays")
        assert await until(lambda: hits(studio, "질문은"), "the note is found") == ["mark"]
        assert not studio.problems
        assert not hall.problems


async def test_studio_opened_in_mid_lecture_turns_no_page(browser: Browser, deck: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with parts.relay(data) as (_, url):
        handout = await parts.create_lecture(url, data, title=TITLE)
        first = await open_studio(browser, url, handout)
        await upload(first, deck)
        await first.page.keyboard.press("PageDown")
        second = await open_studio(browser, url, handout)
        await until(lambda: is_on_page(second, 2), "the second studio shows what the first one shows")
        await second.page.keyboard.press("PageDown")
        await until(lambda: is_on_page(first, 3), "the first studio follows the second")
    with Recording.open(data / "lectures" / f"{handout['lecture']}.lecture") as recording:
        assert [turn.page for turn in recording.turns()] == [1, 2, 3]


async def is_on_page(studio: Page, page: int) -> bool:
    return f"Page {page} of 3" in await studio.text("#page-number")


async def lists_hall(studio: Page) -> bool:
    return "Hall 3" in await studio.text("#halls")


async def other_page(hall: Page, digest: str | None) -> bool:
    return await hall.shown_page() not in (None, digest) and "Three questions" in await hall.text("#page-announcement")


async def same_title(hall: Page, title: str) -> bool:
    return title in await hall.text("#page-announcement")


async def voice_is_thin(studio: Page) -> bool:
    before = (await studio.stats())["outbound audio"]

    async def later() -> dict[str, Any] | None:
        after: dict[str, Any] = (await studio.stats())["outbound audio"]
        return after if after["timestamp"] - before["timestamp"] >= 2000 else None

    after = await until(later, "two seconds of figures")
    assert after is not None
    kbps = (after["bytesSent"] - before["bytesSent"]) * 8 / (after["timestamp"] - before["timestamp"])
    return bool(5 < kbps < 45)


async def has_ended(hall: Page) -> bool:
    return "has ended" in await hall.text("#sign")


async def replay_runs(replay: Page) -> bool:
    return float(await replay.page.evaluate("document.querySelector('#voice').currentTime")) > 1


async def test_studio_is_heard_and_seen_in_a_hall_without_a_browser(
    browser: Browser, deck: Path, spoken: Path, tmp_path: Path
) -> None:
    data, kept = tmp_path / "data", tmp_path / "hall"
    kept.mkdir()
    async with parts.relay(data) as (_, url):
        handout = await parts.create_lecture(url, data, title=TITLE)
        studio = await open_studio(browser, url, handout)
        await upload(studio, deck)
        async with parts.part(*join_words(url, str(handout["hall_code"]), kept)) as hall:
            await until(lambda: lists_hall(studio), "the hall is there before the lecture begins")
            await go_on_air(studio)
            await hall.event(lambda event: event.get("voice_heard_ms", 0) > 5000)
            await studio.page.keyboard.press("PageDown")
            await hall.event(lambda event: event.get("event") == "page" and event["page"] == 2)
            await hall.event(lambda event: event.get("voice_heard_ms", 0) > 10_000)
            await studio.page.click("#end")
            await studio.page.click("#end-dialog button[value=end]")
            receipt = await hall.named("receipt")
            assert await asyncio.wait_for(hall.process.wait(), 20) == 0
    assert receipt["pages_shown"] == 2
    # Playing begins with the first packet that reaches the hall, one or two into the lecture; nothing is missing after.
    assert receipt["voice_heard_ms"] >= receipt["voice_sent_ms"] - 480
    assert receipt["voice_kept_ms"] == receipt["voice_sent_ms"]
    assert sound.mean_likeness(np.tile(sound.load(spoken), 2), sound.load(kept / "heard.wav")) > 0.8
    assert not studio.problems


async def test_studio_and_hall_come_back_after_the_relay_was_killed(
    browser: Browser, deck: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    async with parts.relay(data) as (relay, url):
        handout = await parts.create_lecture(url, data, title=TITLE)
        studio, hall = await open_studio(browser, url, handout), await open_hall(browser, url, handout)
        await upload(studio, deck)
        await go_on_air(studio)
        await until(lambda: plays_voice(hall), "the hall plays the voice")
        os.kill(relay.process.pid, signal.SIGKILL)
        await relay.process.wait()
        assert "comes back by itself" in await until(lambda: studio.text("#banner"), "the studio says so")
        await until(lambda: says(hall, "line to the relay is down"), "the hall says so")
        page = await hall.shown_page()
        assert page, "the page stays on the projector"
        await studio.page.keyboard.press("p")
        await line(studio, (0.2, 0.8), (0.5, 0.8))
        await write_note(studio, "시험에 나옵니다")
        assert "when the line is back" in await studio.text("#note-state")
        await studio.page.keyboard.press("PageDown")

        async with parts.relay(data, int(url.rsplit(":", 1)[1])):
            await until(lambda: is_on_air_again(studio), "the studio publishes again", 60)
            await until(lambda: plays_voice(hall, 0.001), "the hall plays the voice again", 30)
            await until(lambda: other_page(hall, page), "the page that was turned to meanwhile")
            await until(lambda: noted(studio), "the note is in the recording")
            await studio.page.keyboard.press("PageUp")
            await until(lambda: sees(hall, 0.4, 0.8), "what was drawn meanwhile")
            assert not await hall.page.locator("#sign").is_visible()
            assert not studio.problems
            assert not hall.problems
    with Recording.open(data / "lectures" / f"{handout['lecture']}.lecture") as recording:
        ((noted_ms, words),) = recording.texts(Kind.MARK)
        drawn_ms = [entry.t_ms for entry, _ in recording.events({Kind.INK})]
        turned_ms = [turn.t_ms for turn in recording.turns()]
    assert words == "시험에 나옵니다"
    assert drawn_ms == sorted(drawn_ms)
    assert turned_ms[0] < drawn_ms[-1] <= noted_ms <= turned_ms[1], "each has its own moment, in order"


async def write_note(studio: Page, words: str) -> None:
    await studio.page.keyboard.press("n")
    await studio.page.keyboard.insert_text(words)
    await studio.page.keyboard.press("Enter")


async def noted(studio: Page) -> bool:
    return "Noted at" in await studio.text("#note-state")


async def hits(page: Page, words: str) -> list[str]:
    """What the library finds these words in."""
    found = await page.page.evaluate("async (q) => (await fetch('/library?format=json&q=' + q)).json()", words)
    return [hit["kind"] for lecture in found["lectures"] for hit in lecture["hits"]]


async def says(hall: Page, words: str) -> bool:
    return words in await hall.text("#sign")


async def is_on_air_again(studio: Page) -> bool:
    return (await studio.stats())["connections"] > 1 and await is_on_air(studio)


async def test_studio_says_what_is_wrong(browser: Browser, tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with parts.relay(data) as (_, url):
        handout = await parts.create_lecture(url, data, title=TITLE, languages=["en", "ko", "ja"])
        stranger = await browser.open(f"{url}/studio/{handout['lecture']}#token=wrong")
        await until(lambda: stranger.text("#token-error"), "a wrong token is told")
        await enter(stranger, str(handout["lecturer_token"]))
        await stranger.page.wait_for_selector("#studio:not([hidden])")
        interpreter = await browser.open(f"{url}/studio/{handout['lecture']}")
        await enter(interpreter, str(handout["interpreter_token"]))
        await interpreter.page.wait_for_selector("#spoken-choice:not([hidden])")
        assert await interpreter.page.locator("#spoken").input_value() == "ko"
        assert not await interpreter.page.locator("#deck-card").is_visible()

        (tmp_path / "deck.pdf").write_text("this is no PDF" * 200)
        await stranger.page.set_input_files("#file", tmp_path / "deck.pdf")
        assert await until(lambda: stranger.text("#upload-error"), "a bad deck is told") == "This file is no PDF."

        studio = await open_studio(browser, url, handout)
        await go_on_air(studio)
        await stranger.page.evaluate(FORBID_CAMERA)
        await stranger.page.click("#turn-on")
        told = await until(lambda: stranger.text("#device-error"), "a camera that is not allowed is told")
        assert "did not allow the camera" in told
        await stranger.page.click("#air")
        await until(lambda: is_refused(stranger), "a second publisher is told")
        assert await is_on_air(studio)
        await studio.page.close()
        await until(lambda: is_on_air(stranger), "the place is free when the first has closed the page")


async def enter(studio: Page, token: str) -> None:
    await studio.page.fill("#token", token)
    await studio.page.click("#token-form button")


async def is_refused(studio: Page) -> bool:
    return "Somebody else is sending" in await studio.text("#air-state")
