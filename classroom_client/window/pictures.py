"""Decoding of pages and camera pictures, each in a thread of its own, so that the window never waits.

PyAV decodes both: it is there anyway for the camera, its libdav1d reads AVIF (a 1080p page in about 40 ms), and
pygame's SDL_image has no AVIF decoder; Pillow would be one more package to install in every hall.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import av

from classroom_client.camera_queue import CameraQueue, CodedPicture
from lecture.errors import LectureFileError

log = logging.getLogger("hallcast.hall")

_CAMERA_EVERY_S = 0.03
_DECODERS = {"av1": "libdav1d", "vp8": "vp8", "h264": "h264", "vp9": "vp9"}


@dataclass(frozen=True, slots=True)
class Raw:
    """A decoded picture.

    :param key: what it is a picture of.
    :param rgb: 8-bit RGB, rows without padding.
    """

    key: str
    width: int
    height: int
    rgb: bytes


def decode_page(data: bytes) -> av.VideoFrame:
    """Decode a still picture.

    :raises ValueError: it is none that can be read.
    """
    try:
        with av.open(io.BytesIO(data), mode="r") as container:
            for frame in container.decode(video=0):
                return frame
    except (av.FFmpegError, IndexError) as error:
        raise ValueError(f"unreadable picture: {error}") from error
    raise ValueError("no picture in it")


def to_raw(key: str, frame: av.VideoFrame, width: int, height: int) -> Raw:
    """Scale to this size and convert."""
    rgb = frame.reformat(width=width, height=height, format="rgb24", interpolation="LANCZOS")
    plane = rgb.planes[0]
    rows = memoryview(plane)
    if plane.line_size == width * 3:
        data = bytes(rows[: height * width * 3])
    else:
        data = b"".join(bytes(rows[y * plane.line_size : y * plane.line_size + width * 3]) for y in range(height))
    return Raw(key, width, height, data)


class _Worker:
    """A thread that works until it is left."""

    def __init__(self, name: str) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._wake()
        self._thread.join(5)

    def _wake(self) -> None:
        """Let the thread notice that it shall stop."""

    def _run(self) -> None:
        raise NotImplementedError


class PageDecoder(_Worker):
    """Decodes the page that is wanted now, in the size that is wanted now; an older wish is dropped.

    :param load: bytes and media type of a digest.
    :param place: how large a page of this size shall be on the screen.
    :ivar ready: the last page decoded.
    """

    def __init__(
        self,
        load: Callable[[str], tuple[bytes, str] | None],
        place: Callable[[int, int], tuple[int, int]],
    ) -> None:
        super().__init__("page decoder")
        self.ready: Raw | None = None
        self._load = load
        self._place = place
        self._changed = threading.Condition()
        self._wish = ""
        self._done = ""
        # Loaded last: when the window changes it is wanted again, and after the lecture the copy is closed.
        self._loaded = ("", b"")

    def want(self, digest: str, generation: int) -> None:
        """Decode this page; ``generation`` changes with the window's size."""
        with self._changed:
            self._wish = f"{digest} {generation}" if digest else ""
            self._changed.notify()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stop.is_set() or self._wish not in ("", self._done))
                if self._stop.is_set():
                    return
                wish = self._wish
            self._done = wish
            digest = wish.split()[0]
            try:
                if digest != self._loaded[0]:
                    found = self._load(digest)
                    if found is None:
                        continue
                    self._loaded = digest, found[0]
                frame = decode_page(self._loaded[1])
                self.ready = to_raw(digest, frame, *self._place(frame.width, frame.height))
            except (ValueError, LectureFileError) as error:
                log.warning("a page cannot be shown: %s", error)


class CameraDecoder(_Worker):
    """Decodes what is due by what is heard; keeps the newest picture only.

    :param heard_ms: lecture time that is heard now.
    :param place: how large a camera picture of this size shall be on the screen.
    :ivar latest: the newest picture; ``key`` is its lecture time.
    """

    def __init__(
        self,
        queue: CameraQueue,
        heard_ms: Callable[[], int | None],
        place: Callable[[int, int], tuple[int, int]],
    ) -> None:
        super().__init__("camera decoder")
        self.latest: Raw | None = None
        self._queue = queue
        self._heard_ms = heard_ms
        self._place = place
        self._codec = ""
        self._context: av.VideoCodecContext | None = None

    def _run(self) -> None:
        while not self._stop.wait(_CAMERA_EVERY_S):
            heard_ms = self._heard_ms()
            if heard_ms is not None:
                self._decode(self._queue.due(heard_ms))

    def _decode(self, pictures: list[CodedPicture]) -> None:
        newest: tuple[int, av.VideoFrame] | None = None
        try:
            for picture in pictures:
                context = self._context_for(picture.codec)
                for frame in context.decode(av.Packet(picture.frame.data)):
                    newest = (picture.frame.t_ms, frame)
        except (av.FFmpegError, ValueError) as error:
            log.info("the camera begins anew: %s", error)
            self._context = None
            self._queue.restart()
        if newest is not None:
            t_ms, frame = newest
            self.latest = to_raw(str(t_ms), frame, *self._place(frame.width, frame.height))

    def _context_for(self, codec: str) -> av.VideoCodecContext:
        if self._context is None or codec != self._codec:
            context = av.CodecContext.create(_DECODERS[codec], "r")
            if not isinstance(context, av.VideoCodecContext):
                raise ValueError(f"{codec} is no video codec")
            # One thread: frame threads would hold pictures back, and a small camera needs no more.
            context.thread_count = 1
            self._context, self._codec = context, codec
        return self._context


class Freshness:
    """Passes the newest picture on while it is fresh: an old face beside a live voice would mislead.

    :param stale_s: how long a picture is shown when none follows it.
    """

    def __init__(self, stale_s: float) -> None:
        self._stale_s = stale_s
        self._newest: Raw | None = None
        self._since = 0.0

    def look(self, picture: Raw | None, now: float) -> Raw | None:
        """The picture to show now, None for none; ``picture`` is the newest there is."""
        if picture is not self._newest:
            self._newest, self._since = picture, now
        return picture if now - self._since <= self._stale_s else None
