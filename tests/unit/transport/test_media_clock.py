"""A publisher's timestamps become lecture time: wrap, jitter, skew, sleep, restart, two streams in step."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import media_clock
from transport.media_clock import AHEAD_MS, MediaClock
from transport.rtcp import SenderReport

RATE = 48_000
FRAME_MS = 20
STARTS = [0, 1, 0x7FFF_FFF0, 0x8000_0000, 0xFFFF_0000, 0xFFFF_FFFF, 2**32 - 960 * 25]


def run(
    clock: MediaClock,
    *,
    start: int,
    frames: int,
    begin_ms: float = 1_000.0,
    skew: float = 0.0,
    delay: random.Random | None = None,
    base_delay_ms: float = 0.0,
) -> list[tuple[float, float]]:
    """Pairs of the true capture time and the mapped time of a steady stream."""
    out = []
    for n in range(frames):
        true_ms = begin_ms + n * FRAME_MS * (1 + skew)
        jitter_ms = base_delay_ms + (delay.expovariate(1 / 30) if delay else 0.0)
        timestamp = (start + n * RATE * FRAME_MS // 1000) & 0xFFFF_FFFF
        out.append((true_ms, clock.at(timestamp, true_ms + jitter_ms)))
    return out


@pytest.mark.parametrize("retransmitted", [False, True])
@pytest.mark.parametrize("step_ms", [100, 1_900])
def test_an_encoder_faster_than_real_time_does_not_take_the_future(step_ms: int, retransmitted: bool) -> None:
    clock = MediaClock(RATE)
    clock.at(0, 1_000.0)
    for n in range(1, 2_000):
        now_ms = 1_000.0 + n
        assert clock.at(n * step_ms * RATE // 1000, now_ms, retransmitted=retransmitted) <= now_ms + AHEAD_MS
    now_ms += 2 * AHEAD_MS
    assert clock.at(n * step_ms * RATE // 1000 + 960, now_ms) <= now_ms


@pytest.mark.parametrize("start", STARTS)
def test_the_first_packet_is_its_arrival_and_the_rest_is_counted_from_it_across_the_wrap(start: int) -> None:
    clock = MediaClock(RATE)
    times = run(clock, start=start, frames=100, begin_ms=500)
    assert times[0] == (500, 500)
    assert all(mapped == pytest.approx(true) for true, mapped in times)
    assert clock.anchors == 1


def test_unwrapped_and_wire_timestamps_mean_the_same() -> None:
    clock = MediaClock(RATE)
    clock.at(2**32 - 480, 0)
    assert clock.at(2**32 + 480, 20) == pytest.approx(20)
    assert clock.at(960 + 480, 40) == pytest.approx(40)


def test_jitter_leaves_the_spacing_even() -> None:
    times = run(MediaClock(RATE), start=77, frames=3_000, delay=random.Random(1))
    steps = [after[1] - before[1] for before, after in itertools.pairwise(times)]
    assert max(abs(step - FRAME_MS) for step in steps) < 0.02 * FRAME_MS


@pytest.mark.parametrize("skew", [-300e-6, -50e-6, 50e-6, 300e-6])
def test_a_clock_that_runs_wrong_stays_near_real_time_in_steps_nobody_hears(skew: float) -> None:
    clock = MediaClock(RATE)
    times = run(clock, start=0, frames=60 * 60 * 50, skew=skew)  # one hour
    assert max(abs(mapped - true) for true, mapped in times) < 30
    steps = [after[1] - before[1] for before, after in itertools.pairwise(times)]
    assert max(abs(step - FRAME_MS) for step in steps) <= media_clock.SLEW * FRAME_MS + 1e-6
    assert clock.anchors == 1


def test_a_good_clock_is_never_corrected() -> None:
    clock = MediaClock(RATE)
    times = run(clock, start=0, frames=10 * 60 * 50, delay=random.Random(3))
    assert times[-1][1] - times[0][1] == pytest.approx((len(times) - 1) * FRAME_MS)


def test_media_from_the_future_is_pulled_back_without_a_jump() -> None:
    clock = MediaClock(RATE)
    clock.at(0, 2_000)  # sat in a queue for 1.5 s
    newest = 0.0
    for n in range(1, 200 * 50):
        newest = clock.at(n * 960, 500 + n * FRAME_MS if n > 100 else 2_000 + n)
    assert newest - (500 + (200 * 50 - 1) * FRAME_MS) < media_clock.FAST_TOLERANCE_MS + 1
    assert clock.anchors == 1


def settling(delays_ms: list[float], *, retransmitted: int = 0, frames: int = 500) -> list[float]:
    """By how much later than it was spoken each packet's final time is, of a stream whose first packets are late.

    :param retransmitted: how many of the first packets were sent again.
    """
    clock = MediaClock(RATE, settle_ms=300)
    arrivals = [1_000 + n * FRAME_MS + (delays_ms[n] if n < len(delays_ms) else 0.0) for n in range(frames)]
    late_ms: list[float] = []
    held: list[int] = []
    for n in sorted(range(frames), key=lambda n: (arrivals[n], n)):
        mapped_ms = clock.at(n * 960, arrivals[n], retransmitted=n < retransmitted)
        held.append(n)
        if clock.settled(arrivals[n]):
            final = [clock.at(one * 960, arrivals[n], retransmitted=True) for one in held]
            late_ms += [ms - (1_000 + one * FRAME_MS) for one, ms in zip(held, final, strict=True)]
            held.clear()
            assert final[-1] == pytest.approx(mapped_ms)
    assert clock.anchors == 1
    return late_ms


@pytest.mark.parametrize("retransmitted", [0, 1])
def test_a_first_packet_that_is_late_does_not_make_the_stream_late(retransmitted: int) -> None:
    late_ms = settling([400.0], retransmitted=retransmitted)
    assert max(late_ms) == pytest.approx(0)


def test_a_queue_that_drains_while_the_clock_settles_leaves_no_trace() -> None:
    late_ms = settling([400.0 - n * FRAME_MS for n in range(20)])
    assert max(abs(ms) for ms in late_ms) == pytest.approx(0)


@pytest.mark.parametrize("held_ms", [400, 1_000, 1_600])
def test_a_relay_that_gets_no_time_after_the_first_packet_makes_nothing_late(held_ms: int) -> None:
    late_ms = settling([600.0] + [600.0 + held_ms - n * FRAME_MS for n in range(1, (600 + held_ms) // FRAME_MS)])
    assert max(late_ms) == pytest.approx(0)


def test_a_queue_that_drains_for_longer_than_the_clock_settles_leaves_no_trace() -> None:
    late_ms = settling([1_400.0 - n * FRAME_MS for n in range(70)])
    assert max(late_ms) == pytest.approx(0)


def test_a_publisher_of_few_packets_is_not_waited_for_longer_than_two_seconds() -> None:
    clock = MediaClock(RATE, settle_ms=300)
    clock.at(0, 1_000)
    assert not clock.settled(2_999)
    assert clock.settled(3_000)
    assert clock.at(960, 3_000) == pytest.approx(1_020)


def test_a_start_that_is_late_for_longer_is_caught_up_with_slowly_and_backwards_never() -> None:
    late_ms = settling([400.0] * 50, frames=45 * 50)
    assert late_ms[0] == pytest.approx(400)
    assert late_ms[-1] < 60
    steps = [FRAME_MS + after - before for before, after in itertools.pairwise(late_ms)]
    assert min(steps) >= FRAME_MS - media_clock.FAST_SLEW * 450 - 1e-6  # the most media that comes at once


def test_settling_after_a_jump_goes_back_to_nothing_that_was_before() -> None:
    clock = MediaClock(RATE, settle_ms=300)
    before = run(clock, start=1_000_000_000, frames=100, begin_ms=0)
    clock.at(0, 3_000)
    assert clock.at(100 * 960, 3_010) > before[-1][1]
    assert clock.at(0, 3_010, retransmitted=True) == pytest.approx(before[-1][1] + 1)


def test_an_anchor_in_a_long_queue_that_drains_is_no_jump() -> None:
    clock = MediaClock(RATE)
    mapped = [clock.at(n * 960, 4_000 + n if n < 210 else 20 * n) for n in range(600)]
    assert clock.anchors == 1
    assert mapped == sorted(mapped)


def test_a_correction_ends_where_it_should() -> None:
    clock = MediaClock(RATE)
    clock.at(0, 0)
    for n in range(1, 100 * 50):
        clock.at(n * 960, n * FRAME_MS + 21)  # the way has become 21 ms longer
    assert clock.lateness_ms == pytest.approx(1.0, abs=0.2)


def test_a_packet_out_of_order_is_mapped_and_changes_nothing() -> None:
    clock = MediaClock(RATE)
    run(clock, start=0, frames=100, begin_ms=0)
    assert clock.at(95 * 960, 2_500) == pytest.approx(1_900)
    assert clock.lateness_ms == pytest.approx(0)
    assert clock.at(100 * 960, 2_510) == pytest.approx(2_000)


def test_a_laptop_that_slept_is_anchored_anew() -> None:
    clock = MediaClock(RATE)
    run(clock, start=0, frames=100)
    assert clock.at(100 * 960, 3_600_000) == 3_600_000
    assert clock.at(101 * 960, 3_600_020) == pytest.approx(3_600_020)
    assert clock.anchors == 2


def test_a_short_sleep_is_noticed_when_it_lasts() -> None:
    clock = MediaClock(RATE)
    run(clock, start=0, frames=100, begin_ms=0)
    mapped = [clock.at((100 + n) * 960, 2_000 + 5_000 + n * FRAME_MS) for n in range(700)]
    assert clock.anchors == 2
    assert mapped[-1] == pytest.approx(7_000 + 699 * FRAME_MS)
    assert mapped == sorted(mapped)


def test_a_queue_of_seconds_that_drains_moves_nothing() -> None:
    clock = MediaClock(RATE)
    run(clock, start=0, frames=100, begin_ms=0)
    for n in range(200):  # 4 s held back, then all at once, then live again
        clock.at((100 + n) * 960, 6_000 + n)
    assert clock.at(300 * 960, 6_200) == pytest.approx(6_000)
    assert clock.at(310 * 960, 6_220) == pytest.approx(6_200)
    assert clock.anchors == 1


@pytest.mark.parametrize("new_start", [*STARTS, 5_000_000])
def test_a_restarted_publisher_goes_on_after_all_that_was_before(new_start: int) -> None:
    clock = MediaClock(RATE)
    before = run(clock, start=1_000_000_000, frames=100, begin_ms=0)
    after = run(clock, start=new_start, frames=100, begin_ms=9_000)
    assert clock.anchors == 2
    assert after[0][1] == 9_000
    assert before[-1][1] < after[0][1]
    assert [mapped for _, mapped in after] == sorted(mapped for _, mapped in after)


def test_an_outage_without_media_moves_nothing() -> None:
    clock = MediaClock(RATE)
    run(clock, start=0, frames=50, begin_ms=0)
    assert clock.at(60 * RATE, 60_000) == pytest.approx(60_000)
    assert clock.anchors == 1


def test_retransmitted_packets_are_mapped_and_teach_nothing() -> None:
    clock = MediaClock(RATE)
    run(clock, start=0, frames=100, begin_ms=0)
    assert clock.at(50 * 960, 9_000, retransmitted=True) == pytest.approx(1_000)
    assert clock.at(100 * 960, 2_000) == pytest.approx(2_000)
    assert clock.anchors == 1


def test_a_retransmitted_packet_from_before_a_jump_keeps_its_old_time() -> None:
    clock = MediaClock(RATE)
    run(clock, start=0, frames=100, begin_ms=0)
    clock.at(3_000_000_000, 5_000)
    assert clock.anchors == 2
    assert clock.at(99 * 960, 5_100, retransmitted=True) == pytest.approx(1_980)
    assert clock.at(3_000_000_000 + 960, 5_020, retransmitted=True) == pytest.approx(5_020)


def test_lateness_is_told() -> None:
    clock = MediaClock(RATE)
    clock.at(0, 0)
    for n in range(1, 200):
        clock.at(n * 960, n * FRAME_MS + 15)
    assert clock.lateness_ms == pytest.approx(15, abs=0.1)


def report(instant_s: float, timestamp: int) -> SenderReport:
    return SenderReport(1, round(instant_s * 2**32), timestamp & 0xFFFF_FFFF, 0, 0)


def test_the_camera_keeps_in_step_with_the_voice_by_sender_reports() -> None:
    voice, camera = MediaClock(48_000), MediaClock(90_000, reference=None)
    camera = MediaClock(90_000, reference=voice)
    camera_start = 0xFFFF_FFFF - 90_000
    seen: list[float] = []
    for n in range(60 * 50):
        captured_ms = n * 20
        voice.at(n * 960, captured_ms + 40)
        seen.append(camera.at(camera_start + n * 1800, captured_ms + 640))  # the camera's way is 600 ms longer
        if n % 50 == 0:
            instant_s = 3_900_000_000 + captured_ms / 1000
            voice.sync(report(instant_s, n * 960))
            camera.sync(report(instant_s, camera_start + n * 1800))
    last_ms = (60 * 50 - 1) * 20
    assert voice.at((60 * 50) * 960, last_ms + 60) == pytest.approx(last_ms + 60, abs=1)
    assert seen[-1] == pytest.approx(last_ms + 40, abs=6)
    assert seen == sorted(seen)


def test_sender_reports_that_make_no_sense_are_not_believed() -> None:
    voice = MediaClock(48_000)
    camera = MediaClock(90_000, reference=voice)
    camera.sync(report(1, 0))
    voice.at(0, 0)
    camera.at(0, 0)
    voice.sync(report(100.0, 0))
    camera.sync(report(5_000_000.0, 0))
    camera.sync(report(100.0, 0x8000_0000))
    for n in range(1, 500):
        assert camera.at(n * 1800, n * 20) == pytest.approx(n * 20)


@given(
    start=st.integers(0, 2**32 - 1),
    steps=st.lists(
        st.tuples(
            st.sampled_from([0, 1, 1, 1, 1, 2, 50, 3_000, 2_000_000]),  # frames the timestamp moves on
            st.floats(0, 5_000),  # ms that pass
        ),
        max_size=80,
    ),
)
def test_later_timestamps_never_map_to_earlier_times(start: int, steps: list[tuple[int, float]]) -> None:
    clock = MediaClock(RATE)
    timestamp, now_ms = start, 0.0
    newest = clock.at(timestamp, now_ms)
    for frames, passed_ms in steps:
        timestamp = (timestamp + frames * 960) & 0xFFFF_FFFF
        now_ms += passed_ms
        mapped = clock.at(timestamp, now_ms)
        assert newest <= mapped <= now_ms + AHEAD_MS
        newest = mapped
