"""Was the shared screen current and legible? Looked at once a second, three seconds after what it should show."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image

from benchmarks.thin_links.legible import LEGIBLE_RECALL, Reader, recall
from classroom_client.screen_stills import SCREEN_DECK

CURRENT_S = 3
"""What is shown may be so old."""
_STATES_PER_S = 5
"""So often the screen may be another one: as often as it is captured. Who types changes a word ten times a second, and
a still of a moment between two whole seconds has words that neither of them has."""
_LINES = 6  # tesseract's page segmentation for one block of text: a terminal


@dataclass(frozen=True, slots=True)
class ScreenSample:
    """At ``at_s`` of the lecture the hall showed ``still`` (0: none); ``recall`` of the best state that is current."""

    at_s: int
    still: int
    recall: float


def samples(film: Path, dump: Path, start_ms: int, length_s: int, reader: Reader) -> list[ScreenSample]:
    """Look once a second.

    :param dump: folder of ``--dump-pages``.
    :param start_ms: lecture time of the film's first picture; the film is shown again when it ends.
    """
    truth = _film_words(film, reader)
    listed = json.loads((dump / "pages.json").read_text(encoding="utf-8"))
    stills = [item for item in listed if item["deck"] == SCREEN_DECK]
    found = []
    for at_s in range(CURRENT_S, length_s):
        before = [still for still in stills if still["heard_ms"] <= start_ms + at_s * 1000]
        if not before:
            found.append(ScreenSample(at_s, 0, 0.0))
            continue
        shown = before[-1]
        words = reader.image((dump / shown["file"]).read_bytes(), lines=_LINES)
        moments = range((at_s - CURRENT_S) * _STATES_PER_S, at_s * _STATES_PER_S + 1)
        current = [truth[moment % len(truth)] for moment in moments]
        found.append(ScreenSample(at_s, shown["page"], max(recall(wanted, words) for wanted in current)))
    return found


def legible_share(some: list[ScreenSample]) -> float:
    """Share of samples in which the screen was current and legible."""
    return sum(sample.recall >= LEGIBLE_RECALL for sample in some) / len(some) if some else 0.0


def _film_words(film: Path, reader: Reader) -> list[Counter[str]]:
    """The words on the film, so many times a second as it may be another picture."""
    found: list[Counter[str]] = []
    with av.open(str(film)) as container:
        for frame in container.decode(video=0):
            if frame.pts is not None and frame.pts * (frame.time_base or Fraction(0)) * _STATES_PER_S >= len(found):
                image: Image.Image = frame.to_image()
                found.append(reader.words(image, lines=_LINES))
    return found
