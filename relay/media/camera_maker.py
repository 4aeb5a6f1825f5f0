"""Makes the camera's rungs in a thread: decodes each picture once, encodes it once for each rung that is taken."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from av.video.frame import VideoFrame

from lecture.entries import EncodedFrame, Flag
from relay.media.camera_coder import CameraDecoder, CoderError, RungEncoder
from relay.media.camera_rungs import KEYFRAME_EVERY_MS, PACKET_BYTES, Feed, RungPace, rung_of
from transport.rtp import MalformedPacket
from transport.video import Packetiser

logger = logging.getLogger("hallcast.camera")

MAX_WAITING = 120
"""Coded pictures that wait for the thread; beyond it all are dropped until the next keyframe."""

BEHIND_MS = 1_000
"""A machine too slow for the rungs leaves pictures out that are older than this behind the newest."""

LINGER_S = 30.0
"""A rung that nobody takes for a while (a page goes first) is taken again soon: until then decoding goes on, which
costs little and spares the publisher a keyframe."""

TRY_AGAIN_MS = 10_000
"""A rung that could not be made of a picture is tried again after so long."""


@dataclass(frozen=True, slots=True)
class MadePicture:
    """One picture of a rung, packetised once for all who take it.

    :param t_ms: lecture time.
    """

    feed: Feed
    t_ms: int
    payloads: tuple[bytes, ...]
    keyframe: bool


class CameraMaker:
    """The rungs of one lecture's camera. Its thread lives while rungs are taken.

    Methods are for the event loop's thread unless said otherwise; none of them waits for the worker.

    :param deliver: gets each picture and ``now``, in the event loop.
    """

    def __init__(self, deliver: Callable[[MadePicture, float], None]) -> None:
        self._deliver = deliver
        self._worker: _Worker | None = None
        self._retired: list[_Worker] = []
        self._idle_since: float | None = None
        self._feeds: frozenset[Feed] = frozenset()

    @property
    def waiting(self) -> int:
        """Coded pictures that the thread has not come to yet."""
        return 0 if self._worker is None else self._worker.waiting

    @property
    def wants_keyframe(self) -> bool:
        """Whether nothing can be made before the publisher's next keyframe."""
        return self._worker is not None and bool(self._feeds) and self._worker.wants_keyframe

    def want(self, feeds: frozenset[Feed], now: float) -> None:
        """Make these rungs from now on; call it a few times a second."""
        if feeds:
            self._idle_since = None
            if self._worker is None:
                self._retired = [worker for worker in self._retired if worker.is_alive()]
                self._worker = _Worker(asyncio.get_running_loop(), self._deliver)
                self._worker.start()
        elif self._worker is not None:
            self._idle_since = now if self._idle_since is None else self._idle_since
            if now - self._idle_since > LINGER_S:
                self.stop()
        if feeds != self._feeds:
            self._feeds = feeds
            if self._worker is not None:
                self._worker.want(feeds)

    def request_keyframe(self, feed: Feed) -> None:
        """Begin anew with the next picture of a rung, unless it did so a few seconds ago."""
        if self._worker is not None:
            self._worker.request_keyframe(feed)

    def push(self, codec: str, frame: EncodedFrame) -> None:
        """Take the camera's next coded picture; does nothing while no rung is taken."""
        if self._worker is not None:
            self._worker.push(codec, frame)

    def stop(self) -> None:
        """Let the thread end soon; rungs may be wanted again later. Idempotent."""
        if self._worker is not None:
            self._worker.stop()
            self._retired.append(self._worker)
            self._worker = None
            self._feeds = frozenset()
            self._idle_since = None

    def join(self) -> None:
        """Wait until the threads have ended, after :meth:`stop`. Blocks: call it in a thread."""
        for worker in self._retired:
            worker.join()


