"""What ``make run`` runs, with a short lecture: it ends with a receipt."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recordings.catalogue import Catalogue
from tests.network import parts


@pytest.mark.realtime
async def test_own_files_are_a_lecture_with_a_receipt(tmp_path: Path) -> None:
    material = parts.short_lecture(tmp_path / "material", seconds=5, pages=4)
    own = ("--slides", material.slides, "--voice", material.voice, "--language", "ko")
    async with parts.demo(tmp_path / "run", *own, "--exit") as process:
        said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    assert "“deck”" in said, "named after the slides"
    assert "the first 2 of 4 pages are shown" in said, "no page goes by faster than it can be read"
    assert "2 shown of 2 turned to" in said
    assert re.search(r"[45]\.\d s heard of 5\.0 s sent", said), said
    with Catalogue(tmp_path / "run" / "relay" / "catalogue.db") as catalogue:
        assert [lecture.languages for lecture in catalogue.list()] == [("ko",)]
