"""The recorder beside others at work."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lecture.entries import Entry, Kind, pack_event
from lecture.file import LectureFile
from relay.media.recorder import Recorder


@pytest.fixture
async def busy() -> AsyncIterator[None]:
    """All threads of the loop are at work for somebody else."""
    done, at_work = threading.Event(), threading.Event()
    threads = ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(threads)
    work = asyncio.create_task(asyncio.to_thread(lambda: (at_work.set(), done.wait())))
    while not at_work.is_set():
        await asyncio.sleep(0)
    yield
    done.set()
    await work


@pytest.mark.usefixtures("busy")
async def test_what_is_said_is_on_disk_while_all_threads_replay(tmp_path: Path) -> None:
    path = tmp_path / "talk.lecture"
    recorder = Recorder(file := LectureFile.create(path), interval_s=1.0)
    file.append(Entry(Kind.MARK, 500, pack_event({"text": "now"})))
    async with asyncio.timeout(30):
        await recorder.commit()
        with LectureFile.open(path, readonly=True) as copy:
            assert copy.last_t_ms() == recorder.committed_ms == 500
        file.append(Entry(Kind.MARK, 900, pack_event({"text": "and now"})))
        await recorder.close()
    await recorder.commit()  # who comes later meets no error
    with LectureFile.open(path, readonly=True) as copy:
        assert copy.last_t_ms() == 900


async def test_an_end_that_comes_while_the_recorder_writes_is_written_too(tmp_path: Path) -> None:
    path = tmp_path / "talk.lecture"
    recorder = Recorder(file := LectureFile.create(path), interval_s=60.0)
    file.append(Entry(Kind.MARK, 500, pack_event({"text": "now"})))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(recorder.commit())
        await asyncio.sleep(0)
        ending = asyncio.create_task(recorder.finish())
        await asyncio.sleep(0)
        assert not writing.done()
        other.execute("ROLLBACK")
    await asyncio.gather(writing, ending)
    await recorder.close()
    with LectureFile.open(path, readonly=True) as copy:
        assert copy.finished
