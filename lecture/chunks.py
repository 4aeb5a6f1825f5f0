"""Gathers encoded frames into the log's media entries. Pure.

An entry lasts about half a second: with a commit every half second, a second at most is lost to a power cut.
"""

from __future__ import annotations

from lecture.entries import EncodedFrame, Entry, Flag, Kind, pack_frames

CHUNK_MS = 480
HOLE_MS = 60
LAST_PICTURE_MS = 40


class Chunker:
    """Collects the frames of one track, in order of time.

    :param grid: the frames lie on the 60-ms grid; entries then end at multiples of 480 ms, without waiting for the
        frame after.
    """

    def __init__(self, kind: Kind, track_id: int, *, grid: bool = False) -> None:
        self._kind = kind
        self._track_id = track_id
        self._grid = grid
        self._frames: list[EncodedFrame] = []

    def push(self, frame: EncodedFrame) -> list[Entry]:
        """Add a frame; returns the entries that are complete now. A frame before the last one is dropped."""
        if self._frames and frame.t_ms < self._frames[-1].t_ms:
            return []
        if frame.flags & Flag.CONCEALED:  # alone in its entry, so that the real one can take its place
            entries = self.flush(frame.t_ms)
            self._frames.append(frame)
            return entries + self.flush()
        entries = self.flush(frame.t_ms) if self._frames and self._ends_before(frame) else []
        self._frames.append(frame)
        if self._grid and (frame.t_ms + frame.duration_ms) % CHUNK_MS == 0:
            entries += self.flush()
        return entries

    def flush(self, next_ms: int | None = None) -> list[Entry]:
        """What has been gathered, as an entry.

        :param next_ms: when the next frame begins. Without a hole between, the entry lasts exactly until then, so that
            the drift of the publisher's clock leaves no slivers that look like missing voice.
        """
        if not self._frames:
            return []
        first, last = self._frames[0], self._frames[-1]
        end_ms = last.t_ms + (last.duration_ms or LAST_PICTURE_MS)
        if next_ms is not None and abs(next_ms - end_ms) < HOLE_MS:
            end_ms = max(last.t_ms, next_ms)
        flags = first.flags & (Flag.KEYFRAME if self._kind == Kind.CAMERA else Flag.CONCEALED)
        payload = pack_frames(first.t_ms, self._frames)
        self._frames = []
        return [Entry(self._kind, first.t_ms, payload, self._track_id, end_ms - first.t_ms, int(flags))]

    def _ends_before(self, frame: EncodedFrame) -> bool:
        first, last = self._frames[0], self._frames[-1]
        if self._kind == Kind.CAMERA and frame.flags & Flag.KEYFRAME:
            return True
        if self._kind == Kind.VOICE and frame.t_ms - (last.t_ms + last.duration_ms) >= HOLE_MS:
            return True
        return frame.t_ms - first.t_ms >= CHUNK_MS
