"""What the tests of the hall's window share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from classroom_client.window.fonts import Fonts


@pytest.fixture(scope="module")
def fonts() -> Iterator[Fonts]:
    pygame = pytest.importorskip("pygame")
    pygame.font.init()
    yield Fonts()
    pygame.font.quit()
