"""Where sound goes. A sink has a clock of its own: it says how much it still has to play."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any, Protocol

from classroom_client.player import SAMPLE_RATE, Piece

_STARVED_S = 0.01
"""A lasting sound that comes so much later than the sound before it had to wait: the machine was too slow."""


class Sink(Protocol):
    """Takes pieces of sound and plays them at its own pace.

    :ivar ahead_s: how much it wants to have queued.
    """

    @property
    def ahead_s(self) -> float: ...

    def queued_samples(self, now: float) -> int:
        """Samples written and not heard yet."""

    def write(self, piece: Piece) -> None:
        """Take a piece; never blocks."""

    def close(self) -> None:
        """Nothing more will come."""


class ClockSink:
    """Plays into the air in real time: the sink of a hall without a loudspeaker."""

    ahead_s = 0.12

    def __init__(self) -> None:
        self._written = 0
        self._began: float | None = None

    def queued_samples(self, now: float) -> int:
        if self._began is None:
            self._began = now
        queued = self._written - (now - self._began) * SAMPLE_RATE
        if queued < 0:
            # We came too late, as a starved sound card would notice: the lost time passes in silence.
            self._began = now - self._written / SAMPLE_RATE
            return 0
        return int(queued)

    def write(self, piece: Piece) -> None:
        self._written += len(piece.pcm)

    def close(self) -> None:
        """Nothing to release."""


class WavSink(ClockSink):
    """Also writes what would have been heard: 48 kHz, mono, 16 bit, from the first sound on.

    Beside it goes ``<name>.json``: which stretch of the file is which lecture time at which speed, heard when
    (``at_s``, the monotonic clock). ``voice`` in it is a list of ``[sample, samples, from_ms, to_ms]``: these samples
    fade from the voice of lecture time ``from_ms`` into that of ``to_ms`` (:func:`classroom_client.stretch.fade_in`;
    both the same: that voice untouched). With it stretching and waiting can be undone exactly, for judging.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._wave = wave.open(str(path), "wb")  # noqa: SIM115 (closed by close)
        self._wave.setnchannels(1)
        self._wave.setsampwidth(2)
        self._wave.setframerate(SAMPLE_RATE)
        self._segments: list[dict[str, Any]] = []
        self._voice: list[list[float]] = []
        self._samples = 0

    @property
    def written_ms(self) -> int:
        """Length of the file so far."""
        return self._samples * 1000 // SAMPLE_RATE

    def write(self, piece: Piece) -> None:
        at_s = (self._began or 0.0) + self._written / SAMPLE_RATE
        super().write(piece)
        if not self._segments and piece.what not in ("voice", "concealed"):
            return
        self._note(piece, at_s)
        self._note_voice(piece)
        # writeframes() keeps the header right after every piece, so that a killed hall leaves a readable file.
        self._wave.writeframes(piece.pcm.tobytes())
        self._samples += len(piece.pcm)

    def close(self) -> None:
        """Finish the file and write what is where in it."""
        self._wave.close()
        about = {"sample_rate": SAMPLE_RATE, "segments": self._segments, "voice": self._voice}
        self._path.with_name(self._path.name + ".json").write_text(json.dumps(about) + "\n", encoding="utf-8")

    def _note_voice(self, piece: Piece) -> None:
        for passage in piece.laid:
            from_ms, to_ms = round(passage.from_ms, 3), round(passage.to_ms, 3)
            if self._voice and from_ms == to_ms:
                last = self._voice[-1]
                follows = last[2] == last[3] and abs(last[2] + last[1] * 1000 / SAMPLE_RATE - from_ms) < 0.01
                if follows and last[0] + last[1] == self._samples + passage.at:
                    last[1] += passage.samples
                    continue
            self._voice.append([self._samples + passage.at, passage.samples, from_ms, to_ms])

    def _note(self, piece: Piece, at_s: float) -> None:
        last = self._segments[-1] if self._segments else None
        follows = (
            last is not None
            and last["t_ms"] + last["lecture_ms"] == piece.t_ms
            and abs(last["at_s"] + last["samples"] / SAMPLE_RATE - at_s) < _STARVED_S
        )
        if last is not None and follows and last["what"] == piece.what and last["speed"] == round(piece.speed, 3):
            last["samples"] += len(piece.pcm)
            last["lecture_ms"] += piece.lecture_ms
            return
        self._segments.append(
            {
                "at_s": round(at_s, 4),
                "sample": self._samples,
                "samples": len(piece.pcm),
                "what": str(piece.what),
                "t_ms": piece.t_ms,
                "lecture_ms": piece.lecture_ms,
                "speed": round(piece.speed, 3),
            }
        )
