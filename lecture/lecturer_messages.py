"""Control messages of the lecturer socket alone (docs/protocol.md, "Messages"); what both sockets say, and how, is in
:mod:`lecture.messages`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from lecture.fields import Colour, Fraction, Limit, LongText, Ms
from lecture.message_parts import Client, HallStatus, IceServer, InkPoints, LectureSummary, PageNumber, Secret, StrokeId
from lecture.messages import Message
from lecture.tracks import Track

# Lecturer -> relay


@dataclass(frozen=True, slots=True)
class LecturerHello(Message):
    """First message of a lecturer's or interpreter's program.

    :param after_seq: the highest seq of an event it has, of this lecture; 0 for the history from its beginning.
    """

    KIND: ClassVar[str] = "hello"
    v: str
    token: Secret = field(default="", repr=False)
    client: Client = field(default_factory=Client)
    role: Literal["lecturer", "interpreter"] = "lecturer"
    after_seq: int = 0


@dataclass(frozen=True, slots=True)
class Turn(Message):
    """Show a page. ``at_ms``: lecture time of the turn where the sender knows it, else the relay's now."""

    KIND: ClassVar[str] = "turn"
    deck: str
    page: Annotated[int, Limit(1, 100_000)]
    at_ms: Ms | None = None


@dataclass(frozen=True, slots=True)
class Pointer(Message):
    """The lecturer points at a place of the page (shares of its width and height), or no longer does."""

    KIND: ClassVar[str] = "pointer"
    deck: str = ""
    page: PageNumber = 0
    x: Fraction = 0.0
    y: Fraction = 0.0
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Ink(Message):
    """A part of a stroke on a page; parts of one stroke have the same id and follow each other.

    :param points: where it goes, as shares of the page's width and height; it goes on from the part before.
    :param width: of the line, as a share of the page's width.
    :param more: the stroke is not finished.
    :param at_ms: lecture time at which it was drawn where the sender knows it, else the relay's now.
    :param first: number of its first point among all of the stroke, from 0: what is sent twice is drawn once.
    """

    KIND: ClassVar[str] = "ink"
    deck: str
    page: Annotated[int, Limit(1, 100_000)]
    stroke: StrokeId
    points: InkPoints
    width: Annotated[float, Limit(0, 0.1)] = 0.004
    colour: Colour = "#d81b60"
    more: bool = False
    at_ms: Ms | None = None
    first: int | None = None


@dataclass(frozen=True, slots=True)
class Erase(Message):
    """Take back a stroke, or with an empty ``stroke`` all that was drawn on the page; ``at_ms`` as in ``ink``."""

    KIND: ClassVar[str] = "erase"
    deck: str
    page: Annotated[int, Limit(1, 100_000)]
    stroke: Annotated[str, Limit(0, 64)] = ""
    at_ms: Ms | None = None


@dataclass(frozen=True, slots=True)
class Mark(Message):
    """A note at a moment of the lecture (a chapter, a break): ``at_ms``, else now. Empty: the one before is over.

    :param id: another one for each note; the relay takes it once however often it is sent.
    """

    KIND: ClassVar[str] = "mark"
    text: LongText
    at_ms: Ms | None = None
    id: Annotated[str, Limit(0, 64)] = ""


@dataclass(frozen=True, slots=True)
class Ping(Message):
    """Asks for lecture time; ``sent_ms`` is the sender's own clock and comes back untouched."""

    KIND: ClassVar[str] = "ping"
    id: int
    sent_ms: int = 0


@dataclass(frozen=True, slots=True)
class Pong(Message):
    """Answers ``ping``: lecture time when it was answered."""

    KIND: ClassVar[str] = "pong"
    id: int
    sent_ms: int = 0
    t_ms: Ms = 0


@dataclass(frozen=True, slots=True)
class End(Message):
    """The lecturer ends the lecture."""

    KIND: ClassVar[str] = "end"


# Relay -> lecturer


@dataclass(frozen=True, slots=True)
class LecturerWelcome(Message):
    """Answers ``hello``, with the page shown now. ``role`` is what the token allows."""

    KIND: ClassVar[str] = "welcome"
    v: str
    lecture: LectureSummary
    t_ms: Ms = 0
    deck: str = ""
    page: PageNumber = 0
    tracks: tuple[Track, ...] = ()
    ice_servers: tuple[IceServer, ...] = field(default=(), repr=False)
    role: Literal["", "lecturer", "interpreter"] = ""


@dataclass(frozen=True, slots=True)
class DeckProgress(Message):
    """How many of the deck's pages are rendered."""

    KIND: ClassVar[str] = "deck_progress"
    deck: str
    done: int
    pages: int


@dataclass(frozen=True, slots=True)
class Halls(Message):
    """All halls, every 2 s."""

    KIND: ClassVar[str] = "halls"
    halls: tuple[HallStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class Repair(Message):
    """What the recording lacks of its voices, and what copies have brought."""

    KIND: ClassVar[str] = "repair"
    missing_ms: Ms = 0
    repaired_ms: Ms = 0
