"""What is told only when the file has what it tells of."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from relay.media.recorder import Recorder

MAX_WAITING = 256
"""Far more than a client has under way; beyond, the oldest is not told, and is to be asked for again."""

T = TypeVar("T", bound=Hashable)


class AfterCommit(Generic[T]):
    """Holds what a client is to be told once all that was appended before is on disk: what it is told of it forgets.

    A disk in trouble holds nothing up: who waited would say it all again, and find the same disk.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._waiting: dict[T, int] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, item: T) -> None:
        """Take what is to be told; if it waits already, nothing changes."""
        self._waiting.setdefault(item, self._recorder.next_commit())
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._recorder.commit_soon()

    def due(self) -> Iterator[T]:
        """What can be told now, in order; it waits no longer."""
        for item, commit in list(self._waiting.items()):
            if self._recorder.has_done(commit) or self._recorder.trouble:
                del self._waiting[item]
                yield item
