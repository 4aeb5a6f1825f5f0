"""A shared screen on the hall page of a real browser: with its voice, late, and pixel for pixel."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lecture.entries import unpack_frames
from lecture.file import LectureFile
from lecture.screen import parse_update
from lecture.screen_canvas import ScreenCanvas
from tests.interop.browser import Browser, Page, until
from tests.interop.test_hall_page import KEEP_HEARD
from tests.interop.test_studio import open_hall
from tests.network import parts
from tests.network.screen_film import HEIGHT, WIDTH, picture_in, second_in, write_film
from transport import webp

pytestmark = pytest.mark.timeout(180)

SECONDS = 16

KEEP_STILLS = """() => {
  const canvas = document.querySelector('#screen');
  window.stills = [];
  const look = () => {
    if (canvas.hidden) return;
    const row = canvas.getContext('2d').getImageData(0, 24, canvas.width, 1).data;
    let second = 0;
    for (let bit = 0; bit < 6; bit += 1) second |= (row[4 * (32 + bit * 48)] < 128) << bit;
    if (window.stills.at(-1)?.[0] !== second) window.stills.push([second, window.heard()]);
  };
  setInterval(look, 40);
}"""
"""``stills`` are the seconds seen (:func:`tests.network.screen_film.slide`), each with what was heard then."""

PIXELS = """() => {
  const {width, height} = document.querySelector('#screen');
  const {data} = document.querySelector('#screen').getContext('2d').getImageData(0, 0, width, height);
  return [width, height, btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(''))];
}"""


async def seen(hall: Page) -> dict[int, float]:
    """When the voice of each still's moment was heard, for stills that came with a voice."""
    return {second: heard for second, heard in await hall.page.evaluate("window.stills") if heard is not None}


async def pixels_on(hall: Page) -> NDArray[np.uint8]:
    width, height, data = await hall.page.evaluate(PIXELS)
    rgba = np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)
    assert (rgba[..., 3] == 255).all()
    return rgba[..., :3]


def recorded(data: Path, lecture: str) -> tuple[dict[int, int], NDArray[np.uint8]]:
    """Lecture time of the first still of each second, and the last picture before the end of sharing."""
    began: dict[int, int] = {}
    canvas = ScreenCanvas(webp.decode)
    with LectureFile.open(data / "lectures" / f"{lecture}.lecture", readonly=True) as file:
        last, entries = picture_in(file)
    for entry in entries[:-1]:
        for frame in unpack_frames(entry):
            canvas.apply(parse_update(frame.data))
            began.setdefault(second_in(canvas.pixels), entry.t_ms)
    return began, last.pixels


async def is_back_at_the_page(hall: Page) -> bool:
    return await hall.page.locator("#screen").is_hidden() and bool(await hall.shown_page())


async def test_a_shared_screen_is_seen_with_its_voice_and_gives_way_to_the_page(
    browser: Browser, tmp_path: Path
) -> None:
    material = parts.short_lecture(tmp_path / "material", seconds=SECONDS, pages=1)
    write_film(tmp_path / "screen.mkv", SECONDS + 4)
    data = tmp_path / "data"
    async with parts.relay(data) as (_, url):
        handout = await parts.create_lecture(url, data)
        words: list[Any] = ["stream", "--relay", url, "--lecture", handout["lecture"], "--end", "--json"]
        words += ["--token", handout["lecturer_token"], "--slides", material.slides, "--voice", material.voice]
        words += ["--screen", tmp_path / "screen.mkv", "--keep", tmp_path / "own"]
        hall = await open_hall(browser, url, handout)
        await hall.page.evaluate(KEEP_HEARD)
        await hall.page.evaluate(KEEP_STILLS)
        async with parts.part(*map(str, words)) as lecturer:

            async def sees_much() -> bool:
                return len(await seen(hall)) >= 3

            await until(sees_much, "three stills with their voice", 60)
            assert await hall.page.locator("#screen").is_visible()
            await hall.page.screenshot(path=tmp_path / "screen.png")
            late = await open_hall(browser, url, handout)
            await late.page.evaluate(KEEP_HEARD)
            await late.page.evaluate(KEEP_STILLS)
            await lecturer.named("receipt", 120)
        for page in (hall, late):
            await until(lambda page=page: is_back_at_the_page(page), "the page again")  # type: ignore[misc]
        began, last = recorded(data, str(handout["lecture"]))
        on_time = await seen(hall)
        assert set(range(2, SECONDS - 4, 2)) <= set(on_time)
        # The first may have been there before the voice was heard for the first time.
        lateness_ms = {second: on_time[second] - began[second] for second in list(on_time)[1:]}
        assert all(-100 < late_ms < 3000 for late_ms in lateness_ms.values()), lateness_ms
        assert len(await seen(late)) >= 2
        for page in (hall, late):
            shown = await pixels_on(page)
            assert shown.shape == (HEIGHT, WIDTH, 3)
            assert np.array_equal(shown, last)
            assert not page.problems
