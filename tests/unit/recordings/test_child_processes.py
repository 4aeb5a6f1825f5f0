"""Checks and imports in child processes that a stopping system tells to end: what they were at is not done, not bad."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

import pytest

from recordings import scan_process
from recordings.errors import RecordingError
from recordings.import_process import prepare_in_child
from recordings.scan_process import problems_in_child


@pytest.fixture
def ended_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever child is started is told to end, as systemd tells all processes of a service that it stops."""
    start = asyncio.create_subprocess_exec

    async def started(*words: Any, **options: Any) -> Process:
        process = await start(*words, **options)
        process.terminate()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", started)


async def test_a_check_says_what_is_wrong_with_a_file(lecture_path: Path, tmp_path: Path) -> None:
    (tmp_path / "half.lecture").write_bytes(lecture_path.read_bytes()[:10_000])
    sound, damaged = await asyncio.gather(*map(problems_in_child, (lecture_path, tmp_path / "half.lecture")))
    assert sound == []
    assert damaged


@pytest.mark.usefixtures("ended_at_once")
async def test_a_check_that_was_told_to_end_has_found_nothing(lecture_path: Path) -> None:
    assert await problems_in_child(lecture_path) is None


@pytest.mark.usefixtures("ended_at_once")
async def test_an_import_that_was_told_to_end_has_not_failed(lecture_path: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordingError) as caught:
        await prepare_in_child(lecture_path, tmp_path, most_bytes=1 << 30, damaged=False)
    assert caught.value.error_id == "import_interrupted"


async def test_a_file_that_takes_a_check_for_ever_has_a_problem(
    lecture_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it counted as one of which nothing is known, as after a kill, its check would begin anew for ever."""
    start = asyncio.create_subprocess_exec
    endless = "from recordings import scan\nscan.problems_of = lambda path: sum(iter(int, 1))\nscan.main()"

    async def started(program: str, *words: str, **options: Any) -> Process:
        assert words[-2:] == ("-m", "recordings.scan")
        return await start(program, "-c", endless, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", started)
    monkeypatch.setitem(scan_process._LIMITS, "cpu_s", 1)
    assert await problems_in_child(lecture_path) == ["It could not be checked within 1 s of the processor."]
