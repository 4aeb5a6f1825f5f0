"""The library in a real browser, over plain HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from lecture.file import LectureFile
from tests import recorded
from tests.interop.browser import Browser
from tests.network import parts


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def library_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A relay whose library holds the small recorded lecture; tests only read from it."""
    data = tmp_path_factory.mktemp("data")
    (data / "lectures").mkdir()
    recorded.write(data / "lectures")
    async with parts.relay(data) as (_, url):
        yield url


@pytest_asyncio.fixture(loop_scope="session")
async def own_library(tmp_path: Path) -> AsyncIterator[tuple[str, str]]:
    """The address of a relay of the test's own with the same lecture, and its staff token."""
    (tmp_path / "data" / "lectures").mkdir(parents=True)
    recorded.write(tmp_path / "data" / "lectures")
    async with parts.relay(tmp_path / "data") as (_, url):
        yield url, (tmp_path / "data" / "staff.token").read_text().strip()


async def test_library_finds_part_of_a_korean_word_and_leads_to_its_moment(browser: Browser, library_url: str) -> None:
    library = await browser.open(f"{library_url}/library")
    page, entry = library.page, library.page.locator("#lectures > li > a")
    await entry.wait_for()
    assert "Pricing" in await entry.inner_text()
    await page.fill("#search", "nothing of the kind")
    await page.wait_for_selector("#lectures > li", state="detached")
    assert await library.text("#state") == "Lectures found: 0"
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
    await page.go_back(wait_until="commit")  # it may come back whole, without being loaded
    await moment.wait_for()
    assert await page.input_value("#search") == "질"
    assert not library.problems


async def test_staff_change_a_lecture_delete_and_restore_it(browser: Browser, own_library: tuple[str, str]) -> None:
    url, staff_token = own_library
    library = await browser.open(f"{url}/library")
    page = library.page
    await page.wait_for_selector("#lectures > li")
    assert "missing" not in await library.text("#lectures"), "what a recording lacks is for staff"
    await page.click("#staff")
    await page.fill("#token", "a wrong one")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#sign-in[open]")
    await page.fill("#token", staff_token)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#lectures .error >> text=1.2 s of the voice missing")
    assert "Recordings that lack voice: 1" in await library.text("#storage-used")
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


async def test_staff_import_a_recording_and_the_same_again_is_the_same(
    browser: Browser, own_library: tuple[str, str], tmp_path: Path
) -> None:
    url, staff_token = own_library
    (tmp_path / "given").mkdir()
    given = recorded.write(tmp_path / "given")
    with LectureFile.open(given) as file:
        file.set_meta("lecture", "from-a-stick")
        file.set_meta("title", "From a stick")
        file.finish()
    library = await browser.open(f"{url}/library")
    page = library.page
    assert not await page.is_visible("#import")
    await page.click("#staff")
    await page.fill("#token", staff_token)
    await page.keyboard.press("Enter")
    for said in ("is in the library now", "was here already"):
        await page.set_input_files("#import-file", given)
        await page.wait_for_selector(f"#import-result >> text={said}")
    await page.wait_for_selector("#lectures >> text=From a stick")
    assert await page.locator("#import-result a").get_attribute("href") == "/library/from-a-stick"
    assert not library.problems
