"""The keeper of the object storage: uploads what has ended, fetches what is asked for, drops what need not be here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import Self

from lecture.errors import HallcastError
from recordings.errors import RecordingError
from recordings.remote_copies import RemoteCopies
from relay.media.directory import LectureDirectory
from relay.media.tasks import Crew

log = logging.getLogger("hallcast.library")

RETRY_S, RETRY_MOST_S = 5.0, 300.0
"""A storage that is away is tried again after so long, and each time after twice as long."""
LOOK_S = 60.0
ADOPT_S = 3600.0
"""How often the storage is asked for what it holds."""
WANTED_AT_ONCE = 16
"""So many recordings wait to be fetched; who asks for one more is told to come back."""


class StoreKeeper:
    """Owner of all traffic with the object storage while the relay runs. Use within ``async with``.

    :ivar waiting: files that were still to be uploaded at the last look.
    :ivar trouble: why the storage is not used at the moment, in plain words; empty if it is.
    """

    def __init__(
        self,
        copies: RemoteCopies,
        directory: LectureDirectory,
        local_mb: float,
        busy: asyncio.Lock,
        is_sound: Callable[[str], Awaitable[bool]],
    ) -> None:
        """
        :param local_mb: as :class:`recordings.retention.LibrarySettings`.
        :param busy: held while a file is moved, so that none is while it is looked at.
        :param is_sound: whether a recording is, byte by byte: a damaged one must not replace a sound copy.
        """
        self._is_sound = is_sound
        self._copies = copies
        self._directory = directory
        self._local_bytes = int(local_mb * 1_000_000)
        self._busy = busy
        self._crew = Crew()
        self._loop = asyncio.get_running_loop()
        self._look = asyncio.Event()
        self._asked = asyncio.Event()
        self._adopted_at = float("-inf")
        # One at a time: two that fetch the same recording would write into one file.
        self._fetching = asyncio.Lock()
        # Requests ask from threads: what is wanted, and how much of it has come, from 0 to 1.
        self._lock = threading.Lock()
        self._wanted: dict[str, float] = {}
        self._failed: dict[str, str] = {}
        self.waiting = 0
        self.trouble = ""

    async def __aenter__(self) -> Self:
        await self._crew.__aenter__()
        self._crew.spawn("uploads to the object storage", self._keep())
        self._crew.spawn("fetching from the object storage", self._fetch_wanted())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._copies.stop()
        await self._crew.__aexit__(kind, error, trace)

    def changed(self) -> None:
        """Some lecture's file has changed: look now."""
        self._look.set()

    def fetching(self, lecture_id: str) -> RecordingError | None:
        """What to answer who wants a recording whose file is not here: that it is being fetched
        (``recording_fetching``); None if it is not in the storage either. From any thread.
        """
        if not self._copies.is_remote_only(lecture_id):
            return None
        with self._lock:
            failed = self._failed.pop(lecture_id, "")
            if lecture_id not in self._wanted and len(self._wanted) >= WANTED_AT_ONCE:
                return RecordingError("recording_fetching", "Many recordings are being fetched; try again in a minute.")
            done = self._wanted.setdefault(lecture_id, 0.0)
        self._loop.call_soon_threadsafe(self._asked.set)
        text = f"The recording is being fetched from the object storage ({done:.0%}); try again in a moment."
        return RecordingError("recording_fetching", f"{failed} It is tried again." if failed else text)

    async def fetch(self, lecture_id: str) -> None:
        """Have a lecture's file here.

        :raises RecordingError: as :meth:`recordings.remote_copies.RemoteCopies.fetch`.
        """

        def progress(done: int, total: int) -> None:
            with self._lock:
                if lecture_id in self._wanted:
                    self._wanted[lecture_id] = done / total

        async with self._fetching:
            await asyncio.to_thread(self._copies.fetch, lecture_id, progress)
        self.changed()

    async def _fetch_wanted(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            while self._wanted:
                lecture_id = next(iter(self._wanted))
                failed = ""
                try:
                    await self.fetch(lecture_id)
                except (HallcastError, OSError) as error:
                    failed = getattr(error, "text", str(error))
                    log.warning("%s cannot be fetched: %s", lecture_id, failed)
                except Exception:  # whatever one brings, the next one is fetched
                    failed = "It could not be fetched; the relay's log says why."
                    log.exception("%s cannot be fetched", lecture_id)
                with self._lock:
                    del self._wanted[lecture_id]
                    if failed:
                        # Told once, to who asks next; of those whom nobody asks for again the oldest are forgotten.
                        self._failed[lecture_id] = failed
                        for old in list(self._failed)[:-WANTED_AT_ONCE]:
                            del self._failed[old]

    async def _keep(self) -> None:
        wait_s = RETRY_S
        while True:
            self._look.clear()
            try:
                await self._round()
            except (HallcastError, OSError) as error:
                text = getattr(error, "text", str(error))
                if text != self.trouble:
                    log.warning("the object storage waits: %s", text)
                self.trouble = text
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, RETRY_MOST_S)
                continue
            except Exception:  # whatever it meets, there is another round
                log.exception("a round of uploads failed")
            self.trouble, wait_s = "", RETRY_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._look.wait()

    async def _round(self) -> None:
        waiting = await asyncio.to_thread(self._copies.waiting)
        self.waiting = len(waiting)
        if time.monotonic() - self._adopted_at > ADOPT_S:
            for lecture_id in await asyncio.to_thread(self._copies.adopt):
                with _told(lecture_id):
                    await self.fetch(lecture_id)
                await self._drop()
            self._adopted_at = time.monotonic()
        for lecture_id in waiting:
            with _told(lecture_id):
                if self._directory.get(lecture_id) is not None or not await self._is_sound(lecture_id):
                    continue
                if await asyncio.to_thread(self._copies.upload, lecture_id):
                    self.waiting -= 1
                    log.info("%s lies in the object storage", lecture_id)
        await self._drop()

    async def _drop(self) -> None:
        if not self._local_bytes:
            return
        for lecture_id in await asyncio.to_thread(self._copies.droppable, self._local_bytes):
            if not await asyncio.to_thread(self._copies.is_safe, lecture_id):
                continue
            async with self._busy, self._directory.kept_closed(lecture_id) as closed:
                if closed:
                    await asyncio.to_thread(self._copies.drop, lecture_id)
                    log.info("%s lies in the object storage alone", lecture_id)


@contextlib.contextmanager
def _told(lecture_id: str) -> Iterator[None]:
    """What is wrong with one recording is logged, and hinders no other; a storage that is away hinders all."""
    try:
        yield
    except (HallcastError, OSError) as error:
        if isinstance(error, HallcastError) and error.error_id == "storage_unavailable":
            raise
        log.warning("%s: %s", lecture_id, getattr(error, "text", error))
