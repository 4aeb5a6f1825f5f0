"""The loudspeaker, as the engine's sink."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from classroom_client.player import SAMPLE_RATE, Piece
from classroom_client.sinks import ClockSink
from classroom_client.window.sdl_audio import SdlAudioError, SdlDevice

log = logging.getLogger("hallcast.hall")

_CHUNK_SAMPLES = 1024
_MAX_QUEUE_S = 1.0
_DEAD_AFTER_S = 1.0
_REVIVE_EVERY_S = 5.0


class Loudspeaker:
    """Plays on the default sound device. Where there is none, or it goes away, time passes all the same: the lecture
    goes on silently, and the device is tried again every few seconds.

    Bounded: a device that stops taking samples is given up before its queue holds more than a second.
    """

    ahead_s = 0.25  # more than a page takes to decode, less than a listener notices after a stall

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._air = ClockSink()
        self._device: SdlDevice | None = None
        self._queued_bytes = 0
        self._moved_at = 0.0
        self._tried_at = float("-inf")
        self._revive()

    @property
    def silent(self) -> bool:
        """Whether nothing can be heard."""
        return self._device is None

    def queued_samples(self, now: float) -> int:
        with self._lock:
            in_air = self._air.queued_samples(now)
            device = self._device
            if device is None:
                self._revive()
                return in_air
            queued = device.queued_bytes
            if queued != self._queued_bytes or queued == 0:
                self._queued_bytes, self._moved_at = queued, self._clock()
            elif self._clock() - self._moved_at > _DEAD_AFTER_S:
                self._give_up("it takes no samples any more")
                return in_air
            return queued // 2 + _CHUNK_SAMPLES if queued else 0

    def write(self, piece: Piece) -> None:
        with self._lock:
            self._air.write(piece)
            if self._device is None or self._queued_bytes > _MAX_QUEUE_S * SAMPLE_RATE * 2:
                return
            try:
                self._device.write(piece.pcm.tobytes())
            except SdlAudioError as error:
                self._give_up(str(error))

    def close(self) -> None:
        with self._lock:
            self._tried_at = float("inf")
            if self._device is not None:
                self._device.close()
                self._device = None

    def _give_up(self, reason: str) -> None:
        log.warning("the sound device is gone: %s", reason)
        if self._device is not None:
            self._device.close()
            self._device = None
        self._tried_at = self._clock()

    def _revive(self) -> None:
        if self._clock() - self._tried_at < _REVIVE_EVERY_S:
            return
        first = self._tried_at == float("-inf")
        self._tried_at = self._clock()
        try:
            self._device = SdlDevice(SAMPLE_RATE, _CHUNK_SAMPLES)
            self._queued_bytes, self._moved_at = 0, self._clock()
        except SdlAudioError as error:
            if first:
                log.warning("no sound device: %s", error)
