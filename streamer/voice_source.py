"""Where the voice comes from: a sound file, a microphone, or raw samples on standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

import av
import numpy as np
from av.audio.resampler import AudioResampler

from streamer.devices import voice_source
from streamer.errors import StreamError
from streamer.recorder_command import RecorderVoice, recorder_command
from streamer.voice_frames import FRAME_SAMPLES, SAMPLE_RATE, Samples


class VoiceSource(Protocol):
    """Gives the voice frame by frame; used from one thread.

    :ivar live: a device sets the pace and has no end.
    :ivar duration_ms: of a file that knows it, else None.
    """

    live: bool
    duration_ms: int | None

    def frames(self) -> Iterator[Samples]:
        """All frames in order; the last one is filled up with silence. Blocks on the source.

        :raises StreamError: ``voice_unreadable`` if the source fails in the middle.
        """

    def close(self) -> None:
        """Free the source."""

    def interrupt(self) -> bool:
        """Let a read that gives nothing come to its end; False where that cannot be. May be called from any thread."""


def open_voice(text: str) -> VoiceSource:
    """Open what ``--voice`` names (blocks).

    :param text: ``-``, ``mic`` or a device (:func:`streamer.devices.voice_source`), else a file.
    :raises StreamError: ``voice_unreadable``.
    """
    if text == "-":
        return RawVoice(sys.stdin.buffer)
    kind, _, device = text.partition(":")
    if kind == "mic" and sys.platform == "linux" and (command := recorder_command(device)) is not None:
        return RecorderVoice(command)
    return AvVoice(text)


class AvVoice:
    """A file or device, read by FFmpeg."""

    def __init__(self, text: str) -> None:
        source = voice_source(text)
        self._name = text
        self.live = source.live
        try:
            self._container: Any = av.open(source.file, format=source.format or None, options=source.options)
        except (OSError, ValueError) as error:
            what = "microphone" if source.live else "voice"
            hint = " Is one plugged in? --voice names another." if source.live else ""
            raise StreamError(
                "voice_unreadable", f"The {what} {text} cannot be opened: {_reason(error)}.{hint}"
            ) from error
        if not self._container.streams.audio:
            self._container.close()
            raise StreamError("voice_unreadable", f"There is no sound in {text}.")
        duration_us = self._container.duration
        self.duration_ms = None if self.live or not duration_us else int(duration_us // 1000)

    def frames(self) -> Iterator[Samples]:
        """See :class:`VoiceSource`."""
        resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE, frame_size=FRAME_SAMPLES)
        try:
            for decoded in self._container.decode(audio=0):
                decoded.pts = None  # files with holes or odd stamps are played as they lie
                for frame in resampler.resample(decoded):
                    yield frame.to_ndarray()[0]
            for frame in resampler.resample(None):
                yield _filled(frame.to_ndarray()[0])
        except (OSError, ValueError) as error:
            raise StreamError("voice_unreadable", f"The voice {self._name} broke off: {_reason(error)}.") from error

    def close(self) -> None:
        """See :class:`VoiceSource`."""
        self._container.close()

    def interrupt(self) -> bool:
        """See :class:`VoiceSource`."""
        return False  # FFmpeg does not let go of a device that blocks


class RawVoice:
    """Signed 16-bit little-endian mono samples of 48 kHz."""

    live = False
    duration_ms: int | None = None

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def frames(self) -> Iterator[Samples]:
        """See :class:`VoiceSource`."""
        while data := self._stream.read(2 * FRAME_SAMPLES):
            yield _filled(np.frombuffer(data[: len(data) & ~1], "<i2").astype(np.int16))

    def close(self) -> None:
        """Standard input is not ours to close."""

    def interrupt(self) -> bool:
        """See :class:`VoiceSource`."""
        return False


def _filled(samples: Samples) -> Samples:
    if len(samples) == FRAME_SAMPLES:
        return samples
    return np.concatenate([samples, np.zeros(FRAME_SAMPLES - len(samples), np.int16)])


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
