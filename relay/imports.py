"""Recordings that staff upload: pieces that come when the line allows, then one import at a time in a child process.

An upload lies in ``imports/{id}`` of the data folder and outlives the relay; what came of an import is remembered while
the relay runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Self

from lecture.checksum import SHA256_HEX
from lecture.errors import HallcastError, RefusedError
from recordings.errors import RecordingError
from recordings.files import sha256_of
from recordings.import_process import place_in_child, prepare_in_child
from recordings.importing import STALE_S, Imported, Prepared
from relay.librarian import Librarian
from relay.media.tasks import Crew
from relay.uploads import Upload, UploadState, find, fresh, make, write_at

log = logging.getLogger("hallcast.library")

MAX_UPLOADS = 8
"""Uploads that are not finished; more are refused."""
MAX_REMEMBERED = 100
"""Uploads that are over; beyond it the oldest is forgotten."""
GATHER_BYTES = 250_000
"""Bytes gathered before they are written, in a thread. A line that breaks loses none of them."""
PASSING = frozenset(
    {"disk_full", "file_busy", "import_interrupted", "lecture_live", "recording_fetching", "storage_unavailable"}
)
"""Errors that pass by themselves: the import is tried again, and nobody must send the file again over a thin line."""
RETRY_S = 30.0
_SWEEP_EVERY_S = 600.0
_ROOM_TO_GROW = 4
"""A recording may become so many times as large as the largest upload by merging."""
_MAX_NAME_CHARS = 200


class Imports:
    """All uploads of a relay. Use it within ``async with``; leaving ends the import that is under way."""

    def __init__(self, data_dir: Path, librarian: Librarian, import_mb: int) -> None:
        self._folder = data_dir / "imports"
        self._librarian = librarian
        self._most_bytes = import_mb * 1_000_000
        self._uploads: dict[str, Upload] = {}
        self._asked = asyncio.Event()
        self._importing: tuple[Upload, asyncio.Task[None]] | None = None
        self._crew = Crew()

    async def __aenter__(self) -> Self:
        self._uploads = {upload.upload_id: upload for upload in await asyncio.to_thread(find, self._folder)}
        await self._crew.__aenter__()
        self._crew.spawn("imports", self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._crew.__aexit__(kind, error, trace)

    async def begin(self, name: str, size_bytes: int, sha256: str, *, damaged: bool = False) -> Upload:
        """Announce a file. One that was begun already, and is not finished, is given again.

        :raises RefusedError: ``upload_invalid`` (422), ``import_too_large`` (413), ``imports_full`` (503),
            ``disk_full`` (507).
        """
        if not SHA256_HEX.fullmatch(sha256) or size_bytes < 1:
            text = "An upload needs its size in bytes and its SHA-256 in lower-case hex."
            raise RefusedError("upload_invalid", text, 422)
        if size_bytes > self._most_bytes:
            text = f"At most {self._most_bytes / 1e6:.0f} MB may be uploaded (library.import_mb)."
            raise RefusedError("import_too_large", text, 413)
        for upload in self._uploads.values():
            if (upload.sha256, upload.size_bytes, upload.damaged) == (sha256, size_bytes, damaged) and not upload.over:
                return upload
        going_on = [upload for upload in self._uploads.values() if not upload.over]
        if len(going_on) >= MAX_UPLOADS:
            raise RefusedError("imports_full", "Many files are being uploaded already; try again later.", 503)
        promised_bytes = sum(upload.size_bytes - upload.received_bytes for upload in going_on)
        upload_id = secrets.token_hex(8)
        upload = Upload(upload_id, self._folder / upload_id, name[:_MAX_NAME_CHARS], size_bytes, sha256, damaged)
        # At once, so that a second request for the same file finds it, and the room that it takes counts.
        self._uploads[upload_id] = upload
        try:
            await asyncio.to_thread(make, upload, promised_bytes)
        except BaseException:
            await self.remove(upload)
            raise
        return upload

    def uploads(self) -> list[Upload]:
        """All that are known, newest first."""
        return list(reversed(self._uploads.values()))

    def get(self, upload_id: str) -> Upload:
        """One of them.

        :raises RefusedError: ``upload_unknown`` (404).
        """
        upload = self._uploads.get(upload_id)
        if upload is None:
            raise RefusedError("upload_unknown", "There is no such upload; it may have been removed by now.", 404)
        return upload

    async def receive(self, upload: Upload, offset: int, pieces: AsyncIterator[bytes]) -> None:
        """Take a piece of the file. What came before its line broke is kept. A later call takes over from an earlier.

        :param offset: where it begins: as many bytes as are here.
        :raises RefusedError: ``upload_offset_wrong`` (409), ``upload_too_long`` (413), ``upload_complete`` (409),
            ``upload_taken_over`` (409), ``disk_full`` (507).
        """
        async with upload.lock:
            if upload.state != "receiving":
                raise RefusedError("upload_complete", "This file is here already.", 409)
            if offset != upload.received_bytes:
                text = f"{upload.received_bytes} bytes of this file are here: go on from there."
                raise RefusedError("upload_offset_wrong", text, 409)
            upload.turn += 1
            turn = upload.turn
        gathered = bytearray()
        try:
            async for piece in pieces:
                gathered += piece
                if len(gathered) >= GATHER_BYTES:
                    await self._append(upload, turn, gathered)
        finally:
            await self._append(upload, turn, gathered)

    async def _append(self, upload: Upload, turn: int, gathered: bytearray) -> None:
        if not gathered:
            return
        data = bytes(gathered)
        gathered.clear()
        async with upload.lock:
            if turn != upload.turn or upload.state != "receiving":
                raise RefusedError("upload_taken_over", "This file is being sent by another request now.", 409)
            if upload.received_bytes + len(data) > upload.size_bytes:
                raise RefusedError("upload_too_long", "There are more bytes than were announced.", 413)
            try:
                await asyncio.to_thread(write_at, upload.body, upload.received_bytes, data)
            except FileNotFoundError:
                raise RefusedError("upload_unknown", "This upload has been removed.", 404) from None
            except OSError as error:
                raise RefusedError("disk_full", "The relay's disk takes nothing now; go on later.", 507) from error
            upload.received_bytes += len(data)
            upload.touched_at = time.time()
            if upload.received_bytes == upload.size_bytes:
                upload.state = "waiting"
                self._asked.set()

    async def remove(self, upload: Upload) -> None:
        """Give an upload up, cancel its import, or forget what came of it. What is in the library stays there."""
        self._uploads.pop(upload.upload_id, None)
        upload.turn += 1
        if self._importing is not None and self._importing[0] is upload:
            self._importing[1].cancel()
            await asyncio.wait({self._importing[1]})
        await asyncio.to_thread(shutil.rmtree, upload.folder, ignore_errors=True)

    async def _run(self) -> None:
        while True:
            await self._sweep()
            waiting = [one for one in self._uploads.values() if one.state == "waiting"]
            upload = min(waiting, key=lambda one: one.retry_at_s, default=None)
            wait_s = upload.retry_at_s - time.monotonic() if upload is not None else _SWEEP_EVERY_S
            if upload is None or wait_s > 0:
                self._asked.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(wait_s, _SWEEP_EVERY_S)):
                        await self._asked.wait()
                continue
            importing = asyncio.create_task(self._import(upload))
            self._importing = upload, importing
            try:
                await asyncio.wait({importing})
            except asyncio.CancelledError:
                importing.cancel()
                await asyncio.wait({importing})
                raise
            finally:
                self._importing = None

    async def _import(self, upload: Upload) -> None:
        upload.state, upload.error = "importing", None
        upload.imported.clear()
        outcome: UploadState = "failed"
        try:
            if await asyncio.to_thread(sha256_of, upload.body) != upload.sha256:
                text = "What has arrived is not the file that was announced. Upload it again."
                raise RecordingError("upload_hash_wrong", text)
            work = upload.folder / "work"
            await asyncio.to_thread(fresh, work)
            found = await prepare_in_child(upload.body, work, most_bytes=self._most_bytes, damaged=upload.damaged)
            for prepared in found:
                upload.imported.append(await self._place(upload, prepared))
            outcome = "done"
        except HallcastError as error:
            upload.error = error
            if error.error_id in PASSING:
                outcome, upload.retry_at_s = "waiting", time.monotonic() + RETRY_S
        except Exception:  # whatever one import meets, the next one shall have its turn
            log.exception("an upload could not be imported")
            upload.error = RecordingError("import_failed", "The import could not be done; the relay's log says why.")
        finally:
            # Stopped with the relay, it begins anew with the next start.
            if outcome != "waiting" and not asyncio.current_task().cancelling():  # type: ignore[union-attr]
                upload.touched_at = time.time()
                await asyncio.to_thread(shutil.rmtree, upload.folder, ignore_errors=True)
            upload.state = outcome

    async def _place(self, upload: Upload, prepared: Prepared) -> Imported:
        async def place(target: Path) -> Imported:
            return await place_in_child(
                prepared, target, upload.progressed, most_bytes=_ROOM_TO_GROW * self._most_bytes
            )

        imported = await self._librarian.take(prepared.lecture_id, place)
        log.info("%s: imported, %s", imported.lecture_id, imported.result)
        return imported

    async def _sweep(self) -> None:
        """Remove what nobody finishes, and forget what is long over."""
        stale_at = time.time() - STALE_S
        over = [upload for upload in self._uploads.values() if upload.over]
        for upload in list(self._uploads.values()):
            stuck = upload.state == "receiving" or (upload.state == "waiting" and upload.error is not None)
            if upload.touched_at < stale_at and (upload.over or stuck):
                await self.remove(upload)
        for upload in over[: max(0, len(over) - MAX_REMEMBERED)]:
            await self.remove(upload)
