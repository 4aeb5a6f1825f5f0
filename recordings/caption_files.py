"""Caption files: what WebVTT and SubRip (``.srt``) files say, as cues. Pure.

Read are times and words; what a cue says of its place and looks is left out, and so are tags and speakers' names.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lecture.captions import MAX_CAPTION_CHARS, MAX_CAPTION_MS
from recordings.errors import RecordingError

MAX_FILE_BYTES = 4_000_000
MAX_CUES = 20_000
_FAULTS_TOLD = 5

_CLOCK = r"(?:(\d{1,3}):)?([0-5]?\d):([0-5]\d)[.,](\d{1,3})"
_TIMING = re.compile(rf"{_CLOCK}[ \t]*-->[ \t]*{_CLOCK}(?:[ \t].*)?")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|</?[\d:.]+>|\{\\[^{}]*\}")
_NOT_CUES = re.compile(r"(?:NOTE|STYLE|REGION)(?:[ \t].*)?")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Cue:
    """Words to be read from ``start_ms`` to ``end_ms``; its lines are separated by newlines.

    :param line: of the file, from 1; 0 for one that came from none.
    """

    start_ms: int
    end_ms: int
    text: str
    line: int = 0


class CaptionFault(ValueError):
    """What is wrong with one cue."""


def read_cues(data: bytes) -> list[Cue]:
    """The cues of a caption file in order of time; those without words are left out.

    :raises RecordingError: ``captions_too_large``; ``captions_invalid``, naming the lines at fault.
    """
    if len(data) > MAX_FILE_BYTES:
        text = f"The caption file is larger than {MAX_FILE_BYTES // 1_000_000} MB."
        raise RecordingError("captions_too_large", text)
    try:
        words = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise invalid([f"line {line} is not UTF-8; save the file in that encoding"]) from error
    cues: list[Cue] = []
    faults: list[str] = []
    for number, block in _blocks(words.replace("\r\n", "\n").replace("\r", "\n")):
        try:
            cue = _cue(number, block)
        except CaptionFault as fault:
            faults.append(str(fault))
            continue
        if cue.text:
            cues.append(cue)
    if faults:
        raise invalid(faults)
    if not cues:
        raise invalid(["there is no caption in it"])
    if len(cues) > MAX_CUES:
        raise RecordingError("captions_too_large", f"The file has more than {MAX_CUES} captions.")
    return sorted(cues, key=lambda cue: (cue.start_ms, cue.end_ms))


def invalid(faults: list[str]) -> RecordingError:
    """The error that names what is wrong."""
    more = f"; and {len(faults) - _FAULTS_TOLD} more" if len(faults) > _FAULTS_TOLD else ""
    return RecordingError(
        "captions_invalid", f"The caption file cannot be used: {'; '.join(faults[:_FAULTS_TOLD])}{more}."
    )


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """What may be cues: lines between empty ones, each block with the number of its first line."""
    block: list[str] = []
    is_vtt = re.match(r"WEBVTT(?:[ \t\n]|$)", text) is not None
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if line.strip():
            block.append(line)
            continue
        first = number - len(block)
        if block and not (is_vtt and (first == 1 or _NOT_CUES.fullmatch(block[0]))):
            yield first, block
        block = []


def _cue(number: int, block: list[str]) -> Cue:
    # The line before the times is the cue's name or number.
    at = next((at for at, line in enumerate(block[:2]) if "-->" in line), None)
    if at is None:
        raise CaptionFault(f"line {number} begins no caption: there is no time")
    line = number + at
    times = _TIMING.fullmatch(block[at].strip())
    if times is None:
        raise CaptionFault(f"line {line} has no times like 00:01:02.500 --> 00:01:05.000")
    start_ms, end_ms = _ms(*times.groups()[:4]), _ms(*times.groups()[4:])
    if end_ms <= start_ms:
        raise CaptionFault(f"line {line} ends before it begins")
    if end_ms - start_ms > MAX_CAPTION_MS:
        raise CaptionFault(f"line {line} is a caption of more than an hour")
    text = _plain("\n".join(block[at + 1 :]))
    if len(text) > MAX_CAPTION_CHARS:
        raise CaptionFault(f"line {line} begins a caption of more than {MAX_CAPTION_CHARS} characters")
    return Cue(start_ms, end_ms, text, line)


def _plain(text: str) -> str:
    """Without tags, entities and control characters."""
    bare = _CONTROL.sub(" ", html.unescape(_TAG.sub("", text)))
    lines = (" ".join(line.split()) for line in bare.split("\n"))
    return "\n".join(line for line in lines if line)


def _ms(hours: str | None, minutes: str, seconds: str, fraction: str) -> int:
    return ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(fraction.ljust(3, "0"))
