"""A real recording, bitten into anywhere, through every reader: an error or a report, no crash, no loop, no change."""

from __future__ import annotations

import contextlib
import functools
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lecture.checksum import crc32c, entry_crc32c
from lecture.entries import EVENT_KINDS, EncodedFrame, Entry, Flag, Kind, pack_event, pack_frames
from lecture.errors import LectureFileError
from lecture.file import LectureFile
from lecture.ink import write_ink, write_pointer
from lecture.lecturer_messages import Ink, Pointer
from lecture.log import Span
from lecture.screen import ScreenUpdate, pack_update
from lecture.screen_mosaic import mosaic_of
from lecture.tracks import SCREEN_CODEC, SOURCE_RUNG, Track
from recordings import camera, film, screen
from recordings.errors import RecordingError
from recordings.export import export
from recordings.export_order import ExportOrder
from recordings.import_source import find_sources
from recordings.importing import place, prepare
from recordings.index import passages_of
from recordings.lecture_facts import file_facts, record_from_file
from recordings.mend import mend
from recordings.merge import merge
from recordings.recording import Recording
from recordings.replay import drawings, pages_shown, replay_manifest
from recordings.voice import segment
from recordings.waveform import waveform
from relay.pages import FOLDER
from tests import recorded
from tests.unit.recordings.damage_kit import PAGE_BYTES, kept
from transport import webp

DAY_MS = 24 * 3600 * 1000
OURS = (LectureFileError, RecordingError)


@functools.cache
def recording_file() -> bytes:
    """What a lecture leaves: voice in two tracks, camera, deck, ink, pointer, question, note, shared screen."""
    with tempfile.TemporaryDirectory() as folder:
        path = recorded.write(Path(folder))
        with LectureFile.open(path) as file:
            source = file.add_track(Track("voice", "opus", 48_000, "en", SOURCE_RUNG, 1))
            made = next(track for track in file.tracks() if track.kind == "voice" and track.rung == "16")
            for entry in file.read_span(made.track_id, Span(0, 2000)):
                file.append(replace(entry, track_id=source.track_id, seq=0))
            for number, x in enumerate((0.1, 0.5), 1):
                kind, fields = write_ink(number, Ink("d1", 1, f"s{number}", ((x, 0.5), (0.9, 0.5)), width=0.02))
                file.append(Entry(kind, 400 * number, pack_event(fields)))
            kind, fields = write_pointer(Pointer("d1", 2, 0.2, 0.7))
            file.append(Entry(kind, 1700, pack_event(fields)))
            file.append(Entry(Kind.QUESTION, 2000, pack_event({"text": "Why?"})))
            file.append(Entry(Kind.MARK, 2100, pack_event({"text": "Here."})))
            track = file.add_track(Track("screen", SCREEN_CODEC, 1000))
            picture, everywhere = np.full((96, 160, 3), (20, 40, 220), np.uint8), np.ones((6, 10), np.bool_)
            whole = ScreenUpdate(7, 1, 0, 160, 96, mosaics=(mosaic_of(picture, everywhere, webp.encode),))
            part = replace(whole, number=2, since=1)
            for t_ms, update in ((4500, whole), (4800, part), (5200, replace(whole, number=3, mosaics=(), stop=True))):
                payload = pack_frames(t_ms, [EncodedFrame(t_ms, 0, pack_update(update), Flag.KEYFRAME)])
                file.append(Entry(Kind.SCREEN, t_ms, payload, track.track_id, 0, Flag.KEYFRAME))
            file.finish()
        return path.read_bytes()


MOST_ENTRIES = 240
"""Four times those that there are: none is read again and again."""


def look(path: Path) -> None:
    """All that costs little: what a relay reads of a recording to list, find and replay it."""
    ours = contextlib.suppress(*OURS)
    with ours, LectureFile.open(path, readonly=True) as file:
        with ours:
            file.verify()
        with ours:
            assert len(file.read(limit=10_000)) <= MOST_ENTRIES
        with ours:
            file.read(kinds=EVENT_KINDS)
        for track in file.tracks():
            with ours:
                file.gaps([track.track_id], Span(0, DAY_MS))
                file.read_span(track.track_id, Span(0, DAY_MS))
        for digest, _ in file.blob_sizes():
            file.get_blob(digest)
            file.digests(digest[:16])
    with ours, Recording.open(path) as recording:
        assert recording.duration_ms <= DAY_MS, "what is damaged makes no lecture longer"
        for read in READERS:
            with ours:
                read(recording)


def _manifest(recording: Recording) -> None:
    replay_manifest(recording, range(len(drawings(recording, recording.pages()))))


READERS: tuple[Callable[[Recording], object], ...] = (
    _manifest,
    passages_of,
    file_facts,
    lambda recording: record_from_file(recorded.LECTURE, recording),
    lambda recording: pages_shown(recording, Span(0, 10_000)),
    lambda recording: waveform(recording, "en"),
    lambda recording: segment(recording, "en", "light", 0),
    lambda recording: segment(recording, "en", "full", 0),
    lambda recording: screen.segment(recording, 0, whole=True),
    lambda recording: screen.segment(recording, 1, whole=True),
)


def _camera(path: Path) -> None:
    with Recording.open(path) as recording:
        for _ in camera.decoded(recording):
            pass
        camera.write_film(recording, path.with_suffix(".film"))


def _export(kind: str) -> Callable[[Path], None]:
    def run(path: Path) -> None:
        order = ExportOrder(kind, page_sources=str(FOLDER))  # type: ignore[arg-type]
        with Recording.open(path) as recording:
            export(recording, order, path.with_suffix(f".{kind}"))

    return run


