"""What the link did in the last minutes, for the curves of the link panel. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from classroom_client.view import Link, View

EVERY_S = 1.0
KEPT_SAMPLES = 180


@dataclass(frozen=True, slots=True)
class LinkSample:
    """One second: rates in kbit/s, None while the line was down or nothing is known."""

    budget_kbps: float | None
    used_kbps: float | None
    behind_s: float | None


class LinkHistory:
    """The last :data:`KEPT_SAMPLES` seconds; older ones are dropped."""

    def __init__(self) -> None:
        self.samples: deque[LinkSample] = deque(maxlen=KEPT_SAMPLES)
        self._next_s = float("-inf")

    def look(self, view: View, now: float) -> None:
        """Take the view, if a second has passed since the last one that was taken."""
        if now < self._next_s:
            return
        self._next_s = now + EVERY_S
        up = view.link is Link.UP
        self.samples.append(
            LinkSample(
                view.budget_kbps if up and view.budget_kbps > 0 else None,
                view.in_kbps if up else None,
                view.behind_ms / 1000 if view.heard_ms is not None else None,
            )
        )
