"""The figures of recordings beside their bars: for people, for programs, for the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.recordings_cost import Cost
from benchmarks.recordings_export import Result
from benchmarks.recordings_open import PLAYED_S, Opened, ThinStart
from benchmarks.recordings_search import SearchFigures
from benchmarks.recordings_size import Sizes

BEGIN, END = "<!-- recordings: begin (written by make bench-recordings) -->", "<!-- recordings: end -->"
COVID_KBPS = 34.0
"""What the published CoVid method needs for voice and pages."""
LIGHT_BAR_KBPS, FULL_BAR_KBPS = 16.0, 20.0
SOUND_BAR_MB_PER_H = 12.0
USUAL_PAGE_S = 90
SOUND_BAR_S, PAGE_BAR_S, BARS_KBPS = 3.0, 8.0, 64
"""From entering the address until the voice sounds and the page is seen, on a line of this rate."""
_MB_PER_H = 0.45
"""Of 1 kbit/s."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement.

    :ivar most: the bar; None where there is none.
    :ivar beside: what else is to be known of it.
    """

    name: str
    value: float
    unit: str
    most: float | None = None
    beside: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the bar is met; None without one."""
        return None if self.most is None else self.value <= self.most


@dataclass(frozen=True, slots=True)
class Section:
    """Figures of one kind, and how they were measured."""

    title: str
    how: str
    figures: Sequence[Figure]


def size_section(sizes: Sizes, how: str) -> Section:
    """Bytes of a lecture."""
    kbps = sizes.kbps

    def figure(name: str, size_bytes: float, most: float | None = None) -> Figure:
        rate = kbps(size_bytes)
        return Figure(name, rate, "kbit/s", most, f"{rate * _MB_PER_H:.1f} MB/h")

    light, full = (sizes.voice[rung] + sizes.rest for rung in ("light", "full"))
    both = sizes.legible + sizes.sharp
    slower = sizes.duration_s / max(1, sizes.pages_shown) / USUAL_PAGE_S
    figures = [
        Figure(
            "CoVid, as published: voice and pages", COVID_KBPS, "kbit/s", None, f"{COVID_KBPS * _MB_PER_H:.1f} MB/h"
        ),
        figure("listener: light voice and legible pages", light + sizes.legible, LIGHT_BAR_KBPS),
        figure("listener: light voice, legible and sharp pages", light + both, LIGHT_BAR_KBPS),
        figure(
            f"listener: light voice, the same pages, one every {USUAL_PAGE_S} s", light + slower * both, LIGHT_BAR_KBPS
        ),
        figure("listener: full voice and legible pages", full + sizes.legible, FULL_BAR_KBPS),
        figure("listener: full voice, legible and sharp pages", full + both, FULL_BAR_KBPS),
        figure(
            f"listener: full voice, the same pages, one every {USUAL_PAGE_S} s", full + slower * both, FULL_BAR_KBPS
        ),
        figure("listener: light voice, all pages, camera", light + both + sizes.camera),
        *(figure(f"listener, of it {name}", size) for name, size in _parts(sizes).items() if size),
        figure("pack of the light voice and sharp pages", sizes.pack["light"], LIGHT_BAR_KBPS),
        figure("pack of the full voice and sharp pages", sizes.pack["full"], FULL_BAR_KBPS),
        Figure("the page in a pack, once", sizes.program / 1000, "kB"),
        figure("on disk: the lecture file", sizes.file),
        *(figure(f"on disk, of it {name}", size) for name, size in sizes.on_disk.items()),
    ]
    return Section("Bytes per hour", how, figures)


def _parts(sizes: Sizes) -> dict[str, int]:
    return {
        "light voice": sizes.voice["light"],
        "full voice": sizes.voice["full"],
        "legible pages": sizes.legible,
        "sharp pages": sizes.sharp,
        "list of contents, ink, waveform": sizes.rest,
        "camera": sizes.camera,
    }


def cost_section(cost: Cost, relay_percent: float | None) -> Section:
    """What recording costs."""
    figures = [
        Figure("recording one lecture", cost.cpu_percent, "% of a core"),
        Figure("written", cost.written_bytes_per_s / 1000, "kB/s", None, "log, checkpoints, finishing"),
        Figure("of it in the file in the end", cost.file_bytes_per_s / 1000, "kB/s"),
    ]
    if relay_percent is not None:
        figures.append(Figure("the whole relay meanwhile, without a hall", relay_percent, "% of a core"))
    how = (
        f"{cost.entries} entries of {cost.seconds:.0f} s of the same lecture (voice as sent and in two rungs, camera,"
        " events), at the times at which they came, through the relay's recorder; the same without a file subtracted."
    )
    return Section("Cost of recording a lecture", how, figures)


