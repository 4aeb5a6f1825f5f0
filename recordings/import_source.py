"""What can be imported: a lecture file, a USB pack as a folder or a zip, a folder with several of these. Blocking.

All of it comes from elsewhere and is not trusted: no name in a zip becomes a name on the disk, and nothing is unpacked
but lecture files and lists of checksums, within bounds.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import sqlite3
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lecture.schema import file_bytes
from recordings.errors import RecordingError
from recordings.files import copy_lecture_file
from recordings.shelf import SUFFIX
from recordings.usb_pack import CHECKSUMS

MAX_FILES = 10_000
"""In a zip; a USB pack of a working day has a few hundred."""
_MAX_INDEX_BYTES = 2_000_000
"""Of a zip's directory, and of a list of checksums."""
MAX_RATIO = 100
"""What is in a zip may be so many times as large as the zip: voice and images hardly shrink."""
FREE_BYTES = 100_000_000
"""Room that an import leaves on the disk."""
_ZIP_HEAD = b"PK"
_PIECE_BYTES = 1_000_000
_CHECKSUM = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")


@dataclass(frozen=True, slots=True)
class Source:
    """One lecture file to be imported.

    :param path: the lecture file, or the zip that holds it.
    :param member: its name in the zip; empty: ``path`` is the lecture file.
    :param sha256: what the list of checksums beside it says; empty if there is none.
    """

    path: Path
    member: str
    sha256: str

    @property
    def label(self) -> str:
        """Its name for people."""
        name = PurePosixPath(self.member).name if self.member else self.path.name
        return "".join(char if char.isprintable() else "_" for char in name)[:120]


Fault = tuple[Path, RecordingError]
"""A file that could not be looked into."""


def find_sources(path: Path, faults: list[Fault] | None = None) -> list[Source]:
    """The lecture files at a path: it itself, in it if it is a zip, or in it and its folders if it is a folder.

    :param faults: what of a folder cannot be read is put there and hinders nothing else.
    :raises RecordingError: ``import_unknown``, ``import_empty``, ``import_unreadable``, ``import_zip_unsafe``,
        ``import_zip_damaged``.
    """
    try:
        if path.is_dir():
            found = _in_folder(path, faults if faults is not None else [])
        elif path.is_file():
            found = _in_file(path)
        else:
            raise RecordingError("import_unknown", f"There is no file or folder {path}.")
    except OSError as error:
        raise _unreadable(path, error) from error
    if not found and not faults:
        raise RecordingError("import_empty", f"There is no lecture file in {path.name or path}.")
    return found


def _in_folder(path: Path, faults: list[Fault]) -> list[Source]:
    folders = [path, *sorted(folder for folder in path.iterdir() if folder.is_dir() and not _hidden(folder.name))]
    files = [file for folder in folders for file in sorted(folder.glob(f"*{SUFFIX}"))] + sorted(path.glob("*.zip"))
    found = []
    for file in files:
        if _hidden(file.name):
            continue
        try:
            found += _in_file(file) if file.is_file() else []
        except RecordingError as error:
            faults.append((file, error))
        except OSError as error:
            faults.append((file, _unreadable(file, error)))
    return found


def _in_file(path: Path) -> list[Source]:
    with path.open("rb") as file:
        is_zip = file.read(len(_ZIP_HEAD)) == _ZIP_HEAD
    # Whether another really is a lecture file, :func:`recordings.importing.prepare` says.
    return _in_zip(path) if is_zip else [Source(path, "", _checksum_beside(path))]


def _unreadable(path: Path, error: OSError) -> RecordingError:
    return RecordingError("import_unreadable", f"{path} cannot be read: {error.strerror}.")


