"""Fixtures of the tests with a real browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from benchmarks import long_lecture
from tests import recorded, sound
from tests.interop.browser import Browser, chromium
from tests.interop.replays import SECONDS
from tests.network import parts
from tests.network.parts import SAMPLES


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the fake microphone says, again and again: 20 s of the sample lecture, 48 kHz mono."""
    return sound.cut(SAMPLES / "voice.opus", 1, 20, tmp_path_factory.mktemp("voice") / "spoken.wav")


@pytest.fixture
async def browser(spoken: Path) -> AsyncIterator[Browser]:
    """A Chromium whose microphone speaks :func:`spoken` and whose camera is the fake device's."""
    async with chromium(spoken) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def replays_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A relay whose library holds the small recorded lecture and a longer one; tests only read from it."""
    data = tmp_path_factory.mktemp("data")
    (data / "lectures").mkdir()
    recorded.write(data / "lectures")
    long_lecture.write(data / "lectures", minutes=SECONDS / 60, pages=5, turns=10)
    async with parts.relay(data) as (_, url):
        yield url
