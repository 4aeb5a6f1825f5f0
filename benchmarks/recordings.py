"""What recordings weigh and cost, and how fast they open, export and are found: figures beside their bars.

    python -m benchmarks.recordings [--only size cost open export search] [--given FILE.lecture] [--json]
                                    [--write docs/benchmarks-recordings.md]

The sample lecture is given once through a real relay, in real time (four minutes), unless a lecture file is named that
was recorded before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import recordings_export, recordings_report, recordings_search
from benchmarks.document import write_between
from benchmarks.recordings_cost import cost
from benchmarks.recordings_given import Given, give
from benchmarks.recordings_open import opened
from benchmarks.recordings_report import Section
from benchmarks.recordings_search import SearchFigures
from benchmarks.recordings_size import sizes
from benchmarks.thin_links.machine import description
from benchmarks.thin_links.process import BenchError
from recordings.export_order import KINDS
from tests import catalogues

PARTS = ("size", "cost", "open", "export", "search")


def sections(arguments: argparse.Namespace, folder: Path) -> Iterator[Section]:
    """Measure part by part."""
    only = arguments.only
    if {"size", "cost"} & set(only):
        given = _given(arguments.given, folder / "given")
        if "size" in only:
            how = (
                "The sample lecture (voice, ten pages of which one is shown for 24 s, camera at 12 pictures a second), "
            )
            how += "streamed to a relay and recorded by it, in real time."
            yield recordings_report.size_section(sizes(given.path, folder), how)
        if "cost" in only:
            relay_percent = 100 * given.relay_cpu_s / given.spoke_s if given.spoke_s else None
            measured = asyncio.run(cost(given.path, folder, arguments.record_seconds))
            yield recordings_report.cost_section(measured, relay_percent)
    if "open" in only:
        answers, thin = asyncio.run(opened(folder / "opened", arguments.open_minutes))
        yield recordings_report.open_section(answers, thin, arguments.open_minutes)
    if "export" in only:
        yield recordings_report.export_section(recordings_export.run(arguments.export_minutes, list(KINDS)))
    if "search" in only:
        yield recordings_report.search_section(dict(_searched(folder, arguments.lectures)))


def _given(path: Path | None, folder: Path) -> Given:
    folder.mkdir()
    if path is None:
        return asyncio.run(give(folder))
    # Looking into a file that is not finished makes files beside it: not in somebody's library.
    shutil.copyfile(path, folder / path.name)
    return Given(folder / path.name, 0.0, 0.0)


def _searched(folder: Path, lectures: int) -> Iterator[tuple[str, SearchFigures]]:
    yield "SQLite", recordings_search.run(folder / "searched", lectures)
    if catalogues.postgres_programs() is not None:
        with recordings_search.database(postgresql=True) as where:
            yield "PostgreSQL", recordings_search.run(folder / "searched-postgresql", lectures, where)


def main() -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--given", type=Path, help="a recorded lecture, instead of giving the sample lecture")
    parser.add_argument("--record-seconds", type=float, default=60.0, help="so much of it is recorded again")
    parser.add_argument("--open-minutes", type=float, default=180.0)
    parser.add_argument("--export-minutes", type=float, default=20.0)
    parser.add_argument("--lectures", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path, help="write the results into this page")
    arguments = parser.parse_args()
    command = " ".join(["python -m benchmarks.recordings", *sys.argv[1:]])
    machine = description()
    found = []
    with tempfile.TemporaryDirectory(prefix="hallcast-bench-") as folder:
        try:
            for section in sections(arguments, Path(folder)):
                found.append(section)
                print(f"{section.title}: measured; load {os.getloadavg()[0]:.1f}", file=sys.stderr)
                if arguments.write is not None:
                    # At once: what was measured in a quarter of an hour is not lost with what comes after it.
                    text = recordings_report.text(found, command, machine)
                    write_between(arguments.write, recordings_report.BEGIN, recordings_report.END, text)
        except BenchError as error:
            print(error, file=sys.stderr)
            return 1
    if arguments.json:
        print(json.dumps(recordings_report.facts(found, command, machine), indent=1))
    else:
        print(recordings_report.text(found, command, machine))
    return 0


if __name__ == "__main__":
    sys.exit(main())
