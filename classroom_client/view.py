"""What people get to see of a hall: one snapshot, and the one sentence that matters most."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from classroom_client.notes import Note
from lecture.decks import PageImage
from lecture.ink_book import NOTHING, Drawing


class Link(StrEnum):
    """The connection to the relay."""

    JOINING = "joining"
    UP = "up"
    DOWN = "down"


class Sound(StrEnum):
    """The voice."""

    WAITING = "waiting"
    PLAYING = "playing"
    STALLED = "stalled"
    CATCHING_UP = "catching_up"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class View:
    """A hall at one moment; never changes, so any thread may read it.

    :param retry_in_s: seconds until the next try while the link is down.
    :param join_error: id of why the hall could not join yet, empty for nothing.
    :param down_error: id of why the link is down: the relay's, or our own; empty while it is up.
    :param link_down_s: seconds since the link went down, 0 while it is up.
    :param carrier: ``rtp``, ``socket`` or empty: what brings the voice.
    :param lecture_state: ``planned``, ``live`` or ``ended``.
    :param publisher: ``none``, ``live`` or ``down``.
    :param behind_ms: how far what is heard is behind the live edge.
    :param delay_ms: the playout delay that is aimed at.
    :param in_kbps: what of the link is used now; ``budget_kbps``: what the relay says it carries, 0 for unknown.
    :param rung: kbit/s of the live voice as it comes, empty before the first frame.
    :param text_rung: the link is too thin for live voice: pages come now, the voice later.
    :param gaps: holes in the voice still to be filled; ``gap_ms`` is their length.
    :param page_waiting: the page that belongs on the screen is on its way.
    :param drawing: what the lecturer has drawn on the page of ``picture``, and where it is pointed at.
    :param note: what the lecturer wrote, while it is shown.
    :param heard_ms: lecture time that is heard now, None before the first.
    :param questions_waiting: asked in the hall, not yet with the relay; ``questions_asked`` are.
    :param question_error: id of why the relay did not take the last one, empty if it did.
    :param disk_error: id of what keeps the hall from writing its copy, empty for nothing.
    """

    link: Link = Link.JOINING
    retry_in_s: float = 0.0
    link_down_s: float = 0.0
    sound: Sound = Sound.WAITING
    carrier: str = ""
    lecture_state: str = "planned"
    publisher: str = "none"
    title: str = ""
    course: str = ""
    language: str = ""
    t_ms: int = 0
    heard_ms: int | None = None
    behind_ms: int = 0
    delay_ms: int = 0
    in_kbps: float = 0.0
    out_kbps: float = 0.0
    budget_kbps: float = 0.0
    rung: str = ""
    text_rung: bool = False
    fraction_lost: float = 0.0
    rtt_ms: int = 0
    gaps: int = 0
    gap_ms: int = 0
    page: int = 0
    page_count: int = 0
    page_title: str = ""
    page_waiting: bool = False
    picture: PageImage | None = None
    drawing: Drawing = NOTHING
    note: Note | None = None
    reconnects: int = 0
    questions_waiting: int = 0
    questions_asked: int = 0
    question_error: str = ""
    disk_error: str = ""
    join_error: str = ""
    down_error: str = ""

    def facts(self) -> dict[str, Any]:
        """JSON-ready; of the drawing only how many strokes it has."""
        return {**asdict(replace(self, drawing=NOTHING)), "drawing": len(self.drawing.strokes)}


@dataclass(frozen=True, slots=True)
class Sign:
    """A sentence for the people in the hall.

    :param text_id: key in ``texts.json``.
    :param urgent: it is trouble, not mere information.
    """

    text_id: str
    values: dict[str, int | str] = field(default_factory=dict)
    urgent: bool = False


_STALL_TOLD_MS = 1000
_REFUSALS = frozenset({"halls_full", "too_slow", "internal_error"})
"""Where the relay ends the session by one of these, it would be wrong to send people to look after their line."""


def sign_of(view: View) -> Sign | None:
    """The one thing people should know now; None while all is well."""
    behind_s = round(view.behind_ms / 1000)
    if view.sound is Sound.FINISHED:
        return Sign("ended")
    if view.link is Link.JOINING:
        return Sign("unreachable", urgent=True) if view.join_error == "relay_unreachable" else Sign("joining")
    if view.link is Link.DOWN:
        if view.sound in (Sound.PLAYING, Sound.CATCHING_UP):
            return Sign("link_down_playing", urgent=True)
        return Sign(view.down_error if view.down_error in _REFUSALS else "link_down", urgent=True)
    if view.lecture_state == "planned":
        return Sign("not_begun")
    if view.text_rung:
        return Sign("text_rung")
    if view.sound is Sound.CATCHING_UP:
        return Sign("catching_up", {"seconds": behind_s})
    if view.publisher == "down" and view.sound is not Sound.STALLED:
        return Sign("publisher_down", urgent=True)
    if view.sound is Sound.STALLED and view.behind_ms > view.delay_ms + _STALL_TOLD_MS:
        return Sign("stalled", {"seconds": behind_s}, urgent=True)
    if view.page_waiting:
        return Sign("page_coming", {"page": view.page})
    if view.disk_error:
        return Sign("disk", urgent=True)
    return None
