"""The hall page in a real browser: joins by code, turns the page with the voice, tells what is the matter."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from lecture.inset import place_inset
from lecture.lecturer_messages import Mark
from recordings.recording import Recording
from streamer.address import RelayAddress
from streamer.lecturer_socket import LecturerSocket
from streamer.line import LinePart
from tests.interop.browser import Browser, Page, until
from tests.network import parts
from tests.network.test_whole_lecture import stream_words

pytestmark = pytest.mark.timeout(180)

SECONDS = 24
"""Length of the lecture that is streamed."""

KEEP_HEARD = """() => {
  window.heard = () => {
    const receiver = window.hallcastPeers.at(-1)?.getReceivers().find(({track}) => track.kind === 'audio');
    const [source] = receiver?.getSynchronizationSources() ?? [];
    return source ? source.rtpTimestamp / 48 : null;
  };
  window.turns = [];
  const image = document.querySelector('#page');
  new MutationObserver(() => window.turns.push([image.alt, window.heard()]))
    .observe(image, {attributeFilter: ['data-digest']});
}"""
"""``heard()`` is the lecture time of the voice now leaving the speaker, ``turns`` what it was at each new picture."""

KEEP_INSETS = """() => {
  const [page, camera] = [document.querySelector('#page'), document.querySelector('#camera')];
  window.insets = {};
  let before = '';
  setInterval(() => {
    if (camera.hidden || page.hidden) return;
    const {left, top, width, height} = camera.getBoundingClientRect();
    const now = [page.dataset.digest, left, top, width, height];
    if (now.join() === before) window.insets[before] = now;
    before = now.join();
  }, 200);
}"""
"""``insets`` holds where the camera has lain for a while, on which page (its image's digest), in CSS pixels."""


async def open_hall(browser: Browser, url: str) -> Page:
    hall = await browser.open(f"{url}/hall")
    await hall.page.wait_for_selector("#join:not([hidden])")
    return hall


async def enter(hall: Page, code: str, name: str = "") -> None:
    await hall.page.fill("#code", code)
    await hall.page.fill("#hall-name", name)
    await hall.page.press("#hall-name", "Enter")


async def upload_before_class(handout: dict[str, Any], material: parts.Material) -> None:
    headers = {"Authorization": f"Bearer {handout['lecturer_token']}", "Content-Type": "application/pdf"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as http:
        answer = await http.put(handout["urls"]["deck"], content=material.slides.read_bytes())
        assert answer.status_code == 202, answer.text


async def rendered_pages(data: Path, handout: dict[str, Any], material: parts.Material) -> bool:
    with Recording.open(data / "lectures" / f"{handout['lecture']}.lecture") as recording:
        return [len(page.images) for page in recording.pages()] == [2] * material.pages


async def recorded_turns(hall: Page, url: str, lecture: str) -> dict[str, int]:
    """Lecture time of the turn to each page of the finished recording, by the page's title."""
    manifest = await hall.page.evaluate(
        "(url) => fetch(url).then((one) => one.json())", f"{url}/library/{lecture}/replay.json"
    )
    return {manifest["pages"][page]["title"]: t_ms for t_ms, page in manifest["turns"]}


async def test_pages_turn_when_their_moment_is_heard(browser: Browser, tmp_path: Path) -> None:
    material = parts.short_lecture(tmp_path / "material", seconds=SECONDS, pages=4)
    data = tmp_path / "data"
    async with parts.relay(data) as (_, url):
        handout = await parts.create_lecture(url, data)
        await upload_before_class(handout, material)
        await until(lambda: rendered_pages(data, handout, material), "all pages rendered", 60)
        hall = await open_hall(browser, url)
        await enter(hall, str(handout["hall_code"]).lower().replace("-", " "))
        await hall.page.wait_for_selector("#projector:not([hidden])")
        await hall.page.evaluate(KEEP_HEARD)
        await hall.page.evaluate(KEEP_INSETS)
        async with parts.part(*stream_words(url, handout, material, tmp_path / "lecturer")) as lecturer:
            await lecturer.named("receipt", 120)

        async def is_over() -> bool:
            return "has ended" in await hall.text("#sign")

        await until(is_over, "the end")
        last_ms = await hall.page.evaluate("() => window.heard()")
        turned_at_ms = await recorded_turns(hall, url, str(handout["lecture"]))
        seen: dict[str, float] = {}
        for title, heard_ms in await hall.page.evaluate("window.turns"):
            if heard_ms is not None:
                seen.setdefault(title, heard_ms)
        assert len(turned_at_ms) == 4
        # The first page may have been there before the voice, the last one's moment may have come with the end.
        inner = list(turned_at_ms)[1:3]
        late_ms = [seen[title] - turned_at_ms[title] for title in inner]
        assert all(-100 < late < 400 for late in late_ms), late_ms
        assert last_ms > SECONDS * 1000 - 300, "the end is told before it was heard"
        with Recording.open(data / "lectures" / f"{handout['lecture']}.lecture") as recording:
            insets = list((await hall.page.evaluate("window.insets")).values())
            assert len({digest for digest, *_ in insets}) >= 3
            for digest, *box in insets:
                blob = recording.blob(digest)
                assert blob is not None
                shown = np.asarray(Image.open(io.BytesIO(blob.data)).convert("RGB").resize((1366, 768)))
                left, top, width, height = map(round, box)
                under = shown[top : top + height, left : left + width]
                assert place_inset(under, width, height, 0) is not None, f"a word lies under the camera at {box}"
        assert not hall.problems


@asynccontextmanager
async def noted(url: str, handout: dict[str, Any], text: str) -> AsyncIterator[None]:
    """The lecturer writes a note."""
    address = RelayAddress.parse(url, str(handout["lecture"]))
    line = LinePart("control", lambda name, why: None)
    socket = LecturerSocket(address, handout["lecturer_token"], line=line, on_message=lambda message: None)
    socket.send(Mark(text))
    running = asyncio.create_task(socket.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_wrong_codes_are_told_and_the_right_one_enters(browser: Browser, tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with parts.relay(data) as (_, url):
        handout = await parts.create_lecture(url, data)
        hall = await open_hall(browser, url)
        await enter(hall, "ACDE-2345")
        assert "No lecture has this code" in await until(lambda: hall.text("#join-error"), "the wrong code is told")
        await hall.page.click("#language")
        assert "코드" in await hall.text("#join-error")
        await hall.page.click("#language")
        await enter(hall, str(handout["hall_code"]))
        await hall.page.wait_for_selector("#projector:not([hidden])")
        assert "not begun" in await hall.text("#waiting-hint")
        await hall.page.reload()
        await hall.page.wait_for_selector("#projector:not([hidden])")
        assert not await hall.page.is_visible("#note")
        async with noted(url, handout, "10분 뒤에 시작합니다"):
            await hall.page.wait_for_selector("#note >> text=10분 뒤에 시작합니다")
        assert not hall.problems


async def test_operator_and_lecturer_hear_of_each_other(browser: Browser, tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with parts.relay(data) as (_, url):
        handout = await parts.create_lecture(url, data)
        studio = await browser.open(f"{url}/studio/{handout['lecture']}#token={handout['lecturer_token']}")
        hall = await open_hall(browser, url)
        await enter(hall, str(handout["hall_code"]), "Room 2, North Campus")
        await hall.page.wait_for_selector("#projector:not([hidden])")
        await hall.page.fill("#people", "34")
        await until(lambda: lists(studio, "Room 2, North Campus", "34 people"), "the hall and its people in the studio")

        await hall.page.keyboard.press("Escape")
        await hall.page.locator("#projector").click(position={"x": 400, "y": 300})
        await hall.page.keyboard.press("q")
        await hall.page.fill("#question", "Who pays for the bread?")
        await hall.page.keyboard.press("Enter")
        await until(lambda: asked(studio, "Who pays for the bread?"), "the question in the studio")
        await until(lambda: signs(hall, "with the lecturer"), "the hall is told so")
        await hall.page.keyboard.press("m")
        assert await hall.page.evaluate("document.querySelector('#voice').muted")
        assert await hall.text("#mute") == "Unmute"

        await hall.page.close()
        await until(lambda: lists(studio, "not connected"), "the studio says that the hall has gone")
        assert not studio.problems
        assert not hall.problems


async def lists(studio: Page, *words: str) -> bool:
    halls = await studio.text("#halls")
    return all(word in halls for word in words)


async def signs(hall: Page, words: str) -> bool:
    return words in await hall.text("#sign")


async def asked(studio: Page, words: str) -> bool:
    return words in await studio.text("#questions")
