"""RTCP packets: layout against hand-made bytes, round trips, and any bytes at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import rtcp
from transport.rtp import MalformedPacket

u32 = st.integers(0, 0xFFFF_FFFF)
blocks = st.builds(
    rtcp.ReportBlock,
    ssrc=u32,
    fraction_lost=st.integers(0, 255).map(lambda part: part / 256),
    packets_lost=st.integers(-(1 << 23), (1 << 23) - 1),
    highest_sequence=u32,
    jitter=u32,
    last_report=u32,
    delay_s=u32.map(lambda part: part / 65536),
)
reports = st.lists(blocks, max_size=3).map(tuple)
sequence_runs = st.builds(
    lambda start, steps: tuple(dict.fromkeys((start + sum(steps[:n])) & 0xFFFF for n in range(1, len(steps) + 1))),
    st.integers(0, 0xFFFF),
    st.lists(st.integers(1, 40), min_size=1, max_size=40),
)
known = st.one_of(
    st.builds(rtcp.SenderReport, u32, st.integers(0, 2**64 - 1), u32, u32, u32, reports),
    st.builds(rtcp.ReceiverReport, u32, reports),
    st.builds(rtcp.SourceDescription, st.lists(st.tuples(u32, st.text(max_size=30)), max_size=3).map(tuple)),
    st.builds(rtcp.Bye, st.lists(u32, max_size=3).map(tuple), st.text(max_size=40)),
    st.builds(rtcp.Nack, u32, u32, sequence_runs),
    st.builds(rtcp.Pli, u32, u32),
    st.builds(rtcp.Fir, u32, st.lists(st.tuples(u32, st.integers(0, 255)), max_size=3).map(tuple)),
    st.builds(rtcp.Remb, u32, st.integers(0, 2**18 - 1), st.lists(u32, max_size=3).map(tuple)),
)


def test_a_nack_names_packets_by_number_and_mask() -> None:
    data = bytes.fromhex("81cd0003" + "00000001" + "00000002" + "00640005")
    assert rtcp.parse(data) == [rtcp.Nack(1, 2, (100, 101, 103))]
    assert rtcp.build(rtcp.Nack(1, 2, (100, 101, 103))) == data


def test_a_nack_is_folded_across_the_wrap() -> None:
    wanted = (65530, 65535, 0, 10, 11, 500)
    data = rtcp.build(rtcp.Nack(1, 2, wanted))
    assert len(data) == 4 + 8 + 3 * 4
    assert rtcp.parse(data) == [rtcp.Nack(1, 2, wanted)]


def test_a_receiver_report() -> None:
    data = bytes.fromhex(
        "81c90007" + "00000001" + "00000002" + "40fffffe" + "00010005" + "00000030" + "11223344" + "00018000"
    )
    block = rtcp.ReportBlock(2, 0.25, -2, 0x10005, 48, 0x11223344, 1.5)
    assert rtcp.parse(data) == [rtcp.ReceiverReport(1, (block,))]
    assert rtcp.build(rtcp.ReceiverReport(1, (block,))) == data


def test_a_sender_report_with_its_description_is_one_datagram() -> None:
    report = rtcp.SenderReport(7, rtcp.ntp_of(12.5), 600_000, 10, 900)
    data = rtcp.build(report, rtcp.SourceDescription(((7, "hallcast"),)))
    assert rtcp.parse(data) == [report, rtcp.SourceDescription(((7, "hallcast"),))]
    assert report.ntp_s == rtcp.NTP_EPOCH_S + 12.5


@pytest.mark.parametrize("name", ["", "a", "ab", "abc", "abcd", "강의"])
def test_a_description_ends_on_a_word_with_at_least_one_zero(name: str) -> None:
    data = rtcp.build(rtcp.SourceDescription(((1, name), (2, name))))
    assert len(data) % 4 == 0
    assert rtcp.parse(data) == [rtcp.SourceDescription(((1, name), (2, name)))]


@pytest.mark.parametrize(
    ("bitrate_bps", "parsed_bps"), [(0, 0), (30_000, 30_000), (3_000_000, 3_000_000), (2**40 + 1, 2**40)]
)
def test_remb_keeps_18_bits_of_its_rate(bitrate_bps: int, parsed_bps: int) -> None:
    packets = rtcp.parse(rtcp.build(rtcp.Remb(1, bitrate_bps, (2, 3))))
    assert packets == [rtcp.Remb(1, parsed_bps, (2, 3))]
    assert rtcp.remb_bps(packets) == parsed_bps


def test_no_remb_is_none_and_the_newest_counts() -> None:
    assert rtcp.remb_bps([rtcp.Pli(1, 2)]) is None
    assert rtcp.remb_bps([rtcp.Remb(1, 10, ()), rtcp.Remb(1, 20, ())]) == 20


def test_keyframe_requests_are_found_for_their_source() -> None:
    asked = rtcp.parse(rtcp.build(rtcp.Pli(1, 2), rtcp.Fir(1, ((3, 9), (4, 1)))))
    assert [rtcp.wants_keyframe(asked, ssrc) for ssrc in (1, 2, 3, 4)] == [False, True, True, True]


def test_padding_of_the_last_packet_is_taken_off() -> None:
    assert rtcp.parse(bytes.fromhex("a1ce0003" + "00000001" + "00000002" + "00000004")) == [rtcp.Pli(1, 2)]


def test_unknown_packets_are_handed_on() -> None:
    feedback = bytes.fromhex("8ecd0003" + "00000001" + "00000002" + "00010001")
    assert rtcp.parse(feedback) == [rtcp.UnknownRtcp(205, 14, feedback[4:])]
    assert rtcp.build(*rtcp.parse(feedback)) == feedback


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\xc8",
        bytes.fromhex("41c90001" + "00000001"),  # version 1
        bytes.fromhex("80c90002" + "00000001"),  # longer than the datagram
        bytes.fromhex("81c90001" + "00000001"),  # a block that is not there
        bytes.fromhex("80c80001" + "00000001"),  # no sender information
        bytes.fromhex("a0c90001" + "00000000"),  # padding of none
        bytes.fromhex("a0c90001" + "00000009"),  # padding of more than there is
        bytes.fromhex("81ca0002" + "00000001" + "01ff6161"),  # an item beyond its packet
        bytes.fromhex("81ca0002" + "00000001" + "01026161"),  # no end of the items
        bytes.fromhex("82cb0001" + "00000001"),  # two sources, one there
        bytes.fromhex("81cd0001" + "00000001"),
        bytes.fromhex("84ce0003" + "00000001" + "00000002" + "00000003"),  # half a FIR entry
        bytes.fromhex("8fce0004" + "00000001" + "00000000" + "52454d42" + "02000000"),  # two sources, none there
    ],
)
def test_malformed_datagrams_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedPacket):
        rtcp.parse(data)


@pytest.mark.parametrize(
    "packet",
    [
        rtcp.Pli(1 << 32, 0),
        rtcp.Nack(1, 2, (70_000,)),
        rtcp.ReceiverReport(1, (rtcp.ReportBlock(1, 0, 0, 0, 0),) * 32),
        rtcp.SourceDescription(((1, "x" * 256),)),
        rtcp.UnknownRtcp(210, 0, b"abc"),
    ],
)
def test_fields_that_do_not_fit_are_refused(packet: rtcp.RtcpPacket) -> None:
    with pytest.raises(ValueError, match=r"fit|at most"):
        rtcp.build(packet)


@given(st.lists(known, min_size=1, max_size=4))
def test_what_is_built_is_parsed_back(packets: list[rtcp.RtcpPacket]) -> None:
    assert rtcp.parse(rtcp.build(*packets)) == packets


@given(st.binary(max_size=100))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    try:
        rtcp.parse(data)
    except MalformedPacket:
        return


@given(
    first=st.integers(128, 191),
    kind=st.sampled_from([200, 201, 202, 203, 204, 205, 206, 207]),
    body=st.binary(max_size=80).map(lambda data: data[: len(data) // 4 * 4]),
)
def test_any_body_of_a_known_type_parses_or_is_refused(first: int, kind: int, body: bytes) -> None:
    try:
        rtcp.parse(bytes((first, kind, 0, len(body) // 4)) + body)
    except MalformedPacket:
        return
