"""Object storage that speaks S3: lecture files by key, whole and verified. Blocking: call it off the event loop.

An object takes its place only when every byte has arrived, and what was there before stays until then. Its SHA-256
stands in its metadata. Credentials come from the environment (``AWS_ACCESS_KEY_ID`` and so on) alone.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from lecture.lock import locked
from lecture.schema import clear_wal
from recordings.errors import RecordingError
from recordings.files import sha256_of

if TYPE_CHECKING:
    from recordings.retention import LibrarySettings

PIECE_BYTES = 5 << 20
"""What one request carries; the least that S3 takes as a part."""
_READ_BYTES = 1 << 20
_RETRIES, _RETRY_FOR = 2, timedelta(seconds=15)
_SHA256 = "sha256"

Bytes = Callable[[int, int], None]
"""Told how many bytes of how many have come."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """An object.

    :param sha256: of its content in hex, as its uploader told; empty if somebody else put it there.
    """

    key: str
    file_bytes: int
    sha256: str


class RemoteStore:
    """A bucket, or what lies under a prefix of it."""

    def __init__(self, settings: LibrarySettings) -> None:
        """Opens no connection yet.

        :raises RecordingError: ``storage_invalid``: the settings cannot be used, or the extra ``s3`` is not installed.
        """
        url = urlsplit(settings.storage_url)
        if url.scheme != "s3" or not url.netloc or "@" in url.netloc or url.query:
            raise RecordingError(
                "storage_invalid",
                "library.storage_url must be s3://bucket or s3://bucket/prefix; keys belong in the environment "
                "(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY).",
            )
        try:
            import obstore
            from obstore.exceptions import BaseError
            from obstore.store import S3Store
        except ImportError:
            raise RecordingError("storage_invalid", "library.storage_url needs the extra hallcast[s3].") from None
        self._stopped = threading.Event()
        self._ops, self._failures = obstore, (BaseError, OSError)
        where = {"endpoint": settings.storage_endpoint, "region": settings.storage_region}
        try:
            self._bucket = S3Store(
                url.netloc,
                prefix=url.path.strip("/") or None,
                config={name: value for name, value in where.items() if value},  # type: ignore[arg-type]
                client_options={
                    "allow_http": settings.storage_allow_http,
                    "connect_timeout": timedelta(seconds=5),
                    "timeout": timedelta(seconds=120),
                },
                retry_config={"max_retries": _RETRIES, "retry_timeout": _RETRY_FOR},
            )
        except BaseError as error:
            raise RecordingError("storage_invalid", f"The object storage cannot be used: {_short(error)}") from error

    def list(self, folder: str) -> dict[str, int]:
        """Sizes in bytes of the objects of a folder, by their names within it.

        :raises RecordingError: ``storage_unavailable``.
        """
        with self._told():
            objects = [one for page in self._ops.list(self._bucket, prefix=folder) for one in page]
        return {one["path"].removeprefix(f"{folder}/"): one["size"] for one in objects}

    def find(self, key: str) -> RemoteFile | None:
        """What is known of an object, None if there is none.

        :raises RecordingError: ``storage_unavailable``.
        """
        with self._told():
            try:
                found = self._ops.get(self._bucket, key, options={"head": True})
            except FileNotFoundError:
                return None
            return RemoteFile(key, found.meta["size"], str(found.attributes.get(_SHA256, "")))

    def upload(self, path: Path, key: str) -> RemoteFile:
        """Have a file under a key; one that is there already as it is costs no upload.

        :raises RecordingError: ``storage_unavailable``; ``upload_broken``: the file changed meanwhile, or what arrived
            is not what was sent. An object that was there before is there still.
        :raises OSError: the file cannot be read.
        """
        wanted = RemoteFile(key, path.stat().st_size, sha256_of(path))
        if self.find(key) == wanted:
            return wanted
        with self._told():
            # One piece at a time: the line is the lectures' first.
            self._ops.put(
                self._bucket,
                key,
                self._pieces(path, wanted),
                attributes={_SHA256: wanted.sha256},
                use_multipart=True,
                chunk_size=PIECE_BYTES,
                max_concurrency=1,
            )
        if self.find(key) != wanted:
            raise RecordingError("upload_broken", f"{path.name} did not arrive in the object storage as it was sent.")
        return wanted

    def download(self, file: RemoteFile, target: Path, partial: Path, progress: Bytes) -> None:
        """Fetch an object as ``target``, which is there whole or not at all.

        :param partial: what has come so far; a download that was broken off goes on from there. One that another
            program has finished meanwhile is done.
        :raises RecordingError: ``storage_unavailable``; ``copy_damaged``: it is not what was once uploaded;
            ``recording_fetching``: another program fetches it just now.
        :raises OSError: the file cannot be written.
        """
        partial.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(partial) as out:
            if target.exists():
                partial.unlink()
                return
            while (have := out.tell()) < file.file_bytes:
                self._check_stopped()
                progress(have, file.file_bytes)
                end = min(have + PIECE_BYTES, file.file_bytes)
                with self._told():
                    out.write(self._ops.get_range(self._bucket, file.key, start=have, end=end))
            out.flush()
            os.fsync(out.fileno())
            if partial.stat().st_size != file.file_bytes or (file.sha256 and sha256_of(partial) != file.sha256):
                partial.unlink()
                raise RecordingError("copy_damaged", "Its copy in the object storage is damaged.")
            target.parent.mkdir(mode=0o700, exist_ok=True)
            clear_wal(target)
            os.replace(partial, target)

    def move(self, key: str, to: str) -> None:
        """Have an object under another key; broken off, it is under both or the first.

        :raises RecordingError: ``storage_unavailable``.
        """
        with self._told():
            self._ops.copy(self._bucket, key, to)
            self._ops.delete(self._bucket, key)

    def delete(self, key: str) -> None:
        """Remove an object; there need be none.

        :raises RecordingError: ``storage_unavailable``.
        """
        with self._told():
            self._ops.delete(self._bucket, key)

    def stop(self) -> None:
        """Break off what is under way, from any thread; what has come of a download stays for the next."""
        self._stopped.set()

    def _pieces(self, path: Path, wanted: RemoteFile) -> Iterator[bytes]:
        """A file's content; fails at its end, before the upload is complete, if it is not what was announced."""
        seen = hashlib.sha256()
        with path.open("rb") as file:
            while data := file.read(_READ_BYTES):
                self._check_stopped()
                seen.update(data)
                yield data
        if seen.hexdigest() != wanted.sha256:
            raise RecordingError("upload_broken", f"{path.name} changed while it was uploaded.")

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise RecordingError("storage_unavailable", "The traffic with the object storage was stopped.")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except RecordingError:
            raise
        except self._failures as error:
            raise RecordingError(
                "storage_unavailable", f"The object storage does not do its work: {_short(error)}"
            ) from error


@contextmanager
def _alone(partial: Path) -> Iterator[BinaryIO]:
    """A file opened for append that no other program appends to meanwhile.

    :raises RecordingError: ``recording_fetching``.
    """
    with partial.open("ab") as out:
        if not locked(out.fileno()) or not _is_at(out, partial):
            raise RecordingError("recording_fetching", "Another program fetches this recording just now; try again.")
        yield out


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether an open file still has its name: who had it locked may have given it its final one just now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _short(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
