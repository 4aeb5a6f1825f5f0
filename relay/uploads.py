"""One upload of a recording and its files. Blocking, but for the facts."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lecture.errors import HallcastError, RefusedError
from recordings.import_source import FREE_BYTES
from recordings.importing import Imported

UploadState = Literal["receiving", "waiting", "importing", "done", "failed"]


@dataclass(slots=True)
class Upload:
    """One file that is uploaded, and what has come of it.

    :param sha256: of the whole file, lower-case hex; by it an upload that was begun is found again.
    :param damaged: whether the sound parts of a damaged recording are wanted.
    :param received_bytes: so many are here, from the start of the file.
    :param done_ms: lecture time that has been gone through, of ``of_ms`` (0: not known).
    :param error: why it failed; of one that waits, what it waits for (:data:`relay.imports.PASSING`).
    :param touched_at: when something last came, seconds since 1970.
    :param retry_at_s: it waits until then, monotonic.
    """

    upload_id: str
    folder: Path
    name: str
    size_bytes: int
    sha256: str
    damaged: bool
    received_bytes: int = 0
    state: UploadState = "receiving"
    done_ms: int = 0
    of_ms: int = 0
    imported: list[Imported] = field(default_factory=list)
    error: HallcastError | None = None
    touched_at: float = field(default_factory=time.time)
    retry_at_s: float = 0.0
    turn: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("done", "failed")

    @property
    def body(self) -> Path:
        """The file itself, as far as it is here, named so that people know it again in an error."""
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", Path(self.name).name).lstrip(".")
        return self.folder / (name if name not in ("", "upload.json", "work") else "file")

    def progressed(self, done_ms: int, of_ms: int) -> None:
        """So much of the lecture has been gone through."""
        self.done_ms, self.of_ms = done_ms, of_ms


def make(upload: Upload, promised_bytes: int) -> None:
    """Make room for an upload.

    :param promised_bytes: that others may still bring.
    :raises RefusedError: ``disk_full`` (507).
    """
    try:
        upload.folder.mkdir(mode=0o700, parents=True)
        # The file, its copy that is checked, and what that copy may be written anew as.
        if shutil.disk_usage(upload.folder).free < 3 * upload.size_bytes + promised_bytes + FREE_BYTES:
            raise RefusedError("disk_full", "There is no room on the relay's disk for this file.", 507)
        upload.body.touch(mode=0o600)
        facts = {name: getattr(upload, name) for name in ("name", "size_bytes", "sha256", "damaged")}
        (upload.folder / "upload.json").write_text(json.dumps(facts))
    except OSError as error:
        raise RefusedError("disk_full", "The relay's disk takes nothing now; come back later.", 507) from error


def find(imports: Path) -> list[Upload]:
    """What an earlier run of the relay left unfinished, oldest first; anything else is removed."""
    found = []
    for folder in imports.glob("*"):
        if folder.name.startswith("work-"):
            continue  # a command's, which may be at work: recordings.importing.workplace
        try:
            facts = json.loads((folder / "upload.json").read_bytes())
            upload = Upload(folder.name, folder, **facts)
            there = upload.body.stat()
            upload.received_bytes, upload.touched_at = there.st_size, there.st_mtime
            if upload.received_bytes > upload.size_bytes:
                raise ValueError("longer than announced")
        except (OSError, ValueError, TypeError):
            shutil.rmtree(folder, ignore_errors=True)
            continue
        if upload.received_bytes == upload.size_bytes:
            upload.state = "waiting"
        found.append(upload)
    return sorted(found, key=lambda upload: upload.touched_at)


def write_at(path: Path, offset: int, data: bytes) -> None:
    """Write a piece at its place."""
    with path.open("rb+") as file:
        file.seek(offset)
        file.write(data)


def fresh(folder: Path) -> None:
    """Make a folder, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
