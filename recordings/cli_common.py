"""What the actions of ``hallcast recordings`` share."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import Progress

from recordings.errors import RecordingError
from recordings.library import Library
from recordings.recording import LECTURE_ID, Recording

if TYPE_CHECKING:
    from recordings.store_remote import RemoteStore

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

    With a configuration that names an object storage, what lies there alone is fetched.

    :raises RecordingError: ``recording_unknown``; as :class:`recordings.store_remote.RemoteStore`.
    :raises LectureFileError: if the file cannot be read.
    """
    path = Path(args.recording)
    if path.suffix == ".lecture" or path.is_file():
        if not path.is_file():
            raise RecordingError("recording_unknown", f"There is no file {path}.")
        return Recording.open(path)
    store, here = store_of(args), args.data / "lectures" / f"{args.recording}.lecture"
    if store is not None and LECTURE_ID.fullmatch(args.recording) and not here.is_file():
        file = store.find(f"lectures/{here.name}")
        if file is not None:
            partial = args.data / "cache" / "fetch" / f"{args.recording}-{file.sha256[:16]}"
            with Progress(disable=args.json, transient=True) as bar:
                task = bar.add_task("fetching from the object storage", total=file.file_bytes)
                store.download(file, here, partial, lambda done, total: bar.update(task, completed=done))
    return library_of(args).open(args.recording)


def place_of_named(args: argparse.Namespace, recording: Recording) -> str:
    """Whether the recording that was opened lies here (``local``) or in the object storage too (``both``)."""
    store = store_of(args)
    return "both" if store is not None and store.find(f"lectures/{recording.path.name}") is not None else "local"


def store_of(args: argparse.Namespace) -> RemoteStore | None:
    """The object storage that the configuration names.

    :raises RecordingError: ``config_unreadable``, ``config_invalid``, ``storage_invalid``.
    """
    table = read_config(getattr(args, "config", None))["library"]
    names = ("storage_url", "storage_endpoint", "storage_region", "storage_allow_http")
    values = {name: table[name] for name in names if name in table}
    if not values.get("storage_url"):
        return None
    from recordings.retention import LibrarySettings
    from recordings.store_remote import RemoteStore

    for name, value in values.items():
        if not isinstance(value, bool if name == "storage_allow_http" else str):
            raise RecordingError("config_invalid", f"{args.config}: library.{name} has the wrong type.")
    return RemoteStore(LibrarySettings(**values))


def read_config(path: Path | None) -> dict[str, dict[str, Any]]:
    """The two sections that matter here; the relay itself checks the whole file.

    :raises RecordingError: ``config_unreadable``, ``config_invalid``.
    """
    if path is None:
        return {"data": {}, "library": {}}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordingError("config_unreadable", f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise RecordingError("config_invalid", f"{path} is not TOML: {error}.") from error
    return {name: table.get(name, {}) for name in ("data", "library")}


def add_recording(action: argparse.ArgumentParser) -> None:
    """Let an action be told which recording."""
    action.add_argument("recording", help="a lecture's id, or the path of a .lecture file")
