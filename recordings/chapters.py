"""Chapters of an exported file: what was on the projector from when to when."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from av.container import OutputContainer

from recordings.recording import Recording
from recordings.replay import chapters as turned_pages

_MS = Fraction(1, 1000)
_LEAST_MS = 1000
"""Pages that were only leafed through are no chapters: a player's list would be full of them."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """From ``start_ms`` to ``end_ms`` of lecture time; chapters follow each other without a gap."""

    start_ms: int
    end_ms: int
    title: str


def chapters_of(recording: Recording) -> list[Chapter]:
    """The recording's chapters, the first from the beginning; a page without a title is called by its number."""
    found = turned_pages(recording.turns(), recording.pages())
    duration_ms = recording.duration_ms
    ends = [*(facts["t_ms"] for facts in found[1:]), duration_ms]
    kept = [facts for facts, end_ms in zip(found, ends, strict=False) if end_ms - facts["t_ms"] >= _LEAST_MS]
    starts = [0, *(facts["t_ms"] for facts in kept[1:])]
    return [
        Chapter(start_ms, end_ms, " ".join(facts["title"].split()) or f"Page {facts['page']}")
        for facts, start_ms, end_ms in zip(kept, starts, [*starts[1:], duration_ms], strict=False)
    ]


def describe(container: OutputContainer, recording: Recording) -> None:
    """Give a file its title, course, date and chapters, before anything is written to it."""
    facts = {"title": recording.title, "album": recording.course, "date": (recording.started_at or "")[:10]}
    container.metadata.update({name: value for name, value in facts.items() if value})
    chapters = chapters_of(recording)
    if container.format.name == "ogg":
        # Vorbis comments. FFmpeg makes them of chapters too, but rounds the seconds up (1.5 s becomes 2.5 s).
        for number, chapter in enumerate(chapters):
            container.metadata[f"CHAPTER{number:03}"] = _clock(chapter.start_ms)
            container.metadata[f"CHAPTER{number:03}NAME"] = chapter.title
        return
    container.set_chapters(
        [
            {
                "id": number,
                "start": chapter.start_ms,
                "end": chapter.end_ms,
                "time_base": _MS,
                "metadata": {"title": chapter.title},
            }
            for number, chapter in enumerate(chapters, 1)
        ]
    )


def _clock(t_ms: int) -> str:
    minutes, ms = divmod(t_ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}.{ms % 1000:03}"
