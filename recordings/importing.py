"""Taking lecture files from elsewhere into the library: checked first, and the same lecture twice is one. Blocking.

:func:`prepare` copies and checks in a workplace of its own and harms nothing; :func:`place` puts a checked file into
the library, or merges it into the recording that is there (:mod:`recordings.merge`); :func:`note` tells the catalogue.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from lecture.errors import LectureFileError
from lecture.file import LectureFile
from lecture.lock import WriterLock
from lecture.schema import clear_wal
from lecture.verify import verify_file
from recordings.errors import RecordingError
from recordings.import_source import Source, fetch
from recordings.lecture_facts import record_from_file
from recordings.merge import CLOCK_END_KEY, Merged, merge
from recordings.recording import LECTURE_ID, LONGEST_MS, Recording
from recordings.shelf import Shelf

Progress = Callable[[int, int], None]
"""Told lecture time done and in all, in ms."""

STALE_S = 86_400.0
"""What an import left in the data folder is removed after so long."""
_PROBLEMS_KEPT = 20
_KEPT_FACTS = ("title", "course", "series", "tags", "keep", "languages", "started_at", CLOCK_END_KEY)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A lecture file that was copied into a workplace and checked.

    :param problems: damage, in plain words; empty for a sound file. Only its sound parts are taken.
    """

    label: str
    path: Path
    lecture_id: str
    title: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """What has become of a lecture file.

    :param result: ``new``: it is a recording now; ``merged``: the recording that was there has gained something;
        ``unchanged``: it had all of it.
    """

    label: str
    lecture_id: str
    title: str
    result: Literal["new", "merged", "unchanged"]
    problems: tuple[str, ...] = ()
    merged: Merged = field(default_factory=Merged)


