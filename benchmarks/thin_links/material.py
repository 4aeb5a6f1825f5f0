"""What is given in the benchmark's lectures: a voice, a deck, when its pages turn, a camera.

The material of ``HALLCAST_MATERIAL`` (default: ``../shared/material`` where that is) is real speech and a real deck;
without it the sample lecture of the repository serves.
"""

from __future__ import annotations

import json
import os
import wave
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pypdfium2

from benchmarks.thin_links.legible import Reader
from benchmarks.thin_links.links import PAGE_EVERY_S, Link

_ROOT = Path(__file__).resolve().parents[2]
_RATE = 48_000
_MIN_WORDS = 12
"""Pages with fewer words say nothing about legibility."""
_SPARE_PAGES = 2
"""The deck has so many pages more than are turned to, as decks have."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Files to make lectures of."""

    voice: Path
    deck: Path
    camera: Path | None
    screen: Path | None

    @classmethod
    def find(cls, folder: Path | None) -> Sources:
        """The material's folder, else that of the environment, else the default one, else the sample lecture, which
        has no screen; also where the environment says that there is no folder (an empty name)."""
        value = os.environ.get("HALLCAST_MATERIAL")
        named = folder or (Path(value) if value else None)
        folder = named or _ROOT.parent / "shared" / "material"
        if named is None and (value == "" or not folder.is_dir()):
            samples = _ROOT / "samples"
            return cls(samples / "voice.opus", samples / "deck.pdf", samples / "camera.webm", None)
        film = folder / "screen" / "screen_demo.mp4"
        return cls(
            folder / "voice" / "lecture_en_a.flac",
            folder / "slides" / "autodiff.pdf",
            folder / "camera" / "talkinghead_cif.mp4",
            film if film.is_file() else None,
        )


@dataclass(frozen=True, slots=True)
class Material:
    """One lecture's files.

    :param page_count: of the deck; the last :data:`_SPARE_PAGES` are not turned to.
    """

    voice: Path
    deck: Path
    turns: Path
    camera: Path | None
    screen: Path | None
    page_count: int


def prepare(sources: Sources, link: Link, folder: Path) -> Material:
    """Write a lecture of the link's length into ``folder``: the voice cut or repeated, the first pages of the deck that
    have words to be read on them, turned every :data:`PAGE_EVERY_S`."""
    folder.mkdir(parents=True, exist_ok=True)
    voice = folder / f"voice-{link.length_s}.wav"
    if not voice.exists():
        _write_wav(voice, _loop(_samples(sources.voice), link.length_s))
    wanted = -(-link.length_s // PAGE_EVERY_S)
    deck = folder / f"deck-{wanted}.pdf"
    in_deck = _cut_deck(sources.deck, wanted + _SPARE_PAGES, deck, Reader(folder / "words"))
    count = min(wanted, in_deck)
    turns = folder / f"turns-{link.length_s}{'-screen' if link.screen else ''}.json"
    # A deck that is too short begins anew.
    pages = [{"at_ms": n * PAGE_EVERY_S * 1000, "page": n % count + 1} for n in range(wanted)]
    if link.screen:
        pages = pages[:1]
    turns.write_text(json.dumps(pages), encoding="ascii")
    return Material(voice, deck, turns, sources.camera, sources.screen, in_deck)


def _samples(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("s16", "mono", _RATE)
        blocks = [part.to_ndarray()[0] for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        blocks += [part.to_ndarray()[0] for part in resampler.resample(None)]
    return np.concatenate(blocks)


def _loop(samples: np.ndarray, length_s: int) -> np.ndarray:
    wanted = length_s * _RATE
    return np.tile(samples, -(-wanted // len(samples)))[:wanted]


def _write_wav(path: Path, samples: np.ndarray) -> None:
    fresh = path.with_suffix(f".{os.getpid()}")
    with wave.open(str(fresh), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(samples.astype("<i2").tobytes())
    fresh.rename(path)


def _cut_deck(source: Path, most: int, path: Path, reader: Reader) -> int:
    """Write up to ``most`` pages that have words to be read; returns how many there are."""
    if path.exists():
        with pypdfium2.PdfDocument(path) as made:
            return len(made)
    with pypdfium2.PdfDocument(source) as deck:
        pages: list[int] = []
        for number in range(len(deck)):
            if len(pages) < most and reader.page(source, number + 1).total() >= _MIN_WORDS:
                pages.append(number)
        made = pypdfium2.PdfDocument.new()
        made.import_pages(deck, pages)
        fresh = path.with_suffix(f".{os.getpid()}")
        made.save(fresh)
        made.close()
        fresh.rename(path)
    return len(pages)
