"""The figures beside the bars: for people (a table), for programs (JSON), for the documentation."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.document import write_between
from benchmarks.thin_links.judge import Figure, Result
from benchmarks.thin_links.links import LINKS

_BEGIN, _END = "<!-- thin links: begin (written by make bench) -->", "<!-- thin links: end -->"
_COLUMNS = (
    ("voice heard", "voice heard"),
    ("STOI", "STOI"),
    ("longest gap", "gap, ms"),
    ("behind, worst", "behind, s"),
    ("back after", "back, s"),
    ("hall's file", "kept"),
    ("page", "page, s"),
    ("page sharp, worst", "sharp, s"),
    ("voice with protection", "voice, kbit/s"),
    ("voice in 12 kbit/s", "in 12, kbit/s"),
    ("lecture without camera", "lecture, kbit/s"),
    ("link's queue, p95", "queue p95, ms"),
    ("camera shown", "camera"),
    ("screen", "screen, kbit/s"),
    ("legible screen", "screen legible"),
)
"""Figure's name (or its beginning) and column's title."""
_RUNGS_TITLE = "voice rungs"


def number(figure: Figure) -> str:
    """A figure as people read it."""
    value = figure.value
    if value is None:
        return "never" if figure.unit == "s" else "–"
    if figure.unit == "share":
        digits = 2 if 0.99 < value < 1 else 0
        return f"{value * 100:.{digits}f} %"
    if figure.unit == "ms":
        return f"{value:.0f}"
    return f"{value:.3f}" if figure.unit == "" else f"{value:.2f}" if figure.unit == "s" else f"{value:.1f}"


def _in_column(result: Result, name: str) -> list[Figure]:
    if name == "page":
        return [figure for figure in result.figures if figure.name in ("page late, p90", "page off its voice, worst")]
    return [figure for figure in result.figures if figure.name.startswith(name)]


def _columns(results: list[Result]) -> list[tuple[str, str]]:
    """Those that some result has a figure for."""
    return [(name, title) for name, title in _COLUMNS if any(_in_column(result, name) for result in results)]


def rung_times(result: Result) -> str:
    """How much of the time the voice came in which rung, the most first."""
    shares: dict[str, float] = result.detail["rung_shares"]
    most = sorted(shares.items(), key=lambda item: -item[1])
    return ", ".join(f"{rung}: {share * 100:.0f} %" for rung, share in most)


def _bar(figure: Figure) -> str:
    """The bar without its unit, which the column says."""
    words = figure.bar.split()
    if not words or words[0] not in "≤≥":
        return ""
    return " ".join(words if words[-1] == "%" else words[:2])


def print_table(console: Console, results: list[Result], left_out: list[str]) -> None:
    """Print the table, what was missed or left out, and whether the machine kept up."""
    table = Table(title="Thin links: figure / bar", show_lines=False)
    table.add_column("link")
    table.add_column("pages")
    columns = _columns(results)
    for _, title in columns:
        table.add_column(title, justify="right")
    table.add_column(_RUNGS_TITLE)
    for result in results:
        cells = []
        for name, _ in columns:
            parts = []
            for figure in _in_column(result, name):
                colour = "green" if figure.ok else "red" if figure.ok is False else "dim"
                bar = _bar(figure)
                parts.append(f"[{colour}]{number(figure)}[/]" + (f" [dim]{bar}[/]" if bar else ""))
            cells.append("\n".join(parts))
        table.add_row(result.link, "prefetched" if result.prefetched else "", *cells, rung_times(result))
    Console(highlight=False, width=max(190, console.width)).print(table)
    for line in left_out:
        console.print(f"Left out: {line}", style="yellow")
    for result in results:
        for line in _misses(result):
            console.print(line)
        for line in result.detail["machine"]["starved"]:
            console.print(f"{_title(result)}: the machine was too slow: {line}", style="yellow")


def _title(result: Result) -> str:
    return f"{result.link}{' prefetched' if result.prefetched else ''}"


def _misses(result: Result) -> list[str]:
    lines = [f"{_title(result)}: {figure.name} {number(figure)}, bar {figure.bar}" for figure in result.missed]
    if not result.detail["hall_done"]:
        lines.append(f"{_title(result)}: the hall had not heard and kept everything in the end")
    lines += [
        f"{_title(result)}: the hall's process was {gap['starved_s'] * 1000:.0f} ms late at {gap['start_s']:.0f} s,"
        f" in a gap of {gap['length_s'] * 1000:.0f} ms"
        for gap in result.detail["starved_gaps"]
    ]
    lines += [f"{_title(result)}: {line}" for line in result.detail["errors"]]
    return lines


def write_json(results: list[Result], path: Path) -> None:
    """All results in one file."""
    path.write_text(json.dumps([result.to_json() for result in results], indent=1) + "\n", encoding="utf-8")


def write_document(results: list[Result], path: Path, command: str, left_out: list[str]) -> None:
    """Put the results into the document's part of their own; the rest of it is left as it is."""
    write_between(path, _BEGIN, _END, _section(results, command, left_out))


def _section(results: list[Result], command: str, left_out: list[str]) -> str:
    machine = results[0].detail["machine"]["description"] if results else ""
    lines = [f"`{command}` on {machine}. A figure that misses its bar is **bold**, with the bar beside it.", ""]
    columns = _columns(results)
    lines.append("| link | pages | " + " | ".join(title for _, title in columns) + f" | {_RUNGS_TITLE} |")
    lines.append("|" + "---|" * (len(columns) + 3))
    for result in results:
        cells = []
        for name, _ in columns:
            shown = [
                f"**{number(figure)}** ({_bar(figure) or figure.bar})" if figure.ok is False else number(figure)
                for figure in _in_column(result, name)
            ]
            cells.append(", ".join(shown))
        way = "prefetched" if result.prefetched else "as needed"
        lines.append(f"| {result.link} | {way} | " + " | ".join([*cells, rung_times(result)]) + " |")
    lines += ["", "Links: " + "; ".join(f"**{name}** {LINKS[name].text}" for name in _links(results)) + ".", ""]
    missed = [line for result in results for line in _misses(result)]
    lines += ["Missed:", "", *(f"- {line}" for line in missed), ""] if missed else ["Every bar was met.", ""]
    lines += [line for text in left_out for line in (f"Left out: {text}", "")]
    slow = [f"- {_title(result)}: {line}" for result in results for line in result.detail["machine"]["starved"]]
    if slow:
        lines += ["Where the machine was too slow to be fair to the lecture:", "", *slow, ""]
    return "\n".join(lines) + "\n"


def _links(results: list[Result]) -> list[str]:
    return list(dict.fromkeys(result.link for result in results))
