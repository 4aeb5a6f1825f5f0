"""The shared screen of a lecture: takes the lecturer's updates, keeps the picture, writes the log, serves the halls."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lecture.entries import EncodedFrame, Entry, Flag, Kind, pack_frames
from lecture.errors import HallcastError, ProtocolError, RefusedError
from lecture.log import LectureLog
from lecture.screen import MAX_UPDATE_BYTES, ScreenUpdate, pack_timed, pack_update, parse_update
from lecture.screen_canvas import Pixels, ScreenCanvas
from lecture.screen_mosaic import mosaic_of, quantised
from lecture.tracks import SCREEN_CODEC, Track
from relay.media.tasks import guarded
from transport import webp

logger = logging.getLogger("hallcast.media")

TAKEN_BYTES_PER_S = 32_000
TAKEN_BURST_BYTES = 1_000_000
MAX_WAITING = 32
"""Updates that came and are not applied yet; more are refused (``screen_too_much``)."""
HISTORY_BYTES = 256_000
"""Updates kept for halls that are behind; a hall that needs older ones gets a merged update."""
MERGED_KEPT = 8
MERGED_GRAIN = 8
"""Merged updates begin at multiples of this number, so that many halls can share one."""
MERGED_EXACT_BYTES = 30_000
"""A merged update above this has few colours instead: legible soon is worth more than exact late."""
PAST_MS = 60_000
ORPHANED_S = 30.0
"""The screen of a lecturer who has gone without a word gives way to the page after this time."""
_FEW_LEVELS = 4


@dataclass(frozen=True, slots=True)
class Step:
    """An update as halls get it; ``data`` has its lecture time before it."""

    number: int
    since: int
    data: bytes


class ScreenLine:
    """One lecture's shared screen, one sharing after another. Everything but :meth:`run`'s work happens in the loop.

    :param now_ms: lecture time now.
    :ivar share: the present or last sharing, 0 before the first.
    :ivar number: of its newest update.
    :ivar active: whether the screen is being shared.
    :ivar on_change: called when halls may have something to get.
    """

    def __init__(self, log: LectureLog, now_ms: Callable[[], int]) -> None:
        self.share = 0
        self.number = 0
        self.active = False
        self.on_change: Callable[[], None] = lambda: None
        self._log = log
        self._now_ms = now_ms
        self._track_id = 0
        self._canvas = ScreenCanvas(webp.decode)
        self._changed_in: NDArray[np.int64] = np.zeros((0, 0), np.int64)
        self._history: deque[Step] = deque()
        self._history_bytes = 0
        self._merged: OrderedDict[int, Step] = OrderedDict()
        self._wished: set[int] = set()
        self._waiting: deque[tuple[ScreenUpdate, bytes, int, Callable[[HallcastError], None]]] = deque()
        self._work = asyncio.Event()
        self._t_ms = 0
        self._allowance = (0.0, float(TAKEN_BURST_BYTES))
        self._needs_whole = False
        self._orphaned_s: float | None = None
        self._owner: Callable[[HallcastError], None] | None = None

    # The lecturer's side

    def take(self, data: bytes, t_ms: int | None, now: float, refused: Callable[[HallcastError], None]) -> None:
        """Take an update; it is applied soon.

        :param t_ms: lecture time of the picture as the lecturer's program knows it.
        :param refused: told if it turns out that it cannot be applied (``screen_malformed``, ``screen_gap``); of one
            connection always the same.
        :raises HallcastError: ``screen_malformed``, ``screen_too_much``.
        """
        self._orphaned_s = None
        self._owner = refused
        update = parse_update(data)
        if self._needs_whole and not update.is_whole:
            return  # it was told already
        at, allowed = self._allowance
        allowed = min(TAKEN_BURST_BYTES, allowed + (now - at) * TAKEN_BYTES_PER_S) - len(data)
        if allowed < 0 or len(self._waiting) >= MAX_WAITING:
            self._needs_whole = True
            raise RefusedError("screen_too_much", "The screen changes faster than it can be passed on.", 429)
        self._allowance = (now, allowed)
        self._needs_whole = False
        now_ms = self._now_ms()
        at_ms = now_ms if t_ms is None else min(now_ms, max(t_ms, now_ms - PAST_MS))
        self._waiting.append((update, data, at_ms, refused))
        self._work.set()

    def gone(self, refused: Callable[[HallcastError], None], now: float) -> None:
        """The connection that gave ``refused`` has ended."""
        if refused == self._owner:
            self._orphaned_s = now

    def tick(self, now: float) -> None:
        """Now and then: end a sharing whose lecturer does not come back."""
        if self._orphaned_s is not None and now - self._orphaned_s > ORPHANED_S:
            self._orphaned_s = None
            if self.active:
                update = stop_of(self.share, self.number + 1)
                self._applied(update, pack_update(update), self._now_ms())

    async def run(self) -> None:
        """Apply and merge, in threads, one after the other; until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._waiting or self._wished:
                if self._waiting:
                    await guarded("an update of the screen", self._apply(*self._waiting.popleft()))
                else:
                    await guarded("merging updates of the screen", self._merge(self._wished.pop()))

    async def _apply(
        self, update: ScreenUpdate, data: bytes, t_ms: int, refused: Callable[[HallcastError], None]
    ) -> None:
        try:
            if not self._canvas.position.takes(update):
                raise RefusedError("screen_gap", "This update of the screen needs one that is not here.", 409)
            changed = await asyncio.to_thread(self._canvas.apply, update)
        except (ProtocolError, RefusedError) as error:
            self._needs_whole = True
            refused(error)
            return
        if update.is_whole:
            self._changed_in = np.zeros(changed.shape, np.int64)
        self._changed_in[changed] = update.number
        self._applied(update, data, t_ms)

    def _applied(self, update: ScreenUpdate, data: bytes, t_ms: int) -> None:
        self._t_ms = t_ms = max(t_ms, self._t_ms)
        if update.is_whole:
            self._history.clear()
            self._history_bytes = 0
            self._merged.clear()
        self.share, self.number, self.active = update.share, update.number, not update.stop
        self._remember(Step(update.number, update.since, pack_timed(t_ms, data)))
        flags = int(Flag.KEYFRAME if update.is_whole else Flag.NONE)
        payload = pack_frames(t_ms, [EncodedFrame(t_ms, 0, data, flags)])
        try:
            if not self._track_id:
                self._track_id = self._log.add_track(Track("screen", SCREEN_CODEC, 1000)).track_id
            self._log.append(Entry(Kind.SCREEN, t_ms, payload, self._track_id, flags=flags))
        except HallcastError as error:
            logger.warning("an update of the screen is not recorded: %s", error.error_id)
        self.on_change()

    def _remember(self, step: Step) -> None:
        self._history.append(step)
        self._history_bytes += len(step.data)
        while self._history_bytes > HISTORY_BYTES and len(self._history) > 1:
            self._history_bytes -= len(self._history.popleft().data)

    # The halls' side

    def after(self, number: int) -> Sequence[Step] | None:
        """The updates that lead from ``number`` to the newest one, empty for none; None if they are not kept."""
        steps: list[Step] = []
        for step in reversed(self._history):
            if step.number <= number:
                break
            steps.append(step)
            if step.since == 0:
                break
        if steps and steps[-1].since > number:
            return None
        return steps[::-1]

    def merged(self, number: int) -> Step | None:
        """One update instead of all after ``number``; None while it is being made (:attr:`on_change` tells)."""
        since = number // MERGED_GRAIN * MERGED_GRAIN
        step = self._merged.get(since)
        if step is not None and step.number > number and step.number + MERGED_GRAIN > self.number:
            return step
        self._wished.add(since)
        self._work.set()
        return None

    async def _merge(self, since: int) -> None:
        if not self.active or since >= self._canvas.position.number:
            return
        made = await asyncio.to_thread(self._merged_update, since)
        self._merged[since] = Step(made.number, since, pack_timed(self._t_ms, pack_update(made)))
        self._merged.move_to_end(since)
        if len(self._merged) > MERGED_KEPT:
            self._merged.popitem(last=False)
        self.on_change()

    def _merged_update(self, since: int) -> ScreenUpdate:
        """Everything that has changed after ``since`` as it is now. Runs in a thread, while nothing is applied."""
        canvas = self._canvas
        update = ScreenUpdate(
            canvas.position.share, canvas.position.number, since, canvas.position.width, canvas.position.height
        )
        mask = self._changed_in > since
        if not mask.any():
            return update
        for limit_bytes, code in _MERGED_CODES:
            mosaic = mosaic_of(canvas.padded, mask, code)
            update = replace(update, mosaics=(mosaic,))
            if len(mosaic.image) <= limit_bytes:
                break
        return update


def _in_few_colours(pixels: Pixels) -> bytes:
    return webp.encode(quantised(pixels, _FEW_LEVELS))


def _as_photo(quality: int) -> Callable[[Pixels], bytes]:
    return lambda pixels: webp.encode(pixels, quality)


_MERGED_CODES: tuple[tuple[int, Callable[[Pixels], bytes]], ...] = (
    (MERGED_EXACT_BYTES, webp.encode),
    (2 * MERGED_EXACT_BYTES, _in_few_colours),
    (MAX_UPDATE_BYTES * 3 // 4, _as_photo(25)),
    (MAX_UPDATE_BYTES * 3 // 4, _as_photo(0)),
)


def stop_of(share: int, number: int) -> ScreenUpdate:
    """The update that ends a sharing; it needs nothing before it."""
    return ScreenUpdate(share, number, 0, 1, 1, stop=True)
