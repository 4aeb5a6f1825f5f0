"""A microphone through the system's own recorder (Linux).

PyAV brings an ALSA library that finds neither the system's configuration nor its plugins, and so no sound server; the
recorders of PulseAudio (PipeWire has it too) and of ALSA know all of them.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator

import numpy as np

from streamer.errors import StreamError
from streamer.voice_frames import FRAME_SAMPLES, SAMPLE_RATE, Samples

_PAREC = ("parec", "--raw", "--format=s16le", f"--rate={SAMPLE_RATE}", "--channels=1", "--latency-msec=40")
_ARECORD = ("arecord", "-q", "-t", "raw", "-f", "S16_LE", "-r", str(SAMPLE_RATE), "-c", "1")
_DEVICE = {"parec": "--device=", "arecord": "--device="}
_STOP_S = 1.0
_REASON_BYTES = 300


def recorder_command(device: str) -> list[str] | None:
    """The command that writes s16le mono 48 kHz to its standard output, None where no recorder is installed.

    :param device: as the recorder names it, empty for the system's default.
    """
    for command in (_PAREC, _ARECORD):
        path = shutil.which(command[0])
        if path is not None:
            return [path, *command[1:], *([f"{_DEVICE[command[0]]}{device}"] if device else [])]
    return None


class RecorderVoice:
    """What a recorder's command hears; see :class:`streamer.voice_source.VoiceSource`."""

    live = True
    duration_ms: int | None = None

    def __init__(self, command: list[str]) -> None:
        # A file, not a pipe: a recorder that complains for hours must not block on it.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._complaints
            )
        except OSError as error:
            self._complaints.close()
            raise StreamError("voice_unreadable", f"The recorder {command[0]} cannot be started: {error}.") from error
        self._name = command[0].rpartition("/")[2]

    def frames(self) -> Iterator[Samples]:
        """Frames until the recorder ends.

        :raises StreamError: ``voice_unreadable``: it has no reason to end.
        """
        assert self._process.stdout is not None
        while len(data := self._process.stdout.read(2 * FRAME_SAMPLES)) == 2 * FRAME_SAMPLES:
            yield np.frombuffer(data, "<i2").astype(np.int16)
        raise StreamError("voice_unreadable", f"The microphone gives nothing more: {self._reason()}")

    def _reason(self) -> str:
        self._complaints.seek(0, 2)
        self._complaints.seek(max(0, self._complaints.tell() - _REASON_BYTES))
        lines = self._complaints.read().decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f"{said[-1].rstrip('.')}." if said else f"{self._name} has ended."

    def interrupt(self) -> bool:
        """See :class:`streamer.voice_source.VoiceSource`."""
        self._process.kill()  # a recorder that hangs may heed nothing else
        return True

    def close(self) -> None:
        """Stop the recorder."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._complaints.close()
