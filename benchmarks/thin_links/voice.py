"""How the voice was heard: every frame, its sound, its gaps, how far behind the lecturer.

What was sent is read from the relay's lecture file, what was heard from the hall's sound. The hall's own book-keeping
(``heard.wav.json``) says which sample is which lecture time; whether the sound is really there is looked at.
"""

from __future__ import annotations

import json
import time
import wave
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pystoi import stoi
from scipy.signal import resample_poly

from benchmarks.thin_links.links import Link
from classroom_client.player import FADE_SAMPLES
from classroom_client.stretch import fade_in
from lecture.entries import Kind, unpack_frames
from lecture.file import LectureFile
from lecture.tracks import RECORDED_KBPS, VOICE_FRAME_MS
from transport import opus

RATE = 48_000
_STOI_RATE = 16_000
_WINDOW_S = 5.0
_PER_MS = RATE // 1000
_FRAME = VOICE_FRAME_MS * _PER_MS
_ACTIVE_DB = -35.0  # below the loudest frame: the speaker's pause
_MISSING_DB = 25.0  # so much quieter than what was sent: not heard
_RISE_MS = FADE_SAMPLES // _PER_MS  # after a halt the hall lets the voice rise for so long
_SHORT_S = 0.02  # ends of gaps are not known better
_LOOK_S = 0.5

Pcm = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Gap:
    """No voice came out where some was sent.

    :param start_s: since the first word; ``t_ms`` is the lecture time that was waited for.
    :param outage: an announced outage explains it.
    :param starved_s: how much of it the hall's process was too late to play what it had, if it had it.
    """

    start_s: float
    length_s: float
    t_ms: int
    outage: bool
    starved_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Behind:
    """At ``at_s`` since the first word the hall heard what had been said ``behind_s`` before."""

    at_s: float
    behind_s: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What came out of the hall's loudspeaker.

    :param segments: stretches of it; ``voice``: which sample is which lecture time. See
        :class:`classroom_client.sinks.WavSink`.
    :param pcm: the sound, 48 kHz.
    """

    segments: list[dict[str, Any]]
    voice: list[list[float]]
    pcm: Pcm

    @classmethod
    def read(cls, wav: Path) -> Heard:
        """What ``--dump-voice`` wrote."""
        about = json.loads(wav.with_name(wav.name + ".json").read_text(encoding="utf-8"))
        with wave.open(str(wav), "rb") as file:
            data = file.readframes(file.getnframes())
        return cls(about["segments"], about["voice"], np.frombuffer(data, "<i2").astype(np.float32))

    def sounded_ms(self, t_ms: float) -> float | None:
        """How long there had been sound when the voice of a lecture time came out; None if it never did."""
        for segment in self.segments:
            if segment["lecture_ms"] and t_ms < segment["t_ms"] + segment["lecture_ms"]:
                share = max(0.0, t_ms - segment["t_ms"]) / segment["lecture_ms"]
                return float((segment["sample"] + share * segment["samples"]) / _PER_MS)
        return None

    @property
    def frames(self) -> set[int]:
        """Numbers of the frames that were put out, as the hall says."""
        found: set[int] = set()
        for segment in self.segments:
            if segment["what"] == "voice":
                first = segment["t_ms"] // VOICE_FRAME_MS
                found.update(range(first, first + segment["lecture_ms"] // VOICE_FRAME_MS))
        return found


def boot_minus_monotonic_s() -> float:
    """From this process's monotonic clock to that of the lecture file, which goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()


def sent_frames(lecture_file: Path) -> dict[int, bytes]:
    """All voice that the relay had, in the rung that it always records, by frame number."""
    return _frames(lecture_file, str(RECORDED_KBPS))


def kept_frames(hall_file: Path) -> dict[int, bytes]:
    """The voice in the hall's file, in the rungs in which it came."""
    return _frames(hall_file, str(RECORDED_KBPS))


