"""Control messages of the hall socket, and what the lecturer socket shares with it (docs/protocol.md, "Messages").

Each message is a frozen dataclass; its fields' types are its validation (:mod:`lecture.fields`). On the wire it is
a JSON object with the key ``kind``. The same kind may differ by socket (``hello``), so decoding takes the
:class:`lecture.codec.Vocabulary` of one direction of one socket. Times are lecture time in ms.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from lecture.entries import Entry, pack_event, unpack_event
from lecture.fields import Fraction, JsonObject, Language, Limit, LongText, Ms
from lecture.message_parts import (
    Client,
    Have,
    IceServer,
    LectureState,
    LectureSummary,
    PageNumber,
    PublisherState,
    Sdp,
    Secret,
    SignedMs,
)
from lecture.tracks import Track

PROTOCOL_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class Message:
    """Base of all control messages; ``KIND`` is the value of the key ``kind``."""

    KIND: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Unknown(Message):
    """A message of a kind that this version does not know; to be ignored."""

    kind: str = ""


# Hall -> relay


@dataclass(frozen=True, slots=True)
class HallHello(Message):
    """First message of a hall: exactly one of ``code`` and ``token``; ``hall`` is the name that the lecturer sees.

    :param voice: payload names it can take, best first: ``hallcast-voice``, ``opus``.
    :param instance: random text of one run of the hall's program: its new connection takes the place of its old one.
    :param frames: kinds of binary frames it takes beside chunks and blobs (:mod:`lecture.wire`).
    """

    KIND: ClassVar[str] = "hello"
    v: str
    code: Secret = field(default="", repr=False)
    token: Secret = field(default="", repr=False)
    hall: str = ""
    client: Client = field(default_factory=Client)
    instance: Annotated[str, Limit(0, 64)] = ""
    voice: Annotated[tuple[str, ...], Limit(0, 16)] = ("opus",)
    camera: bool = False
    frames: Annotated[tuple[int, ...], Limit(0, 16)] = ()
    have: Have = field(default_factory=Have)


@dataclass(frozen=True, slots=True)
class Offer(Message):
    """The hall's SDP offer; ``language``: the voice it wants to hear, empty for the lecture's first."""

    KIND: ClassVar[str] = "offer"
    sdp: Sdp
    language: Language = ""


@dataclass(frozen=True, slots=True)
class Answer(Message):
    """The relay's SDP answer."""

    KIND: ClassVar[str] = "answer"
    sdp: Sdp


@dataclass(frozen=True, slots=True)
class Candidate(Message):
    """A trickled ICE candidate (RFC 8839 ``candidate`` attribute value); an empty one ends the list."""

    KIND: ClassVar[str] = "candidate"
    candidate: Annotated[str, Limit(0, 1000)] = ""
    mid: str = ""


@dataclass(frozen=True, slots=True)
class Want(Message):
    """Asks for the voice of a span from the log.

    :param rung: which recorded rung, in kbit/s as text; empty: the relay chooses by what the link carries.
    """

    KIND: ClassVar[str] = "want"
    language: Language
    start_ms: Ms
    end_ms: Ms
    rung: str = ""


@dataclass(frozen=True, slots=True)
class Ack(Message):
    """Total bytes of binary frames received on this connection so far."""

    KIND: ClassVar[str] = "ack"
    bytes: int


@dataclass(frozen=True, slots=True)
class Report(Message):
    """How the hall is doing, about every 2 s. ``gaps`` counts holes in the voice still to be filled."""

    KIND: ClassVar[str] = "report"
    voice_heard_ms: Ms = 0
    behind_ms: SignedMs = 0
    playout_delay_ms: Ms = 0
    fraction_lost: Fraction = 0.0
    rtt_ms: Ms = 0
    received_kbps: float = 0.0
    rung: str = ""
    gaps: int = 0
    carrier: str = ""
    page: PageNumber = 0
    heads: int = 0


