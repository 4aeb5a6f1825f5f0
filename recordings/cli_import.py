"""``hallcast recordings import``: lecture files from elsewhere into the library."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from lecture.errors import HallcastError
from lecture.json_line import print_json
from recordings.cli_common import ATTENTION, FAILED, OK, Actions, clock, fetch_remote
from recordings.cli_library import opened_library


def add_import(actions: Actions[argparse.ArgumentParser]) -> None:
    """Add ``import`` to ``hallcast recordings``."""
    parser = actions.add_parser(
        "import",
        help="take lecture files, USB packs or zips of them into the library",
        description="Checked before anything is put into the library; a lecture that is there already is merged, so "
        "that the same file imported twice changes nothing. Exit code 0: done; 1: done, but parts were damaged and "
        "left out; 2: something could not be imported (the rest was).",
    )
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help=".lecture file, USB pack (folder or zip), folder of these"
    )
    parser.add_argument("--damaged", action="store_true", help="import the sound parts of damaged files")
    parser.add_argument("--config", type=Path, help="the relay's configuration file: catalogue and object storage")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Import; returns the exit status."""
    from recordings.import_source import Fault, find_sources
    from recordings.importing import check_admitted, note, place, prepare, workplace

    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    with opened_library(args) as library, Progress(disable=args.json, transient=True) as progress:
        for path in args.paths:
            try:
                faults: list[Fault] = []
                sources = find_sources(path, faults)
            except HallcastError as error:
                failed.append({"file": str(path), "id": error.error_id, "text": error.text})
                continue
            failed += [{"file": str(file), "id": error.error_id, "text": error.text} for file, error in faults]
            for source in sources:
                task = progress.add_task(f"reading {source.label}", total=None)

                def show(done: int, of: int, task: Any = task) -> None:
                    progress.update(task, completed=done, total=of)

                try:
                    with workplace(library.data_dir) as folder:
                        prepared = prepare(source, folder, most_bytes=_NO_LIMIT, damaged=args.damaged, checked=show)
                        if library.store is not None:
                            here = library.path_of(prepared.lecture_id)
                            fetch_remote(library.store, here, library.data_dir, quiet=True)
                        check_admitted(library, prepared.lecture_id)
                        progress.update(task, description=f"importing {source.label}")
                        imported = place(prepared, library.path_of(prepared.lecture_id), show)
                        note(library, imported)
                    done.append(asdict(imported))
                except HallcastError as error:
                    failed.append({"file": str(source.path), "id": error.error_id, "text": error.text})
                except (ValueError, OSError, sqlite3.Error) as error:
                    text = f"{source.label} could not be imported: {error}."
                    failed.append({"file": str(source.path), "id": "import_failed", "text": text})
                progress.remove_task(task)
    if args.json:
        print_json({"imported": done, "failed": failed})
    else:
        _print(done)
    for fault in failed:
        print(f"error: {fault['text']} ({fault['id']})", file=sys.stderr)
    if failed:
        return FAILED
    return ATTENTION if any(one["problems"] for one in done) else OK


_NO_LIMIT = 1 << 62
"""Whoever is at the relay's keyboard knows what fits; the disk is asked all the same."""


def _print(done: list[dict[str, Any]]) -> None:
    console = Console(highlight=False)
    words = {"new": "[green]new[/]", "merged": "[green]merged[/]", "unchanged": "was here already"}
    for one in done:
        gained_ms = sum(one["merged"]["voice_ms"].values())
        gained = f", {clock(gained_ms)} of voice gained" if gained_ms else ""
        console.print(f"{one['lecture_id']}: {words[one['result']]}{gained}  {escape(one['title'])}")
        for problem in one["problems"]:
            console.print(f"  [yellow]left out: {escape(problem)}[/]")
