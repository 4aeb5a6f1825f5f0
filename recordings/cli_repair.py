"""``hallcast recordings repair``: fill a recording's holes from copies of the lecture."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from lecture.file import LectureFile
from recordings.cli_common import ATTENTION, OK, Actions, add_recording, path_of_named
from recordings.errors import RecordingError
from recordings.merge import Merged, merge


def add_repair(actions: Actions[argparse.ArgumentParser]) -> None:
    """Add ``repair`` to ``hallcast recordings``."""
    parser = actions.add_parser(
        "repair",
        help="fill a recording's holes from copies; exit code 0: nothing is missing now, 1: something is, 2: an error",
        description="Bring what copies of a lecture (a hall's file, the lecturer's own copy, an older recording) have "
        "and the recording lacks. What is there stays as it is; a copy merged twice changes nothing. The relay must "
        "not be running, or not have the lecture open.",
    )
    add_recording(parser)
    parser.add_argument(
        "--from", dest="copies", type=Path, nargs="+", required=True, metavar="COPY.lecture", help="copies of it"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Repair; returns the exit status."""
    path = path_of_named(args)
    missing = [str(file) for file in args.copies if not file.is_file()]
    if missing:
        raise RecordingError("recording_unknown", f"There is no file {', '.join(missing)}.")
    if any(copy.samefile(path) for copy in args.copies):
        raise RecordingError("same_file", "A recording cannot be repaired from itself.")
    brought: list[dict[str, Any]] = []
    merged = Merged()
    with ExitStack() as stack, Progress(disable=args.json) as progress:
        target = stack.enter_context(LectureFile.open(path))
        for name in args.copies:
            with LectureFile.open(name, readonly=True) as copy:
                merged = merge(target, copy, _bar(progress, f"from {name.name}"))
            brought.append(
                {
                    "copy": str(name),
                    "voice_ms": merged.voice_ms,
                    "camera_ms": merged.camera_ms,
                    "events": merged.events,
                    "pages": merged.pages,
                }
            )
    missing_ms = sum(merged.missing_ms.values())
    if args.json:
        print(json.dumps({"recording": str(path), "brought": brought, "missing_ms": merged.missing_ms}))
        return ATTENTION if missing_ms else OK
    console = Console(highlight=False)
    for facts in brought:
        seconds = sum(facts["voice_ms"].values()) / 1000
        console.print(
            f"{facts['copy']}: {seconds:.1f} s of voice, {facts['camera_ms'] / 1000:.1f} s of camera, "
            f"{facts['events']} events, {facts['pages']} pages"
        )
    for language, ms in merged.missing_ms.items():
        console.print(f"voice {language}: " + (f"[yellow]{ms / 1000:.1f} s missing[/]" if ms else "[green]whole[/]"))
    return ATTENTION if missing_ms else OK


def _bar(progress: Progress, words: str) -> Callable[[int, int], None]:
    task = progress.add_task(words, total=None)
    return lambda done_ms, all_ms: progress.update(task, completed=done_ms, total=all_ms)
