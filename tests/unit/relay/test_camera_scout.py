"""Asking a link whether it carries a camera."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from relay.adaptation.estimator import TRAIN_PACKETS
from relay.adaptation.pacer import Class
from relay.media.camera_scout import FIRST_S, LONGEST_S, RESOLVE_S, CameraScout
from relay.media.camera_sender import CameraSender
from tests.network.link_model import Loss
from tests.unit.relay.adaptation.simulation import Plan, Run
from transport import rtp
from transport.receive import ReceiveStream
from transport.sdp import Codec, NegotiatedMedia

PACKET_BYTES = 250


class Link:
    """A subscriber whose budget the test sets, and the trains that go out while time passes."""

    def __init__(self, rtx: int | None = 101) -> None:
        media = NegotiatedMedia("1", "video", "sendonly", Codec(100, "AV1", 90_000), rtx, ssrc=7, rtx_ssrc=8)
        self.camera = CameraSender(media, lambda packet, now: None)
        self.kbps = 40.0
        self.doubtful = False
        self.trains: list[tuple[float, list[bytearray]]] = []
        self.busy = False
        self.scout = CameraScout(self.camera, self)
        self._now = 0.0

    def sustained_kbps(self, now: float) -> float:
        return self.kbps

    def in_doubt(self, now: float) -> bool:
        return self.doubtful

    def may_probe(self, now: float) -> bool:
        return not self.busy

    def pass_s(self, seconds: float) -> None:
        for _ in range(round(seconds * 4)):
            train = []
            while self.scout.waiting(Class.BULK, PACKET_BYTES, self._now):
                item = self.scout.next(Class.BULK, PACKET_BYTES, self._now)
                if item is None:
                    break
                train.append(item[0])
            if train:
                self.trains.append((self._now, train))
            self._now += 0.25


def test_a_link_is_asked_ever_more_rarely_while_there_is_a_camera_that_it_does_not_carry() -> None:
    link = Link()
    link.pass_s(60)
    assert link.trains == [], "no camera, nothing to ask for"
    link.camera.source_is("vp8", 200)
    link.pass_s(400)
    times = [at for at, _ in link.trains]
    waits = [after - before for before, after in itertools.pairwise(times)]
    assert waits == sorted(waits)
    assert waits[0] <= 2 * FIRST_S
    assert waits[-1] >= LONGEST_S - 1
    assert all(sum(map(len, train)) >= TRAIN_PACKETS * PACKET_BYTES * 0.9 for _, train in link.trains)
    assert sum(len(packet) for _, train in link.trains for packet in train) * 8 / 400 < 550


def test_what_was_found_is_followed_up_soon_and_enough_is_enough() -> None:
    link = Link()
    link.camera.source_is("vp8", 200)
    link.pass_s(100)
    asked = len(link.trains)
    link.kbps = 70
    link.pass_s(LONGEST_S + 3 * FIRST_S)
    assert len(link.trains) >= asked + 2
    link.kbps = 100
    asked = len(link.trains)
    link.pass_s(300)
    assert len(link.trains) == asked, "that carries the first rung for certain"
    link.camera.turn(40)
    link.pass_s(300)
    assert len(link.trains) > asked, "perhaps it carries more"
    link.camera.source_is("vp8", 0)
    asked = len(link.trains)
    link.pass_s(300)
    assert len(link.trains) == asked


def test_a_doubt_is_resolved_at_once_whatever_waits_and_then_soon_again() -> None:
    link = Link()
    link.camera.source_is("vp8", 200)
    assert link.scout.waiting(Class.BULK, PACKET_BYTES, 2.0), "a train has begun"
    assert link.scout.waiting(Class.PAGE, PACKET_BYTES, 2.0) is None
    link.doubtful = True
    assert link.scout.waiting(Class.PAGE, PACKET_BYTES, 2.0) is Class.PAGE, "it takes the place of the other"
    assert link.scout.waiting(Class.BULK, PACKET_BYTES, 2.0) is None
    sent = 0
    while link.scout.waiting(Class.PAGE, PACKET_BYTES, 2.0):
        assert link.scout.next(Class.PAGE, PACKET_BYTES, 2.0) is not None
        sent += 1
    assert sent == TRAIN_PACKETS
    assert link.scout.waiting(Class.PAGE, PACKET_BYTES, 2.0 + RESOLVE_S) is Class.PAGE, "a train may be lost"


def test_a_train_waits_until_it_would_tell_something() -> None:
    link = Link()
    link.camera.source_is("vp8", 200)
    link.busy = True
    link.pass_s(30)
    assert link.trains == []
    link.busy = False
    link.pass_s(0.25)
    assert len(link.trains) == 1


def test_trains_are_padding_that_receivers_drop() -> None:
    link = Link()
    link.camera.source_is("vp8", 200)
    link.pass_s(5)
    receiver = ReceiveStream(7, 90_000, 100, 101, 8)
    for packet in link.trains[0][1]:
        parsed = rtp.parse(bytes(packet))
        assert (parsed.ssrc, parsed.payload_type, bytes(parsed.payload)) == (8, 101, b"")
        assert receiver.push(bytes(packet), 0.0) == []
    assert receiver.stats.packets == 0


def test_without_a_format_for_padding_nothing_is_asked() -> None:
    link = Link(rtx=None)
    link.camera.source_is("vp8", 200)
    link.pass_s(30)
    assert link.trains == []


def _shown(run: Run, start: float, end: float) -> float:
    samples = run.between(start, end)
    return sum(sample.choice.camera_kbps > 0 for sample in samples) / len(samples)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_voice_alone_and_a_train_now_and_then_find_what_a_link_carries(seed: str) -> None:
    """The deck was fetched over a link without limit; then the link has 300, 48 and 120 kbit/s."""
    steps = [(6.0, 300.0), (50.0, 48.0), (90.0, 120.0)]
    plan = Plan(20_000, 250, Loss.random(0.03), steps=steps, bulk=(0, 3), seconds=150, seed=seed)
    run = Run(replace(plan, voice_kbps=12, camera_from_s=10)).play()
    assert _shown(run, 16, 50) > 0.9
    assert _shown(run, 53, 90) == 0
    assert _shown(run, 115, 150) > 0.9
    assert run.queue_p95_ms(54, 150) <= 250


@pytest.mark.parametrize("seed", ["1", "2"])
@pytest.mark.parametrize("plan", [Plan(24, 300, voice_kbps=8), Plan(48, 400, Loss.bursts(0.1, 4), up_kbps=16)])
def test_a_link_that_carries_no_camera_is_not_hurt_by_being_asked(plan: Plan, seed: str) -> None:
    run = Run(replace(plan, camera_from_s=0, seconds=120, seed=seed)).play()
    assert _shown(run, 0, 120) == 0
    assert run.queue_p95_ms(0, 120) <= 150
    assert not {pack for pack in run.voice_lost if pack < run.voice_sent - 20}
