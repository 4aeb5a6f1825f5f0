"""What ``make run`` runs, with a short lecture: it ends with a receipt, leaves nothing running, says what is wrong."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from recordings.catalogue import Catalogue
from tests.network import parts

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(120)]


@asynccontextmanager
async def demo(data: Path, *words: str | Path) -> AsyncIterator[Process]:
    """The demonstration without a window, on any port."""
    command = [sys.executable, "-m", "hallcast", "demo", "--headless", "--port", "0", "--data", data, *words]
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=PIPE, stderr=STDOUT)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


async def until_said(process: Process, words: str) -> str:
    """The first line with these words."""
    assert process.stdout is not None
    async for line in process.stdout:
        if words in line.decode():
            return line.decode()
    raise AssertionError(f"never said: {words}")


async def until_gone(address: tuple[str, int]) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection(*address)
            except OSError:
                return
            writer.close()
            await asyncio.sleep(0.1)


async def test_own_files_are_a_lecture_with_a_receipt(tmp_path: Path) -> None:
    material = parts.short_lecture(tmp_path / "material", seconds=5, pages=4)
    own = ("--slides", material.slides, "--voice", material.voice, "--language", "ko")
    async with demo(tmp_path / "run", *own, "--exit") as process:
        said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    assert "“deck”" in said, "named after the slides"
    assert "the first 2 of 4 pages are shown" in said, "no page goes by faster than it can be read"
    assert "2 shown of 2 turned to" in said
    assert re.search(r"[45]\.\d s heard of 5\.0 s sent", said), said
    with Catalogue(tmp_path / "run" / "relay" / "catalogue.db") as catalogue:
        assert [lecture.languages for lecture in catalogue.list()] == [("ko",)]


@pytest.mark.parametrize(
    ("number", "words", "up"),
    [
        (signal.SIGINT, (), "is up at"),
        (signal.SIGTERM, (), "is up at"),
        (signal.SIGTERM, ("--json",), '"event": "addresses"'),
        (signal.SIGHUP, (), "is up at"),
    ],
)
async def test_nothing_runs_on_after_it_was_stopped(
    tmp_path: Path, number: signal.Signals, words: tuple[str, ...], up: str
) -> None:
    async with demo(tmp_path / "run", *words) as process:
        line = await until_said(process, up)
        if words:
            addresses = json.loads(line)
            assert addresses["hall"].startswith(addresses["relay"])
            assert addresses["hall_code"]
        found = re.search(r"http://([\d.]+):(\d+)", line)
        assert found is not None
        await until_said(process, "The voice is playing.")
        os.kill(process.pid, number)
        said = (await process.communicate())[0].decode()
    assert "Everything is stopped." in said
    assert process.returncode == 0
    await until_gone((found[1], int(found[2])))


async def test_a_second_one_says_that_there_is_one_already(tmp_path: Path) -> None:
    async with parts.relay(tmp_path / "run" / "relay"), demo(tmp_path / "run") as second:
        said = (await second.communicate())[0].decode()
    assert second.returncode == 2
    assert "Another relay is using the data folder" in said
    assert "Is another `make run` still up?" in said
