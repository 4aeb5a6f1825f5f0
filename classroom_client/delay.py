"""How far behind the live edge the hall plays. Pure; the clock is an argument."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from lecture.tracks import VOICE_FRAME_MS


@dataclass(frozen=True, slots=True)
class DelaySettings:
    """Bounds of the playout delay.

    :param fixed_ms: the delay whatever the link does (over the socket at least ``socket_ms``); None: adapt it.
    :param start_ms: at least this until the link is known.
    :param least_ms: on the best link.
    :param most_ms: on the worst; what comes later than this is a gap. Not 6000: what is heard may be 6 s behind the
        lecturer at most, and is up to 0.7 s later than the delay that is aimed at (a difference of 0.2 s is let be, an
        overdue frame is waited for by playing slower for up to 0.4 s). No more words would be heard with more.
    :param socket_ms: at least this while the voice comes over the socket, in bursts.
    """

    fixed_ms: int | None = None
    start_ms: int = 2500
    least_ms: int = 1500
    most_ms: int = 5200
    socket_ms: int = 3500


_WINDOW_S = 60  # a good link's bursts of loss are minutes apart; a delay that forgot sooner would never meet one twice
_RESIDUAL = 2e-4  # of the frames may be missing when all tries that fit into the delay were made
_MOST_TRIES = 5
_TRY_ROUND_TRIPS = 1.15
_NOTICED_MS = 240  # a hole is noticed by the packet after it …
_BURST_MS, _BURST_LOSS = 2000, 0.1  # … and bursts of losses swallow several in a row: so much more at this loss
_MARGIN_MS = 200
_GUESSED_LOSS = 0.05
_LOSS_S = 20.0  # over this time loss is averaged: what the last report said is chance
_USUAL_LATE_MS = 600
_USUAL_SAMPLES = 60
_OUTAGE_S = 3.0  # a silence that no burst of losses makes
_FALL_MS_PER_S = 25.0
_SOCKET_CALM_S = 20.0


class PlayoutDelay:
    """Chooses the playout delay from what is known of the link; the timeline moves to it by stretching.

    Two views are joined. What was seen: of the last minute's live frames the latest one. What may come: as many
    retransmissions as leave less than :data:`_RESIDUAL` of the frames missing at this loss, each a little more than
    a round trip, both ways being lossy. It rises at once and falls slowly, and says nothing about outages: a delay
    that bridged them would be an outage's length.
    """

    def __init__(self, settings: DelaySettings | None = None) -> None:
        self._settings = settings or DelaySettings()
        self._delay_ms = float(self._settings.start_ms)
        self._updated_s: float | None = None
        self._socket_until_s = -math.inf
        # Latest frame of each second: (second, ms late). Bounded by the window.
        self._latest: deque[tuple[int, float]] = deque()
        self._usual: deque[float] = deque(maxlen=_USUAL_SAMPLES)
        self._loss = _GUESSED_LOSS
        self._seen_s: float | None = None
        self._began_s = math.inf
        self._outage_ms = -math.inf  # what was spoken before this was held up by an outage

    @property
    def usual_ms(self) -> float:
        """How late a frame of the voice is that comes without being asked for again."""
        return sorted(self._usual)[len(self._usual) // 2] if self._usual else _USUAL_LATE_MS

    def arrived(self, t_ms: int, live_ms: float, now: float) -> None:
        """Live voice came that begins at ``t_ms``; the live edge is at ``live_ms``."""
        if self._seen_s is None or now - self._seen_s > _OUTAGE_S:
            self._outage_ms = live_ms - VOICE_FRAME_MS
            self._began_s = min(self._began_s, now)
        self._seen_s = now
        late_ms = live_ms - t_ms
        if late_ms > self._settings.most_ms:
            self._outage_ms = live_ms  # what waited behind it was held up with it
        if t_ms < self._outage_ms or late_ms < 0:
            return
        self._usual.append(late_ms)
        second = int(now)
        if self._latest and self._latest[-1][0] == second:
            self._latest[-1] = second, max(self._latest[-1][1], late_ms)
        else:
            self._latest.append((second, late_ms))
        while self._latest[0][0] < second - _WINDOW_S:
            self._latest.popleft()

    def update(self, now: float, *, rtt_s: float | None, fraction_lost: float, over_socket: bool) -> int:
        """The delay wanted now, in ms."""
        settings = self._settings
        passed_s = 0.0 if self._updated_s is None else now - self._updated_s
        self._updated_s = now
        if self._seen_s is not None and now - self._seen_s < _OUTAGE_S:
            self._loss += (fraction_lost - self._loss) * min(1.0, passed_s / _LOSS_S)
        if over_socket:
            self._socket_until_s = now + _SOCKET_CALM_S
        by_socket = now < self._socket_until_s
        if settings.fixed_ms is not None:
            return max(settings.fixed_ms, settings.socket_ms) if by_socket else settings.fixed_ms
        wanted = max(self._seen_ms(), self._may_come_ms(now, rtt_s))
        wanted = max(wanted, settings.socket_ms if by_socket else settings.least_ms)
        wanted = min(wanted, settings.most_ms)
        self._delay_ms = max(wanted, self._delay_ms - passed_s * _FALL_MS_PER_S)
        return round(self._delay_ms)

    def _seen_ms(self) -> float:
        return max((late_ms for _, late_ms in self._latest), default=0.0) + _MARGIN_MS

    def _may_come_ms(self, now: float, rtt_s: float | None) -> float:
        loss = min(0.5, self._loss)
        tries_ms = tries(loss) * _TRY_ROUND_TRIPS * (rtt_s or 0.0) * 1000
        burst_ms = _BURST_MS * min(1.0, loss / _BURST_LOSS)
        wanted = self.usual_ms + _NOTICED_MS + burst_ms + tries_ms + _MARGIN_MS
        return wanted if now - self._began_s > _WINDOW_S else max(wanted, self._settings.start_ms)


def tries(fraction_lost: float) -> int:
    """How many requests for a lost packet leave less than :data:`_RESIDUAL` of all missing; requests get lost too."""
    if fraction_lost <= _RESIDUAL:
        return 1
    fails = 1 - (1 - fraction_lost) ** 2
    return min(_MOST_TRIES, max(1, math.ceil(math.log(_RESIDUAL / fraction_lost) / math.log(fails))))
