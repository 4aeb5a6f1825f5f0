"""What a recorded lecture weighs: what a listener must fetch, what lies on the relay's disk, what a pack takes."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lecture.decks import PageImage, read_deck_event
from lecture.entries import EVENT_KINDS, Kind, unpack_event
from lecture.file import LectureFile
from lecture.log import Span
from recordings.export import ExportOrder
from recordings.library import Library
from recordings.recording import Recording
from recordings.usb_pack import write_pack
from recordings.voice import SEGMENT_MS
from relay import pages as page_files

Rung = Literal["light", "full"]
RUNGS: tuple[Rung, ...] = ("light", "full")
_PROGRAM = ("index.html", "README.txt", "page/")
"""Of a pack: the page itself, which is as large for a minute as for three hours."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of a whole lecture.

    :ivar voice: all pieces of the voice as the replay page fetches them (WebM), by rung.
    :ivar legible: pages that were shown, first tier; ``sharp``: second tier.
    :ivar rest: what replay needs beside: manifest, ink and pointer of each page (both as gzip), waveform.
    :ivar camera: the film of the camera, 0 without one.
    :ivar on_disk: the lecture file, by what is in it; what is left is SQLite's.
    :ivar pack: a pack of one rung, without the lecture file and without ``program``, by rung; without the camera.
    :ivar program: the page in a pack, which does not grow with the lecture.
    """

    duration_s: float
    pages_shown: int
    voice: dict[str, int]
    legible: int
    sharp: int
    rest: int
    camera: int
    on_disk: dict[str, int]
    pack: dict[str, int]
    program: int
    file: int

    def kbps(self, size_bytes: float) -> float:
        """That many bytes as a mean rate over the lecture."""
        return size_bytes * 8 / 1000 / self.duration_s


def sizes(path: Path, folder: Path) -> Sizes:
    """Weigh a lecture file.

    :param folder: for what is derived from it.
    """
    library = Library(path.parent, folder / "cache")
    lecture = path.stem
    with Recording.open(path) as recording:
        language = recording.languages()[0]
        duration_ms = recording.duration_ms
        shown = {(turn.deck, turn.page) for turn in recording.turns()}
        page_count = len(recording.pages())
        has_camera = recording.camera_track() is not None
        packs = {rung: _pack(recording, folder / f"pack-{rung}", rung) for rung in RUNGS}
    tiers = _tiers(path, shown)
    pieces = range(-(-duration_ms // SEGMENT_MS))
    told = [library.manifest(lecture).read_bytes(), *(library.drawing(lecture, page) for page in range(page_count))]
    return Sizes(
        duration_s=duration_ms / 1000,
        pages_shown=len(shown),
        voice={
            rung: sum(len(library.voice_segment(lecture, language, rung, number).data) for number in pieces)
            for rung in RUNGS
        },
        legible=tiers.get(1, 0),
        sharp=tiers.get(2, 0),
        rest=sum(len(gzip.compress(data)) for data in told) + library.waveform(lecture, language).stat().st_size,
        camera=library.camera_file(lecture)[0].stat().st_size if has_camera else 0,
        on_disk=_on_disk(path),
        pack={rung: data for rung, (data, _) in packs.items()},
        program=packs["light"][1],
        file=path.stat().st_size,
    )


def _tiers(path: Path, shown: set[tuple[str, int]]) -> dict[int, int]:
    """Bytes of the images of pages that were shown, by tier."""
    found: dict[int, int] = {}
    with LectureFile.open(path, readonly=True) as file:
        by_digest = dict(file.blob_sizes())
        for entry in file.read(kinds={Kind.PAGE}, limit=100_000):
            image = read_deck_event(entry.kind, unpack_event(entry))
            if isinstance(image, PageImage) and (image.deck, image.page) in shown:
                found[image.tier] = found.get(image.tier, 0) + by_digest.get(image.digest, 0)
    return found


def _on_disk(path: Path) -> dict[str, int]:
    """Bytes of the payloads of each track, of the events, of the pages; and of the file around them."""
    found: dict[str, int] = {}
    with LectureFile.open(path, readonly=True) as file:
        for track in file.tracks():
            pieces = (Span(at_ms, at_ms + 60_000) for at_ms in range(0, file.last_t_ms() + 1, 60_000))
            sizes = (
                len(entry.payload)
                for piece in pieces
                for entry in file.read_span(track.track_id, piece)
                if entry.t_ms >= piece.start_ms
            )
            found[f"{track.kind} {track.rung}"] = sum(sizes)
        found["events"] = sum(len(entry.payload) for entry in file.read(kinds=EVENT_KINDS, limit=1_000_000))
        found["pages"] = sum(size for _, size in file.blob_sizes())
    return found | {"SQLite": path.stat().st_size - sum(found.values())}


def _pack(recording: Recording, folder: Path, rung: Rung) -> tuple[int, int]:
    """Bytes of a pack with one rung: of the lecture, and of the page that shows it."""
    order = ExportOrder(
        "usb",
        with_camera=False,
        rung=rung,
        with_lecture_file=False,
        zipped=False,
        page_sources=str(page_files.FOLDER),
    )
    write_pack(recording, folder, order)
    files = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    program = sum(size for name, size in files.items() if name.startswith(_PROGRAM))
    return sum(files.values()) - program, program