def open_section(opened: Sequence[Opened], thin: Sequence[ThinStart], minutes: float) -> Section:
    """How long it takes to open a replay."""
    figures = []
    for one in opened:
        beside = f"{one.cold_cpu_ms:.0f} ms of CPU; {one.sent_bytes / 1000:.1f} kB"
        figures += [
            Figure(f"{one.name}, cold", one.cold_ms, "ms", None, beside),
            Figure(f"{one.name}, warm", one.warm_ms, "ms", None, "median"),
        ]
    how = (
        f"A lecture of {minutes / 60:g} h, two languages, 100 pages, ink, pointer; asked over HTTP one after the other."
        " Cold: relay just started, nothing derived, file not in memory. Thin lines: Chromium, its first visit, 600 ms."
    )
    for start in thin:
        sound, page = (SOUND_BAR_S, PAGE_BAR_S) if start.kbps == BARS_KBPS else (None, None)
        line = f"{start.kbps:g} kbit/s"
        figures += [
            Figure(f"{line}: the voice sounds after", start.sound_s, "s", sound, "median"),
            Figure(f"{line}: the page of the moment is seen after", start.page_s, "s", page, "median"),
            Figure(
                f"{line}: the voice has to wait in its first {PLAYED_S} s",
                start.waited,
                "times",
                0,
                f"{start.least_ahead_s:.1f} s lay ahead when it was least",
            ),
        ]
    return Section("Opening a long replay", how, figures)


def export_section(results: Sequence[Result]) -> Section:
    """How fast exports are."""
    figures = []
    for result in results:
        name = f"{result.kind}{', with camera' if result.with_camera else ''}"
        cpu_times = result.minutes * 60 / max(result.cpu_s, 0.01)
        beside = f"took {result.took_s:.1f} s; {result.cpu_s:.1f} s of CPU, {cpu_times:.0f} × real time by CPU"
        figures.append(Figure(name, result.times_real_time, "× real time", None, beside))
        if result.kind == "pdf":
            # As many pages whether they were shown for minutes or for hours.
            figures.append(Figure(f"{name}: size", result.megabytes, "MB"))
            continue
        bar = SOUND_BAR_MB_PER_H if result.kind == "opus" else None
        figures.append(Figure(f"{name}: size", result.kbps * _MB_PER_H, "MB/h", bar))
    how = f"{results[0].minutes:g} minutes of the sample lecture, pen strokes on each page." if results else ""
    return Section("Export", how, figures)


def search_section(by_database: dict[str, SearchFigures]) -> Section:
    """How long searches take."""
    figures = []
    for name, found in by_database.items():
        figures += [
            Figure(f"{name}: {query}", median, "ms", None, "median") for query, median in found.search_ms.items()
        ]
        figures += [
            Figure(f"{name}: worst of all", found.worst_ms, "ms"),
            Figure(f"{name}: taking in a lecture", found.take_in_ms, "ms"),
        ]
        if found.database_bytes:
            figures.append(Figure(f"{name}: catalogue with index", found.database_bytes / 1e6, "MB"))
    one = next(iter(by_database.values()))
    how = f"{one.lectures} lectures, {one.pages:,} pages in Korean and English."
    return Section("Search", how, figures)


def number(figure: Figure) -> str:
    """A figure as people read it."""
    digits = 2 if abs(figure.value) < 1 else 0 if abs(figure.value) >= 1000 else 1
    return f"{figure.value:,.{digits}f} {figure.unit}"


def text(sections: Sequence[Section], command: str, machine: str) -> str:
    """The results in Markdown."""
    lines = [f"`{command}` on {machine}. A figure that misses its bar is **bold**."]
    for section in sections:
        lines += ["", f"### {section.title}", "", section.how, "", "| | figure | bar | |", "|---|---:|---:|---|"]
        for figure in section.figures:
            value = f"**{number(figure)}**" if figure.ok is False else number(figure)
            bar = "" if figure.most is None else f"≤ {figure.most:g}"
            lines.append(f"| {figure.name} | {value} | {bar} | {figure.beside} |")
    missed = [
        f"- {section.title}: {figure.name}, {number(figure)}, bar ≤ {figure.most:g}"
        for section in sections
        for figure in section.figures
        if figure.ok is False
    ]
    lines += ["", "Missed:", "", *missed] if missed else ["", "Every bar was met."]
    return "\n".join(lines) + "\n\n"


def facts(sections: Sequence[Section], command: str, machine: str) -> dict[str, Any]:
    """The results, JSON-ready."""
    return {
        "command": command,
        "machine": machine,
        "sections": {
            section.title: [asdict(figure) | {"ok": figure.ok} for figure in section.figures] for section in sections
        },
    }
