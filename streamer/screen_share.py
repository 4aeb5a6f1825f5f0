"""Shares a screen: captures and codes it in a thread, while the lecturer wants it shared."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from lecture.screen import ScreenUpdate, pack_update
from streamer.camera_source import fit
from streamer.devices import screen_source
from streamer.errors import StreamError
from streamer.picture_source import PictureSource
from streamer.screen_coder import FILM, ScreenCoder
from streamer.source_thread import in_loop, run_in_thread

MAX_WIDTH, MAX_HEIGHT = 1920, 1080
"""Larger screens are scaled down: no projector in a hall shows more."""
PICTURES_PER_S = 5.0
REOPEN_S = 3.0


@dataclass(frozen=True, slots=True)
class CodedScreen:
    """One update; ``at_ms`` is the stream time of its picture."""

    at_ms: int
    data: bytes
    whole: bool


class ScreenShare:
    """The lecturer's screen. Made by :meth:`open`; :meth:`run` shares it until cancelled.

    :param on_update: gets each update, in the event loop.
    :ivar shared: whether it is being shared.
    :ivar updates: how many there were; ``update_bytes``: their size.
    """

    def __init__(
        self, text: str, source: PictureSource, on_update: Callable[[CodedScreen], None], say: Callable[[str], None]
    ) -> None:
        self.shared = True
        self.updates = 0
        self.update_bytes = 0
        self._text = text
        self._source = source
        self._on_update = on_update
        self._say = say
        self._anew = threading.Event()

    @classmethod
    async def open(
        cls, text: str, *, on_update: Callable[[CodedScreen], None], say: Callable[[str], None]
    ) -> ScreenShare | None:
        """Open what ``--screen`` names; None for ``none``.

        :raises StreamError: ``screen_unreadable``.
        """
        if text == "none":
            return None
        return cls(text, await asyncio.to_thread(_opened, text), on_update, say)

    def close(self) -> None:
        """Free a screen that was never shared; one that was has been freed."""
        self._source.close()

    def toggle(self) -> None:
        """Stop sharing, or share again."""
        self.shared = not self.shared
        self._say("The screen is shown in the halls." if self.shared else "The halls see the slides again.")

    def begin_anew(self) -> None:
        """The relay does not have what was sent before: the next update shall need nothing before it."""
        self._anew.set()

    async def run(self, start_s: float) -> None:
        """Share until cancelled; a screen that cannot be read any more is tried again.

        :param start_s: ``time.monotonic()`` at stream time 0.
        """
        emit = in_loop(self._take)
        while True:
            source = self._source

            def run(stop: threading.Event, source: PictureSource = source) -> None:
                self._pump(source, start_s, emit, stop)

            try:
                await run_in_thread("hallcast-screen", run)
            except StreamError as error:
                self._say(f"{error.text} The lecture goes on without the screen.")
                if not source.live:
                    return
            self._source = await self._reopened()

    async def _reopened(self) -> PictureSource:
        while True:
            await asyncio.sleep(REOPEN_S)
            try:
                return await asyncio.to_thread(_opened, self._text)
            except StreamError:
                continue

    def _pump(
        self, source: PictureSource, start_s: float, emit: Callable[[CodedScreen], None], stop: threading.Event
    ) -> None:
        """Capture, code and ``emit`` until ``stop`` is set. Blocks; runs in a thread."""
        coder: ScreenCoder | None = None

        def give(update: ScreenUpdate | None) -> None:
            if update is not None:
                emit(CodedScreen(at_ms, pack_update(update), update.is_whole))

        at_ms = 0
        try:
            for picture in source.pictures(stop):
                at_ms = max(at_ms + 1, round((time.monotonic() - start_s) * 1000))
                if not self.shared:
                    if coder is not None:
                        give(coder.stop())
                    coder = None
                    continue
                if coder is None:
                    coder = ScreenCoder(secrets.randbits(31) + 1, None if source.live else FILM)
                if self._anew.is_set():
                    self._anew.clear()
                    coder.begin_anew()
                width, height = fit(picture.width, picture.height, MAX_WIDTH, MAX_HEIGHT)
                give(coder.picture(picture.to_ndarray(format="rgb24", width=width, height=height), at_ms))
        finally:
            if coder is not None:
                give(coder.stop())
            source.close()

    def _take(self, update: CodedScreen) -> None:
        self.updates += 1
        self.update_bytes += len(update.data)
        self._on_update(update)


def _opened(text: str) -> PictureSource:
    return PictureSource(text, screen_source(text), what="screen", pictures_per_s=PICTURES_PER_S)
