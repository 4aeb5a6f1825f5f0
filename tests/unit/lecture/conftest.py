"""A lecture file to write into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lecture.file import LectureFile
from tests.unit.lecture.file_kit import VOICE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "physics 1 100%.lecture"


@pytest.fixture
def file(path: Path) -> Iterator[LectureFile]:
    with LectureFile.create(path, {"title": "Physics"}) as file:
        file.add_track(VOICE)
        yield file
