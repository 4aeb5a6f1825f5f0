"""The playout delay on traces of links: words are not lost, and no more delay is taken than the link needs."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field

import pytest

from classroom_client.delay import DelaySettings, PlayoutDelay, tries
from classroom_client.live_edge import LiveEdge
from classroom_client.timeline import PlayoutSettings, Step, Timeline, What
from classroom_client.voice import VoiceBuffer
from classroom_client.voice_stream import REPEAT_ROUND_TRIPS
from transport.nack import NackSchedule

FRAME_MS = 60
PACK_MS = 240
HOLD_OFF_ROUND_TRIPS = 0.85  # of the relay


@dataclass
class Bursts:
    """Gilbert-Elliott loss."""

    fraction: float
    length: float
    chance: random.Random
    bad: bool = False

    def lost(self) -> bool:
        leave = 1 / self.length
        if self.bad:
            self.bad = self.chance.random() >= leave
        else:
            self.bad = self.chance.random() < leave * self.fraction / (1 - self.fraction)
        return self.bad


@dataclass
class Trial:
    """Packs of voice over a lossy link, lost ones asked for again, played at the adaptive delay."""

    rtt_s: float
    loss: float = 0.0
    burst: float = 4.0
    seed: int = 1
    seconds: int = 300
    outage: tuple[float, float] = (0.0, 0.0)
    steps: list[tuple[float, Step, float]] = field(default_factory=list)
    delays: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        self.down = Bursts(self.loss, self.burst, chance)
        self.up = Bursts(self.loss, self.burst, chance)
        self.voice, self.edge, self.delay = VoiceBuffer(), LiveEdge(), PlayoutDelay()
        self.timeline = Timeline(self.voice, self.edge, PlayoutSettings())
        self.timeline.from_the_start = True
        self.holes = NackSchedule(deadline_s=3.0, reorder_s=0.02)
        self.events: list[tuple[float, int, str, int]] = []
        self.holes.repeat_round_trips = REPEAT_ROUND_TRIPS
        self._sent_s: dict[int, float] = {}
        self._number = 0
        self._next_pack = 0

    def _at(self, when: float, what: str, pack: int) -> None:
        self._number += 1
        heapq.heappush(self.events, (when, self._number, what, pack))

    def _send(self, pack: int, now: float) -> None:
        cut = self.outage[0] <= now < self.outage[0] + self.outage[1]
        if not self.down.lost() and not cut:
            self._at(now + self.rtt_s / 2, "arrives", pack)

    def _arrives(self, pack: int, now: float) -> None:
        for slot in range(4):
            t_ms = pack * PACK_MS + slot * FRAME_MS
            self.edge.observe(t_ms + FRAME_MS if slot == 3 else 0, now)
            if self.voice.add(t_ms, b"x"):
                live = self.edge.live_ms(now)
                assert live is not None
                self.delay.arrived(t_ms, live, now)
        self.holes.arrived(pack, now)
        if pack > self._next_pack:
            for missing in range(self._next_pack, pack):
                self.holes.add(missing, now - (pack - missing) * 0.24, now)
                if missing not in self.holes:
                    self._ask_the_log(missing, now)
        self._next_pack = max(self._next_pack, pack + 1)

    def _ask_the_log(self, pack: int, now: float) -> None:
        """Given up by the transport: a ``want`` brings it."""
        self._at(now + self.rtt_s + 0.3, "arrives", pack)

    def run(self) -> Trial:
        for pack in range(self.seconds * 1000 // PACK_MS):
            self._at((pack + 1) * 0.24 + 0.12, "sent", pack)
        play_at = now = tick_at = 0.0
        while play_at < self.seconds:
            now = min(play_at, tick_at, self.events[0][0] if self.events else 1e9, self.holes.due_at)
            self.holes.round_trip.tell(now, self.rtt_s)
            while self.events and self.events[0][0] <= now:
                _, _, what, pack = heapq.heappop(self.events)
                if what == "arrives":
                    self._arrives(pack, now)
                elif what == "sent" or now - self._sent_s.get(pack, -9.0) > HOLD_OFF_ROUND_TRIPS * self.rtt_s:
                    self._sent_s[pack] = now
                    self._send(pack, now)
            asked_before = set(self.holes.missing)
            due = self.holes.due(now)
            for pack in asked_before - set(self.holes.missing):
                self._ask_the_log(pack, now)
            if due and not self.up.lost():
                for pack in due:
                    self._at(now + self.rtt_s / 2, "asked", pack)
            if tick_at <= now:
                tick_at = now + 0.25
                self.timeline.delay_ms = self.delay.update(
                    now, rtt_s=self.rtt_s, fraction_lost=self.loss, over_socket=False
                )
                self.timeline.tempo.usual_late_ms = self.delay.usual_ms
                self.holes.deadline_s = self.timeline.delay_ms / 1000 + 1
                self.delays.append((now, self.timeline.delay_ms))
            if play_at <= now:
                step = self.timeline.step(now)
                live = self.edge.live_ms(now) or 0
                self.steps.append((now, step, live - step.t_ms))
                play_at = now + (step.lecture_ms or FRAME_MS) / 1000 / step.speed
        return self

    def heard(self) -> float:
        played = [step for _, step, _ in self.steps if step.lecture_ms]
        return sum(step.what is What.VOICE for step in played) / len(played)

    def longest_stall_s(self) -> float:
        longest = current = 0.0
        begun = False
        for _, step, _ in self.steps:
            begun = begun or step.what is What.VOICE
            current = current + 0.06 if step.what is What.STALL and begun else 0.0
            longest = max(longest, current)
        return longest

    def behind_s(self, after_s: float = 10) -> float:
        """All but 5 % of the time."""
        behind = sorted(late for now, step, late in self.steps if now > after_s and step.what is What.VOICE)
        return behind[len(behind) * 95 // 100] / 1000

    def speeds(self) -> set[float]:
        return {step.speed for _, step, _ in self.steps}


@pytest.mark.parametrize("rtt_s", [0.2, 0.4, 0.6, 0.8])
def test_on_a_clean_link_the_delay_becomes_small_and_nothing_is_lost(rtt_s: float) -> None:
    trial = Trial(rtt_s).run()
    assert trial.heard() == 1.0
    assert trial.delays[-1][1] < 1600
    assert trial.longest_stall_s() == 0
    assert trial.speeds() <= {1.0, 1.025, 1.05}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("rtt_s", "loss", "burst", "least"),
    [
        (0.6, 0.05, 3, 0.999),
        (0.6, 0.02, 2, 0.9995),
        (0.2, 0.10, 4, 0.995),
        (0.8, 0.10, 4, 0.995),
        (0.8, 0.02, 2, 0.9995),
        (0.6, 0.20, 4, 0.96),
    ],
)
def test_on_a_lossy_link_words_are_not_lost(rtt_s: float, loss: float, burst: float, least: float, seed: int) -> None:
    trial = Trial(rtt_s, loss, burst, seed=seed).run()
    assert trial.heard() >= least
    assert trial.behind_s() <= (6.0 if loss < 0.2 else 8.0)
    assert trial.longest_stall_s() <= 3.1  # one burst of 5 s is among them
    assert trial.delays[-1][1] <= DelaySettings().most_ms
    assert min(trial.speeds()) >= 0.8


def test_delay_moves_without_jumps() -> None:
    """From a clean link to a bad one and back: only by stretching, never by leaving out or standing still."""
    trial = Trial(0.6, 0.08, 3, seed=7).run()
    played = [step for _, step, _ in trial.steps if step.lecture_ms]
    assert all(b.t_ms - a.t_ms == FRAME_MS for a, b in itertools.pairwise(played))
    assert trial.heard() >= 0.999


def test_outage_does_not_make_the_delay_longer() -> None:
    before = Trial(0.6, seed=3).run().delays
    trial = Trial(0.6, seed=3, outage=(100.0, 20.0)).run()
    assert trial.delays[-1][1] == before[-1][1]
    assert max(ms for now, ms in trial.delays if now > 125) <= max(ms for now, ms in before if now > 90) + 250


def test_over_the_socket_the_delay_bears_its_bursts() -> None:
    delay = PlayoutDelay()
    for tick in range(400):
        now = tick * 0.25
        delay.arrived(tick * 250, tick * 250 + 600.0, now)
        wanted = delay.update(now, rtt_s=0.6, fraction_lost=0.0, over_socket=True)
    assert wanted == DelaySettings().socket_ms
    delay.arrived(100_020, 104_300.0, 100.0)  # a segment that TCP had to send again
    assert delay.update(100.0, rtt_s=0.6, fraction_lost=0.0, over_socket=True) == pytest.approx(4500, abs=50)
    for tick in range(404, 900):
        now = tick * 0.25
        delay.arrived(tick * 250, tick * 250 + 600.0, now)
        wanted = delay.update(now, rtt_s=0.6, fraction_lost=0.0, over_socket=False)
    assert wanted < 3000


def test_fixed_delay_is_kept() -> None:
    delay = PlayoutDelay(DelaySettings(fixed_ms=2000))
    delay.arrived(0, 4000.0, 1.0)
    assert delay.update(1.0, rtt_s=0.8, fraction_lost=0.2, over_socket=False) == 2000
    assert delay.update(2.0, rtt_s=0.8, fraction_lost=0.2, over_socket=True) == DelaySettings().socket_ms


@pytest.mark.parametrize(("loss", "wanted"), [(0.0, 1), (0.02, 2), (0.05, 3), (0.1, 4), (0.2, 5)])
def test_tries_grow_with_loss(loss: float, wanted: int) -> None:
    assert tries(loss) == wanted
