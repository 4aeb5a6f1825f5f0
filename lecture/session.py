"""The hall session and the lecturer session without I/O: text and bytes in, events out; nothing is read or sent here.

Both ends of both sockets use the same table of transitions, seen from their side::

    session = HallSession(Side.CLIENT)
    await socket.send(session.send(HallHello(v=PROTOCOL_VERSION, token=token)))
    for message in session.receive_text(await socket.recv()): ...

A :class:`lecture.errors.ProtocolError` from ``receive_*`` means that the peer broke the protocol; answer it with
:meth:`Session.refuse` and close. docs/protocol.md, "Session".
"""

from __future__ import annotations

from enum import Enum

from lecture import codec
from lecture import lecturer_messages as lm
from lecture import messages as m
from lecture.codec import Vocabulary
from lecture.errors import CloseCode, HallcastError, LocalProtocolError, ProtocolError, close_code
from lecture.messages import Message, Unknown
from lecture.wire import Frame, ScreenFrame, UnknownFrame, parse_frame


class Side(Enum):
    """Which end of the socket this is."""

    CLIENT = "client"
    RELAY = "relay"

    @property
    def other(self) -> Side:
        """The end that we talk to."""
        return Side.RELAY if self is Side.CLIENT else Side.CLIENT


class SessionState(Enum):
    """Where the conversation is."""

    NEW = "new"
    """Nothing was said."""
    HELLO = "hello"
    """The client said hello; the relay owes a welcome or an error."""
    OPEN = "open"
    CLOSED = "closed"
    """Bye or a fatal error was said; what still arrives is ignored."""


Transitions = dict[tuple[SessionState, Side, type[Message]], SessionState]


def _open(side: Side, *kinds: type[Message]) -> Transitions:
    """Messages that ``side`` may send while the session is open, and that leave it open."""
    return {(SessionState.OPEN, side, kind): SessionState.OPEN for kind in kinds}


# Who may say what when, and what follows. What is not here is illegal. A non-fatal error leaves the state as it is.
HALL_TRANSITIONS: Transitions = {
    (SessionState.NEW, Side.CLIENT, m.HallHello): SessionState.HELLO,
    (SessionState.NEW, Side.RELAY, m.ErrorMessage): SessionState.CLOSED,
    (SessionState.HELLO, Side.RELAY, m.HallWelcome): SessionState.OPEN,
    (SessionState.HELLO, Side.RELAY, m.ErrorMessage): SessionState.CLOSED,
    (SessionState.HELLO, Side.CLIENT, m.Bye): SessionState.CLOSED,
    **_open(Side.CLIENT, m.Offer, m.Candidate, m.Want, m.Ack, m.Report, m.Receipt, m.Question),
    **_open(
        Side.RELAY, m.Answer, m.Candidate, m.EntryMessage, m.Clock, m.Filled, m.Repaired, m.State, m.Ended, m.Asked
    ),
    (SessionState.OPEN, Side.CLIENT, m.Bye): SessionState.CLOSED,
    (SessionState.OPEN, Side.RELAY, m.ErrorMessage): SessionState.CLOSED,
}

LECTURER_TRANSITIONS: Transitions = {
    (SessionState.NEW, Side.CLIENT, lm.LecturerHello): SessionState.HELLO,
    (SessionState.NEW, Side.RELAY, m.ErrorMessage): SessionState.CLOSED,
    (SessionState.HELLO, Side.RELAY, lm.LecturerWelcome): SessionState.OPEN,
    (SessionState.HELLO, Side.RELAY, m.ErrorMessage): SessionState.CLOSED,
    (SessionState.HELLO, Side.CLIENT, m.Bye): SessionState.CLOSED,
    **_open(Side.CLIENT, lm.Turn, lm.Pointer, lm.Ink, lm.Erase, lm.Mark, lm.Ping, lm.End),
    **_open(Side.RELAY, m.EntryMessage, m.Clock, m.State, lm.DeckProgress, lm.Halls, lm.Repair, lm.Pong, m.Ended),
    (SessionState.OPEN, Side.CLIENT, m.Bye): SessionState.CLOSED,
    (SessionState.OPEN, Side.RELAY, m.ErrorMessage): SessionState.CLOSED,
}


