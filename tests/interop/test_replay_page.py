"""The replay in a real browser: it sounds, follows, finds its moment, and then needs no line."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmarks import long_lecture
from tests import recorded
from tests.interop.browser import Browser, until
from tests.interop.replays import HEAR, LONG, SECONDS, is_open, open_replay, plays_past, position_s, says
from tests.network.link import LossyLink

POINTER = """() => {
  const [canvas, page] = [document.querySelector('#ink'), document.querySelector('#page')];
  const {width, height} = canvas;
  const {data} = canvas.getContext('2d').getImageData(0, 0, width, height);
  let [count, x, y] = [0, 0, 0];
  for (let at = 0; at < data.length; at += 4) {
    if (data[at] !== 255 || data[at + 1] !== 40 || data[at + 2] !== 40) continue;
    count += 1;
    x += (at / 4) % width;
    y += Math.floor(at / 4 / width);
  }
  const scale = Math.min(width / page.naturalWidth, height / page.naturalHeight);
  const share = (sum, whole, part) => (sum / count - (whole - part * scale) / 2) / (part * scale);
  return [share(x, width, page.naturalWidth), share(y, height, page.naturalHeight)];
}"""
"""Where the pointer is drawn, as shares of the page's width and height."""


async def test_voice_sounds_and_pages_follow(browser: Browser, replays_url: str) -> None:
    # This one is open to all: a token of another lecture does not lock it.
    replay = await open_replay(browser, replays_url, recorded.LECTURE, "#token=of-another-lecture")
    assert "What a price is" in await replay.text("#chapters [aria-current=true]")
    await replay.page.click("#play")
    heard = await replay.page.evaluate(HEAR, 5.5)
    assert np.max(heard) > 0.1
    assert np.min(heard[: len(heard) * 3 // 4]) < 0.01, "the hole is silent"
    await until(lambda: says(replay, "Try it"), "the page turned to at 4 s")
    assert await position_s(replay) > 3.9
    tall = """() => {
      const {width, height} = waveform;
      const {data} = waveform.getContext('2d').getImageData(0, Math.floor(height / 4), width, 1);
      return data.filter((value, at) => at % 4 === 3 && value > 0).length / width;
    }"""
    share = await until(lambda: replay.page.evaluate(tall), "a waveform")
    assert 0.4 < share < 0.6, "bars of two pixels in three where the voice is, none in its hole"
    assert not replay.problems


async def test_seeks_by_chapters_keys_and_timeline_and_the_voice_goes_on(browser: Browser, replays_url: str) -> None:
    replay = await open_replay(browser, replays_url)
    page = replay.page
    pictures = "[...document.querySelectorAll('#chapters img')].slice(0, 3).map((one) => one.naturalWidth > 0)"

    async def loaded() -> bool:
        return bool(await page.evaluate(pictures) == [True] * 3)

    await until(loaded, "the chapters' pages in small")
    await page.click("#chapters li:nth-child(3) button")
    minutes, seconds = (await replay.text("#chapters li:nth-child(3) time")).split(":")
    begins_s = int(minutes) * 60 + int(seconds)
    assert begins_s > 20
    await plays_past(replay, begins_s)
    chapter_s = await position_s(replay)
    await page.locator("body").click(position={"x": 5, "y": 300})
    await page.keyboard.press(" ")
    await plays_past(replay, chapter_s + 1)
    for _ in range(2):
        await page.keyboard.press(">")
    assert await page.evaluate("[voice.playbackRate, voice.preservesPitch]") == [1.5, True]
    await plays_past(replay, chapter_s + 4)
    await page.keyboard.press("8")
    assert await position_s(replay) == pytest.approx(SECONDS * 0.8, abs=1)
    await plays_past(replay, SECONDS * 0.8 + 1)
    await page.keyboard.press("<")
    await page.keyboard.press("PageUp")
    await page.keyboard.press("PageUp")
    assert await position_s(replay) < SECONDS * 0.8 - 5
    await page.fill("#seek", "70000")
    await plays_past(replay, 70.5)
    for speed in ("2", "0.75"):
        await page.select_option("#speed", speed)
        assert await page.evaluate("[voice.playbackRate, voice.preservesPitch]") == [float(speed), True]
        await plays_past(replay, await position_s(replay) + 0.5)
    await page.keyboard.press("m")
    assert await page.evaluate("voice.muted")
    await page.keyboard.press("?")
    await page.wait_for_selector("#help-dialog[open]")
    await page.keyboard.press("Escape")
    await page.keyboard.press("End")
    await until(lambda: page.evaluate("voice.ended || voice.currentTime > voice.duration - 0.3"), "the end")
    assert not replay.problems


async def test_another_language_goes_on_at_the_same_moment(browser: Browser, replays_url: str) -> None:
    replay = await open_replay(browser, replays_url)
    page = replay.page
    await page.evaluate("voice.currentTime = 30")
    await page.click("#play")
    await plays_past(replay, 31)
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    before_s = await position_s(replay)
    await page.select_option("#voice-language", "ko")
    await plays_past(replay, before_s + 2)
    assert await position_s(replay) < before_s + 20
    assert [url for url in fetched if "/voice/ko/" in url]
    assert np.max(await page.evaluate(HEAR, 2)) > 0.01
    assert await page.is_hidden("#caption"), "off until asked for"
    await page.keyboard.press("t")
    await until(lambda: replay.text("#caption"), "the caption of this moment")
    await page.reload()
    await is_open(replay)
    await until(lambda: replay.text("#caption"), "captions stay on")
    assert await replay.text("#caption") == "고정비와\n변동비"
    assert await page.input_value("#voice-language") == "ko"
    assert await position_s(replay) >= before_s
    assert not replay.problems


async def test_ink_and_pointer_are_drawn_at_their_moment_and_questions_lead_to_theirs(
    browser: Browser, replays_url: str
) -> None:
    replay = await open_replay(browser, replays_url)
    page = replay.page
    inked = """() => {
      const canvas = document.querySelector('#ink');
      const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((value, at) => at % 4 === 3 && value > 0).length;
    }"""

    # One stroke is there from the beginning, eleven more come within the first ten seconds.
    async def drawn() -> int:
        return int(await page.evaluate(inked))

    few = await until(drawn, "the stroke of the beginning")
    await page.evaluate("voice.currentTime = 12")

    async def more() -> int:
        now = await drawn()
        return now if now > 3 * few else 0

    many = await until(more, "the strokes of the first ten seconds")
    drawing = await page.evaluate(f"fetch('/library/{LONG}/drawing/0.json').then((one) => one.json())")
    last = [mark["fields"] for mark in drawing["pointer"] if mark["t_ms"] < 12_000][-1]
    assert await page.evaluate(POINTER) == pytest.approx([last["x"], last["y"]], abs=0.01)
    await page.evaluate("voice.currentTime = 0.5")

    async def fewer() -> bool:
        return await drawn() < many / 2

    await until(fewer, "fewer strokes at an earlier moment")
    await page.click("#chapters button[data-kind=question]")
    asked_s = SECONDS / 2
    assert await position_s(replay) == pytest.approx(asked_s, abs=0.2)
    await page.evaluate("voice.currentTime = 0")
    box = await page.locator("#timeline").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 8)
    assert "질문 5: why so?" in await replay.text("#hover")
    await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 8)
    assert await position_s(replay) == pytest.approx(asked_s, abs=1)
    assert not replay.problems


