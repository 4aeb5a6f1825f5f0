"""Who is told of each appended entry."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from lecture.entries import Entry


class Followers:
    """Callbacks, told of every entry in order of seq. Not thread-safe; its owner locks."""

    def __init__(self) -> None:
        self._callbacks: dict[object, Callable[[Entry], None]] = {}
        self._due: deque[Entry] = deque()  # holds more than one entry only while a callback itself appends
        self._telling = False

    def add(self, callback: Callable[[Entry], None]) -> object:
        """Tell ``callback`` from now on; returns the key to :meth:`remove` it."""
        key = object()
        self._callbacks[key] = callback
        return key

    def remove(self, key: object) -> None:
        """Stop telling; doing so twice is harmless."""
        self._callbacks.pop(key, None)

    def tell(self, entry: Entry) -> None:
        """Tell all of ``entry``; one that a callback appends meanwhile is told after it, to all."""
        self._due.append(entry)
        if self._telling:
            return
        self._telling = True
        try:
            while self._due:
                entry = self._due.popleft()
                for key, callback in list(self._callbacks.items()):
                    if key in self._callbacks:
                        callback(entry)
        finally:
            self._telling = False
