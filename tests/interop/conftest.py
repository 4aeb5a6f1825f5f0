"""Fixtures of the tests with a real browser."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import playwright.async_api as playwright
import pytest
import pytest_asyncio

from benchmarks import long_lecture
from lecture.file import LectureFile
from recordings import captions
from recordings.caption_files import Cue
from tests import recorded, sound
from tests.interop.browser import AWAKE, Browser, Chromium
from tests.interop.replays import SECONDS
from tests.network import parts
from tests.network.parts import SAMPLES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test with a browser looks in real time, and all of them in one loop, as they share the driver's process."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.realtime)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the fake microphone says, again and again: 20 s of the sample lecture, 48 kHz mono."""
    return sound.cut(SAMPLES / "voice.opus", 1, 20, tmp_path_factory.mktemp("voice") / "spoken.wav")


@pytest.fixture(scope="session")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first three pages of the sample deck."""
    return parts.short_deck(tmp_path_factory.mktemp("deck") / "deck.pdf", 3)


class Running:
    """One Chromium for all tests, since starting one costs as much as a test; anew if a test has brought it down."""

    def __init__(self, microphone: Path, folder: Path) -> None:
        self._microphone = microphone
        self._folder = folder
        self._chromium: Chromium | None = None

    def get(self) -> Chromium:
        if self._chromium is None or not self._chromium.running:
            self._chromium = Chromium(self._microphone, Path(tempfile.mkdtemp(dir=self._folder)), *AWAKE)
        return self._chromium

    def stop(self) -> None:
        if self._chromium is not None:
            self._chromium.kill()


@pytest.fixture(scope="session")
def running(spoken: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A Chromium whose microphone speaks :func:`spoken` and whose camera is the fake device's."""
    running = Running(spoken, tmp_path_factory.mktemp("chromium"))
    yield running
    running.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def driver() -> AsyncIterator[playwright.Playwright]:
    """What all tests speak to their browsers by: a process that takes a second or two to start."""
    async with playwright.async_playwright() as tool:
        yield tool


@pytest_asyncio.fixture(loop_scope="session")
async def browser(running: Running, driver: playwright.Playwright) -> AsyncIterator[Browser]:
    """That Chromium, with windows of the test's own."""
    async with running.get().connected(driver) as connection:
        yield Browser(connection)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def replays_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A relay whose library holds the small recorded lecture and a longer one; tests only read from it."""
    data = tmp_path_factory.mktemp("data")
    (data / "lectures").mkdir()
    recorded.write(data / "lectures")
    with LectureFile.open(long_lecture.write(data / "lectures", minutes=SECONDS / 60, pages=5, turns=10)) as file:
        captions.lay_in(file, "ko", [Cue(30_000, 60_000, "고정비와\n변동비")])
    async with parts.relay(data) as (_, url):
        yield url
