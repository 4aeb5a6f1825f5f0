"""The recorder: the log's first reader and the only one that touches the disk."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from lecture.errors import LectureFileError
from lecture.file import LectureFile

logger = logging.getLogger("hallcast.recorder")

WARN_EVERY_S = 10.0
SLOW_S = 5.0
"""A commit that takes longer is told to staff: what is said meanwhile is in memory only."""


class Recorder:
    """Commits a lecture's log, in a thread of its own, at least every ``interval_s``; :meth:`close` it at the end.

    A full disk stops nothing: the lecture goes on, what was appended stays in memory (bounded by the lecture file),
    every commit tries again, and :attr:`trouble` tells staff.

    :ivar committed_ms: lecture time of the last entry that is on disk.
    """

    def __init__(self, file: LectureFile, interval_s: float) -> None:
        self._file = file
        self._interval_s = interval_s
        # All other threads may be at work for those who replay and search; what is said now is not to wait for them.
        self._thread = ThreadPoolExecutor(1, "hallcast-recorder")
        self._soon = asyncio.Event()
        self._writing = asyncio.Lock()
        self._warned_at = float("-inf")
        self._writing_since: float | None = None
        self._failed_with = ""
        self._finish_due = False
        self._closed = False
        self._begun = self._done = 0
        self.committed_ms = file.last_t_ms()

    @property
    def trouble(self) -> str:
        """Error id of the last failed commit (``disk_full``, ``disk_failed``, …), ``disk_slow`` while one takes longer
        than :data:`SLOW_S`, empty while all is well."""
        if self._writing_since is not None and asyncio.get_running_loop().time() - self._writing_since > SLOW_S:
            return self._failed_with or "disk_slow"
        return self._failed_with

    def commit_soon(self) -> None:
        """Commit without waiting for the interval (an event was appended, which must outlive a crash)."""
        self._soon.set()

    def next_commit(self) -> int:
        """Number of the commit that has all that was appended until now, for :meth:`has_done`."""
        return self._begun + 1

    def has_done(self, commit: int) -> bool:
        """Whether a commit, or one after it, has succeeded; closing counts as one."""
        return self._done >= commit

    async def run(self) -> None:
        """Commit until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._soon.wait()
            except TimeoutError:
                pass
            self._soon.clear()
            await self.commit()

    async def commit(self) -> None:
        """Commit now. Never raises for the disk's sake: see :attr:`trouble`."""
        async with self._writing:
            if self._closed:
                return  # and closing has committed
            self._begun += 1
            reached_ms = self._file.last_t_ms()
            self._writing_since = asyncio.get_running_loop().time()
            # Who asks for the end while this writes asks for one after it.
            is_finish, self._finish_due = self._finish_due, False
            try:
                write = self._file.finish if is_finish else self._file.commit
                await asyncio.get_running_loop().run_in_executor(self._thread, write)
            except LectureFileError as error:
                self._finish_due = self._finish_due or is_finish
                self._failed(error)
                return
            finally:
                self._writing_since = None
            self._done = self._begun
            self.committed_ms = reached_ms
            if self._failed_with:
                dropped = self._file.dropped_entries
                lost = f"; {dropped} entries found no room in memory and are a gap" if dropped else ""
                logger.warning("recording of %s goes on%s", self._file.path.name, lost)
                self._failed_with = ""

    async def finish(self) -> None:
        """Commit and close the lecture's file for good. A disk that is full is reported and tried again later."""
        self._finish_due = True
        await self.commit()

    async def close(self) -> None:
        """Commit for the last time, and close the file. A disk that takes no more is logged."""
        async with self._writing:
            self._closed = True
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._file.close)
                self._done = self._begun = self._begun + 1
            except LectureFileError as error:
                logger.error("%s could not be written to its end: %s", self._file.path.name, error.text)
            finally:
                self._thread.shutdown(wait=False)

    def _failed(self, error: LectureFileError) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._warned_at >= WARN_EVERY_S:
            self._warned_at = now
            logger.error(
                "NOT RECORDING %s: %s; the lecture goes on, %d kB wait in memory",
                self._file.path.name,
                error.text,
                self._file.pending_bytes // 1000,
            )
        self._failed_with = error.error_id
