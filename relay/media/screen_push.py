"""Which piece of the shared screen a hall gets next. Pure but for what it asks of the line."""

from __future__ import annotations

from collections.abc import Sequence

from lecture.message_parts import Have
from lecture.screen import pack_timed, pack_update
from lecture.wire import pack_screen_part
from relay.media.screen_line import ScreenLine, Step, stop_of

IN_ORDER_BYTES = 8_000
"""A hall with more than this to come gets one merged update instead, if that is smaller."""
RETURNED_BYTES = 32_000
"""The same for what a hall has missed while it was away: it plays the voice of that time, and wants to see it."""
LATE_BYTES = 6_000
"""With more than this to come the hall's screen waits: other things have to make room."""


class ScreenPush:
    """One hall's screen: updates in order, piece by piece, or what they come to when the hall is far behind.

    :param have: what the hall holds already.
    :param taken: whether the hall takes screen parts at all.
    """

    def __init__(self, line: ScreenLine, have: Have, *, taken: bool) -> None:
        self._line = line
        self._taken = taken
        self._share = have.screen_share
        self._number = have.screen_number
        self._missed_to = line.number if have.screen_share == line.share else 0
        self._sending: tuple[int, Step] | None = None  # share, step
        self._offset = 0
        self._count = 0

    def next(self, size_bytes: int) -> bytes | None:
        """The next frame, or None if nothing is left to send for now.

        :param size_bytes: largest piece.
        """
        if self._sending is None or self._is_superseded(*self._sending):
            self._sending = self._choose()
            self._offset = 0
            self._count += 1
        if self._sending is None:
            return None
        share, step = self._sending
        piece = step.data[self._offset : self._offset + size_bytes]
        frame = pack_screen_part(self._count, self._offset, len(step.data), piece)
        self._offset += len(piece)
        if self._offset == len(step.data):
            self._share, self._number = share, step.number
            self._sending = None
        return frame

    @property
    def covers_page(self) -> bool:
        """Whether the hall shows the screen instead of the page, or soon will: no page is urgent then."""
        return self._taken and self._line.active

    @property
    def waiting(self) -> bool:
        """Whether there is anything to send."""
        return self._sending is not None or self._choose() is not None

    @property
    def late(self) -> bool:
        """Whether so much waits that the hall sees old things."""
        if self._sending is not None:
            return len(self._sending[1].data) - self._offset > LATE_BYTES
        chosen = self._choose()
        return chosen is not None and len(chosen[1].data) > LATE_BYTES

    def _is_superseded(self, share: int, step: Step) -> bool:
        """Another screen is shared, or none at all: what is being sent is not worth its bytes any more."""
        line = self._line
        return share != line.share or (not line.active and step.number != line.number)

    def _choose(self) -> tuple[int, Step] | None:
        line = self._line
        if not self._taken:
            return None
        if self._share and self._share != line.share and not line.active:
            # What the hall shows was shared before the relay was started anew, and is not shared any more.
            gone = stop_of(self._share, self._number + 1)
            return line.share, Step(line.number, 0, pack_timed(0, pack_update(gone)))
        if not line.share or (not line.active and self._share != line.share):
            return None
        known = self._number if self._share == line.share else 0
        steps = line.after(known)
        if steps is not None and not steps:
            return None
        if steps is not None and self._in_order(steps):
            return line.share, steps[0]
        merged = line.merged(known)
        if merged is None:
            return None
        if steps is not None and len(merged.data) >= sum(len(step.data) for step in steps):
            return line.share, steps[0]
        return line.share, merged

    def _in_order(self, steps: Sequence[Step]) -> bool:
        if len(steps) == 1:
            return True
        limit = RETURNED_BYTES if steps[0].number <= self._missed_to else IN_ORDER_BYTES
        return sum(len(step.data) for step in steps) <= limit
