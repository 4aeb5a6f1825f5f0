"""Filling the holes of a lecture file from another copy of the lecture. Knows no network.

:func:`merge` brings all that a file has and another lacks: voice by lecture time, the camera picture by picture, events
by the relay's numbers (``origin_seq``), pages by their digests. What is there already stays as it is, so the same copy
merged twice changes nothing. Blocking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from lecture.chunks import HOLE_MS
from lecture.copy_time import CopyTime, copy_frames
from lecture.entries import EVENT_KINDS, MAX_SEQ, EncodedFrame, Entry, Kind
from lecture.file import LectureFile
from lecture.log import LectureLog, Span
from lecture.tracks import SOURCE_RUNG, UNKNOWN_LANGUAGE, Track
from recordings.align import MARGIN_MS, aligned
from recordings.camera_fill import LOOK_MS, continued, laid_in
from recordings.errors import RecordingError
from recordings.fill import fill
from recordings.recording import LONGEST_MS, is_at_edge, is_made, texts_of
from recordings.remake import remake

_READ_MS = 60_000
_READ_ENTRIES = 1_000
_SHORT_LOOK_MS = 500
_SAME_EVENT_MS = 2_000
"""An event without the relay's number is the same as one of the same content that lies no farther away."""
QUIET_MS = 5_000
"""So long a lecture may be silent before its first and after its last word; an interpreter may be for longer."""
CLOCK_END_KEY = "clock_end_ms"
"""The relay's fact: lecture time at which the lecture ended."""
SET_ASIDE_KEY = "set_aside"
"""The relay's fact: the name of the damaged file that this one took the place of last."""
_LOCAL_KINDS = frozenset({Kind.DECK, Kind.PAGE})
"""What a lecturer's own copy says of its deck is its own business: pages are rendered by the relay."""
_CAPTIONS = frozenset({Kind.CAPTION})
_RELAYS_KINDS = EVENT_KINDS - _CAPTIONS


