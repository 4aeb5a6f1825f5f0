"""What the actions of ``hallcast recordings`` share."""

from __future__ import annotations

import argparse
from pathlib import Path

from recordings.errors import RecordingError
from recordings.library import Library
from recordings.recording import Recording

Actions = argparse._SubParsersAction
"""Where a part adds its actions."""

OK, ATTENTION, FAILED = 0, 1, 2
"""Exit codes, fit for cron: nothing to see to; something was found that somebody should see to; an error."""


def clock(t_ms: int) -> str:
    """Lecture time as ``h:mm:ss``."""
    seconds = t_ms // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def size(count: int) -> str:
    """A number of bytes as people read it."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def library_of(args: argparse.Namespace) -> Library:
    """The library of the data folder that was named."""
    return Library(args.data / "lectures", args.data / "cache")


def open_named(args: argparse.Namespace) -> Recording:
    """The recording that was named by path or by id.

    :raises RecordingError: ``recording_unknown``.
    :raises LectureFileError: if the file cannot be read.
    """
    path = Path(args.recording)
    if path.suffix == ".lecture" or path.is_file():
        if not path.is_file():
            raise RecordingError("recording_unknown", f"There is no file {path}.")
        return Recording.open(path)
    return library_of(args).open(args.recording)


def add_recording(action: argparse.ArgumentParser) -> None:
    """Let an action be told which recording."""
    action.add_argument("recording", help="a lecture's id, or the path of a .lecture file")
