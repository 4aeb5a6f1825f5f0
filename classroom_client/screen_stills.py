"""The lecturer's shared screen in the hall: put together from parts, applied in order, each when its voice is heard.

No sockets, no clock. Everything is called in the event loop but :meth:`ScreenStills.apply`, which blocks for 20 ms.
"""

from __future__ import annotations

import logging
import struct
import zlib
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from lecture.decks import PageImage
from lecture.errors import ProtocolError
from lecture.screen import ScreenPosition, ScreenUpdate, parse_timed, parse_update
from lecture.screen_canvas import Pixels, ScreenCanvas
from lecture.wire import ScreenPartFrame
from transport import webp

log = logging.getLogger("hallcast.hall")

SCREEN_DECK = "screen"
"""Stands for a deck's id where a still is on the projector; the page is the still's number."""
_OPEN_UPDATES = 32
"""Incomplete updates, and complete ones that wait for another; beyond it the oldest goes."""
_WAITING_BYTES = 8_000_000
"""Of stills whose voice is not heard yet. Beyond it the oldest is shown early, so that none after it is lost."""
_PICTURES_KEPT = 3


@dataclass(frozen=True, slots=True)
class TimedUpdate:
    """An update, and the lecture time of its picture."""

    t_ms: int
    update: ScreenUpdate
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Still:
    """What is on the projector: ``image.digest`` names it."""

    t_ms: int
    image: PageImage


class ScreenStills:
    """One lecture's shared screen.

    :ivar still: what is to be shown instead of the page, None while no screen is shared.
    """

    def __init__(self) -> None:
        self.still: Still | None = None
        self._parts: OrderedDict[tuple[int, int], _Parts] = OrderedDict()
        self._complete: deque[tuple[int, int]] = deque(maxlen=2 * _OPEN_UPDATES)
        self._waiting: deque[TimedUpdate] = deque()
        self._waiting_bytes = 0
        self._early: dict[tuple[int, int], TimedUpdate] = {}  # by sharing and number
        self._received = ScreenPosition()
        self._canvas = ScreenCanvas(webp.decode)
        self._pictures: OrderedDict[str, Pixels] = OrderedDict()

    @property
    def have(self) -> tuple[int, int]:
        """The sharing, and the number up to which everything of it has come."""
        return self._received.share, self._received.number

    def part(self, frame: ScreenPartFrame) -> list[TimedUpdate]:
        """Take a part; returns the updates that are complete now and follow what came before, to be kept."""
        key = frame.number, frame.total
        if key in self._complete:
            return []
        parts = self._parts.setdefault(key, _Parts(frame.total))
        if len(self._parts) > _OPEN_UPDATES:
            self._parts.popitem(last=False)
        data = parts.add(frame)
        if data is None:
            return []
        del self._parts[key]
        self._complete.append(key)
        try:
            t_ms, raw = parse_timed(data)
            update = parse_update(raw)
        except ProtocolError as error:
            log.warning("an update of the screen is left out: %s", error.text)
            return []
        self._early[update.share, update.number] = TimedUpdate(t_ms, update, raw)
        return self._in_order()

    def disconnected(self) -> None:
        """What was under way will come from its beginning."""
        self._parts.clear()
        self._complete.clear()
        self._early.clear()

    def due(self, heard_ms: int) -> list[TimedUpdate]:
        """What is to be applied now that the voice of ``heard_ms`` is heard; the caller gives it to :meth:`apply`."""
        found: list[TimedUpdate] = []
        while self._waiting and (self._waiting[0].t_ms <= heard_ms or self._waiting_bytes > _WAITING_BYTES):
            found.append(self._waiting.popleft())
            self._waiting_bytes -= len(found[-1].data)
        return found

    def apply(self, updates: list[TimedUpdate]) -> None:
        """Apply updates, which changes :attr:`still`. May run in a thread, one call at a time."""
        for timed in updates:
            try:
                self._canvas.apply(timed.update)
            except ProtocolError as error:
                log.warning("an update of the screen is left out: %s", error.text)
        canvas = self._canvas.position
        if canvas.stopped or not canvas.share:
            self.still = None
            return
        digest = f"{SCREEN_DECK}-{canvas.share:08x}-{canvas.number}"
        self._pictures[digest] = self._canvas.pixels.copy()
        while len(self._pictures) > _PICTURES_KEPT:
            self._pictures.popitem(last=False)
        image = PageImage(SCREEN_DECK, canvas.number, 1, digest, "image/png", canvas.width, canvas.height, 0)
        self.still = Still(updates[-1].t_ms, image)

    def picture(self, digest: str) -> tuple[bytes, str] | None:
        """A still's bytes and media type, of the last few; may be called from any thread, blocks for some 50 ms."""
        pixels = self._pictures.get(digest)
        return None if pixels is None else (png_of(pixels), "image/png")

    def _in_order(self) -> list[TimedUpdate]:
        found: list[TimedUpdate] = []
        for key in sorted(self._early):
            timed = self._early[key]
            if self._received.takes(timed.update):
                self._received = self._received.after(timed.update)
                self._waiting.append(timed)
                self._waiting_bytes += len(timed.data)
                found.append(timed)
            elif timed.update.share != self._received.share or timed.update.number > self._received.number:
                continue  # one before it is still under way
            del self._early[key]
        while len(self._early) > _OPEN_UPDATES:
            del self._early[next(iter(self._early))]
        return found


class _Parts:
    """One update on its way."""

    def __init__(self, total: int) -> None:
        self._data = bytearray(total)
        self._missing = total
        self._offsets: set[int] = set()

    def add(self, frame: ScreenPartFrame) -> bytes | None:
        """Take a part; the whole once all of it is here. Parts begin at the same places however often they come."""
        if frame.offset in self._offsets:
            return None
        self._offsets.add(frame.offset)
        self._data[frame.offset : frame.offset + len(frame.data)] = frame.data
        self._missing -= len(frame.data)
        return None if self._missing > 0 else bytes(self._data)


def png_of(pixels: Pixels) -> bytes:
    """A picture as PNG (RFC 2083), quickly rather than small."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data)) for kind, data in chunks
    )
