"""Packs of voice that bring an earlier one along."""

from __future__ import annotations

from collections import deque

from lecture.tracks import VOICE_FRAME_MS
from transport.voice_payload import MAX_COPY_SLOTS, Copy, with_copy

KEPT_PACKS = 16
"""No earlier one can be named, if all are full."""
MAX_BYTES = 1_100
"""A payload with its copy; a pack that would be larger goes alone."""


class PackCopies:
    """Payloads of one stream, whose packets have numbers without holes.

    :param taken: whether the receiver takes copies.
    :ivar spacing: how many packs before its own the one is that each brings along, 0 for none.
    """

    def __init__(self, taken: bool) -> None:
        self.taken = taken
        self.spacing = 0
        self._sent: deque[tuple[int, bytes]] = deque(maxlen=KEPT_PACKS)  # (lecture time, payload), the newest first

    def payload(self, payload: bytes, t_ms: int, urgent: int = 0) -> tuple[bytes, int]:
        """What to send for the next pack, and how many packets before it the copied one was; 0 without a copy.

        :param urgent: how many packets before it the one is that must go along if it can, 0 for none.
        """
        if not self.taken:
            return payload, 0
        spacing = urgent if 0 < urgent <= len(self._sent) else self.spacing
        before = self._sent[spacing - 1] if 0 < spacing <= len(self._sent) else None
        self._sent.appendleft((t_ms, payload))
        if before is None or len(payload) + len(before[1]) > MAX_BYTES:
            return payload, 0
        slots = (t_ms - before[0]) // VOICE_FRAME_MS
        if not 0 < slots <= MAX_COPY_SLOTS:
            return payload, 0  # nobody spoke in between
        return with_copy(payload, Copy(slots, spacing, before[1])), spacing
