"""RTP packets: layout against hand-made bytes, round trips, and any bytes at all."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transport import rtp
from transport.rtp import MalformedPacket, RtpPacket, Unwrapper

PLAIN = bytes.fromhex("80e0000100000a00deadbeef") + b"hi"


def test_a_plain_packet() -> None:
    packet = rtp.parse(PLAIN)
    assert packet == RtpPacket(96, True, 1, 2560, 0xDEADBEEF, b"hi")
    assert rtp.build(packet) == PLAIN
    assert rtp.ssrc_of(PLAIN) == 0xDEADBEEF


def test_contributing_sources_padding_and_one_byte_extensions() -> None:
    data = (
        bytes.fromhex("b2600002000000010000000200000aaa00000bbb")
        + bytes.fromhex("bede0002")  # two words
        + bytes.fromhex("10300031aabb0000")  # id 1 "0", a byte of padding, id 3 aabb, padding
        + b"payload"
        + b"\0\0\x03"
    )
    packet = rtp.parse(data)
    assert packet.csrcs == (0xAAA, 0xBBB)
    assert packet.extensions == {1: b"\x30", 3: b"\xaa\xbb"}
    assert packet.payload == b"payload"
    assert packet.padding_bytes == 3


def test_two_byte_extensions_with_an_empty_element() -> None:
    data = bytes.fromhex("906000010000000100000002") + bytes.fromhex("10000002" + "0500" + "2002aabb" + "0000") + b"x"
    packet = rtp.parse(data)
    assert packet.extensions == {5: b"", 32: b"\xaa\xbb"}
    assert packet.payload == b"x"


def test_what_follows_the_reserved_id_of_the_one_byte_form_is_ignored() -> None:
    data = bytes.fromhex("906000010000000100000002") + bytes.fromhex("bede0002" + "10aa" + "f0bb" + "20cc0000")
    assert rtp.parse(data).extensions == {1: b"\xaa"}


def test_an_unknown_extension_profile_is_skipped() -> None:
    data = bytes.fromhex("906000010000000100000002") + bytes.fromhex("12340001aabbccdd") + b"x"
    packet = rtp.parse(data)
    assert packet.extensions == {}
    assert packet.payload == b"x"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PLAIN[:11],
        b"\x40" + PLAIN[1:],  # version 1
        b"\x8f" + PLAIN[1:],  # 15 contributing sources, none there
        b"\x90" + PLAIN[1:],  # extension header cut short
        b"\x90" + PLAIN[1:12] + bytes.fromhex("bede0002aaaaaaaa"),  # extensions cut short
        b"\x90" + PLAIN[1:12] + bytes.fromhex("bede00011faaaaaa"),  # element beyond its block
        b"\x90" + PLAIN[1:12] + bytes.fromhex("1000000105ff0000"),
        b"\x90" + PLAIN[1:12] + bytes.fromhex("1000000100000005"),
        b"\xa0" + PLAIN[1:12] + b"\x00",  # padding of none
        b"\xa0" + PLAIN[1:12] + b"\x02",  # padding of more than there is
    ],
)
def test_malformed_packets_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedPacket):
        rtp.parse(data)


def test_the_short_look_at_a_runt_is_refused() -> None:
    with pytest.raises(MalformedPacket):
        rtp.ssrc_of(b"\x80\x60")


@pytest.mark.parametrize(
    "packet",
    [
        RtpPacket(128, False, 0, 0, 0, b""),
        RtpPacket(0, False, 65536, 0, 0, b""),
        RtpPacket(0, False, 0, -1, 0, b""),
        RtpPacket(0, False, 0, 0, 1 << 32, b""),
        RtpPacket(0, False, 0, 0, 0, b"", csrcs=tuple(range(16))),
        RtpPacket(0, False, 0, 0, 0, b"", {0: b"a"}),
        RtpPacket(0, False, 0, 0, 0, b"", {256: b"a"}),
        RtpPacket(0, False, 0, 0, 0, b"", {1: bytes(256)}),
        RtpPacket(0, False, 0, 0, 0, b"", padding_bytes=256),
    ],
)
def test_fields_that_do_not_fit_are_refused(packet: RtpPacket) -> None:
    with pytest.raises(ValueError, match="fit"):
        rtp.build(packet)


def test_rtcp_is_told_from_rtp() -> None:
    assert rtp.is_rtcp(bytes([0x80, 200]))
    assert rtp.is_rtcp(bytes([0x80, 206]))
    assert not rtp.is_rtcp(PLAIN)
    assert not rtp.is_rtcp(b"\x80")


packets = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    marker=st.booleans(),
    sequence_number=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFF_FFFF),
    ssrc=st.integers(0, 0xFFFF_FFFF),
    payload=st.binary(max_size=64),
    extensions=st.dictionaries(st.integers(1, 255), st.binary(max_size=255), max_size=4)
    | st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=16), max_size=4),
    csrcs=st.lists(st.integers(0, 0xFFFF_FFFF), max_size=15).map(tuple),
    padding_bytes=st.integers(0, 255),
)


@given(packets)
def test_what_is_built_is_parsed_back(packet: RtpPacket) -> None:
    assert rtp.parse(rtp.build(packet)) == packet


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda tail: b"\xb1" + tail))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    try:
        packet = rtp.parse(data)
    except MalformedPacket:
        return
    assert rtp.parse(rtp.build(packet)) == packet


@given(packets, st.data())
def test_a_packet_cut_or_altered_anywhere_parses_or_is_refused(packet: RtpPacket, data: st.DataObject) -> None:
    whole = bytearray(rtp.build(packet))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for variant in (bytes(whole), bytes(whole[:cut])):
        try:
            rtp.parse(variant)
        except MalformedPacket:
            continue


@example(bits=16, start=0, steps=[-30_000, 30_000])
@given(bits=st.sampled_from([16, 32]), start=st.integers(0, 2**32 - 1), steps=st.lists(st.integers(-30000, 30000)))
def test_unwrapping_follows_the_true_count_from_any_start(bits: int, start: int, steps: list[int]) -> None:
    unwrapper = Unwrapper(bits)
    start &= (1 << bits) - 1
    first = unwrapper.unwrap(start)
    true = newest = 0
    for step in steps:
        true = newest + step  # a step is always against the newest: that is what half a range allows
        if first + true < 0:
            continue
        assert unwrapper.unwrap((start + true) & ((1 << bits) - 1)) == first + true
        newest = max(newest, true)
