"""Receiving one source: exactly once, asked for until the deadline, counted right."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transport import rtcp, rtp
from transport.receive import MAX_DROPOUT, ReceivedPacket, ReceiveStream
from transport.rtp import MalformedPacket, RtpPacket

SSRC, CLOCK, TYPE, RTX = 77, 48_000, 111, 112
STARTS = [0, 1, 2, 100, 32767, 32768, 65400, 65533, 65534, 65535]
SPACING_S = 0.02


def packet(seq: int, *, timestamp: int | None = None, payload: bytes = b"x", marker: bool = False) -> RtpPacket:
    stamp = seq * 960 if timestamp is None else timestamp
    return RtpPacket(TYPE, marker, seq & 0xFFFF, stamp & 0xFFFF_FFFF, SSRC, payload)


def rtx(original: int, osn_payload: bytes = b"x") -> RtpPacket:
    payload = (original & 0xFFFF).to_bytes(2, "big") + osn_payload
    return RtpPacket(RTX, False, 9, original * 960 & 0xFFFF_FFFF, SSRC + 1, payload)


def stream(**options: float) -> ReceiveStream:
    return ReceiveStream(SSRC, CLOCK, TYPE, RTX, **options)  # type: ignore[arg-type]


def asked(datagrams: list[bytes]) -> list[int]:
    parsed = [one for datagram in datagrams for one in rtcp.parse(datagram)]
    return [number for one in parsed if isinstance(one, rtcp.Nack) for number in one.sequence_numbers]


def report_block(datagrams: list[bytes]) -> rtcp.ReportBlock:
    parsed = [one for datagram in datagrams for one in rtcp.parse(datagram)]
    (report,) = [one for one in parsed if isinstance(one, rtcp.ReceiverReport)]
    return report.reports[0]


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


def test_a_hole_is_left_alone_for_a_moment_then_asked_for_in_one_packet() -> None:
    receiver = stream(reorder_s=0.02)
    receiver.push(packet(10), 1.0)
    receiver.push(packet(14), 1.08)
    assert asked(receiver.poll(1.09)) == []
    receiver.push(packet(12), 1.095)  # was only late
    assert receiver.due_at == pytest.approx(1.1)
    datagrams = receiver.poll(1.1)
    assert len(datagrams) == 1
    assert asked(datagrams) == [11, 13]


def test_requests_are_repeated_every_round_trip_and_a_bit_until_the_deadline() -> None:
    receiver = stream(deadline_s=2.0)
    receiver.set_rtt(0, 0.4)
    receiver.push(packet(1), 0)
    receiver.push(packet(3), 0.04)
    times = [n / 100 for n in range(400) if asked(receiver.poll(n / 100))]
    steps = [after - before for before, after in itertools.pairwise(times)]
    assert times[0] == pytest.approx(0.06)
    assert all(0.43 < step < 0.5 for step in steps)
    assert times[-1] == pytest.approx(2.02, abs=0.47)
    assert receiver.stats.given_up == 1
    assert receiver.missing == []


def test_after_an_outage_only_what_is_within_the_deadline_is_asked_for() -> None:
    receiver = stream(deadline_s=1.0)
    for n in range(100):
        receiver.push(packet(n), n * SPACING_S)
    receiver.push(packet(100 + 1000), (100 + 1000) * SPACING_S)  # 20 s later
    wanted = asked(receiver.poll(1100 * SPACING_S + 0.03))
    assert wanted[-1] == 1099
    assert 1050 <= wanted[0] <= 1053
    assert receiver.stats.given_up == 1000 - len(wanted)


def test_after_a_long_pause_what_was_lost_at_its_end_is_asked_for() -> None:
    receiver = stream(deadline_s=1.0)
    for n in range(100):
        receiver.push(packet(n), n * SPACING_S)
    receiver.push(packet(103), 30.0)  # DTX: nothing was sent for 28 s
    assert asked(receiver.poll(30.03)) == [100, 101, 102]


def test_a_big_loss_is_asked_for_in_portions() -> None:
    receiver = stream(deadline_s=60.0)
    receiver.push(packet(0), 0)
    receiver.push(packet(1001), 0.001)
    wanted: list[int] = []
    for n in range(10):
        (datagram,) = receiver.poll(0.03 + n * 0.01) or [b""]
        assert len(datagram) < 1100
        wanted += asked([datagram] if datagram else [])
    assert wanted == list(range(1, 1001))


def test_scattered_losses_are_asked_for_in_datagrams_that_fit() -> None:
    receiver = stream(deadline_s=60.0)
    for n in range(20 * 400):
        if n % 20 != 1:
            receiver.push(packet(n), n * 1e-4)
    wanted: list[int] = []
    for n in range(10):
        for datagram in receiver.poll(1.0 + n * 0.01):
            assert len(datagram) < 1100
            wanted += asked([datagram])
    assert wanted == list(range(1, 8000, 20))


def test_without_nack_nothing_is_asked_for() -> None:
    receiver = ReceiveStream(SSRC, CLOCK, TYPE, nack=False, report_interval_s=99)
    receiver.push(packet(1), 0)
    receiver.push(packet(5), 0.1)
    assert receiver.poll(1.0) == []


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


def test_the_same_packet_again_after_asking_is_a_retransmission() -> None:
    receiver = stream()
    receiver.push(packet(1), 0)
    receiver.push(packet(3), 0.04)
    receiver.poll(0.1)
    (out,) = receiver.push(packet(2), 0.5)
    assert out.retransmitted


def test_the_round_trip_is_learnt_from_answers_unless_told() -> None:
    receiver = stream()
    receiver.push(packet(1), 0)
    receiver.push(packet(3), 0.04)
    receiver.poll(0.1)
    receiver.push(rtx(2), 0.3)
    assert receiver.rtt_s == pytest.approx(0.2)
    receiver.set_rtt(1.0, 0.6)
    receiver.set_rtt(1.1, 0.6)
    before = receiver.rtt_s
    receiver.push(packet(5), 1.2)
    receiver.poll(1.3)
    receiver.push(rtx(4), 1.31)
    assert receiver.rtt_s == before


def test_an_answer_to_the_request_before_is_not_taken_for_a_quick_one() -> None:
    receiver = stream(deadline_s=10)
    receiver.push(packet(1), 0)
    receiver.push(packet(3), 0.04)
    assert asked(receiver.poll(0.1))
    assert asked(receiver.poll(0.68))  # repeated after the guess of 0.5 s
    receiver.push(rtx(2), 0.9)  # the round trip is 0.8 s
    assert receiver.rtt_s == pytest.approx(0.8)


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


def test_the_ring_keeps_ten_seconds_and_no_more() -> None:
    receiver = stream(ring_s=10)
    for n in range(1000):
        receiver.push(packet(n), n * SPACING_S)
    first = receiver.since(0)[0]
    assert first.arrival_s == pytest.approx(999 * SPACING_S - 10, abs=SPACING_S)
    assert receiver.get(first.extended_seq) is first
    assert receiver.get(first.extended_seq - 1) is None
    assert receiver.push(packet(10), 20.0) == []  # too old to tell: dropped


def test_the_ring_is_bounded_whatever_the_rate() -> None:
    receiver = stream(max_ring_packets=100)
    for n in range(1000):
        receiver.push(packet(n), n * 1e-4)
    assert len(receiver.since(0)) == 100


def test_since_is_in_order_whatever_the_arrival() -> None:
    receiver = stream()
    out = [received for seq in (1, 4, 3, 2) for received in receiver.push(packet(seq), 0)]
    assert [received.extended_seq for received in receiver.since(out[0].extended_seq)] == sorted(
        received.extended_seq for received in out[1:]
    )


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


@settings(max_examples=80, deadline=None)
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


@settings(max_examples=60, deadline=None)
@given(
    start=st.sampled_from(STARTS) | st.integers(0, 65535),
    lost=st.sets(st.integers(1, 120)),
    rtt_s=st.floats(0.01, 1.0),
    deadline_s=st.floats(0.5, 4.0),
    poll_s=st.floats(0.005, 0.05),
)
def test_every_missing_packet_is_asked_for_until_the_deadline(
    start: int, lost: set[int], rtt_s: float, deadline_s: float, poll_s: float
) -> None:
    receiver = stream(deadline_s=deadline_s, report_interval_s=1e9)
    times: dict[int, list[float]] = {n: [] for n in lost}
    now = next_packet_s = 0.0
    n = 0
    while now < 122 * SPACING_S + deadline_s + 1:
        receiver.set_rtt(now, rtt_s)
        while n <= 121 and next_packet_s <= now:
            if n not in lost:
                receiver.push(packet(start + n), next_packet_s)
            n += 1
            next_packet_s = n * SPACING_S
        for number in asked(receiver.poll(now)):
            times[(number - start) & 0xFFFF].append(now)
        now += poll_s
    repeat_s = max(1.15 * rtt_s, 0.03) + poll_s
    for missing, when in times.items():
        noticed = next(n for n in range(missing, 122) if n not in lost) * SPACING_S
        deadline = missing * SPACING_S + deadline_s
        if noticed + 0.02 + 2 * poll_s < deadline - SPACING_S:
            assert when, f"packet {missing} was never asked for"
            assert when[0] <= noticed + 0.02 + 2 * poll_s
            assert when[-1] >= deadline - repeat_s - 2 * SPACING_S
            assert all(after - before <= repeat_s for before, after in itertools.pairwise(when))
        assert all(at <= deadline + 2 * SPACING_S for at in when)
    assert receiver.missing == []


@settings(max_examples=40, deadline=None)
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
