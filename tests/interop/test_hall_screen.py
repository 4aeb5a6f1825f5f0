"""A shared screen on the hall page of a real browser: with its voice, late, and pixel for pixel."""

from __future__ import annotations

import asyncio
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
from streamer.engine import Streamer, StreamOptions
from tests import sound
from tests.interop.browser import Browser, Page, until
from tests.interop.test_hall_page import KEEP_HEARD
from tests.interop.test_studio import open_hall
from tests.network import parts
from tests.network.media_kit import LOOPBACK
from tests.network.screen_film import HEIGHT, WIDTH, picture_in, second_in, write_film
from transport import webp

pytestmark = pytest.mark.timeout(300)

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


async def watching(browser: Browser, url: str, handout: dict[str, Any]) -> Page:
    """A hall page that keeps what it sees."""
    hall = await open_hall(browser, url, handout)
    await hall.page.evaluate(KEEP_HEARD)
    await hall.page.evaluate(KEEP_STILLS)
    return hall


async def sees(hall: Page, count: int) -> bool:
    return len(await seen(hall)) >= count


async def seen(hall: Page) -> dict[int, float]:
    """When the voice of each still's moment was heard, for stills that came with a voice."""
    return {second: heard for second, heard in await hall.page.evaluate("window.stills") if heard is not None}


async def is_as_far(late: Page, hall: Page) -> bool:
    """Whether a hall has caught up: what was shared before it came goes by on its screen first."""
    return max(await seen(late)) >= max(await seen(hall))


async def pixels_on(hall: Page) -> NDArray[np.uint8]:
    width, height, data = await hall.page.evaluate(PIXELS)
    rgba = np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)
    assert (rgba[..., 3] == 255).all()
    return rgba[..., :3]


def recorded(data: Path, lecture: str) -> tuple[dict[int, int], dict[int, NDArray[np.uint8]]]:
    """Of each second: lecture time of its first still, and the last picture of it."""
    began: dict[int, int] = {}
    pictures: dict[int, NDArray[np.uint8]] = {}
    canvas = ScreenCanvas(webp.decode)
    with LectureFile.open(data / "lectures" / f"{lecture}.lecture", readonly=True) as file:
        _, entries = picture_in(file)
    for entry in entries:
        for frame in unpack_frames(entry):
            update = parse_update(frame.data)
            if not update.stop:
                canvas.apply(update)
                second = second_in(canvas.pixels)
                began.setdefault(second, entry.t_ms)
                pictures[second] = canvas.pixels.copy()
    return began, pictures


async def is_back_at_the_page(hall: Page) -> bool:
    return await hall.page.locator("#screen").is_hidden() and bool(await hall.shown_page())


async def test_a_shared_screen_is_seen_with_its_voice_and_gives_way_to_the_page(
    browser: Browser, deck: Path, tmp_path: Path
) -> None:
    write_film(tmp_path / "screen.mkv", 62)
    data = tmp_path / "data"
    async with parts.relay(data) as (_, url):
        handout = await parts.create_lecture(url, data)
        options = StreamOptions(
            relay=url,
            lecture=handout["lecture"],
            token=handout["lecturer_token"],
            slides=deck,
            voice=str(sound.cut(parts.SAMPLES / "voice.opus", 1, 100, tmp_path / "voice.wav")),
            screen=str(tmp_path / "screen.mkv"),
            keep=tmp_path / "own",
        )
        hall = await watching(browser, url, handout)
        giving = Streamer(options, network=LOOPBACK)
        task = asyncio.create_task(giving.run())
        try:
            await until(lambda: sees(hall, 4), "four stills with their voice", 90)
            assert await hall.page.locator("#screen").is_visible()
            late = await watching(browser, url, handout)
            await until(lambda: sees(late, 2), "two stills in a hall that came late", 60)
            await until(lambda: is_as_far(late, hall), "the newest still in it", 60)
            giving.toggle_screen()
            for page in (hall, late):
                await until(lambda page=page: is_back_at_the_page(page), "the page again", 60)  # type: ignore[misc]
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        began, pictures = recorded(data, str(handout["lecture"]))
        for page in (hall, late):
            # The first may have been there before the voice was heard for the first time. None comes before its voice,
            # and not all long after it; on a busy machine some do.
            late_ms = [heard_ms - began[second] for second, heard_ms in list((await seen(page)).items())[1:]]
            assert -100 < min(late_ms) < 2000, late_ms
            shown = await pixels_on(page)
            assert shown.shape == (HEIGHT, WIDTH, 3)
            # A still of the very moment at which sharing ended is shown to nobody.
            assert second_in(shown) >= max(await seen(page))
            assert np.array_equal(shown, pictures[second_in(shown)])
            assert not page.problems
