"""A small recorded lecture for all tests of recordings."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from recordings.catalogue import Catalogue
from tests import catalogues, recorded


@pytest.fixture(scope="session")
def lectures_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds one finished lecture, :data:`tests.recorded.LECTURE`."""
    return recorded.write(tmp_path_factory.mktemp("lectures")).parent


@pytest.fixture
def lecture_path(lectures_dir: Path) -> Path:
    return lectures_dir / f"{recorded.LECTURE}.lecture"


@pytest.fixture
def data(lecture_path: Path, tmp_path: Path) -> Path:
    """A data folder that holds that lecture and no catalogue."""
    folder = tmp_path / "data"
    (folder / "lectures").mkdir(parents=True)
    shutil.copy(lecture_path, folder / "lectures")
    return folder


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server; the one thing in these tests with a socket, since half of what they check is its."""
    programs = catalogues.postgres_programs()
    if programs is None:
        pytest.skip("Debian's package postgresql is not installed")
    with catalogues.postgres(programs) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def catalogue_where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where to open an empty catalogue: every test that asks for it runs on both databases."""
    if request.param == "sqlite":
        return tmp_path / "catalogue.db"
    return catalogues.empty(request.getfixturevalue("postgres_url"))


@pytest.fixture
def catalogue(catalogue_where: Path | str) -> Iterator[Catalogue]:
    with Catalogue(catalogue_where) as opened:
        yield opened
