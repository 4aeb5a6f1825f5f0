"""A recording whose file is damaged is written anew with what can be read of it; the damaged file is kept beside."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from lecture.entries import Kind
from lecture.errors import LectureFileError
from lecture.file import LectureFile
from lecture.lock import WriterLock
from recordings.merge import SET_ASIDE_KEY

Progress = Callable[[int, int], None]
"""Told lecture time done and in all, in ms."""


def mend(path: Path, progress: Progress | None = None) -> Path:
    """Write a damaged recording anew; returns where the damaged file is kept now. Blocking.

    What was sound keeps its numbers, so that halls and copies know it again.

    :raises LectureFileError: ``file_damaged`` of a lecture that has not ended, which the relay itself lets go on in a
        new file; ``not_a_lecture_file``, ``file_busy``, ``file_unwritable``, ``disk_full``. Nothing was changed then.
    """
    lock = WriterLock(path)
    aside, fresh = free_name(path), fresh_name(path)
    try:
        with LectureFile.open(path, readonly=True) as damaged:
            facts = damaged.facts()
            if facts.get("state") in ("live", "planned"):
                text = f"{path.name} is damaged, and its lecture has not ended: the relay lets it go on by itself."
                raise LectureFileError("file_damaged", text)
            facts = {"lecture": path.stem, "state": "ended"} | facts | {SET_ASIDE_KEY: aside.name}
            remove_with_wal(fresh)
            with LectureFile.create(fresh, facts) as begun:
                carry_over(damaged, begun, frozenset(Kind), progress)
                begun.finish()
        put_aside(path, aside, fresh)
    except OSError as error:
        raise LectureFileError("file_unwritable", f"{path.name} cannot be written anew: {error.strerror}.") from error
    finally:
        remove_with_wal(fresh)
        lock.release()
    return aside


def carry_over(
    damaged: LectureFile, begun: LectureFile, kinds: Collection[int], progress: Progress | None = None
) -> None:
    """Bring pages, and entries of some kinds under their own numbers, from a damaged file into an empty one; commits.

    :raises LectureFileError: ``disk_full``; the damaged file cannot be read at all.
    """
    for digest, _ in damaged.blob_sizes():
        if (blob := damaged.get_blob(digest)) is not None:
            begun.put_blob(blob.data, blob.media_type)
            begun.commit()  # what waits in memory is bounded
    tracks = {track.track_id: begun.add_track(replace(track, track_id=0)).track_id for track in damaged.tracks()}
    origins = damaged.origin_seqs()
    all_ms, after_seq = damaged.last_t_ms(), 0
    while batch := damaged.read(after_seq, kinds=kinds):
        for entry in batch:
            if entry.track_id in tracks or not entry.track_id:
                begun.adopt(replace(entry, track_id=tracks.get(entry.track_id, 0)), origins.get(entry.seq))
                begun.commit_in_time()
        after_seq = batch[-1].seq
        begun.commit()
        if progress is not None:
            progress(min(batch[-1].end_ms, all_ms), all_ms)


def put_aside(path: Path, aside: Path, fresh: Path) -> None:
    """Give a damaged file another name, and its own to a fresh one, which must be whole.

    :raises OSError: they cannot be renamed.
    """
    for suffix in ("-wal", "-shm", ""):  # the WAL belongs to the file
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    fresh.rename(path)


def remove_with_wal(path: Path) -> None:
    """Remove a file and what belongs to it; there need be none."""
    for suffix in ("-wal", "-shm", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def fresh_name(path: Path) -> Path:
    """Where a file is written that is to take another's place."""
    return path.with_name(f"{path.stem}.fresh{path.suffix}")


def free_name(path: Path) -> Path:
    """A name that is no lecture's id, so that no library lists it."""
    number = 1
    while (aside := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    return aside