class _Rung:
    """One rung being made."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.rung = rung_of(feed)
        self.keyframe_ms: int | None = None
        self.wants_keyframe = True
        self._pace = RungPace(self.rung)
        self._encoder: RungEncoder | None = None
        self._packetiser = Packetiser(feed.codec, max_payload_bytes=self.rung.payload_bytes)

    def make(self, picture: VideoFrame, t_ms: int) -> MadePicture | None:
        """Encode a picture, if it is one of this rung's.

        :raises CoderError: if it cannot be encoded.
        """
        if not self._pace.takes(t_ms):
            return None
        size = picture.width, picture.height
        if self._encoder is None or self._encoder.source_size != size:
            self.close()
            self._encoder = RungEncoder(self.feed.codec, self.rung, *size)
        due = self.keyframe_ms is None or not 0 <= t_ms - self.keyframe_ms < KEYFRAME_EVERY_MS
        coded = self._encoder.encode(picture, keyframe=self.wants_keyframe and due)
        if coded is None:
            return None
        try:
            payloads = tuple(self._packetiser.packetise(coded.data))
        except MalformedPacket as error:
            raise CoderError(str(error)) from error
        self._pace.spent(len(coded.data) + len(payloads) * PACKET_BYTES, t_ms)
        if coded.keyframe:
            self.keyframe_ms, self.wants_keyframe = t_ms, False
        return MadePicture(self.feed, t_ms, payloads, coded.keyframe)

    def close(self) -> None:
        if self._encoder is not None:
            self._encoder.close()
            self._encoder = None


class _Worker(threading.Thread):
    """Decodes and encodes. What other threads touch is under :attr:`_changed`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, deliver: Callable[[MadePicture, float], None]) -> None:
        super().__init__(name="hallcast-camera-rungs", daemon=True)
        self._loop = loop
        self._deliver = deliver
        self._changed = threading.Condition()
        self._waiting: deque[tuple[str, EncodedFrame]] = deque()
        self._newest_ms = 0
        self._wants_keyframe = True
        self._feeds: frozenset[Feed] = frozenset()
        self._asked: set[Feed] = set()
        self._stopped = False
        self._rungs: dict[Feed, _Rung] = {}
        self._given_up: dict[Feed, int] = {}  # with the lecture time at which it could not be made
        self._decoder: CameraDecoder | None = None
        self._codec = ""

    @property
    def wants_keyframe(self) -> bool:
        with self._changed:
            return self._wants_keyframe

    @property
    def waiting(self) -> int:
        with self._changed:
            return len(self._waiting)

    def want(self, feeds: frozenset[Feed]) -> None:
        with self._changed:
            self._feeds = feeds

    def request_keyframe(self, feed: Feed) -> None:
        with self._changed:
            self._asked.add(feed)

    def push(self, codec: str, frame: EncodedFrame) -> None:
        with self._changed:
            if len(self._waiting) >= MAX_WAITING:
                self._waiting.clear()
                self._wants_keyframe = True
            if self._wants_keyframe and not frame.flags & Flag.KEYFRAME:
                return
            self._wants_keyframe = False
            self._waiting.append((codec, frame))
            self._newest_ms = frame.t_ms
            self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def run(self) -> None:
        try:
            self._work()
        finally:
            self._keep(frozenset(), set(), 0)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._waiting)
                if self._stopped:
                    return
                codec, frame = self._waiting.popleft()
                newest_ms = self._newest_ms
                feeds = self._feeds
                asked, self._asked = self._asked, set()
            self._keep(feeds, asked, frame.t_ms)
            picture = self._decoded(codec, frame)
            if picture is not None and newest_ms - frame.t_ms <= BEHIND_MS:
                self._make(picture, frame.t_ms)

    def _hand_over(self, picture: MadePicture) -> None:
        self._deliver(picture, self._loop.time())

    def _keep(self, feeds: frozenset[Feed], asked: set[Feed], t_ms: int) -> None:
        for feed in self._rungs.keys() - feeds:
            self._rungs.pop(feed).close()
        for feed in [feed for feed, at_ms in self._given_up.items() if not 0 <= t_ms - at_ms < TRY_AGAIN_MS]:
            del self._given_up[feed]
        for feed in feeds - self._rungs.keys() - self._given_up.keys():
            self._rungs[feed] = _Rung(feed)
        for feed in asked & self._rungs.keys():
            self._rungs[feed].wants_keyframe = True

    def _decoded(self, codec: str, frame: EncodedFrame) -> VideoFrame | None:
        try:
            if self._decoder is None or (codec != self._codec and frame.flags & Flag.KEYFRAME):
                self._decoder, self._codec = CameraDecoder(codec), codec
            return self._decoder.decode(frame)
        except CoderError as error:
            logger.info("the camera's rungs begin anew: %s", error)
            self._decoder = None
            with self._changed:
                self._waiting.clear()
                self._wants_keyframe = True
            return None

    def _make(self, picture: VideoFrame, t_ms: int) -> None:
        for feed, rung in self._rungs.items():
            try:
                made = rung.make(picture, t_ms)
            except CoderError as error:
                logger.error("the camera's rung of %d kbit/s cannot be made: %s", feed.kbps, error)
                self._given_up[feed] = t_ms
                continue
            if made is not None:
                self._loop.call_soon_threadsafe(self._hand_over, made)
        for feed in self._given_up.keys() & self._rungs.keys():
            self._rungs.pop(feed).close()
