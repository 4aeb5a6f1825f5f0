"""The sessions without I/O, both ends against each other and against broken peers."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lecture import codec, wire
from lecture import lecturer_messages as lm
from lecture import message_parts as parts
from lecture import messages as m
from lecture.entries import Entry, Kind
from lecture.errors import (
    CloseCode,
    HallcastError,
    LocalProtocolError,
    ProtocolError,
    RefusedError,
    close_code,
)
from lecture.messages import PROTOCOL_VERSION, Message
from lecture.session import (
    HALL_TRANSITIONS,
    LECTURER_TRANSITIONS,
    HallSession,
    LecturerSession,
    Session,
    SessionState,
    Side,
)

SUMMARY = parts.LectureSummary("physics-1")
SAMPLES: dict[type[Message], Message] = {
    m.HallHello: m.HallHello(PROTOCOL_VERSION, token="t"),
    lm.LecturerHello: lm.LecturerHello(PROTOCOL_VERSION, token="t"),
    m.HallWelcome: m.HallWelcome(PROTOCOL_VERSION, SUMMARY),
    lm.LecturerWelcome: lm.LecturerWelcome(PROTOCOL_VERSION, SUMMARY),
    m.Offer: m.Offer("v=0"),
    m.Answer: m.Answer("v=0"),
    m.Candidate: m.Candidate(),
    m.Want: m.Want("en", 0, 1000),
    m.Ack: m.Ack(0),
    m.Report: m.Report(),
    m.Receipt: m.Receipt(),
    m.Question: m.Question("?"),
    m.Asked: m.Asked("q1"),
    m.Bye: m.Bye(),
    m.EntryMessage: m.EntryMessage(1, 0, Kind.TURN, {}),
    m.Clock: m.Clock(0),
    m.Filled: m.Filled("en", 0, 1000),
    m.Repaired: m.Repaired("en", 0, 1000),
    m.State: m.State("live", "live"),
    m.Ended: m.Ended(0),
    m.ErrorMessage: m.ErrorMessage("oops"),
    lm.Turn: lm.Turn("d", 1),
    lm.Pointer: lm.Pointer(),
    lm.Ink: lm.Ink("d", 1, "s", ((0.25, 0.5),)),
    lm.Erase: lm.Erase("d", 1),
    lm.Mark: lm.Mark("break"),
    lm.Ping: lm.Ping(1),
    lm.Pong: lm.Pong(1),
    lm.End: lm.End(),
    lm.DeckProgress: lm.DeckProgress("d", 1, 2),
    lm.Halls: lm.Halls(),
    lm.Repair: lm.Repair(40_000, 25_000),
}
KINDS_OF_SESSION = [
    (HallSession, HALL_TRANSITIONS, codec.HALL_TO_RELAY, codec.RELAY_TO_HALL),
    (LecturerSession, LECTURER_TRANSITIONS, codec.LECTURER_TO_RELAY, codec.RELAY_TO_LECTURER),
]
PAGE = b"page" * 3000
DIGEST = hashlib.sha256(PAGE).hexdigest()


def pair(kind: type[Session], state: SessionState = SessionState.NEW) -> tuple[Session, Session]:
    """A client and a relay brought to ``state``."""
    client, relay = kind(Side.CLIENT), kind(Side.RELAY)
    hall = kind is HallSession
    if state is not SessionState.NEW:
        relay.receive_text(client.send(SAMPLES[m.HallHello if hall else lm.LecturerHello]))
    if state in {SessionState.OPEN, SessionState.CLOSED}:
        client.receive_text(relay.send(SAMPLES[m.HallWelcome if hall else lm.LecturerWelcome]))
    if state is SessionState.CLOSED:
        relay.receive_text(client.send(m.Bye()))
    assert client.state is relay.state is state
    return client, relay


def hall_pair() -> tuple[HallSession, HallSession]:
    client, relay = pair(HallSession, SessionState.OPEN)
    assert isinstance(client, HallSession)
    assert isinstance(relay, HallSession)
    return client, relay


@pytest.mark.parametrize(("kind", "table", "client_words", "relay_words"), KINDS_OF_SESSION)
def test_every_message_in_every_state_is_taken_or_refused_as_the_table_says(
    kind: type[Session],
    table: dict[tuple[SessionState, Side, type[Message]], SessionState],
    client_words: codec.Vocabulary,
    relay_words: codec.Vocabulary,
) -> None:
    for state in SessionState:
        for sender, words in ((Side.CLIENT, client_words), (Side.RELAY, relay_words)):
            for cls in words.kinds.values():
                client, relay = pair(kind, state)
                source, target = (client, relay) if sender is Side.CLIENT else (relay, client)
                message = SAMPLES[cls]
                following = table.get((state, sender, cls))
                if following is not None:
                    assert target.receive_text(source.send(message)) == [message]
                    assert source.state is target.state is following
                    continue
                with pytest.raises(LocalProtocolError) as ours:
                    source.send(message)
                assert ours.value.error_id == "message_unexpected"
                if state is SessionState.CLOSED:
                    assert target.receive_text(codec.encode(message)) == []
                    continue
                with pytest.raises(ProtocolError) as theirs:
                    target.receive_text(codec.encode(message))
                assert theirs.value.error_id == "message_unexpected"
                assert target.state is state


@pytest.mark.parametrize(("kind", "table", "client_words", "relay_words"), KINDS_OF_SESSION)
def test_every_kind_has_its_place_in_the_table(
    kind: type[Session],
    table: dict[tuple[SessionState, Side, type[Message]], SessionState],
    client_words: codec.Vocabulary,
    relay_words: codec.Vocabulary,
) -> None:
    assert {cls for _, role, cls in table if role is Side.CLIENT} == set(client_words.kinds.values())
    assert {cls for _, role, cls in table if role is Side.RELAY} == set(relay_words.kinds.values())


@pytest.mark.parametrize("kind", [HallSession, LecturerSession])
def test_a_nonfatal_error_leaves_the_session_open(kind: type[Session]) -> None:
    client, relay = pair(kind, SessionState.OPEN)
    error = m.ErrorMessage("page_unknown", "There is no such page.", fatal=False)
    assert client.receive_text(relay.send(error)) == [error]
    assert client.state is relay.state is SessionState.OPEN
    with pytest.raises(LocalProtocolError):
        client.send(error)


@pytest.mark.parametrize("kind", [HallSession, LecturerSession])
def test_a_message_of_the_future_is_ignored_but_not_before_hello(kind: type[Session]) -> None:
    client, relay = pair(kind, SessionState.OPEN)
    assert relay.receive_text('{"kind": "hologram"}') == []
    assert client.receive_text('{"kind": "hologram"}') == []
    with pytest.raises(ProtocolError) as caught:
        kind(Side.RELAY).receive_text('{"kind": "hologram"}')
    assert caught.value.error_id == "message_unexpected"


@pytest.mark.parametrize("kind", [HallSession, LecturerSession])
def test_versions(kind: type[Session]) -> None:
    hello = "hello"
    relay = kind(Side.RELAY)
    relay.receive_text(json.dumps({"kind": hello, "v": "1.9", "token": "t"}))
    assert relay.version == PROTOCOL_VERSION
    with pytest.raises(ProtocolError) as caught:
        kind(Side.RELAY).receive_text(json.dumps({"kind": hello, "v": "2.0", "token": "t"}))
    assert close_code(caught.value) == CloseCode.VERSION
    client, _ = pair(kind, SessionState.HELLO)
    with pytest.raises(ProtocolError) as caught:
        client.receive_text(json.dumps({"kind": "welcome", "v": "2.0", "lecture": {"id": "x"}}))
    assert caught.value.error_id == "version_unsupported"


@pytest.mark.parametrize("secrets", [{}, {"code": "ABCD-2345", "token": "t"}])
def test_a_hall_shows_exactly_one_of_code_and_token(secrets: dict[str, str]) -> None:
    with pytest.raises(ProtocolError) as caught:
        HallSession(Side.RELAY).receive_text(json.dumps({"kind": "hello", "v": "1.0", **secrets}))
    assert caught.value.error_id == "message_malformed"


def test_refusing_tells_the_client_why_and_closes() -> None:
    _, relay = pair(HallSession, SessionState.HELLO)
    text, code = relay.refuse(RefusedError("unauthorised", "This code is not valid.", 401))
    assert text is not None
    assert json.loads(text) == {"kind": "error", "id": "unauthorised", "text": "This code is not valid.", "fatal": True}
    assert code == CloseCode.UNAUTHORISED
    assert relay.state is SessionState.CLOSED
    assert relay.refuse(RefusedError("unauthorised", "Again.", 401))[0] is None


def test_a_client_closes_without_a_word() -> None:
    client, _ = pair(LecturerSession, SessionState.OPEN)
    assert client.refuse(ProtocolError("frame_malformed", "Cut.")) == (None, CloseCode.PROTOCOL)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ProtocolError("message_malformed", ""), 4400),
        (ProtocolError("message_too_large", ""), 1009),
        (ProtocolError("version_unsupported", ""), 4426),
        (RefusedError("unauthorised", "", 401), 4401),
        (RefusedError("forbidden", "", 403), 4403),
        (RefusedError("publisher_exists", "", 409), 4409),
        (RefusedError("lecture_ended", "", 410), 4410),
        (RefusedError("too_many_requests", "", 429), 1013),
        (RefusedError("overloaded", "", 503), 1013),
        (RefusedError("something_else", ""), 4400),
        (HallcastError("internal_error", ""), 1011),
    ],
)
def test_close_codes(error: HallcastError, code: int) -> None:
    assert close_code(error) == code


def test_limits_of_what_may_be_received() -> None:
    assert HallSession(Side.RELAY).max_receive_bytes == codec.CLIENT_MESSAGE_BYTES
    assert HallSession(Side.CLIENT).max_receive_bytes == codec.RELAY_MESSAGE_BYTES


def test_frames_go_from_the_relay_to_an_open_hall_only() -> None:
    frame = wire.pack_chunk(Entry(Kind.VOICE, 0, b"x", track_id=1, duration_ms=60, seq=1))
    for state in (SessionState.NEW, SessionState.HELLO):
        client, relay = pair(HallSession, state)
        with pytest.raises(ProtocolError, match="frame_unexpected"):
            client.receive_binary(frame)
        assert isinstance(relay, HallSession)
        with pytest.raises(LocalProtocolError, match="frame_unexpected"):
            relay.send_binary(frame)
    client, relay = hall_pair()
    assert len(client.receive_binary(relay.send_binary(frame))) == 1
    with pytest.raises(ProtocolError, match="frame_unexpected"):
        relay.receive_binary(frame)
    with pytest.raises(LocalProtocolError, match="frame_unexpected"):
        client.send_binary(frame)
    for side in pair(LecturerSession, SessionState.OPEN):
        with pytest.raises(ProtocolError, match="frame_unexpected"):
            side.receive_binary(frame)
    for side in pair(HallSession, SessionState.CLOSED):
        assert side.receive_binary(frame) == []


def test_an_unknown_frame_is_ignored_but_counted() -> None:
    client, relay = hall_pair()
    assert client.receive_binary(relay.send_binary(b"\x01\x63" + bytes(5000))) == []
    text = client.ack_due(now=0.0)
    assert text is not None
    relay.receive_text(text)
    assert relay.unacknowledged_bytes == 0


def test_acks_come_every_4_kb_or_every_second_and_with_1_kb_five_times_a_second() -> None:
    client, relay = hall_pair()
    small = wire.pack_blob(DIGEST, "image/avif", 0, len(PAGE), PAGE[:100])
    assert client.ack_due(now=0.0) is None
    client.receive_binary(relay.send_binary(small))
    assert client.ack_due(now=10.0) is None
    assert client.ack_due(now=10.9) is None
    text = client.ack_due(now=11.0)
    assert text is not None
    relay.receive_text(text)
    assert relay.unacknowledged_bytes == 0
    assert client.ack_due(now=20.0) is None
    big = wire.pack_blob(DIGEST, "image/avif", 0, len(PAGE), PAGE[:5000])
    client.receive_binary(relay.send_binary(big))
    assert client.ack_due(now=20.0) is not None
    assert relay.unacknowledged_bytes == len(big)
    middling = wire.pack_blob(DIGEST, "image/avif", 0, len(PAGE), PAGE[:1200])
    client.receive_binary(relay.send_binary(middling))
    assert client.ack_due(now=20.1) is None
    assert client.ack_due(now=20.3) is not None


@pytest.mark.parametrize("total", [101, 49])
def test_an_ack_for_more_than_was_sent_or_less_than_before_is_refused(total: int) -> None:
    _, relay = hall_pair()
    relay.send_binary(b"\x01\x63" + bytes(98))
    relay.receive_text(codec.encode(m.Ack(50)))
    with pytest.raises(ProtocolError) as caught:
        relay.receive_text(codec.encode(m.Ack(total)))
    assert caught.value.error_id == "ack_impossible"
    assert relay.unacknowledged_bytes == 50


def test_a_message_that_the_peer_would_refuse_for_its_size_is_not_sent() -> None:
    _, relay = hall_pair()
    deck = m.EntryMessage(1, 0, Kind.DECK, {"pages": ["text" * 1000] * 300})
    with pytest.raises(LocalProtocolError) as caught:
        relay.send(deck)
    assert caught.value.error_id == "message_too_large"
    assert relay.state is SessionState.OPEN


def test_nothing_is_acknowledged_after_the_end() -> None:
    client, relay = hall_pair()
    client.receive_binary(relay.send_binary(b"\x01\x63" + bytes(9000)))
    client.send(m.Bye())
    assert client.ack_due(now=0.0) is None


@given(st.one_of(st.text(max_size=50), st.sampled_from([codec.encode(one) for one in SAMPLES.values()])))
def test_a_relay_outlives_any_first_message(text: str) -> None:
    relay = HallSession(Side.RELAY)
    try:
        relay.receive_text(text)
    except ProtocolError as error:
        answer, code = relay.refuse(error)
        assert answer is not None
        assert code in {CloseCode.PROTOCOL, CloseCode.VERSION}


class Conversation(RuleBasedStateMachine):
    """A client and a relay with messages in flight both ways; neither may ever take the other for broken."""

    def __init__(self) -> None:
        super().__init__()
        self.client = HallSession(Side.CLIENT)
        self.relay = HallSession(Side.RELAY)
        self.up: list[str] = []
        self.down: list[str | bytes] = []

    def _send(self, session: HallSession, queue: list[str], message: Message) -> None:
        try:
            queue.append(session.send(message))
        except LocalProtocolError:
            assert message.KIND != "bye" or session.state in {SessionState.NEW, SessionState.CLOSED}

    @rule(cls=st.sampled_from(sorted(set(codec.HALL_TO_RELAY.kinds.values()) - {m.Ack}, key=str)))
    def client_speaks(self, cls: type[Message]) -> None:
        self._send(self.client, self.up, SAMPLES[cls])

    @rule(cls=st.sampled_from(sorted(codec.RELAY_TO_HALL.kinds.values(), key=str)))
    def relay_speaks(self, cls: type[Message]) -> None:
        self._send(self.relay, self.down, SAMPLES[cls])  # type: ignore[arg-type]

    @precondition(lambda self: self.relay.state is SessionState.OPEN)
    @rule(size=st.integers(1, 3000))
    def relay_sends_a_frame(self, size: int) -> None:
        self.down.append(self.relay.send_binary(wire.pack_blob(DIGEST, "image/avif", 0, len(PAGE), PAGE[:size])))

    @precondition(lambda self: self.up)
    @rule()
    def relay_hears(self) -> None:
        text = self.up.pop(0)
        # The relay may have said a fatal error before hello: then it is closed and hears nothing.
        self.relay.receive_text(text)

    @precondition(lambda self: self.down)
    @rule(now=st.floats(0, 100))
    def client_hears(self, now: float) -> None:
        item = self.down.pop(0)
        if isinstance(item, bytes):
            self.client.receive_binary(item)
            ack = self.client.ack_due(now)
            if ack is not None:
                self.up.append(ack)
        else:
            self.client.receive_text(item)

    @invariant()
    def counts_make_sense(self) -> None:
        assert 0 <= self.relay.frame_bytes_acknowledged <= self.relay.frame_bytes_sent
        assert self.client.frame_bytes_received <= self.relay.frame_bytes_sent


TestConversation = Conversation.TestCase
