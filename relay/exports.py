"""Exports that staff have asked for: one is made at a time, in a process of the lowest priority; files stay a while.

Jobs live as long as the relay: what was being made or waited is gone with it, and its files with the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from lecture.errors import HallcastError, RefusedError
from recordings.errors import RecordingError
from recordings.export_order import ExportOrder, file_name
from recordings.export_process import export_in_child
from recordings.library import Library

log = logging.getLogger("hallcast.exports")

MAX_WAITING = 16
"""Exports that wait for their turn; more are refused."""
MAX_JOBS = 200
"""Jobs that are remembered; beyond it the oldest that is over is forgotten, and its file removed."""
_SWEEP_EVERY_S = 60.0

JobState = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """``[exports]``: how long exported files stay to be fetched.

    :param keep_hours: a file is removed after so long.
    :param keep_mb: all of them together; beyond it the oldest is removed. The newest always stays.
    """

    keep_hours: float = 24.0
    keep_mb: int = 20_000


@dataclass(slots=True)
class ExportJob:
    """One export.

    :param ticket: lets a browser fetch the file without a token: links cannot carry one.
    :param revision: of the recording when it was asked for.
    :param done_ms: lecture time that has been written, of ``of_ms`` (0: not known yet).
    :param error: why it failed.
    :param ended_s: when it was over, monotonic.
    """

    job_id: str
    lecture_id: str
    order: ExportOrder
    path: Path
    recording: Path
    revision: str
    ticket: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    state: JobState = "waiting"
    done_ms: int = 0
    of_ms: int = 0
    size_bytes: int = 0
    error: HallcastError | None = None
    ended_s: float = 0.0

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("done", "failed")

    def progressed(self, done_ms: int, of_ms: int) -> None:
        """So much has been written."""
        self.done_ms, self.of_ms = done_ms, of_ms


class Exports:
    """All exports of a relay. Use it within ``async with``; leaving ends the one that is being made."""

    def __init__(self, library: Library, folder: Path, settings: ExportSettings) -> None:
        self._library = library
        self._folder = folder
        self._settings = settings
        self._jobs: dict[str, ExportJob] = {}
        self._asked = asyncio.Event()
        self._making: tuple[ExportJob, asyncio.Task[None]] | None = None
        self._owner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        self._owner = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owner is not None:
            self._owner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._owner

    async def start(self, lecture_id: str, order: ExportOrder) -> ExportJob:
        """Ask for an export. One that has been asked for already, of the same recording, is given again.

        :raises RefusedError: ``exports_full`` (503).
        :raises RecordingError: ``recording_unknown``, ``voice_missing``.
        """
        recording, revision = await asyncio.to_thread(self._look, lecture_id, order)
        for job in self._jobs.values():
            known = (job.lecture_id, job.order, job.revision) == (lecture_id, order, revision)
            if known and job.state != "failed":
                return job
        if sum(job.state == "waiting" for job in self._jobs.values()) >= MAX_WAITING:
            raise RefusedError("exports_full", "Many exports are waiting already; try again later.", 503)
        job_id = secrets.token_hex(8)
        path = self._folder / job_id / file_name(lecture_id, order)
        job = ExportJob(job_id, lecture_id, order, path, recording, revision)
        self._jobs[job_id] = job
        self._asked.set()
        return job

    def jobs(self, lecture_id: str) -> list[ExportJob]:
        """The exports of a lecture, newest first."""
        return [job for job in reversed(self._jobs.values()) if job.lecture_id == lecture_id]

    def get(self, lecture_id: str, job_id: str) -> ExportJob:
        """One of them.

        :raises RefusedError: ``export_unknown`` (404).
        """
        job = self._jobs.get(job_id)
        if job is None or job.lecture_id != lecture_id:
            raise RefusedError("export_unknown", "There is no such export; it may have been removed by now.", 404)
        return job

    async def remove(self, job: ExportJob) -> None:
        """Cancel an export, or remove the file that it has made."""
        self._jobs.pop(job.job_id, None)
        if self._making is not None and self._making[0] is job:
            self._making[1].cancel()
            await asyncio.wait({self._making[1]})
        await asyncio.to_thread(shutil.rmtree, job.path.parent, ignore_errors=True)

    async def forget(self, lecture_id: str) -> None:
        """The lecture was deleted: nothing of it is given out any more."""
        for job in self.jobs(lecture_id):
            await self.remove(job)

    def _look(self, lecture_id: str, order: ExportOrder) -> tuple[Path, str]:
        with self._library.open(lecture_id) as recording:
            if order.language and order.language not in recording.languages():
                raise RecordingError("voice_missing", "This recording has no voice in that language.")
            return recording.path, recording.revision

    async def _run(self) -> None:
        while True:
            await self._sweep()
            job = next((job for job in self._jobs.values() if job.state == "waiting"), None)
            if job is None:
                self._asked.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_SWEEP_EVERY_S):
                        await self._asked.wait()
                continue
            making = asyncio.create_task(self._make(job))
            self._making = job, making
            try:
                await asyncio.wait({making})
            except asyncio.CancelledError:
                making.cancel()
                await asyncio.wait({making})
                raise
            finally:
                self._making = None

    async def _make(self, job: ExportJob) -> None:
        job.state = "running"
        try:
            await asyncio.to_thread(job.path.parent.mkdir, parents=True, exist_ok=True)
            await export_in_child(job.recording, job.order, job.path, progress=job.progressed)
            job.size_bytes = (await asyncio.to_thread(job.path.stat)).st_size
            job.state = "done"
        except HallcastError as error:
            job.error = error
        except Exception:  # whatever one export meets, the next one shall have its turn
            log.exception("an export of lecture %s failed", job.lecture_id)
            job.error = RecordingError("export_failed", "The export could not be made; the relay's log says why.")
        finally:
            job.ended_s = time.monotonic()
            if job.state != "done":
                job.state = "failed"
                await asyncio.to_thread(shutil.rmtree, job.path.parent, ignore_errors=True)

    async def _sweep(self) -> None:
        """Remove what is too old or too much."""
        over = sorted((job for job in self._jobs.values() if job.over), key=lambda job: job.ended_s)
        oldest_s = time.monotonic() - self._settings.keep_hours * 3600
        kept_bytes = sum(job.size_bytes for job in over)
        for job in over:
            too_much = kept_bytes > self._settings.keep_mb * 1_000_000 and job is not over[-1]
            if job.ended_s < oldest_s or too_much or len(self._jobs) > MAX_JOBS:
                kept_bytes -= job.size_bytes
                await self.remove(job)