async def test_a_shared_screen_stands_in_for_the_page_while_there_was_one(browser: Browser, replays_url: str) -> None:
    replay = await open_replay(browser, replays_url)
    page = replay.page
    start_s, end_s = (t_ms / 1000 for t_ms in long_lecture.SHARED_MS)
    grey = """() => {
      const canvas = document.querySelector('#screen');
      return canvas.hidden ? -1 : canvas.getContext('2d').getImageData(9, 9, 1, 1).data[0];
    }"""

    async def shows(value: float) -> None:
        async def so() -> bool:
            return int(await page.evaluate(grey)) == int(value)

        await until(so, f"the screen's grey is {value}")

    await shows(-1)
    await page.evaluate("(at) => (voice.currentTime = at)", start_s + 22.5)
    await shows(start_s + 22)
    await page.click("#play")
    await plays_past(replay, end_s)
    await shows(-1)
    await page.evaluate("(at) => (voice.pause(), voice.currentTime = at)", start_s + 5.5)
    await shows(start_s + 5)
    assert not replay.problems


async def test_a_link_opens_its_moment_and_the_button_makes_one(browser: Browser, replays_url: str) -> None:
    replay = await open_replay(browser, replays_url, fragment="#t=1:05")
    page = replay.page
    assert await position_s(replay) == pytest.approx(65, abs=0.2)
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.evaluate("voice.currentTime = 42.6")
    await page.click("#keep")  # which draws itself anew with each piece, and takes back no word of others
    await page.click("#share")
    await until(lambda: replay.text("#note"), "it says so")
    shared = await page.evaluate("navigator.clipboard.readText()")
    assert shared == f"{replays_url}/library/{LONG}#t=42"
    await page.goto("about:blank")
    await page.goto(shared)
    await page.wait_for_selector("#page:not([hidden])")
    assert await position_s(replay) == pytest.approx(42, abs=0.2)


