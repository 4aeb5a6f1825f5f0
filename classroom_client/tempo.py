"""How fast the voice is played: towards the playout delay, and to give what is late time to come. Pure."""

from __future__ import annotations

import math

from classroom_client.voice import VoiceBuffer

CATCHING_UP_MS = 1000
"""From here on people are told that we are behind."""

_DEADBAND_MS = 200  # jitter of the live-edge estimate; a steady hall is never stretched
_SETTLED_MS = 20
_LEAST_SHARE = 0.1  # of the fastest catch-up
_SLOW, _SLOWER = 0.92, 0.88  # to get further behind; few notice either
_FAR_MS = 800
_HELD_UP = ((1000, 0.8), (1800, 0.88))  # a hole that is overdue and less than so many ms ahead: its speed
_OVERDUE_MS = 300


class Tempo:
    """Chooses the speed of the next frame.

    :ivar usual_late_ms: how late a frame of the live voice usually is. One that is later is on its way again, and what
        is there before it is played slower, so that it comes in time.
    :ivar held_up_ms: no further behind the live edge than this is a late frame given time that way.
    :ivar catching_up: whether we are noticeably behind and playing faster.
    """

    def __init__(self, voice: VoiceBuffer, max_speed: float) -> None:
        self.usual_late_ms = math.inf
        self.held_up_ms = 5500
        self.catching_up = False
        self._voice = voice
        self._max_speed = max_speed
        self._correcting = False

    def speed(self, at: int, live: float | None, delay_ms: int, end_ms: int | None) -> float:
        """The speed of the frame at ``at``.

        :param live: the live edge.
        :param end_ms: of the lecture, where known.
        """
        if live is None:
            return 1.0
        error = live - at - delay_ms
        if abs(error) <= _SETTLED_MS:
            self._correcting = False
        elif abs(error) > _DEADBAND_MS:
            self._correcting = True
        self.catching_up = self._correcting and error > CATCHING_UP_MS
        ready = self._voice.ready_until(at)
        if self._holds_up(ready, live, error, end_ms) and live - at < self.held_up_ms:
            held_up = next((speed for ahead_ms, speed in _HELD_UP if ready - at < ahead_ms), None)
            if held_up is not None:
                return held_up
        if not self._correcting:
            return 1.0
        if error < 0:
            return _SLOW if error > -_FAR_MS else _SLOWER
        # Full speed until one second is left, then gently, so that the end of a catch-up is not heard.
        share = min(1.0, max(_LEAST_SHARE, round(error / 1000, 1)))
        wanted = 1 + (self._max_speed - 1) * share
        ahead = ready - at
        # Never run dry by hurrying: backfill on a thin link may come slower than we could play it.
        return wanted if ahead > 1000 else min(wanted, 1.1) if ahead > 300 else 1.0

    def _holds_up(self, ready: int, live: float, error: float, end_ms: int | None) -> bool:
        """Whether the frame at ``ready`` is overdue, and neither an outage's nor beyond the end."""
        if error > CATCHING_UP_MS or (end_ms is not None and ready >= end_ms):
            return False
        return live - ready > self.usual_late_ms + _OVERDUE_MS
