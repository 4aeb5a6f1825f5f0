"""The library and the replay in a real browser, over plain HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests import recorded
from tests.interop.browser import Browser, Page, until
from tests.network import parts


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def library_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A relay whose library holds the small recorded lecture; tests only read from it."""
    data = tmp_path_factory.mktemp("data")
    (data / "lectures").mkdir()
    recorded.write(data / "lectures")
    async with parts.relay(data) as (_, url):
        yield url


@pytest_asyncio.fixture
async def own_library(tmp_path: Path) -> AsyncIterator[tuple[str, str]]:
    """The address of a relay of the test's own with the same lecture, and its staff token."""
    (tmp_path / "data" / "lectures").mkdir(parents=True)
    recorded.write(tmp_path / "data" / "lectures")
    async with parts.relay(tmp_path / "data") as (_, url):
        yield url, (tmp_path / "data" / "staff.token").read_text().strip()


async def open_replay(browser: Browser, library_url: str) -> Page:
    replay = await browser.open(f"{library_url}/library/{recorded.LECTURE}")
    await replay.page.wait_for_selector("#page:not([hidden])")
    return replay


async def position_s(replay: Page) -> float:
    return float(await replay.page.evaluate("document.querySelector('#voice').currentTime"))


async def chapter(replay: Page) -> str:
    return await replay.text("#chapters [aria-current=true]")


async def says(replay: Page, words: str) -> bool:
    return words in await replay.text("#page-announcement")


async def test_library_finds_part_of_a_korean_word_and_leads_to_its_moment(browser: Browser, library_url: str) -> None:
    library = await browser.open(f"{library_url}/library")
    page, entry = library.page, library.page.locator("#lectures > li > a")
    await entry.wait_for()
    assert "Pricing" in await entry.inner_text()
    await page.fill("#search", "nothing of the kind")
    await page.wait_for_selector("#lectures > li", state="detached")
    assert await library.text("#state") == "0 lectures"
    await page.fill("#search", "질")
    moment = page.locator(".hits .moment")
    await moment.wait_for()
    assert (await moment.inner_text(), await library.text(".hits mark")) == ("0:01", "질")
    assert await moment.get_attribute("href") == f"/library/{recorded.LECTURE}#t=1.5"
    await page.reload()
    await moment.wait_for()
    await page.select_option("#course", "Business 1")
    await moment.click()
    await page.wait_for_selector("#page:not([hidden])")
    assert page.url.endswith(f"/library/{recorded.LECTURE}#t=1.5")
    await page.go_back()
    await moment.wait_for()
    assert await page.input_value("#search") == "질"
    assert not library.problems


async def test_staff_change_a_lecture_delete_and_restore_it(browser: Browser, own_library: tuple[str, str]) -> None:
    url, staff_token = own_library
    library = await browser.open(f"{url}/library")
    page = library.page
    await page.click("#staff")
    await page.fill("#token", "a wrong one")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#sign-in[open]")
    await page.fill("#token", staff_token)
    await page.keyboard.press("Enter")
    await page.click("#lectures button")
    await page.fill("#edit-name", "값 <b>정하기</b>")
    await page.fill("#edit-tags", "시장, intro")
    await page.select_option("#edit-keep", "for_ever")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("text=값 <b>정하기</b>")
    assert await page.locator("#lectures .tag").all_inner_texts() == ["시장", "intro"]
    await page.click("#lectures button")
    assert await page.input_value("#edit-keep") == "for_ever"
    await page.click("#edit-delete")
    await page.wait_for_selector("#lectures > li", state="detached")
    await page.click("#show-bin")
    await page.click("#bin button:not(.danger)")
    await page.wait_for_selector("#lectures > li")
    assert await library.text("#bin") == "The recycle bin is empty."
    assert not library.problems


async def test_replay_plays_voice_and_pages_follow(browser: Browser, library_url: str) -> None:
    replay = await open_replay(browser, library_url)
    assert await chapter(replay) == "0:00What a price is"
    await replay.page.click("#play")
    await until(lambda: says(replay, "세 가지 질문"), "the second page, turned to at 1.5 s")
    assert 1.4 < await position_s(replay) < 4
    await until(lambda: says(replay, "Try it"), "the third page, turned to at 4 s")
    assert await position_s(replay) > 3.9
    assert not replay.problems


