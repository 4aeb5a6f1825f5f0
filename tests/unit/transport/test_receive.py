"""Receiving one source: exactly once, whatever is lost, and counted right."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.transport.rtp_streams import (
    RTX,
    SPACING_S,
    SSRC,
    STARTS,
    TYPE,
    asked,
    packet,
    report_block,
    rtx,
    stream,
)
from transport import rtcp, rtp
from transport.receive import MAX_DROPOUT, ReceivedPacket
from transport.rtp import MalformedPacket, RtpPacket


def test_a_packet_comes_out_at_once_with_what_was_in_it() -> None:
    data = rtp.build(RtpPacket(TYPE, True, 5, 960, SSRC, b"voice", {1: b"0"}, padding_bytes=3))
    (out,) = stream().push(data, 12.5)
    assert (out.marker, out.payload, out.retransmitted, out.arrival_s) == (True, b"voice", False, 12.5)
    assert out.extensions == {1: b"0"}


@pytest.mark.parametrize("start", STARTS)
def test_numbers_and_timestamps_go_on_across_the_wrap(start: int) -> None:
    receiver = stream()
    stamps = 2**32 - 960 * 10
    out = [
        received
        for n in range(200)
        for received in receiver.push(packet(start + n, timestamp=stamps + n * 960), n * SPACING_S)
    ]
    assert [received.extended_seq - out[0].extended_seq for received in out] == list(range(200))
    assert [received.timestamp_ext - out[0].timestamp_ext for received in out] == [n * 960 for n in range(200)]
    assert receiver.stats.expected == receiver.stats.packets == 200


def test_duplicates_foreign_types_and_runts_are_dropped() -> None:
    receiver = stream()
    assert len(receiver.push(packet(1), 0)) == 1
    assert receiver.push(packet(1), 0.01) == []
    assert receiver.push(RtpPacket(13, False, 2, 0, SSRC, b"comfort noise"), 0.02) == []
    with pytest.raises(MalformedPacket):
        receiver.push(b"\x80\x6f", 0.03)
    assert (receiver.stats.duplicates, receiver.stats.foreign) == (1, 1)


def test_rtx_brings_the_original_back() -> None:
    receiver = stream()
    receiver.push(packet(65534), 0)
    receiver.push(packet(65537), 0.06)
    receiver.poll(0.1)
    (out,) = receiver.push(rtx(65536, b"again"), 0.5)
    assert (out.payload, out.retransmitted, out.timestamp_ext & 0xFFFF_FFFF) == (b"again", True, 65536 * 960)
    assert out.extended_seq & 0xFFFF == 0
    assert [seq & 0xFFFF for seq in receiver.missing] == [65535]
    assert receiver.push(rtx(65536, b"again"), 0.6) == []
    assert receiver.stats.repaired == 1


def test_rtx_that_is_only_padding_or_comes_first_is_nothing() -> None:
    receiver = stream()
    assert receiver.push(rtx(5), 0) == []
    receiver.push(packet(1), 0)
    assert receiver.push(RtpPacket(RTX, False, 1, 0, 78, b""), 0) == []
    assert receiver.stats.packets == 1


@pytest.mark.parametrize("new_start", [0, 30_000, 40_000, 65_535, 12])
def test_a_restarted_sender_is_taken_up_at_its_second_packet(new_start: int) -> None:
    receiver = stream()
    before = [out for n in range(50) for out in receiver.push(packet(10_000 + n), n * SPACING_S)]
    stamp = 3_000_000_000
    assert receiver.push(packet(new_start, timestamp=stamp), 2.0) == []
    both = receiver.push(packet(new_start + 1, timestamp=stamp + 960), 2.02)
    assert [out.extended_seq & 0xFFFF for out in both] == [new_start, (new_start + 1) & 0xFFFF]
    assert both[0].extended_seq > before[-1].extended_seq
    assert both[0].arrival_s == 2.0
    assert receiver.stats.restarts == 1
    assert asked(receiver.poll(2.2)) == []
    assert receiver.stats.expected == receiver.stats.packets == 52


def test_a_sender_that_restarts_a_little_lower_is_known_by_its_timestamps() -> None:
    receiver = stream()
    for n in range(50):
        receiver.push(packet(10_000 + n), n * SPACING_S)
    assert receiver.push(packet(10_020, timestamp=3_000_000_000), 2.0) == []
    assert len(receiver.push(packet(10_021, timestamp=3_000_000_960), 2.02)) == 2


def test_one_stray_packet_does_not_move_the_stream() -> None:
    receiver = stream()
    receiver.push(packet(10), 0)
    assert receiver.push(packet(10 + MAX_DROPOUT + 5), 0.02) == []
    assert len(receiver.push(packet(11), 0.04)) == 1
    assert receiver.stats.restarts == 0
    assert receiver.missing == []


def test_what_is_too_old_to_tell_from_a_duplicate_is_dropped() -> None:
    receiver = stream(remembered_s=10)
    numbers = [n for n in range(1000) if n not in (10, 600)]
    for n in numbers:
        receiver.push(packet(n), n * SPACING_S)
    assert receiver.push(packet(10), 20.0) == []
    assert len(receiver.push(packet(600), 20.0)) == 1
    assert receiver.stats.duplicates == 1


def test_what_is_remembered_is_bounded_whatever_the_rate() -> None:
    receiver = stream(max_remembered=100)
    for n in [n for n in range(1000) if n not in (850, 950)]:
        receiver.push(packet(n), n * 1e-4)
    assert receiver.push(packet(850), 0.1) == []
    assert len(receiver.push(packet(950), 0.1)) == 1


def test_a_receiver_report_says_what_the_link_lost_before_repair() -> None:
    receiver = stream(report_interval_s=1.0)
    for n in range(100):
        if n % 4:
            receiver.push(packet(65_500 + n), n * SPACING_S)
    for n in range(4, 100, 4):
        receiver.push(rtx(65_500 + n), 1.99)
    block = report_block(receiver.poll(2.0))
    assert block.ssrc == SSRC
    assert block.fraction_lost == pytest.approx(24 / 99, abs=0.005)
    assert block.packets_lost == 24
    assert block.highest_sequence == 65_599
    assert receiver.stats.fraction_lost == pytest.approx(24 / 99)
    assert receiver.poll(3.5) == [], "nothing heard, nothing to report"
    receiver.push(packet(65_600), 3.6)
    assert report_block(receiver.poll(4.6)).fraction_lost == 0


def test_a_receiver_report_answers_the_sender_report() -> None:
    receiver = stream()
    receiver.push(packet(1), 0)
    assert report_block(receiver.poll(1.0)).last_report == 0
    receiver.handle_sender_report(rtcp.SenderReport(SSRC, 0x1122_3344_5566_7788, 0, 0, 0), 1.5)
    receiver.push(packet(2), 1.6)
    block = report_block(receiver.poll(2.0))
    assert (block.last_report, block.delay_s) == (0x33445566, pytest.approx(0.5, abs=1e-4))


def test_jitter_is_in_seconds() -> None:
    steady, shaken = stream(), stream()
    dice = random.Random(4)
    for n in range(500):
        steady.push(packet(n), n * SPACING_S)
        shaken.push(packet(n), n * SPACING_S + dice.uniform(0, 0.03))
    assert steady.stats.jitter_s < 1e-6
    assert 0.005 < shaken.stats.jitter_s < 0.02


def test_the_packets_of_one_picture_are_no_jitter() -> None:
    receiver = stream()
    for n in range(1000):
        receiver.push(packet(n, timestamp=n // 10 * 3200), n // 10 * 0.0666667 + n % 10 * 0.003)
    assert receiver.stats.jitter_s < 1e-4


def test_keyframe_requests_are_throttled() -> None:
    receiver = stream()
    receiver.set_rtt(0, 0.8)
    (datagram,) = receiver.request_keyframe(1.0)
    assert rtcp.wants_keyframe(rtcp.parse(datagram), SSRC)
    assert receiver.request_keyframe(1.7) == []
    assert len(receiver.request_keyframe(1.9)) == 1


@given(
    start=st.sampled_from(STARTS) | st.integers(0, 65535),
    fates=st.lists(st.sampled_from(["pass", "pass", "pass", "lose", "twice", "late"]), min_size=1, max_size=150),
    seed=st.integers(0, 2**20),
)
def test_whatever_is_lost_doubled_or_late_all_that_arrives_comes_out_once(
    start: int, fates: list[str], seed: int
) -> None:
    dice = random.Random(seed)
    arrivals: list[tuple[float, int]] = []
    for n, fate in enumerate(fates):
        sent_s = n * SPACING_S
        if fate != "lose" or n == 0:
            arrivals.append((sent_s + (dice.uniform(0, 2) if fate == "late" and n else 0), n))
        if fate == "twice":
            arrivals.append((sent_s + dice.uniform(0, 2), n))
    receiver = stream()
    out: list[ReceivedPacket] = []
    for now, n in sorted(arrivals):
        out += receiver.push(packet(start + n), now)
        receiver.poll(now)
    base = out[0].extended_seq
    assert sorted(received.extended_seq - base for received in out) == sorted({n for _, n in arrivals})
    assert [received.timestamp_ext - out[0].timestamp_ext for received in out] == [
        (received.extended_seq - base) * 960 for received in out
    ]


@given(st.lists(st.tuples(st.binary(max_size=40), st.floats(0, 3)), max_size=30))
def test_hostile_packets_end_in_a_typed_error_or_nothing_worse(pushes: list[tuple[bytes, float]]) -> None:
    receiver = stream()
    now = 0.0
    for data, step_s in pushes:
        now += step_s
        for candidate in (data, b"\x80" + bytes([TYPE]) + data, b"\x80" + bytes([RTX]) + data):
            try:
                receiver.push(candidate, now)
            except MalformedPacket:
                continue
        receiver.poll(now)