class Session:
    """One end of a control socket. Use :class:`HallSession` or :class:`LecturerSession`."""

    _table: Transitions
    _client_words: Vocabulary
    _relay_words: Vocabulary

    def __init__(self, side: Side) -> None:
        self.side = side
        self.state = SessionState.NEW
        self.version = m.PROTOCOL_VERSION
        """The version that both sides speak; settled once the hello (relay) or welcome (client) arrived."""

    @property
    def max_receive_bytes(self) -> int:
        """Largest text message that the peer may send, in bytes (give it to the WebSocket as its limit)."""
        return self._words_of(self.side.other).max_bytes

    def receive_text(self, text: str) -> list[Message]:
        """The messages in one text frame: one, or none if it is to be ignored (unknown kind, session closed).

        :raises ProtocolError: ``message_malformed``, ``message_too_large``, ``message_unexpected``,
            ``version_unsupported``, and what the kind of session adds.
        """
        if self.state is SessionState.CLOSED:
            return []
        message = codec.decode(text, self._words_of(self.side.other))
        if isinstance(message, Unknown):
            # Nothing, not even something unknown, comes before hello: a stranger is told so at once.
            if self.state is not SessionState.OPEN:
                raise _unexpected(message.kind, self.state)
            return []
        following = self._following(self.side.other, message)
        if following is None:
            raise _unexpected(message.KIND, self.state)
        self._received(message)
        self.state = following
        return [message]

    def receive_binary(self, data: bytes) -> list[Frame]:
        """The frames in one binary message; none if it is to be ignored.

        :raises ProtocolError: ``frame_unexpected``; on the hall socket also those of :func:`lecture.wire.parse_frame`.
        """
        if self.state is SessionState.CLOSED:
            return []
        raise ProtocolError("frame_unexpected", "This socket takes no binary frames here.")

    def send(self, message: Message) -> str:
        """The text to send for ``message``; moves the session on.

        :raises LocalProtocolError: ``message_unexpected`` if the protocol does not allow it now, ``message_too_large``.
        """
        following = self._following(self.side, message)
        if following is None:
            raise LocalProtocolError(
                "message_unexpected", f"We must not send {message.KIND!r} while the session is {self.state.value}."
            )
        text = codec.encode(message)
        if not self._words_of(self.side).fits(text):
            raise LocalProtocolError("message_too_large", f"This {message.KIND!r} is too large to be sent.")
        self._sending(message)
        self.state = following
        return text

    def refuse(self, error: HallcastError) -> tuple[str | None, CloseCode]:
        """Give up because of ``error``: the text to send first (None from a client or if closed) and the close code."""
        text = None
        if self.side is Side.RELAY and self.state is not SessionState.CLOSED:
            text = codec.encode(m.ErrorMessage(error.error_id, error.text, fatal=True))
        self.state = SessionState.CLOSED
        return text, close_code(error)

    def _words_of(self, side: Side) -> Vocabulary:
        return self._client_words if side is Side.CLIENT else self._relay_words

    def _following(self, sender: Side, message: Message) -> SessionState | None:
        if isinstance(message, m.ErrorMessage) and not message.fatal and self.state is SessionState.OPEN:
            return SessionState.OPEN if sender is Side.RELAY else None
        return self._table.get((self.state, sender, type(message)))

    def _received(self, message: Message) -> None:
        """Check what the table cannot say; raises ProtocolError."""
        if isinstance(message, m.HallHello | lm.LecturerHello | m.HallWelcome | lm.LecturerWelcome):
            self.version = codec.negotiate_version(message.v)

    def _sending(self, message: Message) -> None:
        """Note what was sent."""


class LecturerSession(Session):
    """One end of ``/ws/lecturer/{lecture}``; its binary frames bring the lecturer's screen."""

    _table = LECTURER_TRANSITIONS
    _client_words = codec.LECTURER_TO_RELAY
    _relay_words = codec.RELAY_TO_LECTURER

    def receive_binary(self, data: bytes) -> list[Frame]:
        """The screen frame in one binary message, none if its kind is unknown or the session is closed.

        :raises ProtocolError: ``frame_unexpected``, ``frame_malformed``, ``frame_too_large``, ``version_unsupported``.
        """
        if self.side is not Side.RELAY or self.state is not SessionState.OPEN:
            return super().receive_binary(data)
        frame = parse_frame(data)
        if isinstance(frame, UnknownFrame):
            return []
        if not isinstance(frame, ScreenFrame):
            raise ProtocolError("frame_unexpected", "A lecturer sends no such frames.")
        return [frame]


