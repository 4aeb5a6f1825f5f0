"""What the laptop's uplink bears of the camera, from when its packets arrive at the relay. Pure.

The voice matters, the camera does not: on an uplink that carries both there is no queue, and on one that does not each
picture stands before the voice. So the camera gives way in steps as soon as the queue is long, and is tried again after
a calm, more and more rarely while that brings the queue back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from transport.twcc import Outcome

SHARES = (0.0, 0.25, 0.5, 1.0)
"""Of the camera's rate; the first is none at all."""
LONG_S, LONG_FOR_S = 0.15, 0.6
"""A queue that is so long for so long takes the camera down a step: a keyframe makes one that is over sooner. On trial,
soon after a step up, it does so at once."""
MUCH_TOO_LONG_S = 0.8
"""One of this takes it away."""
SHORT_S = 0.06
EFFECT_S = 1.5
"""Beside the round trip, until a step can be seen in the queue."""
LOST, LOST_PACKETS = 0.35, 200
"""An uplink that drops what is too much, instead of queueing it: share of so many packets."""
START_LEVEL, START_CALM_S = 1, 3.0
"""Nothing is known at first, and the first words are not to be lost: begin low, and rise soon."""
CALM_S, LONGEST_CALM_S = 8.0, 120.0
TRIAL_S = 20.0
"""A step up that is taken back within this time is tried again after twice the calm."""
SILENCE_S = 2.0
"""Without any feedback for a round trip and so long the camera would only fill a queue unseen."""
BASE_S = 40.0
"""The shortest way of this time is the way without a queue."""


class Uplink:
    """The camera's share, over all connections.

    :ivar queue_s: seen by the newest packet of which feedback came.
    """

    def __init__(self) -> None:
        self._level = START_LEVEL
        self._recent: deque[bool] = deque(maxlen=LOST_PACKETS)  # whether it was lost
        self._calm_s = START_CALM_S
        self._trial_until = float("-inf")
        self.begin(0.0)

    def begin(self, now: float) -> None:
        """A connection stands: what the one before bore of the camera is a good guess, and nothing else is known."""
        self.queue_s = 0.0
        self._ways: deque[tuple[float, float]] = deque()  # rising: the smallest of BASE_S, as (told at, way)
        self._newest_sent_s = float("-inf")
        self._recent.clear()
        self._long_since: float | None = None
        self._stepped_at = self._calm_since = self._heard_at = now

    @property
    def share(self) -> float:
        """Of the camera's rate that may be sent."""
        return SHARES[self._level]

    def feedback(self, outcomes: Sequence[Outcome], now: float) -> None:
        """What became of packets."""
        for outcome in outcomes:
            self._recent.append(outcome.arrival_s is None)
            if outcome.arrival_s is None or outcome.sent_s < self._newest_sent_s:
                continue
            self._newest_sent_s, self._heard_at = outcome.sent_s, now
            self.queue_s = self._queue_s(outcome.arrival_s - outcome.sent_s, now)
            if self.queue_s <= LONG_S:
                self._long_since = None
            elif self._long_since is None:
                self._long_since = now

    def follow(self, now: float, rtt_s: float, *, unheard: bool) -> bool:
        """Let the camera go down or up where that is due; returns whether its share has changed. Call it often.

        :param unheard: there are packets of which feedback is yet to come.
        """
        before = self._level
        lost = len(self._recent) == LOST_PACKETS and sum(self._recent) > LOST * LOST_PACKETS
        on_trial = now < self._trial_until
        long = self._long_since is not None and (on_trial or now - self._long_since >= LONG_FOR_S)
        silent = unheard and now - self._heard_at > SILENCE_S + rtt_s
        if self.queue_s > SHORT_S or lost or silent:
            self._calm_since = now
        if self._level and (silent or self.queue_s > MUCH_TOO_LONG_S):
            self._step(0, now)
        elif self._level and (lost or long) and (on_trial or now - self._stepped_at > EFFECT_S + rtt_s):
            self._step(self._level - 1, now)
        elif self._level < len(SHARES) - 1 and now - self._calm_since >= self._calm_s:
            self._step(self._level + 1, now)
        return self._level != before

    def _step(self, level: int, now: float) -> None:
        if level > self._level:
            self._trial_until = now + TRIAL_S
        else:
            failed = now < self._trial_until
            self._calm_s = min(LONGEST_CALM_S, max(CALM_S, 2 * self._calm_s)) if failed else CALM_S
            self._trial_until = float("-inf")
        self._level = level
        self._stepped_at = self._calm_since = now
        self._recent.clear()

    def _queue_s(self, way_s: float, now: float) -> float:
        ways = self._ways
        while ways and ways[-1][1] >= way_s:
            ways.pop()
        ways.append((now, way_s))
        while ways[0][0] < now - BASE_S:
            ways.popleft()
        return way_s - ways[0][1]
