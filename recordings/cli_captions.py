"""``hallcast recordings captions``: a caption file into a recording."""

from __future__ import annotations

import argparse
import re
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from lecture.errors import LectureFileError
from lecture.file import LectureFile
from lecture.json_line import print_json
from lecture.tracks import LANGUAGE_FORM
from recordings.caption_files import MAX_FILE_BYTES, Cue, invalid, read_cues
from recordings.captions import captions_of, lay_in
from recordings.cli_common import OK, Actions, add_recording, clock, data_dir_of, path_of_named
from recordings.cli_library import opened_library
from recordings.errors import RecordingError
from recordings.recording import Recording


def add_captions(actions: Actions[argparse.ArgumentParser]) -> None:
    """Add ``captions`` to ``hallcast recordings``."""
    parser = actions.add_parser(
        "captions",
        help="lay captions (WebVTT, SubRip) into a recording, where they are searched and shown",
        description="Captions of the same language that are there already are replaced. Nothing is changed if the file "
        "has a mistake. The relay must not be running, or not have the lecture open.",
    )
    add_recording(parser)
    parser.add_argument("file", type=Path, help="a .vtt or .srt file in UTF-8, its times from the lecture's beginning")
    parser.add_argument("--language", default="", help="which language it is in (default: the lecturer's)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Lay captions in; returns the exit status."""
    cues = read_cues(_bytes_of(args.file))
    path = path_of_named(args)
    with Recording.open(path) as recording:
        language = _language(args.language, recording)
        replaced = len(captions_of(recording).get(language, ()))
        _check_fit(recording, cues)
    is_listed = path.resolve().parent == (data_dir_of(args) / "lectures").resolve()
    # A catalogue that cannot be used says so before anything is changed.
    with opened_library(args) if is_listed else nullcontext() as library:
        _write(path, language, cues)
        if library is not None:
            library.take_in(path.stem)
    if args.json:
        facts = {"recording": path.stem, "language": language, "captions": len(cues), "replaced": replaced}
        print_json(facts)
    else:
        instead = f" in place of {replaced}" if replaced else ""
        Console(highlight=False).print(f"{path.stem}: {len(cues)} captions ({language}){instead}")
    return OK


def _write(path: Path, language: str, cues: list[Cue]) -> None:
    try:
        with LectureFile.open(path) as file:
            lay_in(file, language, cues)
    except LectureFileError as error:
        if error.error_id != "file_busy":
            raise
        text = "The relay has the lecture open. Try again when nobody has used it for some minutes."
        raise LectureFileError("file_busy", text) from error


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise RecordingError("captions_unreadable", f"{path} cannot be read: {error.strerror}.") from error


def _language(named: str, recording: Recording) -> str:
    language = named or next(iter([*recording.languages(), *recording.planned_languages()]), "")
    if not re.fullmatch(LANGUAGE_FORM, language):
        text = "Name the captions' language by its tag, as ko or en-GB (--language)."
        raise RecordingError("language_invalid", text)
    return language


def _check_fit(recording: Recording, cues: list[Cue]) -> None:
    """
    :raises RecordingError: ``lecture_live``; ``captions_invalid`` for captions of another, longer lecture.
    """
    if recording.state != "ended":
        raise RecordingError("lecture_live", "The lecture has not ended; lay its captions in after its end.")
    duration_ms = recording.duration_ms
    late = [cue for cue in cues if cue.start_ms >= duration_ms]
    if late:
        end = f"the recording ends at {clock(duration_ms)}"
        raise invalid([f"line {cue.line} begins at {clock(cue.start_ms)}, {end}" for cue in late])
