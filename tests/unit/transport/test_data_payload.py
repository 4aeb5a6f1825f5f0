"""The payload hallcast-data as bytes, and what a receiver says to a sender that is no good."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transport.data_payload import MAX_OBJECT_BYTES, Piece, pack, parse
from transport.data_receive import DataReceiver
from transport.rtp import MalformedPacket


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0",
        b"\1\x40\0x",  # version 1
        b"\0\x41\0x",  # a reserved bit
        b"\0\x48\0",  # withdrawn and last
        b"\0\x40",  # no number
        b"\0\x40\x40",  # half a number
        b"\0\x40" + b"\xc0" + bytes(8),  # a number of eight bytes
        b"\0\x40\0",  # no data
        b"\0\x50\0\0x",  # length 0
        b"\0\x50\0\5x",  # longer than the payload
        b"\0\x60\0\xbf\xff\xff\xffx",  # far beyond any object
        b"\0\xc0\x80\x01\x00\x00x",  # far ahead
    ],
)
def test_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedPacket):
        DataReceiver().push(payload)


@pytest.mark.parametrize(
    "pieces",
    [
        [Piece(True, 0, 5, True, b"x"), Piece(True, 0, 6, False, b"x")],
        [Piece(True, 0, 5, False, b"xy"), Piece(True, 0, 5, True, b"x")],
        [Piece(True, 0, 5, True, b"x"), Piece(True, 0, 4, True, b"x")],
        [Piece(False, 0, 0, True, b"\xff\xfe")],
        [Piece(True, number, MAX_OBJECT_BYTES - 1, False, b"x") for number in range(5)],
        [Piece(True, number, 1, False, b"x") for number in range(20_000)],
    ],
    ids=["beyond its end", "end within", "two ends", "not text", "much unfinished", "many unfinished"],
)
def test_contradictions_and_bounds(pieces: list[Piece]) -> None:
    receiver = DataReceiver()

    def push_all() -> None:
        for piece in pieces:
            receiver.push(pack([piece]))

    with pytest.raises(MalformedPacket):
        push_all()


PIECES = st.lists(
    st.builds(
        Piece,
        st.booleans(),
        st.sampled_from([0, 1, 63, 64, 16_383, 16_384, (1 << 30) - 1]),
        st.sampled_from([0, 1, 63, 64, 16_384, 500_000]),
        st.booleans(),
        st.binary(min_size=1, max_size=80),
    )
    | st.builds(Piece, st.booleans(), st.integers(0, 100), withdrawn=st.just(True)),
    min_size=1,
    max_size=12,
)


@given(PIECES)
def test_what_is_packed_is_parsed(pieces: list[Piece]) -> None:
    assert parse(pack(pieces)) == pieces


def test_what_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match="at least one"):
        pack([])
    with pytest.raises(ValueError, match="too large"):
        pack([Piece(True, 1 << 30, 0, True, b"x")])


@given(st.lists(st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: b"\0" + tail), max_size=8))
@settings(max_examples=300)
def test_any_bytes(payloads: list[bytes]) -> None:
    receiver = DataReceiver(max_bytes=5000)
    for payload in payloads:
        try:
            receiver.push(payload)
        except MalformedPacket:
            continue
