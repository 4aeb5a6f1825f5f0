"""When each voice frame is due. Pure: ``now`` is an argument, in seconds of any monotonic clock."""

from __future__ import annotations

FRAME_MS = 20
SLIP_MS = 500
"""A frame that is later than this (a laptop that slept, a writer that paused) moves all that follow: time that has
passed cannot be spoken into any more. Less than this is caught up with in one go."""


EARLY_MS = 100
SETTLING_MS = 2_000
"""What a device has gathered before anybody listened comes in one go at the beginning: all that would lie more than
100 ms in the future is left out. Later a device that is early merely has a quick clock."""


class VoicePace:
    """Gives each frame its place in *stream time*: whole milliseconds since the streamer began.

    Every due time is reckoned from the beginning, never from the frame before, so errors don't add up.

    :param start_s: ``now`` at stream time 0.
    :param first_ms: stream time of the first frame.
    :param live: frames come from a device, which paces them itself: nothing is waited for.
    """

    def __init__(self, start_s: float, first_ms: int = 0, *, live: bool = False) -> None:
        self._start_s = start_s
        self._next_ms = -(-first_ms // FRAME_MS) * FRAME_MS
        self._first_ms = self._next_ms
        self._live = live
        self.slips = 0
        """How often time was skipped."""

    def wait_s(self, now: float) -> float:
        """How long until the next frame is due (its last sample has been spoken)."""
        if self._live:
            return 0.0
        return max(0.0, self._start_s + (self._next_ms + FRAME_MS) / 1000 - now)

    def is_stale(self, now: float) -> bool:
        """Whether the frame that a device gives now is from before the beginning, and to be left out."""
        early_ms = self._next_ms + FRAME_MS - (now - self._start_s) * 1000
        return self._live and early_ms > EARLY_MS and self._next_ms < self._first_ms + SETTLING_MS

    def take(self, now: float) -> int:
        """Stream time of the frame that is taken now, in ms."""
        late_ms = (now - self._start_s) * 1000 - (self._next_ms + FRAME_MS)
        if late_ms > SLIP_MS:
            self._next_ms += int(late_ms // FRAME_MS) * FRAME_MS
            self.slips += 1
        at_ms, self._next_ms = self._next_ms, self._next_ms + FRAME_MS
        return at_ms
