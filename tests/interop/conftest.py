"""Fixtures of the tests with a real browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import sound
from tests.interop.browser import Browser, chromium
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