async def test_replay_seeks_by_chapter_keys_and_timeline(browser: Browser, library_url: str) -> None:
    replay = await open_replay(browser, library_url)
    page = replay.page
    await page.click("#chapters li:nth-child(3) button")
    await until(lambda: says(replay, "Try it"), "the chapter's page")
    assert await position_s(replay) == pytest.approx(4.0, abs=0.1)
    await page.keyboard.press("Home")
    await until(lambda: says(replay, "What a price is"), "the first page")
    await page.keyboard.press("PageDown")
    await until(lambda: says(replay, "세 가지 질문"), "the next chapter")
    await page.focus("#seek")
    await page.keyboard.press("End")
    await until(lambda: says(replay, "Try it"), "the end")
    await page.fill("#seek", "1000")
    await until(lambda: says(replay, "What a price is"), "the timeline's place")
    await page.keyboard.press(">")
    assert await page.evaluate("document.querySelector('#voice').playbackRate") == 1.25
    await page.locator("body").click(position={"x": 5, "y": 300})
    await page.keyboard.press(" ")
    await until(lambda: position_s(replay), "the space bar plays")
    assert not replay.problems


async def test_camera_keeps_to_the_voices_time_and_can_be_left_out(browser: Browser, library_url: str) -> None:
    replay = await open_replay(browser, library_url)
    page = replay.page
    await page.click("#chapters li:nth-child(3) button")
    await page.wait_for_selector("#camera:not([hidden])")

    async def in_step() -> bool:
        camera_s = float(await page.evaluate("document.querySelector('#camera').currentTime"))
        return abs(camera_s + recorded.CAMERA_FROM_MS / 1000 - await position_s(replay)) < 0.3

    await until(in_step, "the camera shows the voice's moment")
    await page.keyboard.press("Home")
    await page.wait_for_selector("#camera", state="hidden")
    await page.keyboard.press("End")
    await page.click("#camera-switch")
    await page.wait_for_selector("#camera", state="hidden")
    assert await replay.text("#camera-switch") == "Show camera"


async def test_replay_fetches_the_legible_page_first_and_no_page_in_vain(browser: Browser, library_url: str) -> None:
    replay = await browser.open("about:blank")
    fetched: list[str] = []
    replay.page.on("request", lambda request: fetched.append(request.url) if "/blob/" in request.url else None)
    await replay.page.goto(f"{library_url}/library/{recorded.LECTURE}")
    await replay.page.wait_for_selector("#page[data-tier='2']")
    manifest = await replay.page.evaluate(f"fetch('/library/{recorded.LECTURE}/replay.json').then((one) => one.json())")
    urls = {
        (page["page"], tier["tier"]): library_url + tier["url"] for page in manifest["pages"] for tier in page["tiers"]
    }

    async def next_is_there() -> bool:
        return urls[2, 1] in fetched

    await until(next_is_there, "the next page's legible image")
    assert fetched[:2] == [urls[1, 1], urls[1, 2]]
    assert not {urls[2, 2], urls[3, 1], urls[3, 2]} & set(fetched)


async def test_texts_are_in_korean_for_korean_readers_and_can_be_changed(browser: Browser, library_url: str) -> None:
    replay = await browser.open(f"{library_url}/library/{recorded.LECTURE}", locale="ko-KR")
    await replay.page.wait_for_selector("#page:not([hidden])")
    assert await replay.text("#chapters-title") == "차례"
    assert await replay.page.get_attribute("html", "lang") == "ko"
    await replay.page.click("#language")
    assert await replay.text("#chapters-title") == "Chapters"
    await replay.page.reload()
    await until(lambda: replay.text("#chapters-title"), "texts")
    assert await replay.text("#chapters-title") == "Chapters"


async def test_a_recording_that_is_not_there_is_told(browser: Browser, library_url: str) -> None:
    replay = await browser.open(f"{library_url}/library/nothing")
    await until(lambda: replay.text("#no-page-title"), "it says so")
    assert "as soon as it has ended" in await replay.text("#no-page-title")
