"""How long a relay takes to open a replay of three hours, over HTTP as the page asks.

Cold: the relay has just started, nothing was derived from the recording, and the system was told to forget what it
holds of the file. Warm: the same again.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks import long_lecture
from benchmarks.thin_links.machine import cpu_s
from benchmarks.thin_links.planned import staff
from benchmarks.thin_links.process import START_S, part
from recordings.voice import SEGMENT_MS

WARM_TIMES = 15


@dataclass(frozen=True, slots=True)
class Opened:
    """One thing that the page asks for when it opens.

    :ivar cold_ms: until its last byte; ``warm_ms`` is a median.
    :ivar cold_cpu_ms: what the relay's process took for it (in steps of 10 ms).
    :ivar sent_bytes: its body as it goes over the line.
    """

    name: str
    cold_ms: float
    cold_cpu_ms: float
    warm_ms: float
    sent_bytes: int


async def opened(folder: Path, minutes: float = 180.0) -> list[Opened]:
    """Serve a long recording and open it.

    :raises BenchError: the relay does not come up.
    :raises httpx.HTTPStatusError: the relay does not give the recording.
    """
    lectures = folder / "relay" / "lectures"
    lectures.mkdir(parents=True)
    path = long_lecture.write(lectures, minutes=minutes)
    words = [sys.executable, "-m", "hallcast", "relay", "--host", "127.0.0.1", "--port", "0", "--json"]
    with (folder / "log.txt").open("wb") as log:
        async with (
            part("relay", [*words, "--data", str(folder / "relay")], folder, log) as relay,
            staff(await relay.named("ready", START_S)) as http,
        ):
            begin = f"/library/{long_lecture.LECTURE}"
            # In the order in which the page asks.
            asked = {
                "page": begin,
                "manifest": f"{begin}/replay.json",
                "first piece of voice": f"{begin}/voice/-/light/0.webm",
                "waveform": f"{begin}/waveform/en",
                "a piece of voice in the middle": f"{begin}/voice/-/light/{round(minutes * 30_000 / SEGMENT_MS)}.webm",
            }
            _forget(path)
            return [await _measured(http, relay.process.pid, name, url) for name, url in asked.items()]


async def _measured(http: httpx.AsyncClient, relay_pid: int, name: str, url: str) -> Opened:
    before_s = cpu_s(relay_pid) or 0.0
    cold_ms, sent_bytes = await _asked(http, url)
    cpu_ms = 1000 * ((cpu_s(relay_pid) or 0.0) - before_s)
    warm_ms = statistics.median([(await _asked(http, url))[0] for _ in range(WARM_TIMES)])
    return Opened(name, round(cold_ms, 1), round(cpu_ms), round(warm_ms, 1), sent_bytes)


async def _asked(http: httpx.AsyncClient, url: str) -> tuple[float, int]:
    """Milliseconds until the answer is whole, and its bytes as sent."""
    began_s = time.perf_counter()
    async with http.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as answer:
        answer.raise_for_status()
        size_bytes = sum([len(part) async for part in answer.aiter_raw()])
    return 1000 * (time.perf_counter() - began_s), size_bytes


def _forget(path: Path) -> None:
    """Have the system drop the file from its memory, where it can be told to."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
