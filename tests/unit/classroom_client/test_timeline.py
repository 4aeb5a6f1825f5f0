"""Playout: every frame at most once and in order, holes concealed, waited for or passed over as they deserve."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classroom_client.live_edge import LiveEdge
from classroom_client.timeline import PlayoutSettings, Policy, Step, Timeline, What
from classroom_client.voice import VoiceBuffer
from lecture.log import Span

FRAME_MS = 60


def coded(t_ms: int) -> bytes:
    return t_ms.to_bytes(8, "big")


@dataclass
class Hall:
    """A hall's ear in simulated time: lecture time runs with ``now`` from 0; the link's delay is 0."""

    settings: PlayoutSettings = field(default_factory=PlayoutSettings)
    resume_at_ms: int | None = None
    now: float = 0.0
    steps: list[tuple[float, Step]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.voice = VoiceBuffer()
        self.edge = LiveEdge()
        self.timeline = Timeline(self.voice, self.edge, self.settings, self.resume_at_ms)
        self._arrivals: list[tuple[float, int]] = []  # a heap

    def arrives(self, start_ms: int, end_ms: int, *, at: float | None = None, lag_s: float = 0.3) -> None:
        """Frames of this stretch arrive live, ``lag_s`` after they were spoken, or all at ``at``."""
        for t_ms in range(start_ms, end_ms, FRAME_MS):
            heapq.heappush(self._arrivals, ((t_ms + FRAME_MS) / 1000 + lag_s if at is None else at, t_ms))

    def run(self, until: float, *, live: bool = True) -> None:
        while self.now < until:
            if live:
                self.edge.observe(int(self.now * 1000), self.now)
            while self._arrivals and self._arrivals[0][0] <= self.now:
                t_ms = heapq.heappop(self._arrivals)[1]
                self.voice.add(t_ms, coded(t_ms))
            step = self.timeline.step(self.now)
            self.steps.append((self.now, step))
            if step.what is What.FINISHED:
                return
            self.now += (step.lecture_ms or FRAME_MS) / 1000 / step.speed

    def heard(self, what: What = What.VOICE) -> list[int]:
        return [step.t_ms for _, step in self.steps if step.what is what]

    def delay_s(self) -> float:
        now, step = self.steps[-1]
        return now - step.t_ms / 1000


def frames(start_ms: int, end_ms: int) -> list[int]:
    return list(range(start_ms, end_ms, FRAME_MS))


def test_live_voice_is_played_whole_at_the_playout_delay() -> None:
    hall = Hall()
    hall.arrives(0, 30_000)
    hall.run(32)
    assert hall.heard() == frames(0, 30_000)
    first = next(now for now, step in hall.steps if step.what is What.VOICE)
    assert first == pytest.approx(2.0, abs=0.07)
    assert {step.speed for _, step in hall.steps} == {1.0}


def test_nothing_is_heard_before_the_playout_delay_has_passed() -> None:
    hall = Hall(PlayoutSettings(delay_ms=3000))
    hall.arrives(0, 9_000)
    hall.run(2.9)
    assert hall.heard() == []


def test_late_joiner_begins_at_the_playout_delay_and_never_stalls() -> None:
    hall = Hall(now=100.0)
    hall.arrives(100_200, 130_000)
    hall.run(130)
    assert hall.heard()[0] == 100_200
    assert hall.heard(What.SILENCE) == frames(97_980, 100_200)
    assert hall.heard(What.STALL) == []
    assert hall.delay_s() == pytest.approx(2.0, abs=0.1)


def test_short_hole_is_concealed_at_its_deadline() -> None:
    hall = Hall()
    hall.arrives(0, 6_000)
    hall.arrives(6_240, 12_000)
    hall.run(14)
    assert hall.heard(What.CONCEALED) == frames(6_000, 6_240)
    assert hall.heard() == frames(0, 6_000) + frames(6_240, 12_000)


def test_frame_that_comes_after_it_was_concealed_is_not_played() -> None:
    hall = Hall()
    hall.arrives(0, 6_000)
    hall.arrives(6_060, 12_000)
    hall.arrives(6_000, 6_060, at=9.0)
    hall.run(14)
    assert hall.heard() == frames(0, 6_000) + frames(6_060, 12_000)
    assert hall.voice.have.covers(Span(0, 12_000))


@pytest.mark.parametrize("outage_s", [5, 20, 60, 300])
def test_every_word_of_an_outage_is_played_in_order_and_caught_up(outage_s: int) -> None:
    hall = Hall()
    back_s = 10.02 + outage_s
    missed_until_ms = round(back_s / 0.06) * FRAME_MS
    end_s = round(back_s + 5 * outage_s + 20)
    hall.arrives(0, 10_020)
    hall.arrives(10_020, missed_until_ms, at=back_s + 0.5)
    hall.arrives(missed_until_ms, end_s * 1000)
    hall.run(end_s)
    assert hall.heard() == frames(0, hall.heard()[-1] + FRAME_MS)
    assert hall.heard(What.CONCEALED) == hall.heard(What.SILENCE) == []
    assert hall.timeline.skipped_ms == 0
    speeds = [step.speed for _, step in hall.steps if step.what is What.VOICE]
    assert max(speeds) == 1.25
    assert speeds[-1] == 1.0
    assert hall.delay_s() == pytest.approx(2.0, abs=0.25)
    # Back at the live edge within four times the outage and a little.
    back = next(now for now, step in hall.steps if now > back_s + 1 and now - step.t_ms / 1000 < 2.5)
    assert back - back_s - 0.5 < 4 * (outage_s + 0.5)


def test_catch_up_says_so_until_it_is_done() -> None:
    hall = Hall()
    hall.arrives(0, 10_020)
    hall.arrives(10_020, 30_000, at=30.5)
    hall.arrives(30_000, 200_000)
    hall.run(25)
    assert hall.timeline.stalled_since is not None
    hall.run(40)
    assert hall.timeline.catching_up
    hall.run(150)
    assert not hall.timeline.catching_up


def test_stall_ends_only_when_it_will_not_begin_again_at_once() -> None:
    hall = Hall()
    hall.arrives(0, 6_000)
    hall.arrives(6_000, 6_600, at=20.0)
    hall.arrives(6_600, 7_800, at=25.0)
    hall.arrives(7_800, 40_000, at=30.0)
    hall.run(24)
    assert hall.heard() == frames(0, 6_000)
    hall.run(29)
    assert hall.heard() == frames(0, 7_800)
    hall.run(60)
    assert hall.heard() == frames(0, 40_000)


def test_policy_live_jumps_and_counts_what_was_skipped() -> None:
    hall = Hall(PlayoutSettings(policy=Policy.LIVE))
    hall.arrives(0, 10_020)
    hall.arrives(30_000, 60_000)
    hall.arrives(10_020, 30_000, at=40.0)
    hall.run(50)
    assert hall.heard() == [t for t in frames(0, 60_000) if t < 10_020 or 30_000 <= t <= hall.heard()[-1]]
    assert hall.timeline.skipped_ms == pytest.approx(20_000, abs=2000)
    assert hall.delay_s() == pytest.approx(2.0, abs=0.25)


def test_hall_too_far_behind_goes_to_the_live_edge() -> None:
    hall = Hall(PlayoutSettings(max_behind_ms=60_000))
    hall.arrives(0, 10_020)
    hall.arrives(90_000, 110_000)
    hall.run(105)
    assert hall.heard()[-1] == pytest.approx(103_000, abs=300)


def test_span_that_does_not_exist_is_passed_over_when_behind() -> None:
    hall = Hall()
    hall.arrives(0, 6_000)
    hall.arrives(36_000, 60_000)
    hall.run(20)
    hall.voice.mark_absent(Span(6_000, 36_000))
    hall.run(60)
    assert hall.heard() == frames(0, 6_000) + frames(36_000, hall.heard()[-1] + FRAME_MS)
    assert hall.delay_s() == pytest.approx(2.0, abs=0.1)


def test_words_that_come_three_seconds_late_from_the_lecturer_are_heard() -> None:
    hall = Hall()
    hall.arrives(0, 6_000)
    hall.arrives(6_000, 8_880, at=8.9)
    hall.arrives(8_880, 30_000)
    for tenth in range(1, 300):
        now_ms = 100 * tenth
        hall.timeline.voice_reaches(min(6_000, now_ms) if now_ms < 8_900 else now_ms, now_ms)
        hall.run(tenth / 10)
    assert hall.heard() == frames(0, hall.heard()[-1] + FRAME_MS)
    assert hall.heard()[-1] > 26_000
    assert What.SILENCE not in {step.what for _, step in hall.steps}


def test_silence_of_the_lecturer_takes_its_time_without_a_stall() -> None:
    """While the lecturer's line is down, lecture time goes on in the hall, so that pages go on too."""
    hall = Hall()
    hall.arrives(0, 6_000)
    hall.arrives(16_020, 30_000)
    for second in range(1, 30):
        reached_ms = min(6_000, second * 1000) if second < 17 else second * 1000
        hall.timeline.voice_reaches(reached_ms, second * 1000, publisher_live=not 9 <= second < 17)
        if second > 17:
            hall.voice.mark_absent(Span(6_000, 16_020))
        hall.run(second)
    assert hall.heard(What.SILENCE)[0] == 6_000
    assert 13_000 in [t_ms // 1000 * 1000 for t_ms in hall.heard(What.SILENCE)]
    assert hall.delay_s() == pytest.approx(2.0, abs=0.1)
    assert hall.heard()[-1] > 26_000


def test_raised_delay_is_reached_by_slowing_down() -> None:
    hall = Hall()
    hall.arrives(0, 120_000)
    hall.run(10)
    hall.timeline.delay_ms = 4000
    hall.run(60)
    assert hall.delay_s() == pytest.approx(4.0, abs=0.1)
    hall.timeline.delay_ms = 2500
    hall.run(100)
    assert hall.delay_s() == pytest.approx(2.5, abs=0.1)
    assert hall.heard() == frames(0, hall.heard()[-1] + FRAME_MS)
    assert {step.what for now, step in hall.steps if now > 3} == {What.VOICE}


def test_restarted_hall_goes_on_where_it_was_even_before_it_is_connected() -> None:
    hall = Hall(resume_at_ms=12_000, now=100.0)
    hall.arrives(12_000, 18_000, at=99)
    hall.run(110, live=False)
    assert hall.heard() == frames(12_000, 18_000)
    hall.arrives(18_000, 130_000, at=111)
    hall.run(130)
    assert hall.heard() == frames(12_000, hall.heard()[-1] + FRAME_MS)


def test_lecture_ends_after_its_last_frame() -> None:
    hall = Hall()
    hall.arrives(0, 6_000)
    hall.run(6)
    hall.timeline.ends_at(6_500)
    hall.voice.mark_absent(Span(6_000, 6_500))
    hall.run(30)
    assert hall.heard() == frames(0, 6_000)
    assert hall.steps[-1][1].what is What.FINISHED
    assert hall.now == pytest.approx(8.5, abs=0.2)


def test_hall_that_comes_back_after_the_end_plays_the_rest() -> None:
    hall = Hall(resume_at_ms=60_000)
    hall.timeline.ends_at(90_000)
    hall.arrives(60_000, 90_000, at=1)
    hall.run(60, live=False)
    assert hall.heard() == frames(60_000, 90_000)
    assert hall.now < 28


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    late_s=st.floats(0, 8),
    lost=st.floats(0, 1),
    outage=st.tuples(st.integers(0, 99), st.integers(0, 60)),
    policy=st.sampled_from(Policy),
    max_speed=st.floats(1.0, 1.25),
)
def test_no_order_of_events_plays_a_frame_twice_or_out_of_order(
    seed: int, late_s: float, lost: float, outage: tuple[int, int], policy: Policy, max_speed: float
) -> None:
    """Packets of four frames come late, twice, reordered or not at all; in the end the voice comes from the log."""
    chance = random.Random(seed)
    hall = Hall(PlayoutSettings(policy=policy, max_speed=max_speed))
    end_ms = 100 * 240
    for n in range(100):
        down = outage[0] <= n < outage[0] + outage[1]
        if chance.random() > lost and not down:
            hall.arrives(n * 240, n * 240 + 240, lag_s=0.3 + late_s * chance.random())
        if n % 7 == 0:
            hall.arrives(n * 240, n * 240 + 240, lag_s=1.0)  # a duplicate, or a retransmission
    hall.arrives(0, end_ms, at=40.0)
    hall.run(20)
    hall.timeline.ends_at(end_ms)
    hall.run(200)
    played = [step for _, step in hall.steps if step.lecture_ms]
    assert all(a.t_ms < b.t_ms for a, b in itertools.pairwise(played))
    assert all(step.data == coded(step.t_ms) for step in played if step.what is What.VOICE)
    assert hall.steps[-1][1].what is What.FINISHED
    if policy is Policy.CATCH_UP:
        assert [step.t_ms for step in played] == frames(played[0].t_ms, end_ms)
        runs = itertools.groupby(played, lambda step: step.what)
        assert all(len(list(run)) <= 4 for what, run in runs if what is What.CONCEALED)  # only short holes are given up


