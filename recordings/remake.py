"""Makes the recorded rungs of a voice from its source where they are missing: after a repair. Blocking."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import groupby

from lecture.chunks import HOLE_MS, Chunker
from lecture.coverage import Coverage
from lecture.entries import EncodedFrame, Entry, Flag, Kind, readable_frames
from lecture.log import LectureLog, Span
from lecture.tracks import LIGHT_KBPS, RECORDED_KBPS, SOURCE_RUNG, VOICE_FRAME_MS, Track
from recordings.sound import SAMPLES_PER_MS, rendered
from transport.opus import SAMPLE_RATE, Encoder, Pcm, is_silence

_FRAME_SAMPLES = VOICE_FRAME_MS * SAMPLES_PER_MS
_LEAD_FRAMES = 3
"""Decoder and encoder hear so much of what comes before, where there is any, so that nothing begins abruptly."""
_PIECE_FRAMES = 1_000
"""A minute: what is decoded at once."""


def remake(log: LectureLog, language: str, span: Span, wanted: Coverage | None = None) -> list[Entry]:
    """Entries of the recorded rungs for those frames of the grid that they lack and the source now has.

    Frames that were made up are lacking, too, once the source has all of their time.

    :param wanted: holes of the source that may still be filled: frames in them are left for later.
    :returns: entries of tracks of ``log``, to be appended in any order.
    """
    sources = _sources(log, language)
    if not sources or span.start_ms >= span.end_ms:
        return []
    spoken = _spoken(log, sources, span)
    entries: list[Entry] = []
    for kbps in (LIGHT_KBPS, RECORDED_KBPS):
        track = log.add_track(Track("voice", "opus", SAMPLE_RATE, language, str(kbps), 1))
        absent = Coverage(log.gaps([track.track_id], span))
        lacking = [
            number
            for gap in log.gaps([track.track_id], span, concealed=False)
            for number in range(-(-gap.start_ms // VOICE_FRAME_MS), gap.end_ms // VOICE_FRAME_MS)
            if _may_be_made(_slot(number), absent, spoken, wanted)
        ]
        chunks = Chunker(Kind.VOICE, track.track_id, grid=True)
        for frame in _encoded(log, sources, lacking, kbps):
            entries += chunks.push(frame)
        entries += chunks.flush()
    return entries


def unmade(log: LectureLog, language: str, span: Span) -> list[Span]:
    """What the source has of a span and a recorded rung lacks; :func:`remake` may have something to make of it."""
    sources = _sources(log, language)
    made = [track for track in log.tracks() if track.kind == "voice" and track.language == language]
    made = [track for track in made if track.rung in (str(LIGHT_KBPS), str(RECORDED_KBPS))]
    if not sources or span.start_ms >= span.end_ms:
        return []
    spoken = _spoken(log, sources, span)
    found = Coverage()
    for track in made:
        for gap in log.gaps([track.track_id], span, concealed=False):
            for heard in spoken.known(gap):
                if heard.end_ms - heard.start_ms >= HOLE_MS:
                    found.add(heard)
    return list(found)


def _sources(log: LectureLog, language: str) -> list[Track]:
    voices = [track for track in log.tracks() if track.kind == "voice" and track.language == language]
    return [track for track in voices if track.rung == SOURCE_RUNG and track.codec == "opus"]


def _spoken(log: LectureLog, sources: list[Track], span: Span) -> Coverage:
    return Coverage(log.covered([track.track_id for track in sources], span))


def _may_be_made(slot: Span, absent: Coverage, spoken: Coverage, wanted: Coverage | None) -> bool:
    if wanted is not None and wanted.known_ms(slot):
        return False
    return spoken.known_ms(slot) > 0 if absent.covers(slot) else spoken.covers(slot)


def _slot(number: int) -> Span:
    return Span(number * VOICE_FRAME_MS, (number + 1) * VOICE_FRAME_MS)


def _encoded(log: LectureLog, sources: list[Track], numbers: list[int], kbps: int) -> Iterator[EncodedFrame]:
    for _, grouped in groupby(enumerate(numbers), lambda item: item[1] - item[0]):
        run = [number for _, number in grouped]
        with closing(
            Encoder(1, application="voip", bitrate_bps=kbps * 1000, frame_ms=VOICE_FRAME_MS, dtx=True)
        ) as encoder:
            for at in range(0, len(run), _PIECE_FRAMES):
                piece = run[at : at + _PIECE_FRAMES]
                lead = _LEAD_FRAMES if at == 0 else 0
                pcm = _decoded(log, sources, piece[0] - lead, piece[-1] + 1)
                for index, number in enumerate(range(piece[0] - lead, piece[-1] + 1)):
                    data = encoder.encode(pcm[index * _FRAME_SAMPLES : (index + 1) * _FRAME_SAMPLES])
                    if number >= piece[0]:
                        flags = Flag.SILENCE if is_silence(data) else Flag.NONE
                        yield EncodedFrame(number * VOICE_FRAME_MS, VOICE_FRAME_MS, data, int(flags))


def _decoded(log: LectureLog, sources: list[Track], first: int, end: int) -> Pcm:
    """Mono samples of the grid's frames from ``first`` to ``end``; silence where there is no voice."""
    span = Span(first * VOICE_FRAME_MS, end * VOICE_FRAME_MS)
    reach = Span(max(0, span.start_ms - _LEAD_FRAMES * VOICE_FRAME_MS), span.end_ms)
    entries = [entry for track in sources for entry in log.read_span(track.track_id, reach)]
    frames = (frame for entry in entries for frame in readable_frames(entry))
    return rendered(sorted(frames, key=lambda frame: frame.t_ms), span)
