"""What the actions of ``hallcast recordings`` share."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import Progress

from recordings.errors import RecordingError
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


def data_dir_of(args: argparse.Namespace, table: dict[str, dict[str, Any]] | None = None) -> Path:
    """The data folder that was named by ``--data``, else by the configuration.

    :param table: of the configuration, if it was read already.
    :raises RecordingError: ``config_unreadable``, ``config_invalid``.
    """
    if args.data is not None:
        return Path(args.data)
    return Path((table or read_config(args.config))["data"].get("folder", "data"))


def path_of_named(args: argparse.Namespace) -> Path:
    """The file of the recording that was named by path or by id.

    With a configuration that names an object storage, what lies there alone is fetched.

    :raises RecordingError: ``recording_unknown``, ``config_unreadable``, ``config_invalid``; as
        :class:`recordings.store_remote.RemoteStore`.
    :raises OSError: what was fetched cannot be written.
    """
    path = Path(args.recording)
    if path.suffix == ".lecture" or path.is_file():
        if not path.is_file():
            raise RecordingError("recording_unknown", f"There is no file {path}.")
        return path
    data_dir, store = data_dir_of(args), store_of(args)
    here = data_dir / "lectures" / f"{args.recording}.lecture"
    if not LECTURE_ID.fullmatch(args.recording):
        raise RecordingError("recording_unknown", f"There is no recording “{args.recording[:64]}” here.")
    if store is not None:
        fetch_remote(store, here, data_dir, quiet=args.json)
    if not here.is_file():
        raise RecordingError("recording_unknown", f"There is no recording “{args.recording}” in {here.parent}.")
    return here


def fetch_remote(store: RemoteStore, here: Path, data_dir: Path, *, quiet: bool) -> None:
    """Have a lecture's file here, if it lies in the object storage and not here.

    :param quiet: without a progress bar.
    :raises RecordingError: ``storage_unavailable``, ``copy_damaged``.
    :raises OSError: it cannot be written.
    """
    file = None if here.is_file() else store.find(f"lectures/{here.name}")
    if file is None:
        return
    partial = data_dir / "cache" / "fetch" / f"{here.stem}-{file.sha256[:16]}"
    with Progress(disable=quiet, transient=True) as bar:
        task = bar.add_task("fetching from the object storage", total=file.file_bytes)
        store.download(file, here, partial, lambda done, total: bar.update(task, completed=done))


def open_named(args: argparse.Namespace) -> Recording:
    """Open the recording that was named (:func:`path_of_named`).

    :raises LectureFileError: if the file cannot be read.
    """
    return Recording.open(path_of_named(args))


def place_of_named(args: argparse.Namespace, recording: Recording) -> str:
    """Whether the recording that was opened lies here (``local``) or in the object storage too (``both``)."""
    store = store_of(args)
    return "both" if store is not None and store.find(f"lectures/{recording.path.name}") is not None else "local"


def store_of(args: argparse.Namespace) -> RemoteStore | None:
    """The object storage that the configuration names.

    :raises RecordingError: ``config_unreadable``, ``config_invalid``, ``storage_invalid``.
    """
    table = read_config(args.config)["library"]
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
    sections = {name: table.get(name, {}) for name in ("data", "library")}
    for name, key in (("data", ""), ("library", ""), ("data", "folder"), ("data", "catalogue_url")):
        value, kind = (sections[name].get(key, ""), str) if key else (sections[name], dict)
        if not isinstance(value, kind):
            raise RecordingError("config_invalid", f"{path}: {name}{key and '.'}{key} has the wrong type.")
    return sections


def add_recording(action: argparse.ArgumentParser) -> None:
    """Let an action be told which recording, and where else than here it may lie."""
    action.add_argument("recording", help="a lecture's id, or the path of a .lecture file")
    action.add_argument("--config", type=Path, help="the relay's configuration file: data folder and object storage")
