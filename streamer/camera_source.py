"""Where the camera's pictures come from: a film (looped) or a device."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import av

from streamer.devices import Source, camera_source
from streamer.errors import StreamError

MAX_WIDTH, MAX_HEIGHT = 640, 480
MAX_PICTURES_PER_S = 15


def fit(width: int, height: int) -> tuple[int, int]:
    """The size, even in both ways, to which a picture is scaled; never larger than it is."""
    scale = min(1.0, MAX_WIDTH / width, MAX_HEIGHT / height)
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)


class CameraSource:
    """A film or a camera, read by FFmpeg (blocks on opening).

    :raises StreamError: ``camera_unreadable``.
    """

    def __init__(self, text: str) -> None:
        self._name = text
        self._source: Source = camera_source(text)
        self.live = self._source.live
        self._container = self._open()

    def _open(self) -> Any:
        source = self._source
        try:
            container = av.open(source.file, format=source.format or None, options=source.options)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StreamError("camera_unreadable", f"The camera {self._name} cannot be opened: {reason}.") from error
        if not container.streams.video:
            container.close()
            raise StreamError("camera_unreadable", f"There is no picture in {self._name}.")
        container.streams.video[0].thread_type = "NONE"  # a small picture is not worth more threads
        return container

    def pictures(self, stop: threading.Event) -> Iterator[Any]:
        """Pictures as PyAV frames, at most 15 a second, each when it is due; a film begins again at its end.

        :raises StreamError: ``camera_unreadable`` if the device fails.
        """
        next_s = time.monotonic()
        try:
            while not stop.is_set():
                started_s: float | None = None
                shown = 0
                for frame in self._container.decode(video=0):
                    if not self._source.live:
                        at_s = float(frame.time or 0.0)
                        started_s = time.monotonic() - at_s if started_s is None else started_s
                        if stop.wait(max(0.0, started_s + at_s - time.monotonic())):
                            return
                    now = time.monotonic()
                    if stop.is_set():
                        return
                    if now < next_s - 0.01:
                        continue
                    next_s = max(next_s + 1 / MAX_PICTURES_PER_S, now - 1 / MAX_PICTURES_PER_S)
                    shown += 1
                    yield frame
                if self._source.live or not shown:
                    raise StreamError("camera_unreadable", f"The camera {self._name} gives no more pictures.")
                self._container.seek(0)
        except (OSError, ValueError) as error:
            raise StreamError("camera_unreadable", f"The camera {self._name} broke off: {error}.") from error

    def close(self) -> None:
        """Free the source."""
        self._container.close()
