"""The studio's pen and pointer, drawn with the mouse of a real browser, on the hall page's canvas."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.browser import Browser, until
from tests.interop.drawing import POINTER, gone, line, move, sees
from tests.interop.test_studio import go_on_air, open_hall, open_studio, plays_voice, upload
from tests.network import parts

pytestmark = pytest.mark.timeout(180)


async def test_what_the_lecturer_draws_is_seen_in_the_hall(browser: Browser, deck: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with parts.relay(data) as (_, url):
        handout = await parts.create_lecture(url, data)
        studio, hall = await open_studio(browser, url, handout), await open_hall(browser, url, handout)
        await upload(studio, deck)
        await go_on_air(studio)
        await until(hall.shown_page, "the first page in the hall")
        await until(lambda: plays_voice(hall), "the hall plays the voice")

        await studio.page.keyboard.press("p")
        await line(studio, (0.2, 0.8), (0.5, 0.8), (0.5, 0.9))
        for page in (studio, hall):
            for x, y in [(0.2, 0.8), (0.35, 0.8), (0.5, 0.8), (0.5, 0.9)]:
                await until(lambda page=page, x=x, y=y: sees(page, x, y), "the stroke")  # type: ignore[misc]
        await studio.page.fill("#pen-colour", "#1155cc")
        await line(studio, (0.7, 0.8), (0.9, 0.8))
        await until(lambda: sees(hall, 0.8, 0.8, (0x11, 0x55, 0xCC)), "a blue stroke in the hall")
        await studio.page.screenshot(path=tmp_path / "studio.png")

        await studio.page.keyboard.press("l")
        await move(studio, 0.3, 0.3)
        await studio.page.mouse.down()
        await move(studio, 0.4, 0.4)
        await until(lambda: sees(hall, 0.4, 0.4, POINTER), "the pointer in the hall")
        await hall.page.screenshot(path=tmp_path / "hall.png")
        await studio.page.mouse.up()
        await until(lambda: gone(hall, 0.4, 0.4, POINTER), "no pointer")

        await studio.page.keyboard.press("PageDown")
        await until(lambda: gone(hall, 0.35, 0.8), "page 2 has no ink")
        await studio.page.keyboard.press("PageUp")
        await until(lambda: sees(hall, 0.35, 0.8), "page 1 has it again")

        # A hall that comes later, and one that was away, find the same.
        await hall.page.reload()
        await until(lambda: sees(hall, 0.35, 0.8), "the stroke after a reload")

        await studio.page.keyboard.press("u")
        await until(lambda: gone(hall, 0.8, 0.8, (0x11, 0x55, 0xCC)), "the last stroke is taken back")
        assert await sees(hall, 0.35, 0.8)
        await studio.page.click("#clear")
        await until(lambda: gone(hall, 0.35, 0.8), "the page is clear")
        assert await gone(studio, 0.35, 0.8)
        assert await studio.page.locator("#undo").is_disabled()
        assert not studio.problems
        assert not hall.problems
