"""The camera gives way to the voice on the laptop's uplink."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.uplink import LONGEST_CALM_S, SHARES, Uplink
from tests.network.link_model import LinkDirection, LinkSpec, Loss
from transport import rtcp
from transport.twcc import FeedbackRecorder, Outcome, SentLog

VOICE_BYTES = 160
"""20 ms at 32 kbit/s, on the wire: 64 kbit/s in all."""
CAMERA_KBPS = 250
PICTURE_S = 1 / 15
FEEDBACK_S = 0.25
DELAY_S = 0.15


class Laptop:
    """Voice and camera over a simulated uplink; feedback comes back over a good line."""

    def __init__(self, kbps: float, loss: Loss | None = None) -> None:
        self.link = LinkDirection(LinkSpec(rate_kbps=kbps, delay_ms=1000 * DELAY_S, loss=loss or Loss()), "up")
        self.uplink = Uplink()
        self.shares: list[tuple[float, float]] = []
        self.queues_ms: list[tuple[float, float]] = []
        self._log = SentLog()
        self._recorder = FeedbackRecorder(1, interval_s=FEEDBACK_S)
        self._under_way: list[tuple[float, int]] = []
        self._back: list[tuple[float, bytes]] = []
        self._step = 0

    def run(self, until_s: float) -> None:
        while (now := self._step * 0.01) < until_s:
            self._step += 1
            if self._step % 2:
                self._send(VOICE_BYTES, now)
            if self._step % round(PICTURE_S * 100) == 0:
                left = round(self.uplink.share * CAMERA_KBPS * 125 * 0.07)
                while left > 0:
                    self._send(min(1200, left), now)
                    left -= 1200
            self._receive(now)
            self.uplink.feedback(self._log.overdue(now, 2 * DELAY_S), now)
            self.uplink.follow(now, 2 * DELAY_S, unheard=self._log.in_flight_bytes > 0)
            self.shares.append((now, self.uplink.share))
            self.queues_ms.append((now, self.link.queue_ms(now)))

    def share(self, start_s: float, end_s: float) -> float:
        found = [share for at, share in self.shares if start_s <= at < end_s]
        return sum(found) / len(found)

    def queue_p95_ms(self, start_s: float, end_s: float) -> float:
        found = sorted(ms for at, ms in self.queues_ms if start_s <= at < end_s)
        return found[int(0.95 * len(found))]

    def _send(self, size_bytes: int, now: float) -> None:
        number = self._log.sent(size_bytes, now)
        arrival = self.link.carry(now, size_bytes)
        if arrival is not None:
            self._under_way.append((arrival, number))

    def _receive(self, now: float) -> None:
        for arrival, number in [item for item in self._under_way if item[0] <= now]:
            self._recorder.arrived(number, 5_000 + arrival)
        self._under_way = [item for item in self._under_way if item[0] > now]
        if (datagram := self._recorder.poll(5_000 + now)) is not None and not self.link.broken:
            self._back.append((now + DELAY_S, datagram))
        while self._back and self._back[0][0] <= now:
            for packet in rtcp.parse(self._back.pop(0)[1]):
                assert isinstance(packet, rtcp.TransportFeedback)
                self.uplink.feedback(self._log.feedback(packet, now), now)


@pytest.mark.parametrize("loss", [Loss(), Loss.bursts(0.1, 4)])
def test_a_wide_uplink_keeps_its_camera_whatever_it_loses(loss: Loss) -> None:
    laptop = Laptop(600, loss)
    laptop.run(60)
    assert laptop.share(7, 60) == 1
    assert laptop.share(0, 2) < 0.5, "the first words come first"


@pytest.mark.parametrize(("kbps", "most"), [(90, 0.05), (150, 0.35), (220, 0.7)])
def test_on_a_thin_uplink_the_voice_has_the_way_for_itself(kbps: float, most: float) -> None:
    laptop = Laptop(kbps)
    laptop.run(120)
    assert laptop.share(10, 120) <= most
    assert laptop.queue_p95_ms(5, 120) <= 350
    if most > 0.1:
        assert laptop.share(10, 120) > 0, "what it bears of the camera it gets"


def test_the_camera_comes_back_when_the_uplink_is_wide_again() -> None:
    laptop = Laptop(80)
    laptop.run(30)
    assert laptop.uplink.share == 0
    laptop.link.spec = LinkSpec(rate_kbps=1000, delay_ms=1000 * DELAY_S)
    laptop.run(30 + LONGEST_CALM_S)
    assert laptop.uplink.share == 1


def test_in_an_outage_no_camera_is_sent_and_afterwards_it_returns() -> None:
    laptop = Laptop(600)
    laptop.run(10)
    laptop.link.broken = True
    laptop.run(20)
    assert laptop.uplink.share == 0
    laptop.link.broken = False
    laptop.run(70)
    assert laptop.uplink.share == 1


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(-1, 3), st.booleans(), st.booleans()), max_size=60))
def test_the_share_is_always_one_of_the_steps(events: list[tuple[float, float, bool, bool]]) -> None:
    uplink, now = Uplink(), 0.0
    uplink.begin(now)
    for pause_s, way_s, lost, unheard in events:
        now += pause_s
        uplink.feedback([Outcome(0, 100, now, None if lost else now + way_s)], now)
        before = uplink.share
        changed = uplink.follow(now, 0.3, unheard=unheard)
        assert uplink.share in SHARES
        assert changed == (uplink.share != before)
        assert uplink.queue_s >= 0