@dataclass(frozen=True, slots=True)
class Receipt(Message):
    """What a hall heard and saw of the whole lecture; sent again whenever it changes after the end."""

    KIND: ClassVar[str] = "receipt"
    hall: str = ""
    voice_sent_ms: Ms = 0
    voice_heard_ms: Ms = 0
    voice_kept_ms: Ms = 0
    pages_shown: int = 0
    pages_turned: int = 0
    link_kbps_mean: float = 0.0
    heads: int = 0
    questions: int = 0


@dataclass(frozen=True, slots=True)
class Question(Message):
    """A question from the hall.

    :param id: another one for each question: it is answered with :class:`Asked`, and taken once however often it comes.
    """

    KIND: ClassVar[str] = "question"
    text: LongText
    id: Annotated[str, Limit(0, 64)] = ""


@dataclass(frozen=True, slots=True)
class Bye(Message):
    """The client leaves; the relay closes with 1000."""

    KIND: ClassVar[str] = "bye"


# Relay -> hall


@dataclass(frozen=True, slots=True)
class HallWelcome(Message):
    """Answers ``hello``; ``v`` is the version that both speak from now on."""

    KIND: ClassVar[str] = "welcome"
    v: str
    lecture: LectureSummary
    t_ms: Ms = 0
    tracks: tuple[Track, ...] = ()
    ice_servers: tuple[IceServer, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class EntryMessage(Message):
    """A non-media entry of the relay's log."""

    KIND: ClassVar[str] = "entry"
    seq: int
    t_ms: Ms
    entry_kind: Annotated[int, Limit(0, 255)]
    fields: JsonObject

    @classmethod
    def of(cls, entry: Entry) -> EntryMessage:
        """The message that carries ``entry``.

        :raises ValueError: if its payload is not a JSON object.
        """
        return cls(entry.seq, entry.t_ms, int(entry.kind), unpack_event(entry))

    def to_entry(self) -> Entry:
        """The entry, ``seq`` being the relay's."""
        return Entry(self.entry_kind, self.t_ms, pack_event(self.fields), seq=self.seq)


@dataclass(frozen=True, slots=True)
class Clock(Message):
    """Lecture time now, and up to which lecture time voice exists at the relay.

    :param budget_kbps: what the hall's link carries now as far as the relay knows, 0 for unknown.
    :param text: the link is too thin for live voice, which comes later, as there is room: the text rung.
    """

    KIND: ClassVar[str] = "clock"
    t_ms: Ms
    voice_end_ms: Ms = 0
    budget_kbps: float = 0.0
    text: bool = False


@dataclass(frozen=True, slots=True)
class Filled(Message):
    """All voice that exists in this span has been sent; what is still missing does not exist."""

    KIND: ClassVar[str] = "filled"
    language: Language
    start_ms: Ms
    end_ms: Ms


@dataclass(frozen=True, slots=True)
class Repaired(Message):
    """Voice of this span that did not exist at the relay does now; it may be wanted again."""

    KIND: ClassVar[str] = "repaired"
    language: Language
    start_ms: Ms
    end_ms: Ms


@dataclass(frozen=True, slots=True)
class Asked(Message):
    """The question with this id is in the log.

    :param error: stable id of why it is not, empty if it is.
    """

    KIND: ClassVar[str] = "asked"
    id: Annotated[str, Limit(0, 64)]
    error: str = ""


@dataclass(frozen=True, slots=True)
class State(Message):
    """The lecture or its publisher changed state."""

    KIND: ClassVar[str] = "state"
    publisher: PublisherState
    lecture: LectureState


@dataclass(frozen=True, slots=True)
class Ended(Message):
    """The lecture is over; backfill and receipts go on."""

    KIND: ClassVar[str] = "ended"
    t_ms: Ms
    voice_sent_ms: Ms = 0


@dataclass(frozen=True, slots=True)
class ErrorMessage(Message):
    """Something went wrong; after a fatal error the sender closes."""

    KIND: ClassVar[str] = "error"
    id: str
    text: LongText = ""
    fatal: bool = True
