"""What messages are made of: ranges of their fields, and the objects inside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from lecture.fields import Digest, Fraction, Language, Limit, Ms

LectureState = Literal["planned", "live", "ended"]
PublisherState = Literal["none", "live", "down"]
PageNumber = Annotated[int, Limit(0, 100_000)]
"""Pages count from 1; 0 means none."""
Secret = Annotated[str, Limit(0, 512)]
ManyDigests = Annotated[str, Limit(0, 40_000)]
"""Base64url without padding, 8 characters for each digest."""
Sdp = Annotated[str, Limit(0, 48_000)]
MAX_INK_POINTS = 64
InkPoints = Annotated[tuple[tuple[Fraction, Fraction], ...], Limit(1, MAX_INK_POINTS)]
StrokeId = Annotated[str, Limit(1, 64)]
SignedMs = Annotated[int, Limit(-(1 << 53), 1 << 53)]


@dataclass(frozen=True, slots=True)
class Client:
    """Which program speaks."""

    name: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Have:
    """What a hall already keeps.

    :param after_seq: the highest relay seq of an event it has.
    :param blobs: those it holds in part or whole (digest, bytes from the start).
    :param complete: those it holds whole, in short: the first 6 bytes of each digest, all in one base64url text.
    :param voice_end_ms: it has the voice it will play up to here and wants what follows at once, without a ``want``.
    :param language: of that voice, empty for the lecture's first.
    :param screen_share: the sharing of the screen of which it has everything up to update ``screen_number``.
    :param ink: numbers of the INK entries it has, as pairs of the first and the last of a run.
    """

    after_seq: int = 0
    blobs: tuple[tuple[Digest, int], ...] = ()
    complete: ManyDigests = ""
    voice_end_ms: Ms | None = None
    language: Language = ""
    screen_share: int = 0
    screen_number: int = 0
    ink: Annotated[tuple[tuple[int, int], ...], Limit(0, 64)] = ()


@dataclass(frozen=True, slots=True)
class LectureSummary:
    """What a client is told of the lecture it joined."""

    id: str
    title: str = ""
    course: str = ""
    languages: tuple[Language, ...] = ()
    state: LectureState = "planned"


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server (W3C RTCIceServer)."""

    urls: tuple[Annotated[str, Limit(1, 1000)], ...]
    username: str = ""
    credential: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class HallStatus:
    """One hall as the lecturer sees it: its last report, and whether it is connected."""

    name: str
    connected: bool = True
    behind_ms: SignedMs = 0
    page: PageNumber = 0
    heads: int = 0
    rung: str = ""
    carrier: str = ""
    fraction_lost: Fraction = 0.0
    rtt_ms: Ms = 0
    received_kbps: float = 0.0
    playout_delay_ms: Ms = 0
    gaps: int = 0
