"""Coded camera pictures that wait until the voice that belongs to them is heard."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from lecture.entries import EncodedFrame, Flag

_MAX_FRAMES = 900
_MAX_BYTES = 8_000_000


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """One coded picture.

    :param codec: ``av1``, ``vp8``, ``h264`` or ``vp9``; may change from one picture to the next, at a keyframe.
    """

    codec: str
    frame: EncodedFrame


class CameraQueue:
    """Filled by the engine's thread, emptied by the window's. Bounded: when full it drops everything and begins anew
    at the next keyframe, since no picture decodes without those before it.

    :ivar received: pictures that came, shown or not.
    """

    def __init__(self) -> None:
        self.received = 0
        self._lock = threading.Lock()
        self._pictures: deque[CodedPicture] = deque()
        self._bytes = 0
        self._open = False
        self._wants_keyframe = True

    @property
    def wants_keyframe(self) -> bool:
        """Whether somebody looks and nothing can be shown before the next keyframe."""
        with self._lock:
            return self._open and self._wants_keyframe

    def open(self) -> None:
        """Somebody looks from now on."""
        with self._lock:
            self._open = True

    def close(self) -> None:
        """Nobody looks any more."""
        with self._lock:
            self._open = False
        self.restart()

    def restart(self) -> None:
        """Begin anew at the next keyframe."""
        with self._lock:
            self._pictures.clear()
            self._bytes = 0
            self._wants_keyframe = True

    def put(self, codec: str, frame: EncodedFrame) -> None:
        """Add the next picture."""
        self.received += 1
        with self._lock:
            if not self._open or (self._wants_keyframe and not frame.flags & Flag.KEYFRAME):
                return
            self._wants_keyframe = False
            self._pictures.append(CodedPicture(codec, frame))
            self._bytes += len(frame.data)
            full = len(self._pictures) > _MAX_FRAMES or self._bytes > _MAX_BYTES
        if full:
            self.restart()

    def due(self, heard_ms: int) -> list[CodedPicture]:
        """Take the pictures up to what is heard now, in order."""
        out = []
        with self._lock:
            while self._pictures and self._pictures[0].frame.t_ms <= heard_ms:
                picture = self._pictures.popleft()
                self._bytes -= len(picture.frame.data)
                out.append(picture)
        return out