async def test_the_camera_is_off_until_asked_for_says_its_cost_and_keeps_to_the_voice(
    browser: Browser, replays_url: str
) -> None:
    replay = await open_replay(browser, replays_url, recorded.LECTURE)
    page = replay.page
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    assert re.fullmatch(r"Camera \(\+\d+ kbit/s\)", await replay.text("#camera-switch"))
    await page.click("#chapters li:nth-child(3) button")
    assert not [url for url in fetched if "camera" in url]
    await page.click("#camera-switch")
    await page.wait_for_selector("#camera:not([hidden])")

    async def in_step() -> bool:
        camera_s = float(await page.evaluate("document.querySelector('#camera').currentTime"))
        return abs(camera_s + recorded.CAMERA_FROM_MS / 1000 - await position_s(replay)) < 0.3

    await until(in_step, "the camera shows the voice's moment")
    await page.click("#camera-switch")
    await page.wait_for_selector("#camera", state="hidden")


async def test_the_beginning_that_was_fetched_before_anything_could_keep_it_is_kept_too(
    browser: Browser, replays_url: str
) -> None:
    replay = await open_replay(browser, replays_url, fragment="#t=93")
    page = replay.page
    await page.wait_for_selector("#keep:not([hidden])")
    segments = """async () => {
      const cache = await caches.open('hallcast-lecture/LECTURE');
      return (await cache.keys()).filter(({url}) => url.includes('/voice/en/light/15.webm?v=')).length;
    }""".replace("LECTURE", LONG)
    await until(lambda: page.evaluate(segments), "the whole piece at 93 s under its lasting address")
    await page.context.set_offline(True)
    await page.reload(wait_until="commit")
    await is_open(replay)
    await page.click("#play")
    await plays_past(replay, 93.5)
    assert not replay.problems


async def test_all_of_a_lecture_can_be_kept_and_heard_without_a_line(browser: Browser, replays_url: str) -> None:
    async with LossyLink(seed=1) as link:
        port = await link.tcp("127.0.0.1", int(replays_url.rsplit(":", 1)[1]))
        replay = await open_replay(browser, f"http://127.0.0.1:{port}")
        page = replay.page
        await page.wait_for_selector("#keep:not([hidden])")
        await page.click("#keep")

        async def kept() -> bool:
            return await replay.text("#keep") == "Kept"

        await until(kept, "all of the lecture is kept", 60)
        link.down.broken = link.up.broken = True
        await page.context.set_offline(True)
        await page.goto(f"http://127.0.0.1:{port}/library/{LONG}#t=100", wait_until="commit")
        await page.reload(wait_until="commit")
        await is_open(replay)
        await page.click("#play")
        await plays_past(replay, 101)
        assert np.max(await page.evaluate(HEAR, 2)) > 0.01
        await page.keyboard.press("Home")
        await until(lambda: says(replay, "1. "), "the first page, from what is kept")
        await plays_past(replay, 0.5)
        assert not replay.problems


async def test_legible_page_first_and_no_page_in_vain(browser: Browser, replays_url: str) -> None:
    replay = await browser.open("about:blank")
    fetched: list[str] = []
    replay.page.on(
        "request", lambda request: fetched.append(request.url.rpartition("/")[2]) if "/blob/" in request.url else None
    )
    await replay.page.goto(f"{replays_url}/library/{LONG}")
    await replay.page.wait_for_selector("#page[data-tier='2']")
    manifest = await replay.page.evaluate(f"fetch('/library/{LONG}/replay.json').then((one) => one.json())")
    images = [page["images"] for page in manifest["pages"]]
    fetched = [name for name in fetched if "-" not in name]
    assert fetched[0] == images[0][0]
    assert set(fetched) & {names[1] for names in images} == {images[0][1]}


async def test_what_did_not_come_because_the_line_broke_is_asked_for_again(browser: Browser, replays_url: str) -> None:
    replay = await browser.open("about:blank")
    for part in ("/pages/replay.js", "/replay.json", "/blob/"):
        await replay.page.route(re.compile(re.escape(part)), lambda route: route.abort("connectionreset"), times=1)
    await replay.page.goto(f"{replays_url}/library/{LONG}")
    await is_open(replay)
    assert await says(replay, "1. ")
    await replay.page.wait_for_selector("#page[data-tier='2']")
    assert not replay.problems


async def test_texts_are_in_korean_for_korean_readers_and_can_be_changed(browser: Browser, replays_url: str) -> None:
    replay = await browser.open(f"{replays_url}/library/{recorded.LECTURE}", locale="ko-KR")
    await replay.page.wait_for_selector("#chapters li")
    assert await replay.text("#chapters-title") == "차례"
    assert await replay.page.get_attribute("html", "lang") == "ko"
    await replay.page.click("#language")
    assert await replay.text("#chapters-title") == "Chapters"
    await replay.page.reload()
    await until(lambda: replay.text("#chapters-title"), "texts")
    assert await replay.text("#chapters-title") == "Chapters"


async def test_a_recording_that_is_not_there_is_told(browser: Browser, replays_url: str) -> None:
    replay = await browser.open(f"{replays_url}/library/nothing")

    async def told() -> bool:
        return bool(re.search("not open to everyone|as soon as it has ended", await replay.text("#no-page-title")))

    await until(told, "it says so")
