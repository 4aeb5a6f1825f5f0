"""Tells a route that has become longer from a link that has become slower. Pure.

While little is sent both look alike: every packet is later than before, and a slower link that nobody has fills no
queue either. What the packets of a longer route seem to say is that the link carries just what is sent. So a *step*
of the delay, larger than what was sent can have made, raises a doubt, and a short train resolves it: its packets, sent
back to back, arrive as far apart as the link needs for them, however long the way is.
"""

from __future__ import annotations

STEP_S = 0.06
"""Jitter and cross traffic make smaller ones."""
LASTING_S = 0.4
LASTING_PACKETS = 2
"""A step counts when it has lasted so long, over so many packets more."""
PASSED = 0.5
"""A step of which less than this share is left was none."""
LONGEST_S = 0.45
"""A later packet stands in a queue, which a train would make longer."""
UNRESOLVED_S = 12.0
"""A doubt that no train has resolved for so long is given up."""
SAME_RATE = 0.7
"""A train that shows this share of the known rate proves that the link is what it was."""


class RouteWatch:
    """The watch over one link's delay.

    :ivar since_s: when feedback told of the first packet of the step; None while there is none.
    :ivar since_arrival_s: when that packet arrived, by the receiver's clock.
    """

    def __init__(self) -> None:
        self.since_s: float | None = None
        self.since_arrival_s = 0.0
        self._step_s = 0.0
        self._accepted_s = 0.0  # what is left of a step that nobody could explain
        self._packets = 0
        self._wait_s = 0.0
        self._before: tuple[float, float, int] | None = None  # (sent, waited, bytes) of the packet before

    def put(self, sent_s: float, arrival_s: float, wait_s: float, size_bytes: int, kbps: float, now: float) -> None:
        """A packet arrived; call in order of sending.

        :param wait_s: how long it seems to have waited, on a link that carries ``kbps``.
        """
        before, self._before = self._before, (sent_s, wait_s, size_bytes)
        self._wait_s = wait_s
        if wait_s < PASSED * self._accepted_s:
            self._accepted_s = 0.0
        if self.since_s is not None:
            if now - self.since_s > UNRESOLVED_S:
                self.since_s, self._accepted_s = None, wait_s
            elif wait_s < PASSED * self._step_s:
                self.since_s = None
            else:
                self._packets += 1
        elif before is not None:
            explained_s = max(self._accepted_s, before[1] + before[2] / (kbps * 125) - (sent_s - before[0]))
            if wait_s - explained_s >= STEP_S:
                self.since_s, self.since_arrival_s = now, arrival_s
                self._step_s, self._packets = wait_s - explained_s, 0

    def in_doubt(self, now: float) -> bool:
        """Whether a train should be sent."""
        lasts = self.since_s is not None and now - self.since_s >= LASTING_S and self._packets >= LASTING_PACKETS
        return lasts and self._wait_s <= LONGEST_S

    def forget(self) -> None:
        """Begin anew: the doubt is resolved, or all has changed."""
        self.since_s = None
        self._accepted_s = 0.0
        self._before = None
