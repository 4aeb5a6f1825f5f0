"""What the replay page needs to know of a recording (``relay/pages/lib/replay-source.js`` says it in its types)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from lecture.checksum import SHA256_HEX
from lecture.entries import Kind
from lecture.ink import InkEvent, read_ink_event
from lecture.log import Span
from lecture.tracks import Track
from recordings import screen, voice
from recordings.caption_files import Cue
from recordings.captions import captions_of
from recordings.recording import Page, Recording, Turn, is_made

IMAGE_NAME_CHARS = 16
"""So much of a digest names an image within one recording; whole ones would be half of the manifest."""
FIRST_TURN_MS = 10_000
"""A lecturer's first turn comes a moment after the first word: until then its page stands there already."""
MAX_SHOWN = 16
"""Of the pages shown within seconds so many are told; who turns faster shows none of them to anybody."""
MAX_NOTE_CHARS = 1000
_SAMPLES = 5
_SAMPLE_MS = 6000


def chapters(turns: list[Turn], pages: list[Page]) -> list[dict[str, Any]]:
    """A chapter for each page turn to a page other than the one shown; lecture times in ms."""
    titles = {(page.deck, page.page): page.title for page in pages}
    found: list[dict[str, Any]] = []
    shown: tuple[str, int] | None = None
    for turn in turns:
        if (turn.deck, turn.page) == shown:
            continue
        shown = (turn.deck, turn.page)
        found.append({"t_ms": turn.t_ms, "deck": turn.deck, "page": turn.page, "title": titles.get(shown, "")})
    return found


def replay_manifest(recording: Recording, drawn: Collection[int]) -> dict[str, Any]:
    """The replay page's facts; lecture times in ms. Reads no media but a few samples of each track.

    :param drawn: indexes of the pages on which :func:`drawings` finds something.
    """
    pages = recording.pages()
    place = {(page.deck, page.page): index for index, page in enumerate(pages)}
    camera = recording.camera_track()
    first = next(iter(recording.frames(camera)), None) if camera is not None else None
    return {
        "lecture": recording.lecture_id,
        "title": recording.title,
        "course": recording.course,
        "revision": recording.revision,
        "duration_ms": recording.duration_ms,
        "segment_ms": voice.SEGMENT_MS,
        "voice": [
            {
                "language": language,
                "rungs": {name: _kbps(recording, track) for name, track in voice.rungs(recording, language).items()},
            }
            for language in recording.languages()
        ],
        "pages": [
            {
                "deck": page.deck,
                "page": page.page,
                "title": page.title,
                "images": [image.digest[:IMAGE_NAME_CHARS] for image in page.images],
                **({"drawn": True} if index in drawn else {}),
            }
            for index, page in enumerate(pages)
        ],
        "turns": [
            [turn.t_ms, place[turn.deck, turn.page]] for turn in recording.turns() if (turn.deck, turn.page) in place
        ],
        "questions": _notes(recording, Kind.QUESTION),
        "marks": _notes(recording, Kind.MARK),
        "camera": None
        if camera is None or first is None
        else {"offset_ms": first.t_ms, "kbps": _kbps(recording, camera)},
        "screen": [[span.start_ms, span.end_ms] for span in screen.shared(recording)],
        "captions": list(captions_of(recording)),
    }


def caption_facts(cues: list[Cue]) -> list[list[Any]]:
    """The captions of a language as the replay page takes them; lecture times in ms."""
    return [[cue.start_ms, cue.end_ms, cue.text] for cue in cues]


def drawings(recording: Recording, pages: list[Page]) -> list[dict[str, list[Any]]]:
    """Ink and pointer of each page, in order of lecture time."""
    place = {(page.deck, page.page): index for index, page in enumerate(pages)}
    found: list[dict[str, list[Any]]] = [{"ink": [], "pointer": []} for _ in pages]
    for entry, fields in recording.events({Kind.INK, Kind.POINTER}):
        event = read_ink_event(entry.kind, fields)
        if event is None:
            continue
        where = event.what if isinstance(event, InkEvent) else event
        index = place.get((where.deck, where.page))
        if index is None:
            continue
        rest = {name: value for name, value in fields.items() if name not in ("deck", "page")}
        name, order = ("ink", fields["number"]) if entry.kind == Kind.INK else ("pointer", entry.seq)
        found[index][name].append({"t_ms": entry.t_ms, "order": order, "fields": rest})
    for drawing in found:
        for marks in drawing.values():
            marks.sort(key=lambda mark: (mark["t_ms"], mark["order"]))
    return found


def pages_shown(recording: Recording, span: Span) -> list[tuple[int, str]]:
    """From which lecture time (ms) on which page is shown in ``span``: the name of its legible image, empty where it
    has none, or one that is no name. The first one from the beginning of the span on; nothing before any page is shown.

    The same pages as those of ``pagesAt`` in ``relay/pages/lib/replay.js``.
    """
    names = {
        (page.deck, page.page): page.images[0].digest[:IMAGE_NAME_CHARS]
        for page in recording.pages()
        if page.images and SHA256_HEX.fullmatch(page.images[0].digest)
    }
    found: list[tuple[int, str]] = []
    for number, turn in enumerate(recording.turns()):
        t_ms = 0 if number == 0 and turn.t_ms < FIRST_TURN_MS else turn.t_ms
        if t_ms >= span.end_ms or len(found) == MAX_SHOWN:
            break
        name = names.get((turn.deck, turn.page), "")
        if t_ms <= span.start_ms:
            found = [(span.start_ms, name)]
        elif not found or found[-1][1] != name:
            found.append((t_ms, name))
    return found


def _notes(recording: Recording, kind: Kind) -> list[list[Any]]:
    return [[t_ms, text[:MAX_NOTE_CHARS]] for t_ms, text in recording.texts(kind)]


def _kbps(recording: Recording, track: Track) -> int:
    """The rate of a track, of one that came as it was by samples from all over the lecture; at least 1."""
    if is_made(track):
        return int(track.rung)
    size = length_ms = 0
    for sample in range(_SAMPLES):
        start_ms = recording.duration_ms * sample // _SAMPLES
        end_ms = min(start_ms + _SAMPLE_MS, recording.duration_ms)
        frames = [frame for frame in recording.frames(track, Span(start_ms, end_ms)) if start_ms <= frame.t_ms < end_ms]
        if frames:
            size += sum(len(frame.data) for frame in frames)
            length_ms += end_ms - start_ms
    return max(1, round(size * 8 / max(1, length_ms)))