def fetch(source: Source, to: Path, most_bytes: int) -> str:
    """Copy a lecture file to ``to``; returns the SHA-256 of what was written.

    :param most_bytes: a larger one is refused.
    :raises RecordingError: ``import_too_large``, ``import_zip_unsafe``, ``import_zip_damaged``, ``import_unreadable``,
        ``disk_full``.
    :raises LectureFileError: as :meth:`lecture.file.LectureFile.open`, where a part of it lies in its WAL.
    """
    try:
        if source.member:
            with _opened_zip(source.path) as packed:
                info = packed.getinfo(source.member)
                _check_room(source, info.file_size, to, most_bytes)
                # Never more than the zip's directory says, whatever its data unpack to.
                with packed.open(info) as data, to.open("wb") as copy:
                    shutil.copyfileobj(data, copy, _PIECE_BYTES)
        else:
            _check_room(source, file_bytes(source.path), to, most_bytes)
            copy_lecture_file(source.path, to)
        with to.open("rb+") as copy:
            digest = hashlib.file_digest(copy, "sha256").hexdigest()
            os.fsync(copy.fileno())
            return digest
    except (OSError, sqlite3.Error) as error:
        if shutil.disk_usage(to.parent).free < FREE_BYTES:
            raise RecordingError("disk_full", f"There is no room on the disk to import {source.label}.") from error
        raise RecordingError("import_unreadable", f"{source.label} cannot be read: {error}.") from error


def _check_room(source: Source, size_bytes: int, to: Path, most_bytes: int) -> None:
    if size_bytes > most_bytes:
        text = f"{source.label} has {size_bytes / 1e6:.0f} MB; at most {most_bytes / 1e6:.0f} MB are taken."
        raise RecordingError("import_too_large", text)
    # Twice: what is damaged or another's copy is written anew beside it.
    if shutil.disk_usage(to.parent).free < 2 * size_bytes + FREE_BYTES:
        raise RecordingError("disk_full", f"There is no room on the disk to import {source.label}.")


def _hidden(name: str) -> bool:
    """Also what other systems leave on a stick beside a file (``._name``)."""
    return name.startswith(".")


def _checksum_beside(path: Path) -> str:
    sums = path.with_name(CHECKSUMS)
    if not sums.is_file() or sums.stat().st_size > _MAX_INDEX_BYTES:
        return ""
    return _checksums(sums.read_bytes()).get(path.name, "")


def _checksums(data: bytes) -> dict[str, str]:
    lines = (_CHECKSUM.fullmatch(line.rstrip("\r")) for line in data.decode(errors="replace").split("\n"))
    return {found[2].removeprefix("./"): found[1].lower() for found in lines if found}


def _in_zip(path: Path) -> list[Source]:
    with _opened_zip(path) as packed:
        infos = packed.infolist()
        _check_zip(path, infos)
        names = {info.filename for info in infos}
        found = []
        for info in infos:
            name = PurePosixPath(info.filename)
            if name.suffix != SUFFIX or info.is_dir() or _hidden(name.name):
                continue
            sums, sha256 = str(name.with_name(CHECKSUMS)), ""
            if sums in names and packed.getinfo(sums).file_size <= _MAX_INDEX_BYTES:
                sha256 = _checksums(packed.read(sums)).get(name.name, "")
            found.append(Source(path, info.filename, sha256))
        return found


def _check_zip(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    """Refuse as a whole what no honest program packs so."""
    why = ""
    if len(infos) > MAX_FILES:
        why = f"it has more than {MAX_FILES} files"
    elif sum(info.file_size for info in infos) > MAX_RATIO * path.stat().st_size + _PIECE_BYTES:
        why = "it unpacks to far more than it is"
    for info in infos:
        name = info.orig_filename
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or not parts[0] or ":" in parts[0] or "\0" in name:
            why = "a name in it leads out of its folder"
        elif stat.S_ISLNK(info.external_attr >> 16):
            why = "there is a link in it"
        elif info.flag_bits & 1:
            why = "it is encrypted"
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            why = "it is packed in an unusual way"
    if why:
        raise RecordingError("import_zip_unsafe", f"{path.name} is not unpacked: {why}.")


@contextmanager
def _opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with closing(_Bounded(path)) as file, zipfile.ZipFile(file) as packed:
            yield packed
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError, KeyError) as error:
        text = f"{path.name} is cut short or damaged: {error}. Copy or upload it again."
        raise RecordingError("import_zip_damaged", text) from error


class _Bounded(io.FileIO):
    """A zip whose directory is read only if it is of a sensible size: ``zipfile`` takes it into memory at once."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._name = path.name

    def read(self, size: int | None = -1, /) -> bytes:
        """As a file's; refuses to read much at once."""
        wanted = _MAX_INDEX_BYTES + 1 if size is None or size < 0 else size
        data = super().read(min(wanted, _MAX_INDEX_BYTES + 1)) or b""
        if len(data) > _MAX_INDEX_BYTES:
            raise RecordingError("import_zip_unsafe", f"{self._name} is not unpacked: it has far too many files.")
        return data
