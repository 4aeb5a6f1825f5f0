"""``hallcast recordings export``: one recording as a film, as sound, as a PDF, as a pack for a USB stick."""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from lecture.json_line import print_json
from recordings.cli_common import ATTENTION, OK, Actions, add_recording, open_named
from recordings.errors import RecordingError
from recordings.export_order import KINDS, ExportOrder, file_name
from recordings.export_process import export_in_child
from recordings.recording import MISSING_TOLD_MS, Recording


def add_export(actions: Actions[argparse.ArgumentParser]) -> None:
    """Add the ``export`` action."""
    export = actions.add_parser(
        "export",
        help="make a film, a sound file, a PDF or a USB pack of a recording",
        description="Exit code 0: done; 1: done, but some of the voice is missing from the recording; 2: not done.",
    )
    add_recording(export)
    export.add_argument("--to", choices=list(KINDS), default="mp4", help="what to make (default: mp4)")
    export.add_argument("--out", type=Path, help="where to write (default: named by the lecture, in this folder)")
    export.add_argument("--language", default="", help="which voice (default: the lecturer's; usb: all)")
    export.add_argument(
        "--camera",
        action=argparse.BooleanOptionalAction,
        help="show the camera, if there is one (default: yes; usb: no)",
    )
    pack = export.add_argument_group("for --to usb")
    pack.add_argument("--zip", action="store_true", help="one zip instead of a folder")
    pack.add_argument("--voice", choices=["light", "full"], default="light", help="12 or 16 kbit/s (default: light)")
    pack.add_argument(
        "--lecture-file",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="with the recording itself, so that another relay can take it in (default: yes)",
    )
    export.set_defaults(run=_export)


def _export(args: argparse.Namespace) -> int:
    is_pack = args.to == "usb"
    order = ExportOrder(
        kind=args.to,
        language=args.language,
        with_camera=not is_pack if args.camera is None else args.camera,
        rung=args.voice,
        with_lecture_file=args.lecture_file,
        zipped=args.zip or not is_pack,
        page_sources=str(args.page_sources),
    )
    with open_named(args) as recording:
        path, lecture_id = recording.path, recording.lecture_id
        missing_ms = 0 if args.to == "pdf" else _missing_ms(recording, args.language, every_voice=is_pack)
    out: Path = args.out or Path(file_name(lecture_id, order))
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), disable=args.json) as bar:
        task = bar.add_task(f"writing {out.name}", total=None)
        _write(path, order, out, lambda t_ms, of_ms: bar.update(task, completed=t_ms, total=of_ms))
        bar.update(task, total=1, completed=1)
    size_bytes = sum(path.stat().st_size for path in [out, *out.rglob("*")] if path.is_file())
    facts: dict[str, Any] = {"recording": lecture_id, "file": str(out), "bytes": size_bytes}
    facts["missing_ms"] = missing_ms
    if args.json:
        print_json(facts)
    else:
        console = Console()
        console.print(f"{out}: {facts['bytes'] / 1e6:.1f} MB", highlight=False)
        if missing_ms >= MISSING_TOLD_MS:
            console.print(f"[yellow]{missing_ms / 1000:.1f} s of the voice were not recorded and are silent in it.[/]")
    return ATTENTION if missing_ms >= MISSING_TOLD_MS else OK


def _write(recording: Path, order: ExportOrder, out: Path, progress: Callable[[int, int], None]) -> None:
    """Whatever happens, at ``out`` there is the whole export or what was there before."""
    folder = out.resolve().parent
    if not folder.is_dir():
        raise RecordingError("export_failed", f"There is no folder {folder}.")
    if not order.zipped and out.exists():
        raise RecordingError("export_failed", f"There is something at {out} already; name another place by --out.")
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as workplace:
            made = Path(workplace, out.name)
            asyncio.run(export_in_child(recording.resolve(), order, made, progress=progress))
            made.replace(out)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise RecordingError("export_failed", f"{out} could not be written: {why}.") from error


def _missing_ms(recording: Recording, language: str, *, every_voice: bool) -> int:
    """How much is missing of the voices that are exported, each between its first and its last word."""
    spoken = recording.languages()
    wanted = [language] if language else spoken if every_voice else spoken[:1]
    return sum(gap.end_ms - gap.start_ms for one in wanted for gap in recording.voice_gaps(one))
