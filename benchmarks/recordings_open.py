"""How long a relay takes to open a replay of three hours, over HTTP as the page asks; and how long a browser takes that
opens it over a thin line, and whether it plays on there.

Cold: the relay has just started, nothing was derived from the recording, and the system was told to forget what it
holds of the file. Warm: the same again. The thin line is emulated in this process (``tests/network/link.py``); each
start is that of a browser that was never here before.
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
from tests.interop.browser import chromium, chromium_binary, until
from tests.interop.thin_line import WATCH, thin_line
from tests.network.link import LossyLink
from tests.network.parts import SAMPLES

WARM_TIMES = 15
THIN_STARTS = 3
"""Of which the median is told."""
PLAYED_S = 60
PATIENCE_S = 120


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


@dataclass(frozen=True, slots=True)
class ThinStart:
    """A start over a thin line.

    :ivar sound_s: from entering the address until the voice sounds; ``page_s`` until the page of the moment is seen.
    :ivar waited: how often the voice had to wait while a minute was played; ``least_ahead_s`` how much of it lay ahead
        when that was least.
    """

    kbps: float
    sound_s: float
    page_s: float
    waited: int
    least_ahead_s: float


async def opened(folder: Path, minutes: float = 180.0) -> tuple[list[Opened], list[ThinStart]]:
    """Serve a long recording and open it: over HTTP, and where there is a Chromium over thin lines.

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
            answers = [await _measured(http, relay.process.pid, name, url) for name, url in asked.items()]
            port = http.base_url.port
            assert port is not None
            thin = [await _over(rate_kbps, port, begin) for rate_kbps in (64, 32)] if chromium_binary() else []
            return answers, thin


async def _over(rate_kbps: float, relay_port: int, path: str) -> ThinStart:
    """Open the replay at ``path`` over a line of this rate, and play on."""
    spec = thin_line(rate_kbps)
    found = []
    async with chromium(SAMPLES / "voice.opus") as browser, LossyLink(seed=1, down=spec, up=spec) as link:
        url = f"http://127.0.0.1:{await link.tcp('127.0.0.1', relay_port)}{path}"
        for last in [False] * (THIN_STARTS - 1) + [True]:
            page = (await browser.open("about:blank")).page
            await page.add_init_script(WATCH)
            await page.goto(url, wait_until="commit")
            await until(lambda page=page: page.evaluate("seen.sounds_ms && seen.painted_ms"), "a start", PATIENCE_S)
            if last:
                heard = f"voice.currentTime > {PLAYED_S}"
                await until(lambda page=page, heard=heard: page.evaluate(heard), "a minute", PATIENCE_S)
            found.append(await page.evaluate("seen"))
            await page.context.close()
    sound_s, page_s = (statistics.median(one[name] for one in found) / 1000 for name in ("sounds_ms", "painted_ms"))
    return ThinStart(rate_kbps, sound_s, page_s, found[-1]["waited"], found[-1]["least_ahead_s"])


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
