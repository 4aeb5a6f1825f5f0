"""Consent freshness (RFC 7675) as arithmetic: when to ask, and when the peer counts as gone."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

SPREAD = 0.2
"""Checks are randomised by this fraction either way, lest many peers fall into step (RFC 7675 section 5.1)."""


@dataclass(slots=True)
class Consent:
    """Book-keeping of one connection's consent. Times in seconds, monotonic.

    Only the time since the last valid answer counts. Any check that is answered renews consent, however late its
    answer: a round trip of seconds is no reason to give a peer up.

    :param interval_s: mean time between checks.
    :param timeout_s: consent ends so long after the last valid answer.
    """

    interval_s: float
    timeout_s: float
    started_at: float
    rng: random.Random = field(default_factory=random.Random)
    _valid_until: float = field(init=False)
    _next_check: float = field(init=False)

    def __post_init__(self) -> None:
        self._valid_until = self.started_at + self.timeout_s
        # The first check goes out at once: it is the first measurement of the round trip.
        self._next_check = self.started_at

    def check_due(self, now: float) -> bool:
        """Whether a check is to be sent now; if so, the next one is scheduled."""
        if now < self._next_check:
            return False
        self._next_check = now + self.interval_s * self.rng.uniform(1 - SPREAD, 1 + SPREAD)
        return True

    def answered(self, now: float) -> None:
        """A valid answer to any check of the last ``timeout_s`` has come."""
        self._valid_until = max(self._valid_until, now + self.timeout_s)

    def expired(self, now: float) -> bool:
        """Whether nothing may be sent any more."""
        return now >= self._valid_until

    def wait_s(self, now: float) -> float:
        """Time until something is to be done."""
        return max(0.0, min(self._next_check, self._valid_until) - now)
