"""The captions of a recording: which ones count, how they are searched, and how others take their place. Blocking."""

from __future__ import annotations

import time
from collections.abc import Sequence

from lecture.captions import Caption, caption_entry, read_caption
from lecture.entries import Kind
from lecture.file import LectureFile
from recordings.caption_files import MAX_CUES, Cue
from recordings.passages import Passage
from recordings.recording import Recording

MAX_LANGUAGES = 16
_STRETCH_MS = 10_000
"""Cues are searched together while they last no longer than this in all: sentences run on from one to the next, and
whoever jumps to the beginning of one waits so long at most."""
_PAUSE_MS = 2_000


def captions_of(recording: Recording) -> dict[str, list[Cue]]:
    """The captions that count, by language (as they were spoken, then by name), in order of time."""
    found: dict[str, tuple[int, list[Cue]]] = {}
    for entry, fields in recording.events({Kind.CAPTION}):
        caption = read_caption(fields)
        if caption is None or (caption.language not in found and len(found) >= MAX_LANGUAGES):
            continue
        edition, cues = found.get(caption.language, (0, []))
        if caption.edition > edition:
            cues = []
            found[caption.language] = caption.edition, cues
        if caption.edition >= edition and len(cues) < MAX_CUES:
            cues.append(Cue(entry.t_ms, entry.t_ms + caption.duration_ms, caption.text))
    spoken = recording.languages()
    order = sorted(found, key=lambda one: (spoken.index(one) if one in spoken else len(spoken), one))
    return {language: sorted(found[language][1], key=lambda cue: cue.start_ms) for language in order}


def caption_passages(recording: Recording) -> list[Passage]:
    """The captions as they are searched: stretches of some seconds, each with the moment at which it begins."""
    return [
        Passage("caption", " ".join(cue.text for cue in stretch), None, (stretch[0].start_ms,))
        for cues in captions_of(recording).values()
        for stretch in _stretches(cues)
    ]


def _stretches(cues: Sequence[Cue]) -> list[list[Cue]]:
    stretches: list[list[Cue]] = []
    for cue in cues:
        last = stretches[-1] if stretches else None
        if last and cue.end_ms - last[0].start_ms <= _STRETCH_MS and cue.start_ms - last[-1].end_ms <= _PAUSE_MS:
            last.append(cue)
        else:
            stretches.append([cue])
    return stretches


def lay_in(file: LectureFile, language: str, cues: Sequence[Cue]) -> None:
    """Make these the captions of a language, in place of those that are there; commits, all of them or none.

    :raises LectureFileError: ``disk_full`` and the like.
    """
    known = (read_caption(fields) for _, fields in Recording(file).events({Kind.CAPTION}))
    last = max((one.edition for one in known if one is not None and one.language == language), default=0)
    # By the clock, so that of two copies of a lecture the captions that were laid in later count once they are merged.
    edition = max(last + 1, time.time_ns() // 1_000_000)
    for cue in cues:
        caption = Caption(language, cue.text, cue.end_ms - cue.start_ms, edition)
        file.append(caption_entry(cue.start_ms, caption))
    file.commit()