@dataclass(slots=True)
class Merged:
    """What a merge has brought.

    :ivar voice_ms: by language, voice as it was sent or heard.
    :ivar missing_ms: by language, what no voice of any rung covers now.
    """

    voice_ms: dict[str, int] = field(default_factory=dict)
    camera_ms: int = 0
    events: int = 0
    pages: int = 0
    missing_ms: dict[str, int] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether anything was added."""
        return bool(sum(self.voice_ms.values()) or self.camera_ms or self.events or self.pages)


def merge(target: LectureFile, copy: LectureFile, progress: Callable[[int, int], None] | None = None) -> Merged:
    """Bring what ``copy`` has and ``target`` lacks; commits.

    ``copy`` may be a hall's file, a lecturer's own one (its times are mapped by what it knows of lecture time) or
    another recording of the relay. What is damaged in ``target`` counts as missing.

    :param progress: is told lecture time done and in all, in ms.
    :raises RecordingError: ``other_lecture`` if the two are not of one lecture.
    :raises LectureFileError: ``disk_full`` and the like; what was brought before stays.
    """
    if copy.get_meta("lecture") != target.get_meta("lecture") and not _is_by_name(copy, target):
        raise RecordingError("other_lecture", f"{copy.path.name} is not a copy of this lecture.")
    merged = Merged()
    target.check_media()
    target.commit()
    times = CopyTime.of_meta(copy.get_meta)
    length_ms = _length_ms(target, copy, times)
    tell = progress or (lambda done_ms, all_ms: None)
    merged.pages = _bring_blobs(target, copy)
    merged.events = _bring_events(target, copy, times) + _bring_captions(target, copy, times)
    target.commit()
    media = _plan(target, copy)
    total_ms, done_ms = max(1, length_ms * len(media)), 0
    for into, sources in media:
        brought_ms = 0
        for start_ms in range(0, length_ms, _READ_MS):
            piece = Span(start_ms, min(length_ms, start_ms + _READ_MS))
            # Most of a recording is whole: only its holes are read of the copy.
            for gap in target.gaps([into.track_id], piece):
                for source in sources if gap.end_ms - gap.start_ms >= HOLE_MS else ():
                    entries = _fill_from(target, into, copy, source, times, gap)
                    brought_ms += sum(entry.duration_ms for entry in entries)
                    target.commit_in_time()
            target.commit()
            tell(done_ms + piece.end_ms, total_ms)
        done_ms += length_ms
        if into.kind == "camera":
            merged.camera_ms += brought_ms
        else:  # the same words in several rungs count once
            merged.voice_ms[into.language] = max(brought_ms, merged.voice_ms.get(into.language, 0))
    for language in voice_languages(target):
        for entry in remake(target, language, Span(0, length_ms)):
            target.append(entry)
            target.commit_in_time()
        target.commit()
        merged.missing_ms[language] = missing_voice_ms(target, language)
    return merged


def _is_by_name(copy: LectureFile, target: LectureFile) -> bool:
    """Whether a file that is too damaged to tell its lecture is by its name of the same."""
    names = (target.get_meta(SET_ASIDE_KEY), f"{target.get_meta('lecture')}.lecture")
    return copy.get_meta("lecture") is None and copy.path.name in names


def missing_voice_ms(file: LectureFile, language: str) -> int:
    """How much no voice of a language covers, of any rung; holes that are too short for one aside.

    What lies before its first and after its last word counts of the lecturer's language only, beyond :data:`QUIET_MS`.
    """
    tracks = [track.track_id for track in file.tracks() if track.kind == "voice" and track.language == language]
    end_ms = file.last_t_ms()
    whole = Span(0, end_ms if end_ms < LONGEST_MS else file.last_t_ms(LONGEST_MS))
    gaps = file.gaps(tracks, whole)
    missing_ms = [gap.end_ms - gap.start_ms for gap in gaps if not is_at_edge(gap, whole)]
    if language == _lecturers_language(file):
        edges_ms = [gap.end_ms - gap.start_ms for gap in gaps if is_at_edge(gap, whole)]
        missing_ms += [edge_ms for edge_ms in edges_ms if edge_ms > QUIET_MS]
    return sum(one_ms for one_ms in missing_ms if one_ms >= HOLE_MS)


def voice_languages(file: LectureLog) -> list[str]:
    """Languages of which there is voice."""
    return list(dict.fromkeys(track.language for track in file.tracks() if track.kind == "voice"))


def _fill_from(
    target: LectureFile, into: Track, copy: LectureFile, source: Track, times: CopyTime, gap: Span
) -> list[Entry]:
    if source.kind == "camera":
        # Between the pictures of a slow camera are many gaps and no holes.
        reach_ms = LOOK_MS if gap.end_ms - gap.start_ms >= LOOK_MS else _SHORT_LOOK_MS
        pictures, goes_on = continued(target, into, list(_around(copy, source, times, gap, reach_ms)), gap.start_ms)
        return [target.append(entry) for entry in laid_in(target, into, pictures, gap, goes_on=goes_on)]
    if source.rung != SOURCE_RUNG:
        return fill(target, into, copy_frames(copy, source, times, gap), gap)
    frames = list(_around(copy, source, times, gap, MARGIN_MS))
    return fill(target, into, aligned(target, into.track_id, frames, gap)[0], gap)


def _around(copy: LectureFile, source: Track, times: CopyTime, gap: Span, reach_ms: int) -> Iterator[EncodedFrame]:
    return copy_frames(copy, source, times, Span(max(0, gap.start_ms - reach_ms), gap.end_ms + reach_ms))


def _length_ms(target: LectureFile, copy: LectureFile, times: CopyTime) -> int:
    """How long the lecture is; what a copy recorded after its end does not belong to it."""
    ended = target.get_meta(CLOCK_END_KEY) or ""
    ended_ms = int(ended) if ended.isascii() and ended.isdigit() and len(ended) <= len(str(MAX_SEQ)) else None
    end_ms = ended_ms if ended_ms is not None else times.lecture_ms(copy.last_t_ms(LONGEST_MS)) or 0
    return min(max(target.last_t_ms(LONGEST_MS), end_ms), LONGEST_MS)


def _plan(target: LectureFile, copy: LectureFile) -> list[tuple[Track, list[Track]]]:
    """Which tracks of the copy may fill which of the target, best first."""
    plan: list[tuple[Track, list[Track]]] = []
    theirs = copy.tracks()
    for track in theirs:
        if track.kind in ("voice", "camera") and track.rung == SOURCE_RUNG:
            plan.append((_like(target, track), [track]))
    for language in voice_languages(copy):
        made = [track for track in theirs if track.kind == "voice" and track.language == language]
        made = [track for track in made if is_made(track)]
        if not made:
            continue
        here = [track for track in target.tracks() if track.kind == "voice" and track.language == language]
        # A track that a relay has only announced stays empty: the same words in two rungs would be there twice.
        here = [track for track in here if is_made(track) and target.next_t_ms(track.track_id, 0) is not None]
        here = here or [_like(target, track) for track in made]
        # All made rungs share the grid: any fills any hole.
        plan += [(into, _nearest(made, into)) for into in here]
    return plan


def _nearest(made: list[Track], into: Track) -> list[Track]:
    return sorted(made, key=lambda track: abs(int(track.rung) - int(into.rung)))


def _like(target: LectureFile, track: Track) -> Track:
    """The target's track of the same medium (a voice's packets tell their channels themselves), or a new one."""
    if track.kind == "voice" and track.language == UNKNOWN_LANGUAGE:
        track = replace(track, language=_lecturers_language(target))
    for known in target.tracks():
        alike = replace(known, track_id=track.track_id, channels=track.channels)
        if alike == track:
            return known
    return target.add_track(replace(track, track_id=0))


def _lecturers_language(file: LectureLog) -> str:
    return next(iter(texts_of(file.get_meta("languages")) or voice_languages(file)), UNKNOWN_LANGUAGE)


def _bring_blobs(target: LectureFile, copy: LectureFile) -> int:
    ours = {digest for digest, _ in target.blob_sizes()}
    count = 0
    for digest, _ in copy.blob_sizes():
        blob = None if digest in ours else copy.get_blob(digest)
        if blob is not None and blob.media_type.startswith("image/"):
            target.put_blob(blob.data, blob.media_type)
            target.commit()  # pages are large, and what waits in memory is bounded
            count += 1
    return count


def _bring_events(target: LectureFile, copy: LectureFile, times: CopyTime) -> int:
    is_copy = target.get_meta("role") in ("hall", "lecturer")
    is_relays = not copy.get_meta("role")
    from_hall = copy.get_meta("role") == "hall"
    known = {(entry.seq, entry.kind, entry.payload, entry.t_ms) for entry in _events(target, _RELAYS_KINDS)}
    seqs = {seq for seq, *_ in known} if not is_copy else set()
    known_origins = set(target.origin_seqs().values())
    theirs = copy.origin_seqs()
    places: dict[tuple[int, bytes], list[int]] = {}
    for _, kind, payload, at_ms in known:
        places.setdefault((kind, payload), []).append(at_ms)
    count = 0
    for entry in _events(copy, _RELAYS_KINDS):
        origin: int | None = entry.seq if is_relays else theirs.get(entry.seq)
        if origin is not None:
            if origin in seqs or origin in known_origins:
                continue
        elif from_hall or entry.kind in _LOCAL_KINDS:
            continue
        t_ms = entry.t_ms if origin is not None else times.lecture_ms(entry.t_ms)
        if t_ms is None or t_ms >= LONGEST_MS:
            continue
        near = places.setdefault((entry.kind, entry.payload), [])
        if origin is None and any(abs(t_ms - place) <= _SAME_EVENT_MS for place in near):
            continue
        near.append(t_ms)
        target.append(replace(entry, t_ms=t_ms, seq=0), origin_seq=origin)
        target.commit_in_time()
        count += 1
    return count


def _bring_captions(target: LectureFile, copy: LectureFile, times: CopyTime) -> int:
    # They are laid into each copy by hand: their numbers are that copy's own, and say nothing here.
    known = {(entry.payload, entry.t_ms) for entry in _events(target, _CAPTIONS)}
    count = 0
    for entry in _events(copy, _CAPTIONS):
        t_ms = times.lecture_ms(entry.t_ms)
        # Who says "Yes." twice has two captions.
        if t_ms is None or t_ms >= LONGEST_MS or (entry.payload, t_ms) in known:
            continue
        known.add((entry.payload, t_ms))
        target.append(replace(entry, t_ms=t_ms, seq=0))
        target.commit_in_time()
        count += 1
    return count


def _events(file: LectureFile, kinds: frozenset[Kind]) -> Iterator[Entry]:
    after_seq = 0
    while batch := file.read(after_seq, kinds=kinds, limit=_READ_ENTRIES):
        yield from batch
        after_seq = batch[-1].seq
