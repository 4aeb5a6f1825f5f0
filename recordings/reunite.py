"""What a damaged file has that was set aside during a lecture, brought into the recording after its end. Blocking."""

from __future__ import annotations

from pathlib import Path

from lecture.errors import LectureFileError
from lecture.file import LectureFile
from recordings.importing import Prepared
from recordings.merge import SET_ASIDE_KEY
from recordings.shelf import SUFFIX, Shelf


def waiting(shelf: Shelf) -> list[str]:
    """Lectures that have ended and whose recordings still lack what their damaged files have."""
    named = {path.name.partition(".damaged-")[0] for path in shelf.lectures_dir.glob(f"*.damaged-*{SUFFIX}")}
    return [lecture_id for lecture_id in sorted(named) if set_aside_of(shelf.lectures_dir / f"{lecture_id}{SUFFIX}")]


def set_aside_of(path: Path) -> Prepared | None:
    """The damaged file that a recording took the place of last, to be merged into it; None if there is none, or the
    lecture has not ended."""
    try:
        with LectureFile.open(path, readonly=True) as file:
            aside = path.with_name(Path(file.get_meta(SET_ASIDE_KEY) or "-").name)
            if file.get_meta("state") != "ended" or not aside.is_file():
                return None
            title = file.get_meta("title") or path.stem
    except LectureFileError:
        return None
    return Prepared(aside.name, aside, path.stem, title, ("it was set aside as damaged",))


def settle(path: Path, aside: Path) -> None:
    """Note in a recording that what can be read of a damaged file is in it; next is what that one took the place of.

    :raises LectureFileError: as :meth:`lecture.file.LectureFile.open`; ``disk_full``.
    """
    former = ""
    try:
        with LectureFile.open(aside, readonly=True) as damaged:
            former = damaged.get_meta(SET_ASIDE_KEY) or ""
    except LectureFileError:
        pass  # nothing of it can be read
    with LectureFile.open(path) as file:
        file.set_meta(SET_ASIDE_KEY, former if former != aside.name else "")
        file.finish()
