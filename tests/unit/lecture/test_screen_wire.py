"""How a shared screen travels: frames on both sockets, in both directions."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecture.errors import ProtocolError
from lecture.lecturer_messages import LecturerHello, LecturerWelcome
from lecture.message_parts import LectureSummary
from lecture.messages import PROTOCOL_VERSION
from lecture.screen import MAX_TIMED_BYTES, pack_timed, parse_timed
from lecture.session import LecturerSession, Side
from lecture.wire import ScreenFrame, ScreenPartFrame, pack_screen, pack_screen_part, pack_voice, parse_frame

TIMES = st.integers(0, 2**53 - 1)


@given(st.none() | TIMES, st.binary(max_size=200))
def test_an_update_survives_the_wire(t_ms: int | None, update: bytes) -> None:
    assert parse_frame(pack_screen(t_ms, update)) == ScreenFrame(t_ms, update)


@given(st.integers(0, 1 << 20), st.integers(0, MAX_TIMED_BYTES - 99), st.binary(max_size=99))
def test_a_part_survives_the_wire(number: int, offset: int, data: bytes) -> None:
    frame = pack_screen_part(number, offset, MAX_TIMED_BYTES, data)
    assert len(frame) == 12 + len(data)
    assert parse_frame(frame) == ScreenPartFrame(number % 65536, offset, MAX_TIMED_BYTES, data)


@given(TIMES, st.binary(max_size=50))
def test_an_update_keeps_its_time(t_ms: int, update: bytes) -> None:
    assert parse_timed(pack_timed(t_ms, update)) == (t_ms, update)


def test_the_layouts_are_the_documented_ones() -> None:
    assert pack_screen(258, b"up") == b"\x01\x05" + struct.pack("!Q", 258) + b"up"
    assert pack_screen(None, b"")[2:] == b"\xff" * 8
    assert pack_screen_part(3, 4, 9, b"abc") == b"\x01\x06" + struct.pack("!HII", 3, 4, 9) + b"abc"


@pytest.mark.parametrize(
    "data",
    [
        b"\x01\x05" + bytes(7),
        b"\x01\x05" + struct.pack("!Q", 1 << 53),
        b"\x01\x06" + bytes(9),
        b"\x01\x06" + struct.pack("!HII", 0, 5, 4),
        b"\x01\x06" + struct.pack("!HII", 0, 3, 4) + b"xx",
        b"\x01\x06" + struct.pack("!HII", 0, 0, MAX_TIMED_BYTES + 1),
    ],
)
def test_malformed_frames_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="frame_malformed"):
        parse_frame(data)


@pytest.mark.parametrize("data", [b"", bytes(7), struct.pack("!Q", 1 << 53)])
def test_a_malformed_time_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="screen_malformed"):
        parse_timed(data)


@pytest.mark.parametrize(("offset", "total"), [(-1, 9), (7, 9), (0, MAX_TIMED_BYTES + 1)])
def test_a_part_that_is_wrong_is_not_packed(offset: int, total: int) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        pack_screen_part(0, offset, total, b"abc")


def test_a_lecturer_sends_screen_frames_and_no_others() -> None:
    client, relay = LecturerSession(Side.CLIENT), LecturerSession(Side.RELAY)
    with pytest.raises(ProtocolError, match="frame_unexpected"):
        relay.receive_binary(pack_screen(1, b"x"))
    relay.receive_text(client.send(LecturerHello(PROTOCOL_VERSION, token="t")))
    client.receive_text(relay.send(LecturerWelcome(PROTOCOL_VERSION, LectureSummary("a"))))
    assert relay.receive_binary(pack_screen(1, b"x")) == [ScreenFrame(1, b"x")]
    assert relay.receive_binary(b"\x01\x63 of a later version") == []
    with pytest.raises(ProtocolError, match="frame_unexpected"):
        relay.receive_binary(pack_voice(1, 0, [b"opus"]))
    with pytest.raises(ProtocolError, match="frame_malformed"):
        relay.receive_binary(b"\x01\x05")
    with pytest.raises(ProtocolError, match="frame_unexpected"):
        client.receive_binary(pack_screen(1, b"x"))
