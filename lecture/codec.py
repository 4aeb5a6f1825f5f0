"""JSON text of control messages: which kinds each direction of each socket speaks, decoding, encoding, versions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from lecture import lecturer_messages as lm
from lecture import messages as m
from lecture.errors import ProtocolError
from lecture.fields import from_json, to_json
from lecture.messages import Message, Unknown

CLIENT_MESSAGE_BYTES = 64 * 1024
"""Largest message of a hall or lecturer (an SDP offer is the largest they have)."""
RELAY_MESSAGE_BYTES = 1024 * 1024
"""Largest message of a relay (a deck's page titles and texts)."""


class Vocabulary:
    """The kinds that one side of one socket may send, and how large a message may be.

    :param max_bytes: largest message in UTF-8 bytes.
    """

    def __init__(self, name: str, kinds: Iterable[type[Message]], max_bytes: int) -> None:
        self.name = name
        self.kinds = {cls.KIND: cls for cls in kinds}
        self.max_bytes = max_bytes

    def fits(self, text: str) -> bool:
        """Whether a message is small enough."""
        # A text has at most 4 bytes a character: most need no encoding to know.
        return len(text) * 4 <= self.max_bytes or len(text.encode(errors="replace")) <= self.max_bytes

    def __repr__(self) -> str:
        return f"Vocabulary({self.name!r})"


HALL_TO_RELAY = Vocabulary(
    "hall to relay",
    [m.HallHello, m.Offer, m.Candidate, m.Want, m.Ack, m.Report, m.Receipt, m.Question, m.Bye],
    CLIENT_MESSAGE_BYTES,
)
RELAY_TO_HALL = Vocabulary(
    "relay to hall",
    [
        m.HallWelcome,
        m.Answer,
        m.Candidate,
        m.EntryMessage,
        m.Clock,
        m.Filled,
        m.Repaired,
        m.Asked,
        m.State,
        m.Ended,
        m.ErrorMessage,
    ],
    RELAY_MESSAGE_BYTES,
)
LECTURER_TO_RELAY = Vocabulary(
    "lecturer to relay",
    [lm.LecturerHello, lm.Turn, lm.Pointer, lm.Ink, lm.Erase, lm.Mark, lm.Ping, lm.End, m.Bye],
    CLIENT_MESSAGE_BYTES,
)
RELAY_TO_LECTURER = Vocabulary(
    "relay to lecturer",
    [
        lm.LecturerWelcome,
        m.EntryMessage,
        m.Clock,
        m.State,
        lm.DeckProgress,
        lm.Halls,
        lm.Repair,
        lm.Pong,
        m.Ended,
        m.ErrorMessage,
    ],
    RELAY_MESSAGE_BYTES,
)


def encode(message: Message) -> str:
    """The JSON text of ``message``. Fields that are None are left out."""
    fields = {name: value for name, value in to_json(message).items() if value is not None}
    return json.dumps({"kind": message.KIND, **fields}, ensure_ascii=False, separators=(",", ":"))


def decode(text: str, vocabulary: Vocabulary) -> Message:
    """The message in ``text``; :class:`lecture.messages.Unknown` if its kind is not in ``vocabulary``.

    :raises ProtocolError: ``message_too_large``, ``message_malformed``.
    """
    if not vocabulary.fits(text):
        raise ProtocolError("message_too_large", f"A message is larger than {vocabulary.max_bytes} bytes.")
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _malformed("not JSON") from error
    if not isinstance(value, dict):
        raise _malformed("not a JSON object")
    kind = value.get("kind")
    if not isinstance(kind, str) or not 0 < len(kind) <= 64:
        raise _malformed("kind is missing")
    cls = vocabulary.kinds.get(kind)
    if cls is None:
        return Unknown(kind)
    try:
        message: Message = from_json(cls, value)
    except (ValueError, RecursionError) as error:
        raise _malformed(f"{kind}: {error}") from error
    return message


def negotiate_version(theirs: str) -> str:
    """The version that both sides speak: the same major, the lower minor.

    :raises ProtocolError: ``version_unsupported`` for another major, ``message_malformed`` for no version at all.
    """
    match = re.fullmatch(r"([0-9]{1,4})\.([0-9]{1,4})", theirs, re.ASCII)
    if match is None:
        raise _malformed("v is not a version")
    ours = m.PROTOCOL_VERSION.split(".")
    if int(match[1]) != int(ours[0]):
        raise ProtocolError(
            "version_unsupported", f"Protocol version {theirs} is not supported; this side speaks {m.PROTOCOL_VERSION}."
        )
    return f"{ours[0]}.{min(int(match[2]), int(ours[1]))}"


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _malformed(reason: str) -> ProtocolError:
    return ProtocolError("message_malformed", f"Malformed message: {reason}.")
