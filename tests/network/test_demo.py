"""What ``make run`` runs leaves nothing running, and says what is wrong."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from asyncio.subprocess import Process
from pathlib import Path

import pytest

from tests.network import parts


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
    async with parts.demo(tmp_path / "run", *words) as process:
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
    async with parts.relay(tmp_path / "run" / "relay"), parts.demo(tmp_path / "run") as second:
        said = (await second.communicate())[0].decode()
    assert second.returncode == 2
    assert "Another relay is using the data folder" in said
    assert "Is another `make run` still up?" in said
