"""One recording: a lecture file as its listeners want it (title, pages, turns, chapters, voices, camera)."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from lecture.decks import MAX_PAGES, Deck, DeckEvent, PageImage, PageTurn, read_deck_event
from lecture.entries import EncodedFrame, Entry, Kind, readable_frames, unpack_event
from lecture.errors import ProtocolError
from lecture.file import LectureFile
from lecture.ink_book import InkBook
from lecture.log import Blob, Span
from lecture.screen import ScreenUpdate, parse_update
from lecture.tracks import CAMERA_CODECS, SOURCE_RUNG, Track
from lecture.verify import Progress, VerifyReport
from recordings.errors import RecordingError
from recordings.passages import PASSAGE_CHARS
from recordings.repair_book import RepairBook

MAX_DURATION_MS = 24 * 3_600_000
"""No lecture is longer: a recording that claims so is damaged or hostile, and would fill a disk with silence."""
_READ_BATCH = 2000
LONGEST_MS = 7 * 24 * 3600 * 1000
"""What claims to lie beyond a week of lecture time is left out of replay and export: one forged number would else make
years of silence."""
LECTURE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""What a lecture's id looks like; it becomes file names and addresses."""
_TITLE_CHARS = 500
_LIST_CHARS, _LIST_ITEMS = 20_000, 32
"""Tags and languages: staff give 20 of 50 characters at most. A longer text is no list, further items are left out."""
_LANGUAGE_CHARS = 35
MAX_NOTES = 10_000
"""Of notes, and of questions, so many are shown and found."""
MISSING_TOLD_MS = 1000
"""Less than this of the voice is missing from many lectures, and no one hears it."""
_READ_MS = 60_000
"""So much of a track is in memory at once."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a deck with its renderings in order of tier; ``page`` counts from 1."""

    deck: str
    page: int
    title: str
    text: str
    images: tuple[PageImage, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """From ``t_ms`` of lecture time on, this page is on the projector."""

    t_ms: int
    deck: str
    page: int


class Recording:
    """A lecture file opened for reading. Blocking: call it off the event loop."""

    def __init__(self, file: LectureFile) -> None:
        self._file = file
        lecture_id = file.get_meta("lecture") or ""
        self.lecture_id = lecture_id if LECTURE_ID.fullmatch(lecture_id) else file.path.stem

    @classmethod
    def open(cls, path: Path) -> Recording:
        """Open a lecture file, finished or still being written.

        :raises LectureFileError: as :meth:`lecture.file.LectureFile.open`.
        """
        return cls(LectureFile.open(path, readonly=True))

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """Where the lecture file is."""
        return self._file.path

    @property
    def title(self) -> str:
        """The lecture's title; its id where it has none."""
        return self._words("title") or self.lecture_id

    @property
    def course(self) -> str:
        """The course it belongs to, or an empty text."""
        return self._words("course")

    @property
    def series(self) -> str:
        """The series of lectures it belongs to, or an empty text."""
        return self._words("series")

    @property
    def tags(self) -> list[str]:
        """What staff marked it with."""
        return texts_of(self._file.get_meta("tags"))

    @property
    def keep(self) -> str:
        """How long staff want it kept: ``forever``, until a time (ISO 8601), or an empty text."""
        return self._file.get_meta("keep") or ""

    @property
    def state(self) -> str:
        """``planned``, ``live`` or ``ended``."""
        return self._file.get_meta("state") or ("ended" if self.duration_ms else "planned")

    @property
    def started_at(self) -> str | None:
        """When the lecture began, ISO 8601 UTC by the relay's clock; None if it never did."""
        return self._file.get_meta("started_at")

    @property
    def duration_ms(self) -> int:
        """Lecture time of the last entry's end."""
        return min(self._file.last_t_ms(LONGEST_MS), LONGEST_MS)

    def check_length(self) -> None:
        """Refuse to go through a recording that never ends.

        :raises RecordingError: ``recording_too_long``.
        """
        if self.duration_ms > MAX_DURATION_MS:
            text = "This recording claims to last longer than a day: it is damaged."
            raise RecordingError("recording_too_long", text)

    @property
    def revision(self) -> str:
        """Changes whenever something was added: what was derived from an older revision is out of date."""
        return f"{self.duration_ms}-{self.path.stat().st_mtime_ns:x}"

    @property
    def damage(self) -> str:
        """Damage that opening has met, in plain words; empty if none. Only :meth:`verify` finds all."""
        return self._file.damage

    def verify(self, progress: Progress | None = None) -> VerifyReport:
        """Check every byte of the file."""
        return self._file.verify(progress)

    def blob(self, digest: str) -> Blob | None:
        """A page image's bytes."""
        return self._file.get_blob(digest)

    def blob_by_name(self, name: str) -> Blob | None:
        """The blob whose digest begins with ``name``; None if there is none, or more than one."""
        found = self._file.digests(name)
        return self._file.get_blob(found[0]) if len(found) == 1 else None

    def tracks(self, kind: str) -> list[Track]:
        """The tracks of one kind (``voice``, ``camera``)."""
        fits = {"voice": _is_playable_voice, "camera": _is_playable_camera}.get(kind, lambda _: True)
        return [track for track in self._file.tracks() if track.kind == kind and fits(track)]

    def languages(self) -> list[str]:
        """Languages that were spoken, the lecturer's first."""
        spoken = list(dict.fromkeys(track.language for track in self.tracks("voice")))
        planned = self.planned_languages()
        found = sorted(spoken, key=lambda language: planned.index(language) if language in planned else len(planned))
        return found[:_LIST_ITEMS]

    def planned_languages(self) -> list[str]:
        """Languages that were planned, the lecturer's first."""
        return texts_of(self._file.get_meta("languages"))

    def voice_tracks(self, language: str) -> list[Track]:
        """The tracks of a voice: made rungs, the lightest first, then what the publisher sent."""
        tracks = [track for track in self.tracks("voice") if track.language == language]
        made = sorted((track for track in tracks if is_made(track)), key=lambda track: int(track.rung))
        return made + [track for track in tracks if track.rung == SOURCE_RUNG]

    def voice_track(self, language: str, *, best: bool = False) -> Track | None:
        """The voice to replay: the highest made rung, which is light; with ``best`` the publisher's own."""
        tracks = self.voice_tracks(language)
        made = [track for track in tracks if track.rung != SOURCE_RUNG]
        return next(iter((tracks if best else made or tracks)[-1:]), None)

    def camera_track(self) -> Track | None:
        """The camera that was recorded, the publisher's own picture first; None for a lecture without camera."""
        cameras = self.tracks("camera")
        return next((track for track in cameras if track.rung == SOURCE_RUNG), cameras[0] if cameras else None)

    def frames(self, track: Track, span: Span | None = None) -> Iterator[EncodedFrame]:
        """The encoded frames of a track in order of lecture time.

        :param span: those of the entries that touch it, which may begin before it and end after it; None for all.
        """
        start_ms, end_ms = (span.start_ms, span.end_ms) if span else (0, LONGEST_MS)
        at_ms: int | None = start_ms
        while at_ms is not None and at_ms < min(end_ms, LONGEST_MS):
            part = Span(at_ms, min(end_ms, at_ms + _READ_MS))
            for entry in self._file.read_span(track.track_id, part):
                # What began earlier was in the part before.
                if entry.t_ms >= at_ms or at_ms == start_ms:
                    yield from readable_frames(entry)
            at_ms = self._file.next_t_ms(track.track_id, part.end_ms)

    def events(self, kinds: Collection[int]) -> Iterator[tuple[Entry, dict[str, Any]]]:
        """Events of these kinds with their fields, in order of the log; those that make no sense are left out."""
        for entry in self._entries(frozenset(kinds)):
            try:
                yield entry, unpack_event(entry)
            except ValueError:
                continue

    def turns(self) -> list[Turn]:
        """Page turns in order of lecture time."""
        found = []
        for entry in self._entries(frozenset({Kind.TURN})):
            turn = _deck_event(entry)
            if isinstance(turn, PageTurn):
                found.append(Turn(entry.t_ms, turn.deck, turn.page))
        return sorted(found, key=lambda turn: turn.t_ms)

    def texts(self, kind: Kind) -> list[tuple[int, str]]:
        """The ``text`` of each event of a kind (marks, questions) with its lecture time in ms."""
        texts = ((entry.t_ms, fields.get("text")) for entry, fields in self.events({kind}))
        found = ((t_ms, text[:PASSAGE_CHARS]) for t_ms, text in texts if isinstance(text, str) and text)
        return sorted(islice(found, MAX_NOTES))

    def pages(self) -> list[Page]:
        """Every page of every deck, in order, with the renderings that are there; at most :data:`MAX_PAGES`."""
        images: dict[tuple[str, int], dict[int, PageImage]] = {}
        words: dict[tuple[str, int], tuple[str, str]] = {}
        for entry in self._entries(frozenset({Kind.DECK, Kind.PAGE})):
            match _deck_event(entry):
                case Deck() as deck:
                    for number in range(1, deck.page_count + 1):
                        if len(words) >= MAX_PAGES:
                            break
                        words.setdefault((deck.deck, number), ("", ""))
                    for page in deck.pages:
                        if (deck.deck, page.page) in words or len(words) < MAX_PAGES:
                            words[deck.deck, page.page] = (page.title, page.text)
                case PageImage() as image:
                    if (image.deck, image.page) in images or len(images) < MAX_PAGES:
                        images.setdefault((image.deck, image.page), {})[image.tier] = image
        pages = []
        for deck_id, number in islice([*words, *(key for key in images if key not in words)], MAX_PAGES):
            title, text = words.get((deck_id, number), ("", ""))
            tiers = images.get((deck_id, number), {})
            pages.append(Page(deck_id, number, title, text, tuple(tiers[tier] for tier in sorted(tiers))))
        return pages

    def voice_gaps(self, language: str) -> list[Span]:
        """Stretches between a voice's first and last word of which nothing was recorded."""
        voices = [track.track_id for track in self.tracks("voice") if track.language == language]
        whole = Span(0, self.duration_ms)
        return [gap for gap in self._file.gaps(voices, whole) if not is_at_edge(gap, whole)]

    def missing_ms(self) -> int:
        """Voice that copies may still bring, in all languages: what :meth:`verify` counts as gaps and what was made up
        in place of lost packets, but for that of which every copy that was asked has nothing."""
        languages = self.languages()
        book = RepairBook(languages)
        book.load(self._file.get_meta)
        whole, missing_ms = Span(0, self.duration_ms), 0
        for language in languages:
            voices = [track.track_id for track in self.voice_tracks(language)]
            spoken = self._file.covered(voices, whole, concealed=False)
            if spoken:
                # Whether somebody should have spoken before the first word, or after the last, no file tells.
                book.know(language, [Span(0, spoken[0].end_ms), *spoken])
                missing_ms += book.missing_ms(language, spoken[-1].end_ms)
        return missing_ms

    def ink(self) -> InkBook:
        """Everything that was drawn and pointed at."""
        book = InkBook()
        for entry, fields in self.events({Kind.INK, Kind.POINTER}):
            book.take(entry.kind, entry.t_ms, entry.seq, fields)
        return book

    def screen_updates(self) -> Iterator[tuple[int, ScreenUpdate]]:
        """What the lecturer's shared screen showed, with its lecture time in ms; damaged updates are left out."""
        for track in self.tracks("screen"):
            for frame in self.frames(track):
                with suppress(ProtocolError):
                    yield frame.t_ms, parse_update(frame.data)

    def _entries(self, kinds: frozenset[int]) -> Iterator[Entry]:
        after_seq = 0
        while batch := self._file.read(after_seq, kinds=kinds, limit=_READ_BATCH):
            yield from (entry for entry in batch if entry.t_ms < LONGEST_MS)
            after_seq = batch[-1].seq

    def _words(self, key: str) -> str:
        """A fact as one line of text; whoever shows it escapes it."""
        text = (self._file.get_meta(key) or "")[:_TITLE_CHARS]
        return "".join(char if char.isprintable() else " " for char in text).strip()


def is_at_edge(gap: Span, whole: Span) -> bool:
    """Whether a voice's gap lies before its first or after its last word."""
    return gap.start_ms <= whole.start_ms or gap.end_ms >= whole.end_ms


def is_made(track: Track) -> bool:
    """Whether the relay made a track: its rung is a number then, in kbit/s."""
    return track.rung.isascii() and track.rung.isdigit() and len(track.rung) <= 4


def _is_playable_voice(track: Track) -> bool:
    return track.codec == "opus" and 0 <= track.channels <= 2 and len(track.language) <= _LANGUAGE_CHARS


def _is_playable_camera(track: Track) -> bool:
    return track.codec in CAMERA_CODECS


def _deck_event(entry: Entry) -> DeckEvent | None:
    try:
        return read_deck_event(entry.kind, unpack_event(entry))
    except ValueError:
        return None


def texts_of(packed: str | None) -> list[str]:
    """The texts of a JSON list that a file's facts hold; none where there is no such list."""
    try:
        items = json.loads(packed or "[]") if len(packed or "") <= _LIST_CHARS else []
    except (ValueError, RecursionError):
        return []
    return [item for item in items[:_LIST_ITEMS] if isinstance(item, str)] if isinstance(items, list) else []
