"""A lecture file of which a test knows in which threads it was read."""

from __future__ import annotations

import threading
from typing import Any

from lecture.entries import Entry
from lecture.file import LectureFile
from lecture.log import Span


class WatchedFile(LectureFile):
    """Notes which threads read media."""

    readers: set[str]

    def read_span(self, track_id: int, span: Span) -> list[Entry]:
        self.readers.add(threading.current_thread().name)
        return super().read_span(track_id, span)

    def gaps(self, *given: Any, **more: Any) -> list[Span]:
        self.readers.add(threading.current_thread().name)
        return super().gaps(*given, **more)

    def covered(self, *given: Any, **more: Any) -> list[Span]:
        self.readers.add(threading.current_thread().name)
        return super().covered(*given, **more)
