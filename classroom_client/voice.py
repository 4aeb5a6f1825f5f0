"""The voice the hall has: which frames of lecture time, and the coded frames that are still to be played."""

from __future__ import annotations

from lecture.coverage import Coverage
from lecture.log import Span
from lecture.tracks import VOICE_FRAME_MS


class VoiceBuffer:
    """One language's frames on the 60-ms grid, whatever rung each came in (any rung fills any gap).

    :ivar have: lecture time whose voice the hall has, in memory or in its file.
    :ivar absent: lecture time of which the relay said that no voice exists.
    :ivar settled: both together; what is missing here can still be asked for.
    """

    # Frames in memory (20 min, about 4 MB). Beyond that they are only in the file and loaded when playout comes near.
    LIMIT_FRAMES = 20_000

    def __init__(self) -> None:
        self.have = Coverage()
        self.absent = Coverage()
        self.settled = Coverage()
        self._frames: dict[int, bytes] = {}
        self._played_before_ms = 0

    def add(self, t_ms: int, data: bytes) -> bool:
        """Take a frame; returns whether it was new. One that is off the grid is refused the same way."""
        if t_ms % VOICE_FRAME_MS or t_ms < 0 or self.have.contains(t_ms):
            return False
        self._mark(Span(t_ms, t_ms + VOICE_FRAME_MS))
        self._keep(t_ms, data)
        return True

    def load(self, t_ms: int, data: bytes) -> None:
        """Take a frame back from the file."""
        self._mark(Span(t_ms, t_ms + VOICE_FRAME_MS))
        self._keep(t_ms, data)

    def mark_kept(self, span: Span) -> None:
        """The file has the voice of ``span``."""
        self._mark(span)

    def mark_absent(self, span: Span) -> None:
        """The relay has nothing more of ``span`` than we have: what is missing in it does not exist."""
        for hole in self.have.missing(span):
            self.absent.add(hole)
        self.settled.add(span)

    def doubt_absent(self, span: Span | None = None) -> None:
        """What was said not to exist in ``span`` (or anywhere) may exist by now."""
        for absent in list(self.absent):
            start_ms = absent.start_ms if span is None else max(absent.start_ms, span.start_ms)
            end_ms = absent.end_ms if span is None else min(absent.end_ms, span.end_ms)
            self.absent.discard(Span(start_ms, end_ms))
            self.settled.discard(Span(start_ms, end_ms))

    def get(self, t_ms: int) -> bytes | None:
        """The coded frame that begins at ``t_ms``, if it is in memory."""
        return self._frames.get(t_ms)

    def forget_before(self, t_ms: int) -> None:
        """Frames before ``t_ms`` have been played (or passed over) and need not stay in memory."""
        for at in range(self._played_before_ms, t_ms, VOICE_FRAME_MS):
            self._frames.pop(at, None)
        self._played_before_ms = max(self._played_before_ms, t_ms)

    def to_load(self, position_ms: int, ahead_ms: int) -> Span | None:
        """The first stretch at or soon after ``position_ms`` that is in the file but not in memory."""
        ahead = Span(position_ms, position_ms + ahead_ms)
        start_ms = next_ms = -1
        # A hall at the live edge has nothing of what lies ahead: only what it has is gone through.
        for known in self.have.known(ahead):
            first_ms = known.start_ms + (position_ms - known.start_ms) % VOICE_FRAME_MS
            for at_ms in range(first_ms, known.end_ms, VOICE_FRAME_MS):
                if at_ms in self._frames:
                    continue
                if start_ms < 0:
                    start_ms = at_ms
                elif at_ms != next_ms:
                    return Span(start_ms, next_ms)
                next_ms = at_ms + VOICE_FRAME_MS
        return None if start_ms < 0 else Span(start_ms, min(next_ms, ahead.end_ms))

    def ready_until(self, t_ms: int, limit_ms: int = 30_000) -> int:
        """Up to which lecture time everything from ``t_ms`` on is settled (looks ``limit_ms`` far)."""
        missing = self.settled.missing(Span(t_ms, t_ms + limit_ms))
        return missing[0].start_ms if missing else t_ms + limit_ms

    def hole_end(self, t_ms: int, limit_ms: int = 30_000) -> int | None:
        """Where the hole that begins at ``t_ms`` ends, None if nothing is known within ``limit_ms`` after it."""
        missing = self.settled.missing(Span(t_ms, t_ms + limit_ms))
        end_ms = missing[0].end_ms
        return None if end_ms == t_ms + limit_ms else end_ms

    def _mark(self, span: Span) -> None:
        self.have.add(span)
        self.settled.add(span)
        self.absent.discard(span)

    def _keep(self, t_ms: int, data: bytes) -> None:
        if t_ms >= self._played_before_ms and len(self._frames) < self.LIMIT_FRAMES:
            self._frames[t_ms] = data
