"""Redundant audio as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import red
from transport.red import RedBlock
from transport.rtp import MalformedPacket


def test_the_layout_of_the_rfc() -> None:
    packed = red.pack(b"now", [(2880, b"older")], 111)
    # RFC 2198 section 3: follow bit and type, 14 bits of timestamp offset, 10 bits of length; last the primary's type.
    assert packed == bytes((0x80 | 111,)) + (2880 << 10 | 5).to_bytes(3, "big") + bytes((111,)) + b"older" + b"now"
    assert red.unpack(packed) == [RedBlock(111, 2880, b"older"), RedBlock(111, 0, b"now")]


def test_without_a_copy_it_costs_a_byte() -> None:
    assert red.pack(b"now", [], 111) == b"\x6fnow"
    assert red.unpack(b"\x6fnow") == [RedBlock(111, 0, b"now")]


def test_copies_that_do_not_fit_their_fields_are_left_out() -> None:
    copies = [(1 << 14, b"old"), (2880, bytes(1 << 10)), (2880, b""), (0, b"x"), (960, b"good")]
    assert red.unpack(red.pack(b"now", copies, 111)) == [RedBlock(111, 960, b"good"), RedBlock(111, 0, b"now")]
    with pytest.raises(ValueError, match="payload type"):
        red.pack(b"now", [], 128)


@given(
    st.binary(max_size=1500),
    st.lists(st.tuples(st.integers(1, red.MAX_TIMESTAMP_OFFSET), st.binary(min_size=1, max_size=1023)), max_size=31),
    st.integers(0, 127),
)
def test_what_is_packed_is_unpacked(primary: bytes, copies: list[tuple[int, bytes]], payload_type: int) -> None:
    blocks = red.unpack(red.pack(primary, copies, payload_type))
    assert [(block.timestamp_offset, block.payload) for block in blocks] == [*copies, (0, primary)]
    assert {block.payload_type for block in blocks} == {payload_type}


def test_frames_are_repeated_while_that_is_wanted() -> None:
    redundancy = red.Redundancy(111, 63)
    assert redundancy.payload(b"a", 1 << 33) == (b"a", None)
    redundancy.wanted = True
    assert redundancy.payload(b"b", (1 << 33) + 2880) == (red.pack(b"b", [(2880, b"a")], 111), 63)
    # After a pause the frame before is too old to say.
    assert redundancy.payload(b"c", (1 << 33) + 60_000) == (red.pack(b"c", [], 111), 63)
    redundancy.wanted = False
    assert redundancy.payload(b"d", (1 << 33) + 62_880) == (b"d", None)


def test_a_receiver_that_takes_none_gets_none() -> None:
    redundancy = red.Redundancy(111, None)
    redundancy.wanted = True
    assert [redundancy.payload(frame, at) for at, frame in ((0, b"a"), (2880, b"b"))] == [(b"a", None), (b"b", None)]


@pytest.mark.parametrize(
    "payload", [b"", b"\xef", b"\xef\0\0", b"\xef\0\0\1", b"\xef\0\0\2\x6fx", b"\xef\0\0\0" * 32 + b"\x6f"]
)
def test_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedPacket):
        red.unpack(payload)


@given(st.binary(max_size=300))
def test_any_bytes(payload: bytes) -> None:
    try:
        blocks = red.unpack(payload)
    except MalformedPacket:
        return
    assert sum(len(block.payload) for block in blocks) + 4 * len(blocks) - 3 == len(payload)
