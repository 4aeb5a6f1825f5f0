"""A small recorded lecture for all tests of recordings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import recorded


@pytest.fixture(scope="session")
def lectures_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds one finished lecture, :data:`tests.recorded.LECTURE`."""
    return recorded.write(tmp_path_factory.mktemp("lectures")).parent


@pytest.fixture
def lecture_path(lectures_dir: Path) -> Path:
    return lectures_dir / f"{recorded.LECTURE}.lecture"