class HallSession(Session):
    """One end of ``/ws/hall/{lecture}``; also counts binary frames for acknowledgement.

    Relay: keep :attr:`unacknowledged_bytes` below the window before sending another frame.
    Client: call :meth:`ack_due` after each frame and about every half second, and send what it returns.
    """

    _table = HALL_TRANSITIONS
    _client_words = codec.HALL_TO_RELAY
    _relay_words = codec.RELAY_TO_HALL

    ACK_FROM_BYTES = 1024
    ACK_APART_S = 0.2
    ACK_EVERY_BYTES = 4096
    ACK_EVERY_S = 1.0

    def __init__(self, side: Side) -> None:
        super().__init__(side)
        self.frame_bytes_sent = 0
        self.frame_bytes_received = 0
        self.frame_bytes_acknowledged = 0
        self._ack_waits_since: float | None = None
        self._acked_at = float("-inf")

    @property
    def unacknowledged_bytes(self) -> int:
        """Bytes of binary frames sent and not yet acknowledged by the hall (relay side)."""
        return self.frame_bytes_sent - self.frame_bytes_acknowledged

    def send_binary(self, frame: bytes) -> bytes:
        """Count ``frame`` (from :func:`lecture.wire.pack_chunk` or ``pack_blob``) as sent and return it.

        :raises LocalProtocolError: ``frame_unexpected`` from a client or outside an open session.
        """
        if self.side is not Side.RELAY or self.state is not SessionState.OPEN:
            raise LocalProtocolError("frame_unexpected", "Only the relay sends frames, in an open session.")
        self.frame_bytes_sent += len(frame)
        return frame

    def receive_binary(self, data: bytes) -> list[Frame]:
        """The frame in one binary message, none if its kind is unknown or the session is closed.

        :raises ProtocolError: ``frame_unexpected``, ``frame_malformed``, ``frame_too_large``, ``version_unsupported``.
        """
        if self.side is Side.RELAY or self.state is not SessionState.OPEN:
            return super().receive_binary(data)
        frame = parse_frame(data)
        self.frame_bytes_received += len(data)
        return [] if isinstance(frame, UnknownFrame) else [frame]

    def ack_due(self, now: float) -> str | None:
        """The ``ack`` to send now (client side): if 1 kB came in and the last one is 0.2 s ago (so that a relay can
        keep a thin link's queue short), if 4 kB came in, or if anything did a second ago.

        :param now: monotonic seconds.
        """
        waiting = self.frame_bytes_received - self.frame_bytes_acknowledged
        if waiting == 0 or self.state is not SessionState.OPEN:
            return None
        if self._ack_waits_since is None:
            self._ack_waits_since = now
        soon = waiting >= self.ACK_FROM_BYTES and now - self._acked_at >= self.ACK_APART_S
        if not soon and waiting < self.ACK_EVERY_BYTES and now - self._ack_waits_since < self.ACK_EVERY_S:
            return None
        self._acked_at = now
        return self.send(m.Ack(self.frame_bytes_received))

    def _received(self, message: Message) -> None:
        super()._received(message)
        if isinstance(message, m.HallHello) and bool(message.code) == bool(message.token):
            raise ProtocolError("message_malformed", "Malformed message: hello needs either a code or a token.")
        if isinstance(message, m.Ack):
            if not self.frame_bytes_acknowledged <= message.bytes <= self.frame_bytes_sent:
                raise ProtocolError("ack_impossible", "More bytes were acknowledged than sent, or fewer than before.")
            self.frame_bytes_acknowledged = message.bytes

    def _sending(self, message: Message) -> None:
        if isinstance(message, m.Ack):
            self.frame_bytes_acknowledged = message.bytes
            self._ack_waits_since = None


def _unexpected(kind: str, state: SessionState) -> ProtocolError:
    return ProtocolError("message_unexpected", f"Message {kind!r} does not belong here (session is {state.value}).")
