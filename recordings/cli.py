"""``hallcast recordings list|info|verify|export``."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from recordings.cli_export import add_export
from recordings.errors import RecordingError
from recordings.library import Library, summary
from recordings.recording import Recording
from recordings.replay import chapters


def clock(t_ms: int) -> str:
    """Lecture time as ``h:mm:ss``."""
    seconds = t_ms // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``recordings`` to the ``hallcast`` command."""
    parser = subparsers.add_parser("recordings", help="list, check and export recorded lectures")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the recordings of a data folder")
    listing.set_defaults(run=_list)
    for name, run, text in (
        ("info", _info, "what one recording holds"),
        ("verify", _verify, "check every byte of a lecture file; exit code 1 if anything is damaged"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("recording", help="a lecture's id, or the path of a .lecture file")
        action.set_defaults(run=run)
    add_export(actions, _open)
    for action in actions.choices.values():
        action.add_argument("--data", type=Path, default=Path("data"), help="the relay's data folder (default: data)")
        action.add_argument("--json", action="store_true", help="print facts as JSON")


def _library(args: argparse.Namespace) -> Library:
    return Library(args.data / "lectures", args.data / "cache")


def _open(args: argparse.Namespace) -> Recording:
    """The recording that was named by path or by id."""
    path = Path(args.recording)
    if path.suffix == ".lecture" or path.is_file():
        if not path.is_file():
            raise RecordingError("recording_unknown", f"There is no file {path}.")
        return Recording.open(path)
    return _library(args).open(args.recording)


def _list(args: argparse.Namespace) -> int:
    found, problems = _library(args).summaries()
    if args.json:
        print(json.dumps({"recordings": found, "problems": problems}, ensure_ascii=False))
        return 0
    console = Console()
    table = Table(Column("id", no_wrap=True), "title", "state", "length", "languages", "pages", "camera")
    for facts in found:
        table.add_row(
            facts["id"],
            facts["title"],
            facts["state"],
            clock(facts["duration_ms"]),
            ", ".join(facts["languages"]),
            str(facts["page_count"]),
            "yes" if facts["has_camera"] else "no",
        )
    console.print(table if found else f"No recordings in {args.data / 'lectures'} yet.")
    for problem in problems:
        console.print(f"[yellow]cannot be read:[/] {problem}")
    return 0


def _info(args: argparse.Namespace) -> int:
    with _open(args) as recording:
        facts: dict[str, Any] = summary(recording)
        facts["file"] = str(recording.path)
        facts["bytes"] = recording.path.stat().st_size
        facts["tracks"] = [asdict(track) for kind in ("voice", "camera") for track in recording.tracks(kind)]
        facts["chapters"] = chapters(recording.turns(), recording.pages())
    if args.json:
        print(json.dumps(facts, ensure_ascii=False))
        return 0
    console = Console()
    console.print(f"[bold]{facts['title']}[/] ({facts['id']}), {facts['state']}, {clock(facts['duration_ms'])}")
    for track in facts["tracks"]:
        console.print(f"  {track['kind']} {track['language']} {track['codec']} {track['rung']}")
    for chapter in facts["chapters"]:
        console.print(f"  {clock(chapter['t_ms'])}  page {chapter['page']}  {chapter['title']}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    with _open(args) as recording:
        report = recording.verify()
        facts: dict[str, Any] = {"recording": recording.lecture_id, "ok": report.ok, **asdict(report)}
    if args.json:
        print(json.dumps(facts, ensure_ascii=False))
        return 0 if report.ok else 1
    console = Console()
    console.print(
        f"{facts['recording']}: {report.entries} entries, {report.blobs} blobs, {clock(report.duration_ms)}, "
        + ("[green]undamaged[/]" if report.ok else "[red]damaged[/]")
    )
    for language, gaps in report.gaps.items():
        missing_ms = sum(gap.end_ms - gap.start_ms for gap in gaps)
        console.print(f"  voice {language}: {len(gaps)} gaps, {missing_ms / 1000:.1f} s in all")
    for problem in report.problems:
        console.print(f"  [red]{problem}[/]")
    return 0 if report.ok else 1
