"""A lecture that goes on although its file is damaged or gone: what is left is kept beside, a new file is begun."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from lecture.entries import EVENT_KINDS
from lecture.errors import LectureFileError
from lecture.file import BLOCK_KEY, LectureFile
from recordings.mend import carry_over, free_name, fresh_name, put_aside, remove_with_wal
from recordings.merge import SET_ASIDE_KEY
from relay.media.lecture_clock import CLOCK_META_KEYS, RESTART_MARGIN_MS, LectureClock, read_boot_time
from relay.media.settings import LectureInfo

logger = logging.getLogger("hallcast.lectures")

_KEPT_FACTS = ("started_at", "series", "tags", "keep")
_MOST_MS = 7 * 24 * 3_600_000
"""A damaged number may say anything; no lecture lasts longer."""
_UNKNOWN_BLOCKS = 1_000_000
"""Where a file does not tell which numbers it has given out, so many blocks of them are left out: a block is used at
each opening."""


def begin(path: Path, info: LectureInfo) -> LectureFile:
    """Make a lecture's file. Blocking.

    A lecture that is going on, whose file somebody has removed, goes on in lecture time, with numbers of its own.

    :raises LectureFileError: as :meth:`LectureFile.create`; ``file_missing``: the lecture has ended, and an empty file
        would stand in the way of a recording that is put back.
    """
    fresh = fresh_name(path)
    if fresh.is_file():
        # The machine died just when a damaged file had been put aside: then this one was whole.
        try:
            fresh.rename(path)
        except OSError as error:
            raise LectureFileError("file_unwritable", f"{path.name} cannot be written: {error.strerror}.") from error
        return LectureFile.open(path)
    if info.state == "ended":
        raise LectureFileError("file_missing", f"The recording of {path.stem} is no longer on the relay's disk.")
    if info.state != "live":
        return LectureFile.create(path)
    LectureFile.create(path, _facts_of(path, info)).close()
    logger.critical("THE RECORDING OF %s IS GONE; the lecture goes on in a new file.", path.stem)
    return LectureFile.open(path)


def open_or_set_aside(path: Path, info: LectureInfo) -> LectureFile:
    """Open a lecture's file for append; a damaged one is set aside first, unless its lecture has ended. Blocking.

    :param info: believed only where the file itself does not tell.
    :raises LectureFileError: as :meth:`LectureFile.open`; ``file_damaged`` and ``not_a_lecture_file`` of a lecture that
        has ended, or of which neither file nor ``info`` tell whether it has.
    """
    try:
        return LectureFile.open(path)
    except LectureFileError as error:
        if error.error_id not in ("file_damaged", "not_a_lecture_file"):
            raise
        facts = _facts_of(path, info)
        if facts is None or facts.get("state") == "ended":
            raise
        reason = error.text
    aside = free_name(path)
    # Whole before the old one goes: on a full disk all stays as it is.
    fresh = fresh_name(path)
    remove_with_wal(fresh)
    with LectureFile.create(fresh, {**facts, "lecture": path.stem, SET_ASIDE_KEY: aside.name}) as begun:
        _keep_events(path, begun)
    try:
        put_aside(path, aside, fresh)
    except OSError as error:
        raise LectureFileError("file_unwritable", f"{path.name} is damaged and cannot be set aside.") from error
    logger.critical(
        "THE RECORDING OF %s IS DAMAGED and was set aside as %s; the lecture goes on in a new file. When it has "
        "ended, what can be read is brought back. (%s)",
        *(path.stem, aside.name, reason),
    )
    return LectureFile.open(path)


def _keep_events(path: Path, begun: LectureFile) -> None:
    """Keep pages and events as they were numbered: the lecturer turns on in a deck that nobody uploads again. Voice and
    camera would keep everyone waiting; a repair brings them.

    :raises LectureFileError: ``disk_full``.
    """
    try:
        with LectureFile.open(path, readonly=True) as damaged:
            carry_over(damaged, begun, EVENT_KINDS)
    except LectureFileError as error:
        if error.error_id == "disk_full":
            raise
        logger.error("%s: pages and events cannot be read: %s", path.name, error.text)


def _facts_of(path: Path, info: LectureInfo) -> dict[str, str] | None:
    """What the new file must know: the state, lecture time, and which numbers were given out; None if unknown."""
    now, boot = time.monotonic(), read_boot_time()
    meta: dict[str, str] = {}
    state, last_t_ms, used = None, 0, 0
    try:
        with LectureFile.open(path, readonly=True) as file:
            state = file.get_meta("state")
            if state is None and file.get_meta("lecture") is not None:
                state = "planned"
            keys = (*CLOCK_META_KEYS, *_KEPT_FACTS, BLOCK_KEY)
            meta = {key: value for key in keys if (value := file.get_meta(key)) is not None}
            last_t_ms = min(file.last_t_ms(), _MOST_MS)
            # Halls go by numbers of the old file: all that it has given out must lie below (one block more for an
            # opening on a disk that was too full to note it).
            used = int(meta.pop(BLOCK_KEY)) + 1
    except (LectureFileError, ValueError, KeyError):
        used = _UNKNOWN_BLOCKS * (1 + _set_aside_before(path))
    state = state or info.state
    if state is None:
        return None
    clock = LectureClock.resume(meta, last_t_ms, now, boot)
    if state == "live" and not clock.started:
        # The wall clock is the only one that is left. It may be wrong, but never leads behind what can be read: a hall
        # would take two moments for one.
        told_ms = (time.time() - info.started_at) * 1000 if info.started_at is not None else 0
        clock.start(now - min(max(told_ms, last_t_ms + RESTART_MARGIN_MS), _MOST_MS) / 1000)
    # Anew for this boot: the new file has no last entry behind which the clock could go on.
    kept = {key: value for key, value in meta.items() if key in _KEPT_FACTS}
    return {**kept, "state": state, BLOCK_KEY: str(used), **clock.to_meta(now, boot)}


def _set_aside_before(path: Path) -> int:
    """How many files of this lecture were set aside already."""
    return len(list(path.parent.glob(f"{path.stem}.damaged-*{path.suffix}")))