def _frames(path: Path, rung: str) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    with LectureFile.open(path, readonly=True) as file:
        tracks = {track.track_id for track in file.tracks() if track.kind == "voice" and track.rung == rung}
        after = 0
        while entries := file.read(after, kinds={Kind.VOICE}):
            after = entries[-1].seq
            for entry in entries:
                if entry.track_id in tracks:
                    for frame in unpack_frames(entry):
                        found.setdefault(frame.t_ms // VOICE_FRAME_MS, frame.data)
    return found


def decoded(frames: dict[int, bytes]) -> Pcm:
    """The sound of frames, laid at their lecture time; silence where there is none."""
    if not frames:
        return np.zeros(0, np.float32)
    pcm = np.zeros((max(frames) + 1) * _FRAME, np.float32)
    decoder = opus.Decoder(1)
    for number in sorted(frames):
        samples = decoder.decode(frames[number])
        if len(samples) == _FRAME:
            pcm[number * _FRAME : (number + 1) * _FRAME] = samples[:, 0]
    decoder.close()
    return pcm


def laid(reference: Pcm, voice: list[list[float]], length: int) -> Pcm:
    """The reference stretched and halted exactly as the hall did it, so that both can be compared sample by sample."""
    out = np.zeros(length, np.float32)
    for sample, samples, from_ms, to_ms in voice:
        at, count = int(sample), int(samples)
        new = _cut(reference, to_ms, count)
        if from_ms != to_ms:
            old = _cut(reference, from_ms, count)
            new = old + (new - old) * fade_in(count)
        out[at : at + count] = new[: max(0, length - at)]
    return out


def _cut(pcm: Pcm, t_ms: float, count: int) -> Pcm:
    at = max(0, round(t_ms * _PER_MS))
    piece = pcm[at : at + count]
    return piece if len(piece) == count else np.concatenate((piece, np.zeros(count - len(piece), np.float32)))


def likeness(reference: Pcm, heard: Pcm, where: NDArray[np.bool_]) -> list[float]:
    """STOI of windows of five seconds of voice; what lies between passages of voice (waiting) is left out."""
    theirs, ours = (_slower(part[where]) for part in (reference, heard))
    size = int(_WINDOW_S * _STOI_RATE)
    scores = []
    loudest = np.abs(theirs).max() if len(theirs) else 0.0
    for at in range(0, len(theirs) - size // 2, size):
        sent, got = theirs[at : at + size], ours[at : at + size]
        if np.abs(sent).max() < loudest * 0.05:
            continue  # the speaker's pause
        scores.append(max(0.0, float(stoi(sent, got, _STOI_RATE))) if np.abs(got).max() > 0 else 0.0)
    return scores


def _slower(pcm: Pcm) -> Pcm:
    if not len(pcm):
        return pcm
    return np.asarray(resample_poly(pcm, 1, RATE // _STOI_RATE), np.float32)


def truly_heard(sent: dict[int, bytes], heard: Heard, reference: Pcm) -> set[int]:
    """Frames that the hall says it put out and whose sound is there.

    :param reference: what should have come out, see :func:`laid`.
    """
    expected, got = _levels(reference), _levels(heard.pcm)
    loudest = expected.max() if len(expected) else 0.0
    speech = expected > loudest * 10 ** (_ACTIVE_DB / 20)
    missing = speech & (got < expected * 10 ** (-_MISSING_DB / 20))
    spoken_ms: Counter[int] = Counter()
    missing_ms: Counter[int] = Counter()
    end = 0
    for sample, samples, _, to_ms in heard.voice:
        first = int(sample) // _PER_MS
        if int(sample) > end:
            speech[first : first + _RISE_MS] = missing[first : first + _RISE_MS] = False
        end = int(sample) + int(samples)
        for offset in range(min(int(samples) // _PER_MS, len(speech) - first)):
            number = int(to_ms + offset) // VOICE_FRAME_MS
            spoken_ms[number] += int(speech[first + offset])
            missing_ms[number] += int(missing[first + offset])
    silent = {number for number, count in missing_ms.items() if count > spoken_ms[number] / 2}
    return (heard.frames & sent.keys()) - silent


def _levels(pcm: Pcm) -> Pcm:
    """Loudness of every millisecond."""
    count = len(pcm) // _PER_MS
    return np.sqrt(np.mean(pcm[: count * _PER_MS].reshape(count, _PER_MS) ** 2, axis=1))


def gaps(heard: Heard, sent: set[int], zero_s: float, first_word_s: float, link: Link) -> list[Gap]:
    """Times without voice after the first sound: concealed, silent or waited, and what a starved machine left out."""
    found: list[Gap] = []
    last_ms = max(sent, default=-1) * VOICE_FRAME_MS
    start_s: float | None = None
    t_ms, starved_s = 0, 0.0
    end_s = heard.segments[0]["at_s"] if heard.segments else 0.0
    for segment in heard.segments:
        if segment["t_ms"] > last_ms:
            break  # nothing was said any more
        begins_s = segment["at_s"]
        is_voice = segment["what"] == "voice" or _was_quiet(segment, sent)
        if begins_s - end_s > _SHORT_S:
            starved_s += begins_s - end_s
            if start_s is None:
                start_s, t_ms = end_s, segment["t_ms"]
        if is_voice and start_s is not None:
            gap = _gap(start_s, begins_s, t_ms, zero_s, first_word_s, link)
            found.append(replace(gap, starved_s=round(starved_s, 3)))
            start_s, starved_s = None, 0.0
        elif not is_voice and start_s is None:
            start_s, t_ms = begins_s, segment["t_ms"]
        end_s = begins_s + segment["samples"] / RATE
    return found


def _was_quiet(segment: dict[str, Any], sent: set[int]) -> bool:
    """Lecture time passes in which nothing was sent."""
    first = segment["t_ms"] // VOICE_FRAME_MS
    frames = range(first, first + segment["lecture_ms"] // VOICE_FRAME_MS)
    return segment["what"] == "silence" and len(frames) > 0 and not any(number in sent for number in frames)


def _gap(start_s: float, end_s: float, t_ms: int, zero_s: float, first_word_s: float, link: Link) -> Gap:
    """A gap belongs to an outage that it overlaps, or in which the voice it waited for was spoken."""
    begins, ends = start_s - first_word_s, end_s - first_word_s
    spoken = zero_s + t_ms / 1000 - first_word_s
    trip_s = (link.down.delay_ms + link.up.delay_ms) / 1000
    of_outage = any(
        (begins < outage.end_s and ends > outage.start_s) or outage.start_s - trip_s <= spoken <= outage.end_s
        for outage in link.outages
    )
    return Gap(round(begins, 3), round(end_s - start_s, 3), t_ms, of_outage)


def behind(heard: Heard, zero_s: float, first_word_s: float) -> list[Behind]:
    """How far behind the live edge the hall was, twice a second.

    :param zero_s: monotonic second of lecture time 0.
    """
    found = []
    next_s = 0.0
    for segment in heard.segments:
        length_s = segment["samples"] / RATE
        while next_s <= length_s:
            at_s = segment["at_s"] + next_s
            t_ms = segment["t_ms"] + segment["lecture_ms"] * (next_s / length_s if length_s else 0.0)
            found.append(Behind(round(at_s - first_word_s, 2), round(at_s - zero_s - t_ms / 1000, 3)))
            next_s += _LOOK_S
        next_s -= length_s
    return found
