"""What the streamer tells whoever watches it (a terminal, ``make run``, a test)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lecture.message_parts import HallStatus


@dataclass(frozen=True, slots=True)
class Said:
    """A plain sentence."""

    text: str

    def as_json(self) -> dict[str, Any]:
        """One line of ``--json``."""
        return {"event": "say", "text": self.text}


@dataclass(frozen=True, slots=True)
class PageTurned:
    """The lecturer turned to a page (from 1)."""

    page: int
    title: str

    def as_json(self) -> dict[str, Any]:
        """One line of ``--json``."""
        return {"event": "page", "page": self.page, "title": self.title}


@dataclass(frozen=True, slots=True)
class StreamReceipt:
    """What was given and sent, at the end.

    :param voice_given_ms: voice that was spoken.
    :param voice_sent_ms: of it, what went out over a standing connection.
    :param voice_kbps: Opus alone, mean over the voice sent.
    :param link_kbps: everything with all headers, mean over the time streamed.
    :param pages: of the deck, 0 if unknown.
    :param screen_kbps: of the stills alone, mean over the time streamed.
    :param missing_ms: what the relay's recording still lacks; ``repaired_ms`` what it got afterwards.
    :param ended: whether the lecture was ended for everybody.
    """

    lecture: str
    voice_given_ms: int
    voice_sent_ms: int
    voice_kbps: float
    camera_pictures: int
    camera_kbps: float
    link_kbps: float
    resent_packets: int
    pages: int
    pages_turned: int
    outages: int
    outage_s: float
    own_copy: str
    ended: bool
    missing_ms: int = 0
    repaired_ms: int = 0
    screen_updates: int = 0
    screen_kbps: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """One line of ``--json``."""
        return {"event": "receipt", **asdict(self)}


Event = Said | PageTurned | StreamReceipt


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """How it is going, for whoever watches: a display that is drawn anew several times a second, or a program.

    :param line: ``connecting``, ``up`` or ``down``.
    :param link_kbps: of the last seconds, everything with all headers.
    :param spoken_ms: how much of the voice has been given; ``duration_ms`` of a file that knows it.
    :param level_db: loudness just now.
    :param deck_sent: 0 to 1; ``deck_rendered`` pages the relay has made of ``page_count``.
    :param screen: whether the screen is shared, None if there is none to share.
    :param missing_ms: what the relay's recording lacks; ``repaired_ms`` what it got afterwards.
    :param own_copy_trouble: why the own copy cannot be written, empty if it can.
    """

    line: str
    link_kbps: float
    rtt_s: float | None
    fraction_lost: float
    spoken_ms: int
    duration_ms: int | None
    level_db: float
    camera: bool
    page: int
    page_count: int | None
    page_title: str
    deck_sent: float
    deck_rendered: int
    halls: tuple[HallStatus, ...]
    lecture_state: str
    own_copy: str
    own_copy_trouble: str
    screen: bool | None = None
    missing_ms: int = 0
    repaired_ms: int = 0

    def as_json(self) -> dict[str, Any]:
        """One line of ``--json``."""
        return {"event": "progress", **asdict(self)}
