"""A terminal shared live over a thin link: what it costs, and how often the hall reads what is on it.

    python -m benchmarks.thin_links.screen [--link C] [--out folder] [--judge-only]

A lecture with the material's film of a terminal as its shared screen is held like those of ``make bench``. Every two
seconds of the lecture's time it is asked which words stood on the lecturer's screen three seconds ago and still do (as
tesseract reads the film itself); the screen is current and legible if tesseract reads 95 % of them on the projector
when the voice of that moment is heard.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
from PIL import Image

from benchmarks.thin_links.forwarder import new_network_namespace
from benchmarks.thin_links.lecture import Plan, hold
from benchmarks.thin_links.legible import LEGIBLE_RECALL, read_words
from benchmarks.thin_links.links import LINKS
from benchmarks.thin_links.material import Sources
from classroom_client.screen_stills import SCREEN_DECK
from lecture.entries import Entry, Kind
from lecture.file import LectureFile

AFTER_S = 3.0
EVERY_S = 2.0
_PACKET_DATA_BYTES = 1_000
_PACKET_HEAD_BYTES = 84
"""IP, UDP, SRTP and feedback's extension, data payload and part header around each piece of an update."""
_MIN_WORDS = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment: how much of what stands on the lecturer's screen is read in the hall."""

    at_s: float
    words: int
    recall: float
    late_ms: int


class Film:
    """The shared screen itself, and what can be read on it."""

    def __init__(self, path: Path) -> None:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            self.length_s = float((stream.duration or 0) * (stream.time_base or 0))
        self._path = path

    def words(self, times_s: list[float], pool: ThreadPoolExecutor) -> dict[float, Counter[str]]:
        """What can be read at these times of the film."""
        wanted = sorted(set(times_s))
        return dict(zip(wanted, pool.map(read_words, self._pictures(wanted)), strict=True))

    def _pictures(self, times_s: list[float]) -> Iterator[Image.Image]:
        waiting = list(times_s)
        last: Image.Image | None = None
        with av.open(str(self._path)) as container:
            for frame in container.decode(video=0):
                while waiting and float(frame.time or 0.0) >= waiting[0]:
                    last = Image.fromarray(frame.to_ndarray(format="rgb24"))
                    waiting.pop(0)
                    yield last
        for _ in waiting:
            assert last is not None
            yield last


def judge(folder: Path, film: Film) -> tuple[list[Sample], list[Entry]]:
    """What the hall saw, and the updates that it was sent."""
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    with LectureFile.open(next((folder / "hall").glob("*.lecture")), readonly=True) as file:
        received = file.read(kinds=[Kind.SCREEN], limit=100_000)
    with LectureFile.open(folder / facts["lecture_file"], readonly=True) as file:
        began_ms = file.read(kinds=[Kind.SCREEN], limit=1)[0].t_ms
    shown = [
        item
        for item in json.loads((folder / "pages" / "pages.json").read_text(encoding="utf-8"))
        if item["deck"] == SCREEN_DECK
    ]
    end_s = (shown[-1]["heard_ms"] - began_ms) / 1000
    times = [AFTER_S + EVERY_S * number for number in range(int((end_s - AFTER_S) / EVERY_S))]
    # A moment whose three seconds lie across the film's begin has two screens; it is left out.
    times = [at for at in times if at % film.length_s >= AFTER_S]
    with ThreadPoolExecutor(2) as pool:
        in_film = {at: (round((at - AFTER_S) % film.length_s, 1), round(at % film.length_s, 1)) for at in times}
        truth = film.words([moment for pair in in_film.values() for moment in pair], pool)
        on_screen = {at: [still for still in shown if still["heard_ms"] <= began_ms + at * 1000][-1:] for at in times}
        files = sorted({still["file"] for stills in on_screen.values() for still in stills})
        read = dict(zip(files, pool.map(lambda name: read_words(_opened(folder / "pages" / name)), files), strict=True))
    samples = []
    for at in times:
        before, now = (truth[moment] for moment in in_film[at])
        wanted = before & now
        if wanted.total() < _MIN_WORDS or not on_screen[at]:
            continue
        still = on_screen[at][0]
        got = (wanted & read[still["file"]]).total() / wanted.total()
        samples.append(Sample(round(at, 1), wanted.total(), round(got, 3), still["heard_ms"] - still["t_ms"]))
    return samples, received


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def wire_bytes(entry: Entry) -> int:
    """What an update costs on the hall's link, with all headers."""
    size = len(entry.payload)
    return size + _PACKET_HEAD_BYTES * -(-size // _PACKET_DATA_BYTES)


def report(samples: list[Sample], received: list[Entry], length_s: float) -> dict[str, object]:
    """The figures."""
    by_second: Counter[int] = Counter()
    for entry in received:
        by_second[entry.t_ms // 1000] += wire_bytes(entry)
    legible = [sample for sample in samples if sample.recall >= LEGIBLE_RECALL]
    return {
        "mean_kbps": round(sum(by_second.values()) * 8 / 1000 / length_s, 1),
        "worst_second_kbit": round(max(by_second.values()) * 8 / 1000),
        "updates": len(received),
        "samples": len(samples),
        "legible_share": round(len(legible) / max(1, len(samples)), 3),
        "worst": [[sample.at_s, sample.recall] for sample in sorted(samples, key=lambda sample: sample.recall)[:6]],
        "met": bool(samples)
        and len(legible) >= 0.9 * len(samples)
        and sum(by_second.values()) * 8 / 1000 <= 15 * length_s,
    }


def main() -> int:
    """Returns 0 if the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--link", default="C", choices=LINKS)
    parser.add_argument("--out", type=Path, default=Path("bench-results/screen"))
    parser.add_argument("--material", type=Path)
    parser.add_argument("--judge-only", action="store_true")
    args = parser.parse_args()
    sources = Sources.find(args.material)
    if sources.screen is None:
        print("There is no film of a screen in the material.", file=sys.stderr)
        return 2
    folder = args.out.resolve() / args.link
    link = LINKS[args.link]
    if not args.judge_only:
        words = ("--screen", str(sources.screen))
        plan = Plan(link, False, False, 1, folder, sources, camera=False, stream_words=words)
        new_network_namespace()
        asyncio.run(hold(plan))
    samples, received = judge(folder, Film(sources.screen))
    figures = report(samples, received, link.length_s)
    (folder / "screen.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))
    return 0 if figures["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
