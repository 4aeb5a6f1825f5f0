"""Sending one source: numbering, forwarding, switching, retransmission, reports."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import rtcp, rtp, twcc
from transport.receive import ReceivedPacket, ReceiveStream
from transport.rtp import MalformedPacket, RtpPacket
from transport.send import SendStream

SSRC, TYPE, CLOCK = 5, 96, 90_000
RTX_SSRC, RTX_TYPE = 6, 97
STARTS = [0, 1, 32767, 65533, 65534, 65535]


def upstream(seq: int, payload: bytes = b"picture", *, marker: bool = False) -> ReceivedPacket:
    return ReceivedPacket(seq, seq * 3000, marker, payload)


def plain(**options: object) -> SendStream:
    return SendStream(SSRC, TYPE, CLOCK, **{"first_sequence": 100, **options})  # type: ignore[arg-type]


def with_rtx(**options: object) -> SendStream:
    return plain(rtx_payload_type=RTX_TYPE, rtx_ssrc=RTX_SSRC, **options)


def nack(*numbers: int, ssrc: int = SSRC) -> bytes:
    return rtcp.build(rtcp.Nack(1, ssrc, tuple(number & 0xFFFF for number in numbers)))


def parse(packet: bytearray | None) -> RtpPacket:
    assert packet is not None
    return rtp.parse(bytes(packet))


def report(delay_s: float, last_report: int, *, loss: float = 0.0, ssrc: int = SSRC) -> rtcp.ReceiverReport:
    return rtcp.ReceiverReport(1, (rtcp.ReportBlock(ssrc, loss, 7, 0, 900, last_report, delay_s),))


def stamp_of(sender_report: bytes) -> int:
    parsed = rtcp.parse(sender_report)[0]
    assert isinstance(parsed, rtcp.SenderReport)
    return parsed.ntp >> 16 & 0xFFFF_FFFF


def test_own_packets_are_numbered_without_holes_and_carry_their_extensions() -> None:
    stream = plain(first_sequence=65534, extensions={4: b"0"})
    packets = [parse(stream.send(b"abc", 2**32 + n * 960, n == 1, 0)) for n in range(3)]
    assert [packet.sequence_number for packet in packets] == [65534, 65535, 0]
    assert [packet.timestamp for packet in packets] == [0, 960, 1920]
    assert [packet.marker for packet in packets] == [False, True, False]
    assert {(packet.ssrc, packet.payload_type, packet.payload) for packet in packets} == {(SSRC, TYPE, b"abc")}
    assert all(packet.extensions == {4: b"0"} for packet in packets)
    assert (stream.stats.packets, stream.stats.bytes) == (3, 3 * (12 + 8 + 3))


def test_a_random_first_number_leaves_room_before_the_wrap() -> None:
    firsts = {parse(SendStream(SSRC, TYPE, CLOCK).send(b"", 0, False, 0)).sequence_number for _ in range(20)}
    assert len(firsts) > 5
    assert max(firsts) < 1 << 15


@pytest.mark.parametrize("start", STARTS)
def test_forwarding_keeps_upstreams_holes_and_fills_them_when_late(start: int) -> None:
    stream = plain(first_sequence=start)
    order = [70_000, 70_001, 70_004, 70_003, 70_005]
    packets = [parse(stream.forward(upstream(seq, bytes([seq & 0xFF])), seq * 7, 0)) for seq in order]
    assert [(packet.sequence_number - start) & 0xFFFF for packet in packets] == [0, 1, 4, 3, 5]
    assert [packet.timestamp for packet in packets] == [seq * 7 for seq in order]
    assert [packet.payload[0] for packet in packets] == [seq & 0xFF for seq in order]


def test_what_comes_from_before_the_first_forwarded_packet_is_left_out() -> None:
    stream = plain()
    stream.forward(upstream(10), 0, 0)
    assert stream.forward(upstream(9), 0, 0) is None


def test_markers_and_replaced_payloads_go_out() -> None:
    packet = parse(plain().forward(upstream(1, marker=True), 5, 0, payload=b"rewritten"))
    assert (packet.marker, packet.payload) == (True, b"rewritten")


def test_switching_goes_on_in_number_and_never_back_in_time() -> None:
    stream = plain()
    stream.forward(upstream(1000), 90_000, 0)
    stream.forward(upstream(1003), 93_000, 0)
    stream.forward(upstream(1002), 92_500, 0)
    stream.switch_source()
    first = parse(stream.forward(upstream(77), 92_000, 0))
    second = parse(stream.forward(upstream(78), 95_000, 0))
    assert [first.sequence_number, second.sequence_number] == [104, 105]
    assert first.timestamp == 93_001
    assert second.timestamp - first.timestamp == 3_000
    assert stream.forward(upstream(76), 91_000, 0) is None
    stream.switch_source()
    assert parse(stream.forward(upstream(5), 200_000, 0)).timestamp == 200_000


def test_own_and_forwarded_packets_share_one_numbering() -> None:
    stream = plain()
    assert parse(stream.send(b"", 0, False, 0)).sequence_number == 100
    assert parse(stream.forward(upstream(5), 1, 0)).sequence_number == 101
    stream.switch_source()
    assert parse(stream.send(b"", 2, False, 0)).sequence_number == 102
    assert parse(stream.forward(upstream(900), 3, 0)).sequence_number == 103


@pytest.mark.parametrize("constant", [{4: b"0"}, {4: b"a longer mid than sixteen"}, {}])
def test_room_for_the_transport_sequence_number_is_where_it_says(constant: dict[int, bytes]) -> None:
    stream = with_rtx(extensions=constant, transport_sequence_id=3)
    packet = stream.send(b"abc", 0, False, 0)
    (again,) = stream.handle_rtcp(nack(100), 1)
    at = stream.transport_sequence_offset
    assert at is not None
    for one in (packet, again):
        one[at : at + 2] = b"\xab\xcd"
        assert parse(one).extensions == {3: b"\xab\xcd", **constant}
    assert plain().transport_sequence_offset is None


@pytest.mark.parametrize("make", [plain, with_rtx], ids=["plain", "rtx"])
def test_each_packet_has_its_own_transport_sequence_number_retransmissions_too(
    make: Callable[..., SendStream],
) -> None:
    stream = make(transport_sequence_id=3)
    at = stream.transport_sequence_offset
    assert at is not None
    packets = [stream.send(b"voice", number * 960, False, 0) for number in range(3)]
    packets += stream.handle_rtcp(nack(parse(packets[1]).sequence_number), 5)
    assert len(packets) == 4
    for number, packet in enumerate(packets):
        twcc.stamp(packet, at, 0xFFFE + number & 0xFFFF)
    assert [twcc.sequence_of(parse(packet).extensions, 3) for packet in packets] == [0xFFFE, 0xFFFF, 0, 1]
    # What was stamped leaves no trace in what is sent later.
    assert twcc.sequence_of(parse(stream.send(b"voice", 5000, False, 6)).extensions, 3) == 0


def test_a_packet_of_another_payload_type_is_sent_again_as_it_was() -> None:
    stream = plain()
    first = stream.send(b"opus", 0, True, 0)
    redundant = stream.send(b"red", 960, True, 0, payload_type=63)
    last = stream.send(b"opus", 1920, False, 0)
    assert [(parse(packet).payload_type, parse(packet).marker) for packet in (first, redundant, last)] == [
        (stream.payload_type, True),
        (63, True),
        (stream.payload_type, False),
    ]
    assert stream.handle_rtcp(nack(parse(redundant).sequence_number), 5) == [redundant]


def test_a_lost_packet_is_sent_again_as_it_was_without_rtx() -> None:
    stream = plain(extensions={4: b"0"})
    sent = [bytes(stream.send(bytes([n]), n * 960, n == 2, 0)) for n in range(5)]
    stream.send(b"later", 9000, False, 0)
    assert stream.handle_rtcp(nack(102, 104), 1) == [sent[2], sent[4]]
    assert (stream.stats.resent_packets, stream.stats.resent_bytes) == (2, len(sent[2]) + len(sent[4]))
    assert parse(stream.send(b"", 0, False, 1)).sequence_number == 106


def test_a_lost_packet_is_sent_again_as_rtx() -> None:
    stream = with_rtx(first_sequence=65535)
    stream.send(b"first", 1000, True, 0)
    stream.send(b"second", 2000, False, 0)
    first, second = (parse(again) for again in stream.handle_rtcp(nack(65535, 65536), 1))
    assert (first.ssrc, first.payload_type, first.marker, first.timestamp) == (RTX_SSRC, RTX_TYPE, True, 1000)
    assert first.payload == b"\xff\xff" + b"first"
    assert (second.marker, second.timestamp, second.payload) == (False, 2000, b"\0\0" + b"second")
    assert second.sequence_number == (first.sequence_number + 1) & 0xFFFF


def test_other_sources_nacks_and_unknown_numbers_are_ignored() -> None:
    stream = plain()
    stream.send(b"", 0, False, 0)
    assert stream.handle_rtcp(nack(100, ssrc=99), 1) == []
    assert stream.handle_rtcp(nack(101, 99, 50_000), 1) == []
    assert stream.stats.not_in_ring == 3


def test_a_packet_is_not_sent_again_within_about_a_round_trip() -> None:
    stream = plain()
    stream.set_rtt(0.6)
    stream.send(b"", 0, False, 0)
    assert stream.handle_rtcp(nack(100), 0.3) == [], "nobody can know yet that it is lost"
    answers = [len(stream.handle_rtcp(nack(100), 0.7 + n * 0.05)) for n in range(20)]
    assert sum(answers) == 2
    assert answers[0] == 1
    assert answers.index(1, 1) == 11  # 0.55 s later: 0.85 round trips
    assert stream.stats.held_off == 19


def test_hold_off_before_the_round_trip_is_known() -> None:
    stream = plain()
    stream.send(b"", 0, False, 0)
    assert [len(stream.handle_rtcp(nack(100), at)) for at in (0.01, 0.1, 0.15, 0.2)] == [1, 0, 0, 1]


def test_a_receiver_that_repeats_every_round_trip_and_a_bit_is_never_held_off() -> None:
    stream = plain()
    stream.set_rtt(0.6)
    stream.send(b"", 0, False, 0)
    assert all(stream.handle_rtcp(nack(100), 0.7 + n * 1.15 * 0.6) for n in range(8))


def test_retransmission_stays_within_its_budget() -> None:
    stream = plain(resend_bytes_per_s=1_000)
    for n in range(100):
        stream.send(bytes(88), n, False, 0)  # 100 bytes each
    everything = nack(*range(100, 200))
    assert len(stream.handle_rtcp(everything, 1.0)) == 10
    assert stream.stats.over_budget == 90
    assert len(stream.handle_rtcp(everything, 1.5)) == 5
    stream.set_resend_budget(0)
    assert stream.handle_rtcp(everything, 3.0) == []


def test_the_ring_forgets_what_is_old_and_never_grows_beyond_its_bound() -> None:
    stream = plain(ring_s=2.0, max_ring_packets=50)
    for n in range(30):
        stream.send(b"", n, False, n * 0.1)
    assert stream.handle_rtcp(nack(100), 3.0) == []
    assert len(stream.handle_rtcp(nack(115), 3.0)) == 1
    for n in range(200):
        stream.send(b"", n, False, 3.1)
    assert stream.handle_rtcp(nack(100 + 30 + 149), 4.0) == []
    assert len(stream.handle_rtcp(nack(100 + 30 + 150), 4.0)) == 1
    assert len(stream._ring) == 50
    for n in range(1000):
        number = parse(stream.send(b"", n, False, 5.0 + n * 0.1)).sequence_number
        stream.handle_rtcp(nack(number), 5.0 + n * 0.1 + 0.05)
    assert len(stream._resent_s) <= len(stream._ring) == 20 + 1


def test_receiver_reports_give_round_trip_and_loss() -> None:
    stream = plain()
    first = stamp_of(stream.sender_report(10.0, 5_000))
    assert stream.rtt_s is None
    stream.handle_rtcp(rtcp.build(report(0.25, first, loss=0.125)), 10.85)
    assert stream.rtt_s == pytest.approx(0.6, abs=1e-4)
    stats = stream.stats
    assert (stats.fraction_lost, stats.packets_lost, stats.jitter_s, stats.report_at_s) == (0.125, 7, 0.01, 10.85)
    second = stamp_of(stream.sender_report(11.0, 6_000))
    stream.handle_rtcp([report(0.0, second)], 12.0)
    assert stream.rtt_s == pytest.approx(0.7, abs=1e-4), "smoothed"
    stream.handle_rtcp([report(0.0, 12345), report(0.0, second, ssrc=99)], 13.0)
    assert stream.rtt_s == pytest.approx(0.7, abs=1e-4), "unknown stamps and other sources say nothing"


def test_reports_inside_a_sender_report_count_as_well() -> None:
    stream = plain()
    block = report(0, 0, loss=0.5).reports
    stream.handle_rtcp(rtcp.build(rtcp.SenderReport(9, 1, 2, 3, 4, block)), 1)
    assert stream.stats.fraction_lost == 0.5


def test_a_sender_report_ties_timestamps_to_media_time() -> None:
    stream = plain()
    stream.send(bytes(10), 0, False, 0)
    first, description = rtcp.parse(stream.sender_report(1.0, 2_000))
    assert first == rtcp.SenderReport(SSRC, rtcp.ntp_of(2.0), 180_000, 1, 10)
    assert description == rtcp.SourceDescription(((SSRC, "hallcast"),))


def test_a_sender_report_follows_the_shift_of_a_switched_source() -> None:
    stream = plain()
    stream.forward(upstream(1), 90_000, 0)
    stream.switch_source()
    stream.forward(upstream(1), 89_000, 0)
    report_packet = rtcp.parse(stream.sender_report(1.0, 1_000))[0]
    assert isinstance(report_packet, rtcp.SenderReport)
    assert report_packet.rtp_timestamp == 90_000 + 1_001


def test_malformed_feedback_is_refused() -> None:
    with pytest.raises(MalformedPacket):
        plain().handle_rtcp(b"\x81\xcd", 0)


def test_a_payload_type_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="payload type"):
        SendStream(1, 128, CLOCK)


@given(
    start=st.sampled_from(STARTS) | st.integers(0, 65535),
    rtx=st.booleans(),
    loss=st.floats(0, 0.3),
    seed=st.integers(0, 2**20),
    rtt_s=st.floats(0.02, 0.8),
)
def test_sender_and_receiver_bring_everything_across_a_lossy_link(
    start: int, rtx: bool, loss: float, seed: int, rtt_s: float
) -> None:
    """Both directions lose packets; with time enough every packet arrives once, and the cost stays within reason."""
    dice = random.Random(seed)
    sender = (with_rtx if rtx else plain)(first_sequence=start)
    receiver = ReceiveStream(SSRC, CLOCK, TYPE, RTX_TYPE, deadline_s=30.0)
    down: list[tuple[float, bytes]] = []
    up: list[tuple[float, bytes]] = []
    got: list[ReceivedPacket] = []
    count = 100

    def send(line: list[tuple[float, bytes]], data: bytes, now: float, *, safe: bool = False) -> None:
        if safe or dice.random() >= loss:
            line.append((now + rtt_s / 2, data))

    for tick in range(3_000):
        now = tick * 0.01
        if tick % 2 == 0 and tick // 2 < count:
            n = tick // 2
            send(down, bytes(sender.send(bytes([n]), n * 900, False, now)), now, safe=n in (0, count - 1))
        for line, take in ((down, "down"), (up, "up")):
            while line and line[0][0] <= now:
                data = line.pop(0)[1]
                if take == "down":
                    got += receiver.push(data, now)
                else:
                    for again in sender.handle_rtcp(data, now):
                        send(down, bytes(again), now)
        for datagram in receiver.poll(now):
            send(up, datagram, now)
        if len(got) == count and not receiver.missing:
            break
    assert sorted(packet.payload[0] for packet in got) == list(range(count))
    assert sender.stats.resent_packets <= 4 * receiver.stats.repaired + 10
