"""The file of an ended lecture that is repaired: finished again once for all that was brought in a row."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from relay.media.stage import Stage

REST_S = 10.0
"""A copy that still has something to bring and has brought nothing for so long is not waited for."""


class Refinish:
    """Finishes the file when a repair has come to rest. Runs in the event loop.

    :param spawn: runs a task of the lecture.
    :param done: told each time that the file was finished.
    """

    def __init__(
        self, stage: Stage, spawn: Callable[[str, Coroutine[Any, Any, object]], object], done: Callable[[], None]
    ) -> None:
        self._stage = stage
        self._spawn = spawn
        self._done = done
        self._changes = self._finished = 0
        self._is_finishing = False
        self._rest_at = 0.0

    @property
    def is_due(self) -> bool:
        """Whether an ended lecture has come to something since its file was finished."""
        return self._changes != self._finished

    def changed(self) -> None:
        """Something was appended, or noted. Of a lecture that has not ended the end finishes the file."""
        if self._stage.state == "ended":
            self._changes += 1

    def brought(self) -> None:
        """A copy has brought a segment: more may follow."""
        self.changed()
        self._rest_at = self._stage.now + REST_S

    def all_brought(self) -> None:
        """The copy has no more of what it was asked for."""
        self._rest_at = self._stage.now

    def tick(self, now: float) -> None:
        """Finish the file if it is time."""
        if self.is_due and not self._is_finishing and now >= self._rest_at:
            self._is_finishing = True
            self._spawn("finishing a repaired lecture", self._finish())

    async def close(self) -> None:
        """Finish the file now if that is still due: the lecture leaves memory, its tasks are gone."""
        if self.is_due:
            await self._finish()

    async def _finish(self) -> None:
        changes = self._changes
        try:
            await self._stage.recorder.finish()
        finally:
            self._is_finishing = False
        self._finished = changes
        self._done()
