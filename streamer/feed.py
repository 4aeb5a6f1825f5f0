"""Voice and camera on their way from their sources to the event loop; devices that fail are opened again."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from streamer.camera_pump import CodedPicture, KeyframeRequest, pump_camera
from streamer.camera_source import CameraSource
from streamer.errors import StreamError
from streamer.options import StreamOptions
from streamer.source_thread import in_loop, run_in_thread
from streamer.uplink import SHARES
from streamer.voice_pump import VoicePacket, pump_voice
from streamer.voice_source import VoiceSource, open_voice

_Opened = TypeVar("_Opened")

REOPEN_S = 3.0
LOOK_S = 0.5
DUMB_LOOKS, FIRST_LOOKS = 6, 20
"""A microphone that gives no packet between so many looks gives none at all: even silence would come as packets. The
first may take a headset without a wire some seconds."""
QUIET_S = 15.0
QUIET_DB = -60.0
NO_LEVEL_DB = -96.0
LEAST_SHARE = SHARES[1]
METER_FALL_DB = 1.0
"""By packet: 50 dB a second is a meter that people can read."""


class Feed:
    """What is given. Made by :meth:`open`.

    :param on_voice: gets each packet, in the event loop; likewise ``on_picture``.
    :ivar keyframes: ask here for a keyframe.
    :ivar spoken_ms: how much of the voice has been given.
    :ivar level_db: loudness, falling slowly.
    :ivar camera_bps: rate of the camera from its next picture on (see :meth:`share_camera`).
    """

    def __init__(
        self,
        options: StreamOptions,
        voice: VoiceSource,
        camera: CameraSource | None,
        *,
        on_voice: Callable[[VoicePacket], None],
        on_picture: Callable[[CodedPicture], None],
        say: Callable[[str], None],
    ) -> None:
        self.keyframes = KeyframeRequest()
        self.spoken_ms = 0
        self.level_db = NO_LEVEL_DB
        self.camera_bps = options.camera_bps
        self._options = options
        self._voice = voice
        self._camera = camera
        self._on_voice = on_voice
        self._on_picture = on_picture
        self._say = say
        self._loud_s = 0.0
        self._is_silent = False
        self._is_broken = False
        self._packets = 0
        self._spoken_before_ms = 0

    @classmethod
    async def open(
        cls,
        options: StreamOptions,
        *,
        on_voice: Callable[[VoicePacket], None],
        on_picture: Callable[[CodedPicture], None],
        say: Callable[[str], None],
    ) -> Feed:
        """Open the sources.

        :raises StreamError: ``voice_unreadable``, ``camera_unreadable``.
        """
        voice = await asyncio.to_thread(open_voice, options.voice)
        try:
            camera = await asyncio.to_thread(CameraSource, options.camera) if options.camera != "none" else None
        except StreamError:
            voice.close()
            raise
        return cls(options, voice, camera, on_voice=on_voice, on_picture=on_picture, say=say)

    def close(self) -> None:
        """Free the sources of a feed that never gave anything; one that did has freed them itself."""
        self._voice.close()
        if self._camera is not None:
            self._camera.close()

    @property
    def live(self) -> bool:
        """Whether somebody speaks into a microphone."""
        return self._voice.live

    @property
    def duration_ms(self) -> int | None:
        """Of a recorded voice that knows it."""
        return self._voice.duration_ms

    @property
    def has_camera(self) -> bool:
        """Whether there is a camera."""
        return self._camera is not None

    async def give_voice(self, start_s: float) -> None:
        """Give the voice until its end; a microphone has none.

        :param start_s: ``time.monotonic()`` at stream time 0.
        :raises StreamError: ``voice_unreadable`` of a recorded voice that breaks off.
        """
        emit = in_loop(self._take_voice)
        self._loud_s = time.monotonic()
        while True:
            voice = self._voice

            def run(stop: threading.Event, voice: VoiceSource = voice) -> None:
                pump_voice(voice, start_s, emit, stop, bitrate_bps=self._options.voice_bps)

            watching = asyncio.create_task(self._watch(voice))
            try:
                await run_in_thread("hallcast-voice", run)
                await asyncio.sleep(0)  # what the thread posted last comes first
                return
            except StreamError as error:
                if not voice.live:
                    raise
                self._broken(f"{error.text} Trying to open it again.")
            finally:
                watching.cancel()
                await asyncio.wait({watching})
            self._spoken_before_ms = self.spoken_ms
            self._voice = await self._reopened(lambda: open_voice(self._options.voice))

    async def _watch(self, voice: VoiceSource) -> None:
        """Notice a microphone that gives nothing, not even silence, and have it opened again."""
        packets, looks, most_looks = self._packets, 0, FIRST_LOOKS
        while voice.live:
            await asyncio.sleep(LOOK_S)
            if packets != self._packets:
                packets, looks, most_looks = self._packets, 0, DUMB_LOOKS
                continue
            looks += 1
            if looks >= most_looks:
                again = "Trying to open it again." if voice.interrupt() else "Is it still there?"
                self._broken(f"The microphone gives nothing. {again}")
                looks = 0

    def _broken(self, text: str) -> None:
        self.level_db = NO_LEVEL_DB
        if not self._is_broken:
            self._say(text)
        self._is_broken = True

    def share_camera(self, share: float) -> None:
        """The uplink bears so much of the camera's rate; where it bears none, the own copy still gets a little."""
        self.camera_bps = round(self._options.camera_bps * max(share, LEAST_SHARE))
        if self.has_camera and not share:
            self._say("The line is too thin for the camera: the voice goes alone.")

    async def give_camera(self, start_s: float) -> None:
        """Give the camera until cancelled; a film that breaks off is not worth stopping for."""
        emit = in_loop(self._on_picture)
        while self._camera is not None:
            camera = self._camera

            def run(stop: threading.Event, camera: CameraSource = camera) -> None:
                pump_camera(camera, start_s, emit, self.keyframes, stop, bitrate_bps=lambda: self.camera_bps)

            try:
                await run_in_thread("hallcast-camera", run)
            except StreamError as error:
                self._say(f"{error.text} The lecture goes on without the camera.")
                if not camera.live:
                    return
            self._camera = await self._reopened(lambda: CameraSource(self._options.camera))

    async def _reopened(self, opener: Callable[[], _Opened]) -> _Opened:
        while True:
            await asyncio.sleep(REOPEN_S)
            try:
                return await asyncio.to_thread(opener)
            except StreamError:
                continue

    def _take_voice(self, packet: VoicePacket) -> None:
        self._packets += 1
        self.spoken_ms = self._spoken_before_ms + packet.spoken_ms
        if self._is_broken:
            self._is_broken = False
            self._say("The microphone works again.")
        self._watch_level(packet.level_db)
        self._on_voice(replace(packet, spoken_ms=self.spoken_ms))

    def _watch_level(self, level_db: float) -> None:
        self.level_db = max(level_db, self.level_db - METER_FALL_DB)
        now = time.monotonic()
        if level_db > QUIET_DB:
            self._loud_s = now
            self._is_silent = False
        elif self._voice.live and now - self._loud_s > QUIET_S and not self._is_silent:
            self._is_silent = True
            self._say(f"Nothing has been heard from the microphone for {QUIET_S:.0f} s. Is it switched on?")
