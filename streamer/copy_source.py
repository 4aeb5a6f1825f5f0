"""A copy of a lecture as a source of segments: what it has of a wanted span. Reads only; blocking."""

from __future__ import annotations

from dataclasses import dataclass

from lecture.copy_time import CopyTime, copy_frames
from lecture.entries import EncodedFrame
from lecture.log import LectureLog, Span
from lecture.segment import Segment, frames_that_fit, segment_bytes
from lecture.tracks import SOURCE_RUNG, UNKNOWN_LANGUAGE, Track
from streamer.copy_camera import camera_segment, camera_track
from streamer.own_copy import COPY_KEY

MARGIN_MS = 1_500
BEHIND_MS = 600
"""So much of what lies behind a span the relay needs at least: by it the last of the span finds its place."""
READ_MS = 60_000
"""No segment spans more of lecture time with voice in it: bounds what is read at once."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A span of a voice, or of the camera, that the relay lacks.

    :param language: of the voice.
    :param after: of the camera: SHA-256 of the last picture that the relay has before the span, in hex.
    """

    language: str
    span: Span
    kind: str = "voice"
    after: str = ""


class CopySource:
    """The voice and the camera of a copy.

    :param file: its lecture file, of which another part of the program may be the writer.
    """

    def __init__(self, file: LectureLog) -> None:
        self._file = file
        self.copy_id = file.get_meta(COPY_KEY) or "copy"

    def has_camera(self) -> bool:
        """Whether it has any picture, so far."""
        return camera_track(self._file) is not None

    def segment(self, wanted: Wanted, *, max_bytes: int, spoken: str, goes_on: bool = False) -> Segment | None:
        """What it has of a span, from its beginning on; an empty segment if nothing, None if that cannot be told yet.

        :param max_bytes: of the segment, packed.
        :param goes_on: it follows a segment that was sent just now: the relay knows where the voice belongs.
        :param spoken: the language that a voice without one is taken for.
        """
        times = CopyTime.of_meta(self._file.get_meta)
        if not times.is_settled:
            return None
        span = wanted.span
        if wanted.kind == "camera":
            return camera_segment(self._file, self.copy_id, times, span, wanted.after, max_bytes=max_bytes)
        described = Track("voice", "opus", 48_000, wanted.language, SOURCE_RUNG, 1)
        for start_ms in range(span.start_ms, span.end_ms, READ_MS):
            piece = Span(start_ms, min(span.end_ms, start_ms + READ_MS))
            # What lies before and after tells the relay where in its recording the voice belongs.
            around = Span(max(0, start_ms - MARGIN_MS), piece.end_ms + MARGIN_MS)
            frames = self._frames(wanted.language, times, around, spoken)
            if not any(piece.start_ms <= frame.t_ms < piece.end_ms for frame in frames):
                continue
            before = [] if goes_on else [frame for frame in frames if frame.t_ms < piece.start_ms]
            before = frames_that_fit(reversed(before), max_bytes // 3)[::-1]
            rest = [frame for frame in frames if frame.t_ms >= piece.start_ms]
            fitting = frames_that_fit(rest, max_bytes - segment_bytes(before))
            end_ms = piece.end_ms
            inside = sum(frame.t_ms < end_ms for frame in rest)
            needed = sum(frame.t_ms < end_ms + BEHIND_MS for frame in rest)
            if len(fitting) < needed and inside > 1:
                fitting = fitting[: (inside + 1) // 2]  # the other half has room for what lies behind
                end_ms = min(end_ms, fitting[-1].t_ms + fitting[-1].duration_ms)
            return Segment(self.copy_id, Span(span.start_ms, end_ms), described, (*before, *fitting))
        return Segment(self.copy_id, span, described)

    def _frames(self, language: str, times: CopyTime, span: Span, spoken: str) -> list[EncodedFrame]:
        names = {language, UNKNOWN_LANGUAGE} if language == spoken else {language}
        found: list[EncodedFrame] = []
        for track in self._file.tracks():
            if track.kind == "voice" and track.rung == SOURCE_RUNG and track.language in names:
                found += copy_frames(self._file, track, times, span)
        found.sort(key=lambda frame: frame.t_ms)
        return _without_overlaps(found)


def _without_overlaps(frames: list[EncodedFrame]) -> list[EncodedFrame]:
    """Runs of a copy may meet in lecture time; of two frames for one moment the earlier stays."""
    kept: list[EncodedFrame] = []
    for frame in frames:
        if not kept or frame.t_ms >= kept[-1].t_ms + kept[-1].duration_ms // 2:
            kept.append(frame)
    return kept
