"""A recorded voice as a sound file or as samples, on the lecture's timeline.

Where nothing was recorded there is silence of the same length, so that second n of the file is second n of the lecture.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

from lecture.coverage import Coverage
from lecture.entries import EncodedFrame
from lecture.log import Span
from lecture.tracks import LIGHT_KBPS, SOURCE_RUNG, VOICE_FRAME_MS, Track
from recordings import webm
from recordings.errors import RecordingError
from recordings.files import written_whole
from recordings.recording import Recording
from transport import opus

SAMPLE_RATE = 48_000
_SAMPLE = Fraction(1, SAMPLE_RATE)
_SILENCE_MS = 60
SEGMENT_MS = 100 * VOICE_FRAME_MS
"""Replay fetches a voice in pieces of this length, whose bounds are those of frames in every made rung."""
_SLACK_MS = 40
"""A frame this much off the running position still follows it directly: publishers' stamps jitter by a few ms."""


@functools.lru_cache
def _silence(channels: int) -> bytes:
    """One Opus packet of 60 ms of silence that decodes to silence after anything."""
    with closing(opus.Encoder(channels, bitrate_bps=12_000, frame_ms=_SILENCE_MS)) as encoder:
        quiet = np.zeros((SAMPLE_RATE * _SILENCE_MS // 1000, channels), np.int16)
        encoder.encode(quiet)
        return encoder.encode(quiet)


def timeline(
    frames: Iterable[EncodedFrame], channels: int, start_ms: int = 0, end_ms: int = 0
) -> Iterator[tuple[int, int, bytes]]:
    """Lay Opus packets end to end from ``start_ms`` of lecture time: yields (position and length in samples, packet).

    Holes are filled with packets of silence, at the end too where ``end_ms`` says so; a packet that repeats a time
    already covered is dropped.
    """
    silence = _silence(channels)
    step = SAMPLE_RATE * _SILENCE_MS // 1000
    slack = _SLACK_MS * SAMPLE_RATE // 1000
    at = start_ms * SAMPLE_RATE // 1000
    for frame in frames:
        start = frame.t_ms * SAMPLE_RATE // 1000
        if start < at - slack:
            continue
        try:
            length = opus.packet_samples(frame.data)
        except opus.OpusError:
            continue  # no Opus packet: silence of its length follows by itself
        while start - at >= step:
            yield at, step, silence
            at += step
        yield at, length, frame.data
        at += length
    while end_ms * SAMPLE_RATE // 1000 - at >= step:
        yield at, step, silence
        at += step


def _voice_frames(recording: Recording, language: str, *, best: bool) -> tuple[Track, Iterator[EncodedFrame]]:
    """The chosen track, and its frames with those of the language's other tracks where it has none.

    :raises RecordingError: ``voice_missing``, ``recording_too_long``.
    """
    track = recording.voice_track(language, best=best)
    if track is None:
        raise _voice_missing(recording, language)
    tracks = [track, *(other for other in reversed(recording.voice_tracks(language)) if other != track)]
    recording.check_length()
    duration_ms = recording.duration_ms
    spans = (Span(at_ms, min(at_ms + SEGMENT_MS, duration_ms)) for at_ms in range(0, duration_ms, SEGMENT_MS))
    return track, (frame for span in spans for frame in _filled(recording, tracks, span))


def _voice_missing(recording: Recording, language: str) -> RecordingError:
    there = ", ".join(recording.languages())
    return RecordingError("voice_missing", f"This recording has no voice in “{language}”. It has: {there}.")


class OpusTrack:
    """A recorded voice in a container, without coding it anew.

    :param best: the publisher's own voice where it was recorded, else the light one.
    :raises RecordingError: ``voice_missing``.
    """

    def __init__(self, recording: Recording, language: str, container: OutputContainer, *, best: bool) -> None:
        track, frames = _voice_frames(recording, language, best=best)
        channels = max(track.channels, 1)
        packets = timeline(frames, channels)
        first = next(packets, None)
        if first is None:
            raise RecordingError(
                "voice_missing", f"Nothing of the voice in “{language}” can be read in this recording."
            )
        self._packets = chain([first], packets)
        self._container = container
        self._stream = container.add_stream("libopus", rate=SAMPLE_RATE, layout="mono" if channels == 1 else "stereo")
        self._stream.time_base = _SAMPLE

    def write(self) -> Iterator[int]:
        """Write packet after packet; yields the lecture time in ms at which each ends."""
        for at, length, data in self._packets:
            packet = av.Packet(data)
            packet.stream = self._stream
            packet.time_base = _SAMPLE
            packet.pts = packet.dts = at
            packet.duration = length
            self._container.mux(packet)
            yield (at + length) * 1000 // SAMPLE_RATE


def write_ogg(
    recording: Recording,
    language: str,
    path: Path,
    *,
    describe: Callable[[OutputContainer], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write the light voice of ``language`` as Ogg Opus without coding it anew.

    :param describe: given the file before anything is written to it, to set its metadata.
    :param progress: called with the lecture time (ms) that has been written.
    :raises RecordingError: ``voice_missing``.
    """
    with written_whole(path) as partial, av.open(str(partial), "w", format="ogg") as container:
        if describe is not None:
            describe(container)
        for end_ms in OpusTrack(recording, language, container, best=False).write():
            if progress is not None:
                progress(end_ms)


def rungs(recording: Recording, language: str) -> dict[str, Track]:
    """The voices that a listener of this language may choose from: ``light`` for thin lines, ``full``; the same track
    stands for both where there is only one."""
    tracks = recording.voice_tracks(language)
    made = [track for track in tracks if track.rung != SOURCE_RUNG] or tracks
    if not made:
        return {}
    light = next((track for track in made if track.rung == str(LIGHT_KBPS)), made[0])
    return {"light": light, "full": made[-1]}


def segment(recording: Recording, language: str, rung: str, number: int, from_ms: int = 0) -> bytes:
    """Segment ``number`` of a voice as WebM, without coding it anew; its times are lecture time.

    What this rung lacks comes from the language's other ones; where none has anything there is silence.

    :param from_ms: lecture time; frames of the segment that end before it are left out.
    :raises RecordingError: ``voice_missing`` (also for a rung other than ``light`` and ``full``), ``segment_missing``.
    """
    chosen = rungs(recording, language).get(rung)
    if chosen is None:
        raise _voice_missing(recording, language)
    start_ms = max(number * SEGMENT_MS, from_ms - from_ms % VOICE_FRAME_MS)
    span = Span(start_ms, min((number + 1) * SEGMENT_MS, recording.duration_ms))
    if span.start_ms >= span.end_ms:
        raise RecordingError("segment_missing", "The recording ends before that segment.")
    others = [track for track in reversed(recording.voice_tracks(language)) if track != chosen]
    channels = max(chosen.channels, 1)
    laid = timeline(_filled(recording, [chosen, *others], span), channels, span.start_ms, span.end_ms)
    packets = ((at * 1000 // SAMPLE_RATE, data) for at, _, data in laid)
    return webm.header(channels, SAMPLE_RATE) + webm.cluster(span.start_ms, packets)


def _filled(recording: Recording, tracks: list[Track], span: Span) -> list[EncodedFrame]:
    """The frames that begin in ``span``: of the first track, and of each further one where those before have none."""
    found: list[EncodedFrame] = []
    known = Coverage()
    for track in tracks:
        if not any(gap.end_ms - gap.start_ms >= _SILENCE_MS for gap in known.missing(span)):
            break
        added = Coverage()
        for frame in recording.frames(track, span):
            try:
                length_ms = opus.packet_duration_ms(frame.data) or 1
            except opus.OpusError:
                continue
            of_frame = Span(frame.t_ms, frame.t_ms + length_ms)
            if span.start_ms <= frame.t_ms < span.end_ms and known.known_ms(of_frame) * 2 < length_ms:
                found.append(frame)
                added.add(of_frame)
        known.update(added)
    return sorted(found, key=lambda frame: frame.t_ms)


def decoded(recording: Recording, language: str) -> Iterator[NDArray[np.int16]]:
    """The best voice of ``language`` as consecutive blocks of samples from lecture time 0, shape (n, channels), 48 kHz.

    :raises RecordingError: ``voice_missing``.
    """
    track, frames = _voice_frames(recording, language, best=True)
    channels = max(track.channels, 1)
    with closing(opus.Decoder(channels)) as decoder:
        for _, length, data in timeline(frames, channels):
            try:
                yield decoder.decode(data)
            except opus.OpusError:
                yield np.zeros((length, channels), np.int16)