@contextmanager
def workplace(data_dir: Path) -> Iterator[Path]:
    """A folder for one import, on the disk of the recordings; on leaving it is gone. Older ones left by a killed
    program go with it.

    :raises RecordingError: ``import_failed``.
    """
    imports = data_dir / "imports"
    try:
        imports.mkdir(mode=0o700, exist_ok=True)
        for left_over in imports.glob("work-*"):
            if left_over.stat().st_mtime < time.time() - STALE_S:
                shutil.rmtree(left_over, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(dir=imports, prefix="work-"))
    except OSError as error:
        raise RecordingError("import_failed", f"{imports} cannot be written: {error.strerror}.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prepare(
    source: Source,
    folder: Path,
    *,
    most_bytes: int,
    damaged: bool = False,
    checked: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Copy a lecture file into a workplace and check every byte of it.

    :param damaged: take the sound parts of a damaged file.
    :param checked: is told bytes checked and in all.
    :raises RecordingError: as :func:`recordings.import_source.fetch`; ``import_checksum_wrong``, ``import_damaged``,
        ``import_id_invalid``.
    :raises LectureFileError: ``not_a_lecture_file``, ``file_too_new``, ``file_damaged``.
    """
    # Errors of the lecture file name it.
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(source.label).stem)[:80]
    path = Path(tempfile.mkdtemp(dir=folder), f"{name}.lecture")
    problems = []
    if fetch(source, path, most_bytes) != source.sha256 != "":
        text = f"{source.label} is not as its list of checksums says: it was damaged on the way. Copy it again."
        if not damaged:
            raise RecordingError("import_checksum_wrong", text)
        problems.append(text)
    report = verify_file(path, checked)
    problems += report.problems
    if report.duration_ms > LONGEST_MS:
        problems.append("something in it lies beyond a week of lecture time")
    if problems and not damaged:
        text = f"{source.label} is damaged: {problems[0]}. Its sound parts can be imported if you say so (--damaged)."
        raise RecordingError("import_damaged", text)
    with LectureFile.open(path, readonly=True) as file:
        lecture_id = file.get_meta("lecture") or ""
        title = Recording(file).title
    if not LECTURE_ID.fullmatch(lecture_id):
        raise RecordingError("import_id_invalid", f"{source.label} does not say of which lecture it is.")
    return Prepared(source.label, path, lecture_id, title, tuple(problems[:_PROBLEMS_KEPT]))


def check_admitted(shelf: Shelf, lecture_id: str) -> None:
    """Refuse what staff have deleted, and to begin anew what lies in object storage alone: the next upload would put
    the new file in the old one's place.

    :raises RecordingError: ``import_recycled``, ``import_elsewhere``.
    """
    record = shelf.catalogue.get(lecture_id, in_bin=True)
    in_bin = record.deleted_at is not None if record else shelf.path_of(lecture_id, in_bin=True).exists()
    if in_bin:
        text = f"The lecture “{lecture_id}” is in the recycle bin. Restore it first, then import again."
        raise RecordingError("import_recycled", text)
    if shelf.is_remote_only(lecture_id) and not shelf.path_of(lecture_id).exists():
        text = f"The recording of “{lecture_id}” lies in object storage alone; name the configuration (--config)."
        raise RecordingError("import_elsewhere", text)


def place(prepared: Prepared, target: Path, progress: Progress | None = None) -> Imported:
    """Make a checked file the recording ``target``, or merge it into the one that is there. Nothing is overwritten.

    :raises RecordingError: ``import_other_lecture``, ``import_failed``.
    :raises LectureFileError: ``file_busy``, ``file_damaged`` of the recording that is there, ``disk_full``.
    """
    if not target.exists() and _put(_as_recording(prepared, progress), target):
        return Imported(prepared.label, prepared.lecture_id, prepared.title, "new", prepared.problems)
    try:
        opened = LectureFile.open(target)
    except LectureFileError as error:
        raise _told(error, prepared) from error
    with opened as there, LectureFile.open(prepared.path, readonly=True) as copy:
        began = {file.get_meta("started_at") for file in (there, copy)} - {None}
        if len(began) > 1:
            text = f"There is another lecture “{prepared.lecture_id}” here, which began at another time."
            raise RecordingError("import_other_lecture", text)
        merged = merge(there, copy, progress)
    result: Literal["merged", "unchanged"] = "merged" if merged.changed else "unchanged"
    return Imported(prepared.label, prepared.lecture_id, prepared.title, result, prepared.problems, merged)


def note(shelf: Shelf, imported: Imported) -> None:
    """Have the catalogue know of it. A lecture that was only planned here is one that has ended now.

    :raises CatalogueError: ``catalogue_unusable``.
    """
    shelf.take_in(imported.lecture_id)
    if imported.result != "new":
        return
    with Recording.open(shelf.path_of(imported.lecture_id)) as recording:
        found = record_from_file(imported.lecture_id, recording)
    shelf.catalogue.update(
        imported.lecture_id,
        lambda record: replace(
            record,
            state="ended",
            started_at=found.started_at,
            ended_at=found.ended_at,
            duration_ms=found.duration_ms,
        ),
    )


def _as_recording(prepared: Prepared, progress: Progress | None) -> Path:
    """The file as the library keeps it: of a lecture that has ended, in lecture time."""
    with LectureFile.open(prepared.path, readonly=True) as file:
        anew = bool(prepared.problems) or file.get_meta("role") not in (None, "", "hall")
    path = prepared.path
    if anew:
        # What is damaged, or a copy with times of its own, is gone through like any copy. What comes of it numbers its
        # entries anew and says so, as a hall's copy does: later merges then go by the relay's numbers.
        path = path.with_name("sound.lecture")
        with LectureFile.open(prepared.path, readonly=True) as copy:
            facts = {key: value for key in _KEPT_FACTS if (value := copy.get_meta(key)) is not None}
            facts |= {"lecture": prepared.lecture_id, "role": "hall"}
            with LectureFile.create(path, facts) as recording:
                merge(recording, copy, progress)
    with LectureFile.open(path) as recording:
        if not recording.last_t_ms():
            raise RecordingError("import_empty", f"{prepared.label} holds nothing of the lecture that can be used.")
        recording.set_meta("state", "ended")
        if recording.get_meta(CLOCK_END_KEY) is None:
            recording.set_meta(CLOCK_END_KEY, str(recording.last_t_ms()))
        recording.finish()
    return path


def _put(path: Path, target: Path) -> bool:
    """Give a file its name in the library; False if somebody else has just made one of this name."""
    try:
        lock = WriterLock(target)
        try:
            if target.exists():
                return False
            clear_wal(target)
            os.replace(path, target)
        finally:
            lock.release()
    except OSError as error:
        raise RecordingError("import_failed", f"{target.name} cannot be written: {error.strerror}.") from error
    return True


def _told(error: LectureFileError, prepared: Prepared) -> LectureFileError:
    """What to do about it, where there is something to do."""
    if error.error_id == "file_busy":
        text = (
            f"The relay has the lecture “{prepared.lecture_id}” open. Import on its library page, or here when the "
            "lecture has ended and nobody has used it for some minutes."
        )
        return LectureFileError("file_busy", text)
    if error.error_id == "file_damaged":
        name = prepared.lecture_id
        text = f"The recording of “{name}” that is here is itself damaged. First: hallcast recordings repair {name}"
        return LectureFileError("file_damaged", text)
    return error
