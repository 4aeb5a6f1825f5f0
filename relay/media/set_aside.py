"""A lecture that goes on although its file is damaged: the file is kept as it is beside, a new one takes its place."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from lecture.errors import LectureFileError
from lecture.file import BLOCK_KEY, LectureFile
from relay.media.lecture_clock import CLOCK_META_KEYS, LectureClock, read_boot_time

logger = logging.getLogger("hallcast.lectures")

SET_ASIDE_KEY = "set_aside"
"""The lecture file's fact: the name of the damaged file that it took the place of last."""
_MOST_MS = 7 * 24 * 3_600_000
"""A damaged number may say anything; no lecture lasts longer."""


def open_or_set_aside(path: Path) -> LectureFile:
    """Open a lecture's file for append; a damaged one is set aside first, unless its lecture has ended. Blocking.

    :raises LectureFileError: as :meth:`LectureFile.open`; ``file_damaged`` also where the file does not even tell
        whether its lecture has ended.
    """
    try:
        return LectureFile.open(path)
    except LectureFileError as error:
        if error.error_id != "file_damaged":
            raise
        facts = _facts_of(path)
        if facts is None or facts.get("state") == "ended":
            raise
        reason = error.text
    aside = _free_name(path)
    # Whole before the old one goes: on a full disk all stays as it is.
    fresh = path.with_name(f"{path.stem}.fresh{path.suffix}")
    fresh.unlink(missing_ok=True)
    LectureFile.create(fresh, {**facts, SET_ASIDE_KEY: aside.name}).close()
    try:
        for suffix in ("-wal", "-shm", ""):  # the WAL belongs to the file
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        fresh.rename(path)
    except OSError as error:
        raise LectureFileError("file_unwritable", f"{path.name} is damaged and cannot be set aside.") from error
    logger.critical(
        "THE RECORDING OF %s IS DAMAGED and was set aside as %s; the lecture goes on in a new file. When it has ended, "
        "“hallcast recordings repair %s --from %s” brings back what can be read. (%s)",
        *(path.stem, aside.name, path.name, aside.name, reason),
    )
    return LectureFile.open(path)


def _facts_of(path: Path) -> dict[str, str] | None:
    """What the new file must know: the state, lecture time, and which numbers were given out; None if unknown."""
    try:
        with LectureFile.open(path, readonly=True) as file:
            state = file.get_meta("state")
            meta = {key: value for key in CLOCK_META_KEYS if (value := file.get_meta(key)) is not None}
            if state is None and file.get_meta("lecture") is None:
                return None
            last_t_ms = min(file.last_t_ms(), _MOST_MS)
            # Halls go by numbers of the old file: all that it has given out must lie below (one block more for an
            # opening on a disk that was too full to note it).
            used = int(file.get_meta(BLOCK_KEY) or 0) + 1
    except (LectureFileError, ValueError):
        return None
    now, boot = time.monotonic(), read_boot_time()
    # Anew for this boot: the new file has no last entry behind which the clock could go on.
    clock = LectureClock.resume(meta, last_t_ms, now, boot).to_meta(now, boot)
    return {**({"state": state} if state else {}), BLOCK_KEY: str(used), **clock}


def _free_name(path: Path) -> Path:
    """A name that is no lecture's id, so that no library lists it."""
    number = 1
    while (aside := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    return aside