def _import(path: Path) -> None:
    folder = path.parent / "work"
    folder.mkdir()
    for source in find_sources(path):
        place(prepare(source, folder, most_bytes=1 << 30, damaged=True), folder / "there.lecture")


def _import_over(path: Path) -> None:
    folder = path.parent / "work"
    folder.mkdir()
    there = folder / path.name
    there.write_bytes(recording_file())
    for source in find_sources(path):
        place(prepare(source, folder, most_bytes=1 << 30, damaged=True), there)


def _merge_into_it(path: Path) -> None:
    sound, target = path.with_name("copy.lecture"), path.with_name("target.lecture")
    sound.write_bytes(recording_file())
    shutil.copyfile(path, target)
    with LectureFile.open(target) as file, LectureFile.open(sound, readonly=True) as copy:
        merge(file, copy)


def _mend(path: Path) -> None:
    target = path.with_name("target.lecture")
    shutil.copyfile(path, target)
    mend(target)
    with LectureFile.open(target) as file:
        problems = file.verify().problems
    # What was written as nonsense stays so: its checksum says that nothing happened to it.
    assert all("cannot be read: " in problem or problem.startswith("blob ") for problem in problems), problems


WRITERS: dict[str, Callable[[Path], None]] = {
    "camera": _camera,
    "mp4": _export("mp4"),
    "webm": _export("webm"),
    "opus": _export("opus"),
    "pdf": _export("pdf"),
    "usb": _export("usb"),
    "import": _import,
    "import over": _import_over,
    "merge into it": _merge_into_it,
    "mend": _mend,
}
"""What costs more: of these each example has one."""

AT = st.integers(0, len(recording_file()) - 1)
PAGES = st.integers(0, len(recording_file()) // PAGE_BYTES - 1)
Mutation = tuple[str, int, int]
MUTATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("cut"), AT, st.just(0)),
        st.tuples(st.just("flip"), AT, st.integers(1, 255)),
        st.tuples(
            st.just("flip in a page's head"), PAGES.map(lambda page: page * PAGE_BYTES), st.integers(0, 30 * 256)
        ),
        st.tuples(st.just("copy a page"), PAGES, PAGES),
        st.tuples(st.just("blank a page"), PAGES, st.integers(0, 255)),
        st.tuples(st.just("splice"), AT, AT),
    ),
    min_size=1,
    max_size=4,
)


def mutated(content: bytes, mutations: list[Mutation]) -> bytes:
    out = bytearray(content)
    for what, at, value in mutations:
        if what == "cut":
            del out[at:]
        elif what == "flip" and at < len(out):
            out[at] ^= value
        elif what == "flip in a page's head" and at + 30 < len(out):
            out[at + value // 256] = value % 256
        elif what == "copy a page":
            out[value * PAGE_BYTES : (value + 1) * PAGE_BYTES] = content[at * PAGE_BYTES : (at + 1) * PAGE_BYTES]
        elif what == "blank a page":
            out[at * PAGE_BYTES : (at + 1) * PAGE_BYTES] = bytes([value]) * PAGE_BYTES
        elif what == "splice":
            out[at:] = content[value:]
    return bytes(out)


def go_through(path: Path, writer: str) -> None:
    """Only the project's own errors may come of it, and the file stays as it is."""
    before = path.read_bytes()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(film, "WIDTH", 160)
        patched.setattr(film, "HEIGHT", 90)
        look(path)
        with contextlib.suppress(*OURS):
            WRITERS[writer](path)
    assert path.read_bytes() == before, "reading changed the file"
    try:
        file = LectureFile.open(path)
    except LectureFileError:
        assert path.read_bytes() == before, "a refusal changed the file"
    else:
        with contextlib.suppress(LectureFileError), file:
            file.append(Entry(Kind.TURN, 7000, pack_event({"deck": "d1", "page": 1})))


@settings(suppress_health_check=list(HealthCheck))
@given(MUTATIONS, st.sampled_from(sorted(WRITERS)))
@example([("copy a page", 0, 7)], "mend")
@example([("copy a page", 3, 11)], "import")
def test_no_mutation_of_a_file_crashes_loops_or_is_made_worse(mutations: list[Mutation], writer: str) -> None:
    with kept(mutated(recording_file(), mutations)) as path:
        go_through(path, writer)


@settings(suppress_health_check=list(HealthCheck))
@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 255)), min_size=1, max_size=4),
    st.sampled_from(sorted(WRITERS)),
)
@example(44, [(5, 1)], "merge into it")
def test_nor_does_a_forged_one_whose_checksums_are_right(which: int, flips: list[tuple[int, int]], writer: str) -> None:
    with kept(recording_file()) as path:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            forge(db, which, flips)
        go_through(path, writer)


def forge(db: sqlite3.Connection, which: int, flips: list[tuple[int, int]]) -> None:
    """Flip bits in the payload of an entry, or in a page's image, and make its CRC right."""
    entries = db.execute("SELECT seq, payload, kind, t_ms, track_id, duration_ms, flags FROM entries").fetchall()
    images = db.execute("SELECT digest, data FROM blobs").fetchall()
    key, content, *facts = (entries + images)[which % len(entries + images)]
    forged = bytearray(content)
    for at, by in flips:
        forged[at % len(forged)] ^= by
    if facts:
        kind, t_ms, *rest = facts
        crc = entry_crc32c(Entry(kind, t_ms, bytes(forged), *rest, key))
        db.execute("UPDATE entries SET payload = ?, crc32c = ? WHERE seq = ?", (bytes(forged), crc, key))
    else:
        db.execute(
            "UPDATE blobs SET data = ?, crc32c = ? WHERE digest = ?", (bytes(forged), crc32c(bytes(forged)), key)
        )