def test_hall_that_was_there_before_hears_the_first_frame_however_it_comes() -> None:
    """The first packet was lost before the media connection stood: the log brings it, and only then it begins."""
    hall = Hall()
    hall.timeline.from_the_start = True
    hall.arrives(240, 60_000)
    hall.arrives(0, 240, at=4.5)
    hall.run(60)
    assert hall.heard() == frames(0, hall.heard()[-1] + FRAME_MS)
    assert hall.heard(What.CONCEALED) == []
    assert hall.delay_s() == pytest.approx(2.0, abs=0.25)


def test_hall_that_was_there_before_begins_at_the_beginning_even_after_an_outage() -> None:
    hall = Hall(now=30.0)
    hall.timeline.from_the_start = True
    hall.arrives(0, 31_020, at=31)
    hall.arrives(31_020, 200_040)
    hall.run(180)
    assert hall.heard() == frames(0, hall.heard()[-1] + FRAME_MS)
    assert hall.delay_s() == pytest.approx(2.0, abs=0.25)


def test_overdue_frame_is_given_time_by_playing_slower() -> None:
    """A packet that comes 0.3 s after the playout delay is heard all the same, and no wait is."""
    hall = Hall()
    hall.timeline.tempo.usual_late_ms = 400
    hall.arrives(0, 9_840)
    hall.arrives(9_840, 10_080, at=9.840 + 2.3)
    hall.arrives(10_080, 40_000)
    hall.run(40)
    assert hall.heard() == frames(0, hall.heard()[-1] + FRAME_MS)
    assert {step.what for now, step in hall.steps if now > 3} == {What.VOICE}
    assert min(step.speed for _, step in hall.steps) == 0.8
