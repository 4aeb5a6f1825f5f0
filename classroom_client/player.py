"""From decisions to sound: decodes, conceals, stretches, and remembers what was heard when."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass

import numpy as np

from classroom_client.stretch import Pcm, Stretcher
from classroom_client.timeline import Step, Timeline, What
from lecture.coverage import Coverage
from lecture.log import Span
from lecture.tracks import VOICE_FRAME_MS
from transport import opus

log = logging.getLogger("hallcast.hall")

SAMPLE_RATE = 48_000
_FRAME_SAMPLES = VOICE_FRAME_MS * SAMPLE_RATE // 1000
FADE_SAMPLES = 240  # 5 ms: enough against a click, too short to swallow a consonant


@dataclass(frozen=True, slots=True)
class Passage:
    """Part of a piece that fades from the voice of one moment into that of another (:class:`stretch.Laid`).

    :param at: first sample in the piece.
    :param from_ms: lecture time of the voice that it begins with; ``to_ms``: of the voice that it goes over to.
    """

    at: int
    samples: int
    from_ms: float
    to_ms: float


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of sound and what it is.

    :param pcm: 48 kHz mono; zeros where the player does not decode.
    :param laid: where its voice comes from, for who wants to undo stretching.
    """

    what: What
    t_ms: int
    lecture_ms: int
    speed: float
    pcm: Pcm
    laid: tuple[Passage, ...] = ()


class Player:
    """Turns the timeline's steps into samples.

    :param decode: False only counts (for load generation): silence of the right length comes out.
    :ivar heard: lecture time whose voice was put out.
    :ivar concealed_ms: voice that libopus stood in for.
    :ivar longest_silence_ms: the longest time without sound since the first sound, waited for or passed over.
    :ivar first_sound: the sample at which the first voice came, None before.
    """

    def __init__(self, timeline: Timeline, *, decode: bool = True, heard: Coverage | None = None) -> None:
        self.heard = heard or Coverage()
        self.concealed_ms = 0
        self.longest_silence_ms = 0
        self._timeline = timeline
        self._decoder = opus.Decoder(1) if decode else None
        self._stretcher = Stretcher()
        self._silence_ms = 0.0
        self._sounding = False
        self.first_sound: int | None = None
        # When which lecture time comes out: (first sample, lecture time). Bounded by what sinks queue (seconds).
        self._marks: deque[tuple[int, int]] = deque(maxlen=1000)
        self._samples = 0
        # What was fed to the stretcher: (first sample, lecture time). Bounded: it holds back less than 60 ms.
        self._fed: deque[tuple[int, int]] = deque(maxlen=8)
        self._fed_samples = 0

    @property
    def samples(self) -> int:
        """Samples put out so far."""
        return self._samples

    def next(self, now: float) -> Piece | None:
        """The next piece, to be heard at ``now``; None when the lecture has been played to its end."""
        step = self._timeline.step(now)
        if step.what is What.FINISHED:
            return None
        pcm = self._sound(step)
        if self.first_sound is None and step.what in (What.VOICE, What.CONCEALED):
            self.first_sound = self._samples
        if step.lecture_ms or not self._marks:
            self._marks.append((self._samples, step.t_ms))
        self._samples += len(pcm)
        self._count(step, len(pcm))
        return Piece(step.what, step.t_ms, step.lecture_ms, step.speed, pcm, self._passages())

    def heard_ms(self, queued_samples: int) -> int | None:
        """Lecture time that is coming out now, ``queued_samples`` being put out but not heard yet."""
        at = self._samples - queued_samples
        found: int | None = None
        for first_sample, t_ms in self._marks:
            if first_sample > at and found is not None:
                break
            found = t_ms
        while len(self._marks) > 1 and self._marks[1][0] <= at:
            self._marks.popleft()
        return found if self._timeline.position_ms is not None else None

    def close(self) -> None:
        """Free the decoder."""
        if self._decoder is not None:
            self._decoder.close()

    def _sound(self, step: Step) -> Pcm:
        if self._decoder is None:
            return np.zeros(round(_FRAME_SAMPLES / step.speed), np.int16)
        if step.what in (What.VOICE, What.CONCEALED):
            self._fed.append((self._fed_samples, step.t_ms))
            self._fed_samples += _FRAME_SAMPLES
            pcm = self._stretcher.feed(self._decoded(self._decoder, step), step.speed)
            return pcm if self._sounding else self._fade_in(pcm)
        return self._silence(self._decoder)

    def _decoded(self, decoder: opus.Decoder, step: Step) -> Pcm:
        if step.what is What.VOICE:
            try:
                pcm = decoder.decode(step.data)
                if len(pcm) == _FRAME_SAMPLES:
                    return pcm[:, 0]
                log.warning("a voice frame at %d ms has the wrong length", step.t_ms)
            except opus.OpusError as error:
                log.warning("a voice frame at %d ms cannot be decoded: %s", step.t_ms, error.error_id)
        return decoder.conceal(_FRAME_SAMPLES)[:, 0]

    def _fade_in(self, pcm: Pcm) -> Pcm:
        self._sounding = True
        ramp = np.ones(len(pcm), np.float32)
        length = min(FADE_SAMPLES, len(pcm))
        ramp[:length] = np.linspace(0, 1, length, dtype=np.float32)
        return (pcm * ramp).astype(np.int16)

    def _silence(self, decoder: opus.Decoder) -> Pcm:
        """Silence; its first piece lets the voice die away instead of cutting it."""
        if not self._sounding:
            return np.zeros(_FRAME_SAMPLES, np.int16)
        self._sounding = False
        tail = decoder.conceal(_FRAME_SAMPLES)[:, 0] * np.linspace(1, 0, _FRAME_SAMPLES, dtype=np.float32)
        return np.concatenate((self._stretcher.drain(), tail.astype(np.int16)))

    def _passages(self) -> tuple[Passage, ...]:
        laid = self._stretcher.take_laid()
        return tuple(
            Passage(one.at - laid[0].at, one.samples, self._fed_ms(one.fading), self._fed_ms(one.start)) for one in laid
        )

    def _fed_ms(self, sample: int) -> float:
        """Lecture time of a sample fed to the stretcher."""
        found = self._fed[0]
        for fed in self._fed:
            if fed[0] > sample:
                break
            found = fed
        return found[1] + (sample - found[0]) * 1000 / SAMPLE_RATE

    def _count(self, step: Step, samples: int) -> None:
        if step.what is What.VOICE:
            self.heard.add(Span(step.t_ms, step.t_ms + step.lecture_ms))
            self._silence_ms = 0.0
        elif step.what is What.CONCEALED:
            self.concealed_ms += step.lecture_ms
        elif self.first_sound is not None:
            self._silence_ms += samples * 1000 / SAMPLE_RATE
            self.longest_silence_ms = max(self.longest_silence_ms, round(self._silence_ms))
