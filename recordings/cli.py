"""``hallcast recordings``: actions on one recording; those on the library: :mod:`recordings.cli_library`."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from lecture.json_line import print_json
from recordings import cli_library
from recordings.captions import captions_of
from recordings.cli_captions import add_captions
from recordings.cli_common import ATTENTION, OK, add_recording, clock, open_named, place_of_named
from recordings.cli_export import add_export
from recordings.cli_import import add_import
from recordings.cli_repair import add_repair
from recordings.library import summary
from recordings.replay import chapters


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``recordings`` to the ``hallcast`` command."""
    parser = subparsers.add_parser(
        "recordings", help="list, search, check, repair, caption, export, import and care for recorded lectures"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    cli_library.add_actions(actions)
    for name, run, text in (
        ("info", _info, "what one recording holds"),
        ("verify", _verify, "check every byte of a lecture file; exit code 1 if anything is damaged"),
    ):
        action = actions.add_parser(name, help=text)
        add_recording(action)
        action.set_defaults(run=run)
    add_export(actions)
    add_import(actions)
    add_repair(actions)
    add_captions(actions)
    for action in actions.choices.values():
        action.add_argument("--data", type=Path, help="the relay's data folder (default: the configuration's, or data)")
        action.add_argument("--json", action="store_true", help="print facts as JSON")


def _info(args: argparse.Namespace) -> int:
    with open_named(args) as recording:
        facts: dict[str, Any] = summary(recording)
        facts["file"] = str(recording.path)
        facts["place"] = place_of_named(args, recording)
        facts["bytes"] = recording.path.stat().st_size
        facts["tracks"] = [asdict(track) for kind in ("voice", "camera") for track in recording.tracks(kind)]
        facts["captions"] = {language: len(cues) for language, cues in captions_of(recording).items()}
        facts["chapters"] = chapters(recording.turns(), recording.pages())
    if args.json:
        print_json(facts)
        return OK
    console = Console()
    console.print(f"[bold]{escape(facts['title'])}[/] ({facts['id']}), {facts['state']}, {clock(facts['duration_ms'])}")
    if facts["place"] == "both":
        console.print("  here and in object storage")
    for track in facts["tracks"]:
        console.print(f"  {track['kind']} {track['language']} {track['codec']} {track['rung']}")
    for language, count in facts["captions"].items():
        console.print(f"  captions {language}: {count}")
    for chapter in facts["chapters"]:
        console.print(f"  {clock(chapter['t_ms'])}  page {chapter['page']}  {escape(chapter['title'])}")
    return OK


def _verify(args: argparse.Namespace) -> int:
    with open_named(args) as recording, Progress(disable=args.json, transient=True) as bar:
        task = bar.add_task(f"checking {recording.path.name}", total=None)
        report = recording.verify(lambda done, of: bar.update(task, completed=done, total=of))
        facts: dict[str, Any] = {"recording": recording.lecture_id, "ok": report.ok, **asdict(report)}
        facts["place"] = place_of_named(args, recording)
    if args.json:
        print_json(facts)
        return OK if report.ok else ATTENTION
    console = Console()
    console.print(
        f"{facts['recording']}: {report.entries} entries, {report.blobs} blobs, {clock(report.duration_ms)}, "
        + ("[green]undamaged[/]" if report.ok else "[red]damaged[/]")
    )
    for language, gaps in report.gaps.items():
        missing_ms = sum(gap.end_ms - gap.start_ms for gap in gaps)
        console.print(f"  voice {language}: {len(gaps)} gaps, {missing_ms / 1000:.1f} s in all")
    for problem in report.problems:
        console.print(f"  [red]{escape(problem)}[/]")
    return OK if report.ok else ATTENTION
