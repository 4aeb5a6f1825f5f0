"""One program writes a lecture file at a time: a lock beside the file, released by the system when its owner dies."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from lecture.errors import LectureFileError


class WriterLock:
    """Held from creation to :meth:`release`.

    :raises LectureFileError: ``file_busy`` if another writer has it, ``file_unwritable``.
    """

    def __init__(self, path: Path) -> None:
        self._path = lock_of(path)
        self._handle: int | None = None
        while self._handle is None:
            try:
                handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            except PermissionError as error:
                raise LectureFileError(
                    "file_unwritable", f"{path.name} cannot be written: {error.strerror}."
                ) from error
            except OSError as error:
                # A full disk may lack room even for an empty file: the lecture goes on without a lock.
                if path.parent.is_dir() and not os.access(path.parent, os.W_OK):
                    raise _unwritable(path, error) from error
                return
            if not locked(handle):
                os.close(handle)
                raise LectureFileError(
                    "file_busy", f"{path.name} is being written by another program. Wait until it has finished."
                )
            # Its former owner may have removed the file between our opening and our locking it.
            if self._is_at_its_place(handle):
                self._handle = handle
            else:
                os.close(handle)

    def release(self) -> None:
        """Let others write. Doing so twice is harmless."""
        if self._handle is None:
            return
        handle, self._handle = self._handle, None
        if sys.platform == "win32":
            os.close(handle)
        with contextlib.suppress(OSError):
            self._path.unlink()
        if sys.platform != "win32":
            os.close(handle)

    def _is_at_its_place(self, handle: int) -> bool:
        try:
            return os.path.samestat(os.fstat(handle), os.stat(self._path))
        except OSError:
            return False


def lock_of(path: Path) -> Path:
    """What lies beside a file while somebody has it open for writing."""
    return path.with_name(path.name + "-lock")


def _unwritable(path: Path, error: OSError) -> LectureFileError:
    return LectureFileError("file_unwritable", f"{path.name} cannot be written: {error.strerror}.")


if sys.platform == "win32":
    import msvcrt

    def locked(handle: int) -> bool:
        """Lock an open file for this process alone; False if another has it."""
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def locked(handle: int) -> bool:
        """Lock an open file for this process alone; False if another has it."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # some network file systems have no locks; SQLite still keeps the file whole
        return True
