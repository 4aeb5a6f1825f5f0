"""The sample lecture as a relay records it: given once, in real time, through a real relay by a real streamer."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.recordings_export import SAMPLES
from benchmarks.thin_links.machine import cpu_s
from benchmarks.thin_links.planned import rendered, staff
from benchmarks.thin_links.process import START_S, part

PAGES = 10
GIVE_S = 600.0
"""The sample lecture lasts 242 s; a busy machine may take longer."""


@dataclass(frozen=True, slots=True)
class Given:
    """A recorded lecture.

    :param path: its lecture file.
    :param relay_cpu_s: what the whole relay took from the first word to the last, without a hall; ``spoke_s`` how long
        that was.
    """

    path: Path
    relay_cpu_s: float
    spoke_s: float


async def give(folder: Path) -> Given:
    """Give the lecture. Its deck is rendered before the lecturer speaks.

    :param folder: an empty one, in which everything is left.
    :raises BenchError: a part does not start, or stops early.
    """
    data = folder / "relay"
    words = [sys.executable, "-m", "hallcast", "relay", "--host", "127.0.0.1", "--port", "0", "--json"]
    with (folder / "log.txt").open("wb") as log:
        async with part("relay", [*words, "--data", str(data)], folder, log) as relay:
            up = await relay.named("ready", START_S)
            async with staff(up) as http:
                facts = {"title": "Starting a small business", "course": "Samples", "languages": ["en"]}
                answer = await http.post("/api/lectures", json=facts)
                answer.raise_for_status()
                handout = answer.json()
                headers = {"Authorization": f"Bearer {handout['lecturer_token']}", "content-type": "application/pdf"}
                deck = (SAMPLES / "deck.pdf").read_bytes()
                answer = await http.put(f"/lectures/{handout['lecture']}/deck", content=deck, headers=headers)
                answer.raise_for_status()
            path = data / "lectures" / f"{handout['lecture']}.lecture"
            await rendered(path, PAGES)
            words = [sys.executable, "-m", "hallcast", "stream", "--relay", f"http://127.0.0.1:{up['port']}"]
            words += ["--lecture", str(handout["lecture"]), "--token", str(handout["lecturer_token"])]
            words += ["--slides", str(SAMPLES / "deck.pdf"), "--turns", str(SAMPLES / "turns.json")]
            words += ["--voice", str(SAMPLES / "voice.opus"), "--camera", str(SAMPLES / "camera.webm")]
            words += ["--keep", str(folder / "lecturer"), "--end", "--json"]
            async with part("lecturer", words, folder, log) as lecturer:
                began = await lecturer.named("page", START_S)
                before_s = cpu_s(relay.process.pid) or 0.0
                receipt = await lecturer.named("receipt", GIVE_S)
                relay_cpu_s = (cpu_s(relay.process.pid) or 0.0) - before_s
    return Given(path, relay_cpu_s, receipt["at_s"] - began["at_s"])
