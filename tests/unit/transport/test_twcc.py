"""Transport-wide feedback: from what was sent to what became of it."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transport import rtcp, twcc
from transport.twcc import FeedbackRecorder, Outcome, SentLog

STARTS = [0, 1, 0x7FFD, 0x7FFF, 0x8000, 0xFFF0, 0xFFFD, 0xFFFF]
OFFSET_S = 1000.0  # the receiver's clock against the sender's


class Link:
    """A sender's log and a receiver's recorder with nothing between them but what a test does."""

    def __init__(self, first: int = 0, *, overlap: bool = True, interval_s: float = 0.25) -> None:
        self.log = SentLog(first)
        self.recorder = FeedbackRecorder(9, interval_s=interval_s, overlap=overlap)
        self.outcomes: list[Outcome] = []
        self.feedback_bytes: list[int] = []

    def send(self, now: float, *, arrives: bool = True, delay_s: float = 0.3, token: object = None) -> int:
        number = self.log.sent(100, now, token, 3)
        if arrives:
            self.recorder.arrived(number, now + delay_s + OFFSET_S)
        return number

    def report(self, now: float, *, arrives: bool = True) -> bool:
        """Let the receiver report if it will; whether it did."""
        data = self.recorder.poll(now + OFFSET_S)
        if data is None:
            return False
        self.feedback_bytes.append(len(data))
        if arrives:
            self.deliver(data, now)
        return True

    def deliver(self, data: bytes, now: float) -> None:
        for packet in rtcp.parse(data):
            assert isinstance(packet, rtcp.TransportFeedback)
            self.outcomes += self.log.feedback(packet, now)

    @property
    def fates(self) -> list[tuple[object, str]]:
        return [
            (one.token, "lost" if one.arrival_s is None else "late" if one.was_lost else "arrived")
            for one in self.outcomes
        ]


def test_stamp_and_read() -> None:
    packet = bytearray(20)
    twcc.stamp(packet, 17, 0xABCD)
    assert packet == bytes(17) + b"\xab\xcd\x00"
    assert twcc.sequence_of({3: b"\xab\xcd"}, 3) == 0xABCD
    assert twcc.sequence_of({3: b"\xab"}, 3) is twcc.sequence_of({}, 3) is None


@pytest.mark.parametrize("first", STARTS)
def test_arrivals_and_losses_from_any_start(first: int) -> None:
    link = Link(first)
    for number in range(8):
        assert link.send(number * 0.01, arrives=number not in (0, 3, 4), token=number) == (first + number) & 0xFFFF
    assert link.report(0.4)
    # Nothing is known of what came before the first arrival.
    assert link.fates == [(n, "lost" if n in (3, 4) else "arrived") for n in range(1, 8)]
    assert [one.size_bytes for one in link.outcomes] == [100] * 7
    assert {one.class_ for one in link.outcomes} == {3}
    assert link.log.in_flight_bytes == 100
    assert link.log.oldest_s == 0
    assert [one.token for one in link.log.overdue(10, 0.6)] == [0]
    assert link.log.in_flight_bytes == 0
    assert link.log.oldest_s is None


def test_times_of_arrival() -> None:
    link = Link()
    link.send(1, delay_s=0.3)
    link.send(1.001, delay_s=0.31825)
    link.send(1.002, delay_s=0.31)  # overtook it
    link.send(9, delay_s=0.3)
    link.send(90, delay_s=0.3)  # further apart than one feedback can say
    assert link.report(90.5)
    first = link.outcomes[0].arrival_s
    assert first is not None
    spacing = [one.arrival_s - first for one in link.outcomes if one.arrival_s is not None]
    assert spacing == pytest.approx([0, 0.01925, 0.012, 8, 89], abs=0.0003)


def test_times_go_on_when_the_reference_wraps() -> None:
    link = Link()
    wrap_s = 0.064 * (1 << 24)
    arrivals = []
    for number in range(40):
        now = wrap_s - OFFSET_S - 2 + number * 0.1
        link.send(now)
        link.report(now + 0.35)
        arrivals.append(now)
    times = [one.arrival_s for one in link.outcomes if one.arrival_s is not None]
    assert len(times) == 40
    assert [b - a for a, b in pairwise(times)] == pytest.approx([0.1] * 39, abs=0.0003)


def test_when_feedback_is_due() -> None:
    link = Link(interval_s=0.25)
    recorder = link.recorder
    assert recorder.due_at == math.inf
    assert recorder.poll(5) is None
    recorder.arrived(7, 5)
    assert recorder.due_at == 5
    assert recorder.poll(5) is not None
    assert recorder.due_at == 6  # the same once more, as it may get lost
    recorder.arrived(8, 5.01)
    assert recorder.due_at == 5.25
    assert recorder.poll(5.2) is None
    assert recorder.poll(5.26) is not None
    repeated = recorder.poll(6.3)
    assert repeated is not None
    assert recorder.due_at == math.inf
    (packet,) = rtcp.parse(repeated)
    assert isinstance(packet, rtcp.TransportFeedback)
    assert (packet.base_sequence, len(packet.arrivals), packet.feedback_count) == (8, 1, 2)
    recorder.interval_s = 1.0
    recorder.arrived(9, 6.4)
    assert recorder.due_at == pytest.approx(7.3)
    recorder.arrived(9, 6.4)  # a duplicate says nothing new
    assert recorder.poll(7.4) is not None
    recorder.arrived(9, 8)
    assert recorder.due_at == pytest.approx(8.4)


@pytest.mark.parametrize("overlap", [True, False])
def test_one_feedback_lost(overlap: bool) -> None:
    link = Link(0xFFFE, overlap=overlap)
    link.send(0, token="a")
    assert link.report(0.3)
    link.send(0.2, token="b", arrives=False)
    link.send(0.21, token="c")
    assert link.report(0.6, arrives=False)
    link.send(0.5, token="d")
    assert link.report(0.9)
    known = [("a", "arrived"), ("b", "lost"), ("c", "arrived"), ("d", "arrived")]
    assert link.fates == (known if overlap else [known[0], known[3]])


def test_the_last_feedback_lost() -> None:
    link = Link()
    link.send(0)
    assert link.report(0.3, arrives=False)
    assert link.report(1.35)
    assert link.fates == [(None, "arrived")]
    assert not link.report(10)


def test_feedback_twice_and_out_of_order() -> None:
    link = Link()
    data = []
    for number in range(4):
        link.send(number * 0.3, arrives=number != 1, token=number)
        if (packet := link.recorder.poll(number * 0.3 + 0.3 + OFFSET_S)) is not None:
            data.append(packet)
    assert len(data) == 3
    for packet in (data[2], data[0], data[1], data[2], data[0]):
        link.deliver(packet, 2)
    assert sorted(link.fates) == [(0, "arrived"), (1, "lost"), (2, "arrived"), (3, "arrived")]


def test_lost_first_and_arrived_after_all() -> None:
    link = Link()
    link.send(0, token="a")
    number = link.send(0.01, arrives=False, token="b")
    link.send(0.02, token="c")
    assert link.report(0.4)
    before = link.outcomes[1]
    link.recorder.arrived(number, OFFSET_S + 0.5)
    assert link.report(0.7)
    assert link.fates == [("a", "arrived"), ("b", "lost"), ("c", "arrived"), ("b", "late")]
    assert before.arrival_s is None
    assert link.report(1.8)
    assert len(link.outcomes) == 4


def test_overdue_and_arrived_after_all() -> None:
    link = Link()
    for number in range(3):
        link.send(number * 1.0, token=number)
    assert link.log.overdue(1.8, 0.6) == []
    assert [one.token for one in link.log.overdue(2.9, 0.6)] == [0, 1]
    assert link.log.overdue(2.9, 0.6) == []
    assert link.log.in_flight_bytes == 100
    assert link.report(3)
    assert link.fates == [(0, "late"), (1, "late"), (2, "arrived")]
    assert link.log.in_flight_bytes == 0


def test_without_any_feedback_the_oldest_are_given_up() -> None:
    log = SentLog(5)
    for number in range(twcc.MAX_IN_FLIGHT + 3):
        log.sent(10, 1.0, number)
    assert log.in_flight_bytes == 10 * twcc.MAX_IN_FLIGHT
    assert [one.token for one in log.overdue(1.1, 0.1)] == [0, 1, 2]
    assert len(log.overdue(3.0, 0.1)) == twcc.MAX_IN_FLIGHT


def test_feedback_of_what_was_never_sent() -> None:
    log = SentLog(100)
    packet = rtcp.TransportFeedback(1, 2, 0, 0, 0, (0,) * 300)
    assert log.feedback(packet, 1) == []
    log.sent(10, 1)
    assert len(log.feedback(packet, 1)) == 1
    assert log.feedback(packet, 1) == []


def test_a_sender_that_begins_anew_is_followed() -> None:
    recorder = FeedbackRecorder(9)
    recorder.arrived(40_000, 1)
    assert recorder.poll(1) is not None
    recorder.arrived(20_000, 2)
    data = recorder.poll(2)
    assert data is not None
    (packet,) = rtcp.parse(data)
    assert isinstance(packet, rtcp.TransportFeedback)
    assert (packet.base_sequence, len(packet.arrivals)) == (20_000, 1)


def test_a_long_outage_ends_in_one_datagram() -> None:
    link = Link(0xFF00)
    link.send(0, token="before")
    assert link.report(0.3)
    for number in range(3000):
        link.send(1 + number * 0.02, arrives=False, token="outage")
    link.send(61.1, token="after")
    assert link.report(61.5)
    assert link.fates.count(("outage", "lost")) == 3000
    assert link.fates[-1] == ("after", "arrived")
    assert max(link.feedback_bytes) < 100


def test_many_arrivals_are_told_in_datagrams_that_fit() -> None:
    link = Link()
    for number in range(1500):
        link.send(number * 0.1, token=number)
    while link.report(160):
        pass
    assert link.fates == [(number, "arrived") for number in range(1500)]
    assert max(link.feedback_bytes) < 1200
    for number in range(1500, 1510):
        link.send(number * 0.1, token=number)
    assert link.report(170)
    assert len(link.outcomes) == 1510


def test_a_recorder_that_is_never_asked_stays_small() -> None:
    link = Link()
    for number in range(70_000):
        link.send(number * 0.001)
    assert link.report(71)
    while link.report(71):
        pass
    assert len(link.outcomes) == 4096


@st.composite
def traffic(draw: st.DrawFn) -> tuple[int, float, float, int, bool]:
    return (
        draw(st.sampled_from(STARTS)),
        draw(st.sampled_from([0.0, 0.05, 0.3])),
        draw(st.sampled_from([0.0, 0.1, 0.5])),
        draw(st.integers(0, 1 << 30)),
        draw(st.booleans()),
    )


@given(traffic())
@settings(max_examples=60, deadline=None)
def test_every_packet_has_its_fate(case: tuple[int, float, float, int, bool]) -> None:
    """Whatever is lost both ways, reordered or doubled: each is acknowledged once at most, and never wrongly."""
    first, loss, feedback_loss, seed, overlap = case
    rng = random.Random(seed)
    link = Link(first, overlap=overlap)
    arrived: dict[int, float] = {}
    events: list[tuple[float, int, int]] = []  # when, number of the event, what: a packet's number or -1 for a report
    count = 400
    for number in range(count):
        now = number * 0.05
        wire = link.log.sent(100, now, number)
        if rng.random() >= loss:
            delay_s = 0.3 + rng.random() * 0.2
            arrived[number] = now + delay_s
            for _ in range(1 if rng.random() < 0.9 else 2):
                events.append((now + delay_s, len(events), wire))
    events += [(step * 0.02, 1_000_000 + step, -1) for step in range(1, 1200)]
    for now, _, what in sorted(events):
        if what >= 0:
            link.recorder.arrived(what, now + OFFSET_S)
        else:
            link.report(now, arrives=rng.random() >= feedback_loss)
    link.outcomes += link.log.overdue(100, 0.6)
    assert link.log.in_flight_bytes == 0
    acked = [one for one in link.outcomes if one.arrival_s is not None]
    lost = [one for one in link.outcomes if one.arrival_s is None]
    assert len({one.token for one in acked}) == len(acked)
    assert len({one.token for one in lost}) == len(lost)
    assert {one.token for one in acked} <= arrived.keys()
    assert {one.token for one in acked} | {one.token for one in lost} == set(range(count))
    late = {one.token for one in acked if one.was_lost}
    assert late == {one.token for one in acked} & {one.token for one in lost}
    # The receiver's clock is another one, but the same for all.
    skews = [one.arrival_s - arrived[one.token] for one in acked if isinstance(one.token, int) and one.arrival_s]
    assert not skews or max(skews) - min(skews) < 0.0006
    if not feedback_loss and overlap:
        # Only what came before the first arrival is not spoken of.
        before = min(arrived, key=arrived.__getitem__)
        assert {one.token for one in acked} >= {number for number in arrived if number > before}


@given(
    st.sampled_from(STARTS),
    st.lists(
        st.one_of(
            st.integers(1, 60),
            st.tuples(
                st.integers(0, 0xFFFF),
                st.integers(0, 0xFFFFFF),
                st.lists(st.none() | st.integers(-70_000, 70_000), min_size=1, max_size=60),
            ),
        ),
        max_size=30,
    ),
)
def test_feedback_that_makes_no_sense_does_no_harm(
    first: int, steps: list[int | tuple[int, int, list[int | None]]]
) -> None:
    log = SentLog(first)
    sent, now = 0, 0.0
    acked: set[object] = set()
    for step in steps:
        now += 0.5
        if isinstance(step, int):
            for _ in range(step):
                log.sent(10, now, sent)
                sent += 1
            continue
        base, reference, arrivals = step
        for one in log.feedback(rtcp.TransportFeedback(1, 2, base, 0, reference, tuple(arrivals)), now):
            if one.arrival_s is not None:
                assert one.token not in acked
                acked.add(one.token)
        assert 0 <= log.in_flight_bytes <= 10 * sent
    log.overdue(now + 100, 0.1)
    assert log.in_flight_bytes == 0
