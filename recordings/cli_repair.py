"""``hallcast recordings repair``: fill a recording's holes from copies of the lecture."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from lecture.errors import LectureFileError
from lecture.file import LectureFile
from lecture.json_line import print_json
from recordings.cli_common import ATTENTION, OK, Actions, add_recording, data_dir_of, path_of_named, store_of
from recordings.cli_library import opened_library
from recordings.errors import RecordingError
from recordings.mend import mend
from recordings.merge import Merged, merge, missing_voice_ms, voice_languages


def add_repair(actions: Actions[argparse.ArgumentParser]) -> None:
    """Add ``repair`` to ``hallcast recordings``."""
    parser = actions.add_parser(
        "repair",
        help="mend a damaged recording and fill its holes from copies; exit code 0: nothing is missing now, 1: "
        "something is, or the file was damaged, 2: an error",
        description="Bring what copies of a lecture (a hall's file, the lecturer's own copy, an older recording) have "
        "and the recording lacks. What is there stays as it is; a copy merged twice changes nothing. A damaged "
        "recording is written anew with what can be read of it, and kept beside. The relay must not be running, or "
        "not have the lecture open.",
    )
    add_recording(parser)
    parser.add_argument(
        "--from", dest="copies", type=Path, nargs="+", default=[], metavar="COPY.lecture", help="copies of it"
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
    with ExitStack() as stack, Progress(disable=args.json) as progress:
        try:
            target, aside = stack.enter_context(LectureFile.open(path)), ""
        except LectureFileError as error:
            if error.error_id != "file_damaged":
                raise
            aside = _mended(args, path, progress)
            target = stack.enter_context(LectureFile.open(path))
        merged = Merged(missing_ms={one: missing_voice_ms(target, one) for one in voice_languages(target)})
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
    # Of what could not be read nobody knows what it was.
    code = ATTENTION if missing_ms or aside else OK
    if args.json:
        told = {"recording": str(path), "set_aside": aside, "brought": brought, "missing_ms": merged.missing_ms}
        print_json(told)
        return code
    console = Console(highlight=False)
    if aside:
        console.print(f"The file was damaged and is written anew; as it was it lies beside as {aside}.")
    for facts in brought:
        seconds = sum(facts["voice_ms"].values()) / 1000
        console.print(
            f"{facts['copy']}: {seconds:.1f} s of voice, {facts['camera_ms'] / 1000:.1f} s of camera, "
            f"{facts['events']} events, {facts['pages']} pages"
        )
    for language, ms in merged.missing_ms.items():
        console.print(f"voice {language}: " + (f"[yellow]{ms / 1000:.1f} s missing[/]" if ms else "[green]whole[/]"))
    return code


def _mended(args: argparse.Namespace, path: Path, progress: Progress) -> str:
    """Mend a recording; returns the name of the damaged file.

    :raises RecordingError: ``sound_copy_elsewhere``: the next upload would put the mended file in the place of a sound
        one.
    :raises LectureFileError: as :func:`recordings.mend.mend`.
    """
    store = store_of(args)
    if path.resolve().parent == (data_dir_of(args) / "lectures").resolve():
        with opened_library(args) as library:
            if library.has_remote(path.stem) or (store and store.find(f"lectures/{path.name}")):
                text = f"The object storage has a copy of {path.name}: move the damaged file away, and it is fetched."
                raise RecordingError("sound_copy_elsewhere", text)
    return mend(path, _bar(progress, f"writing {path.name} anew")).name


def _bar(progress: Progress, words: str) -> Callable[[int, int], None]:
    task = progress.add_task(words, total=None)
    return lambda done_ms, all_ms: progress.update(task, completed=done_ms, total=all_ms)
