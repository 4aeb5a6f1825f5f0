"""What a lecture is given from, and where to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from streamer.turns import TimedTurn
from streamer.voice_pump import BITRATE_BPS

CAMERA_BPS = 250_000


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What to give, and where.

    :param relay: its address, ``https://relay.example.org``.
    :param token: the lecturer's (or an interpreter's).
    :param voice: a sound file, ``mic``, a device, or ``-`` (s16le mono 48 kHz on standard input).
    :param camera: a film, a device, or ``none``.
    :param screen: a film of a screen, an X11 display, ``display``, or ``none``.
    :param turns: page turns by the voice's time.
    :param keep: folder of the own copy.
    :param language: of the voice (BCP 47); empty for the lecture's first.
    :param title: of the slides; empty for the PDF's own.
    :param end: end the lecture for everybody after the last word; None: if the voice is no device.
    """

    relay: str
    lecture: str
    token: str = field(repr=False)
    voice: str = "mic"
    slides: Path | None = None
    camera: str = "none"
    screen: str = "none"
    turns: tuple[TimedTurn, ...] = ()
    keep: Path = Path("hallcast-lectures")
    language: str = ""
    title: str = ""
    end: bool | None = None
    voice_bps: int = BITRATE_BPS
    camera_bps: int = CAMERA_BPS
