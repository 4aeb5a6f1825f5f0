"""The library in a real browser, over plain HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests import recorded
from tests.interop.browser import Browser
from tests.network import parts


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def library_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A relay whose library holds the small recorded lecture; tests only read from it."""
    data = tmp_path_factory.mktemp("data")
    (data / "lectures").mkdir()
    recorded.write(data / "lectures")
    async with parts.relay(data) as (_, url):
        yield url


async def test_library_lists_filters_and_leads_to_the_replay(browser: Browser, library_url: str) -> None:
    library = await browser.open(f"{library_url}/library")
    entry = library.page.locator("#lectures a")
    await entry.wait_for()
    assert "Pricing" in await entry.inner_text()
    await library.page.fill("#search", "nothing of the kind")
    assert await entry.count() == 0
    assert await library.text("#state") == "0 of 1 lectures"
    await library.page.fill("#search", "PRIC")
    await entry.wait_for()
    await library.page.press("#search", "Tab")
    await library.page.keyboard.press("Enter")
    await library.page.wait_for_selector("#page:not([hidden])")
    assert not library.problems
