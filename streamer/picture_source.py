"""Where moving pictures come from: a film (looped) or a device, read by FFmpeg."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import av

from streamer.devices import Source
from streamer.errors import StreamError


class PictureSource:
    """A film, a camera or a screen (blocks on opening).

    :param name: as the lecturer gave it.
    :param what: ``camera`` or ``screen``; errors are named after it.
    :raises StreamError: ``camera_unreadable``, ``screen_unreadable``.
    """

    def __init__(self, name: str, source: Source, *, what: str, pictures_per_s: float) -> None:
        self._name = name
        self._source = source
        self._what = what
        self._every_s = 1 / pictures_per_s
        self.live = source.live
        self._container = self._open()

    def _open(self) -> Any:
        source = self._source
        try:
            container = av.open(source.file, format=source.format or None, options=source.options)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise self._unreadable(f"The {self._what} {self._name} cannot be opened: {reason}.") from error
        if not container.streams.video:
            container.close()
            raise self._unreadable(f"There is no picture in {self._name}.")
        container.streams.video[0].thread_type = "NONE"  # a few pictures a second are not worth more threads
        return container

    def pictures(self, stop: threading.Event) -> Iterator[Any]:
        """Pictures as PyAV frames, not more often than is wanted, each when it is due; a film begins again at its end.

        :raises StreamError: ``camera_unreadable``, ``screen_unreadable`` if the device fails.
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
                    next_s = max(next_s + self._every_s, now - self._every_s)
                    shown += 1
                    yield frame
                if self._source.live or not shown:
                    raise self._unreadable(f"The {self._what} {self._name} gives no more pictures.")
                self._container.seek(0)
        except (OSError, ValueError) as error:
            raise self._unreadable(f"The {self._what} {self._name} broke off: {error}.") from error

    def close(self) -> None:
        """Free the source."""
        self._container.close()

    def _unreadable(self, text: str) -> StreamError:
        return StreamError(f"{self._what}_unreadable", text)
