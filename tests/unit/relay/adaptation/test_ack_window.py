"""The window of unacknowledged bytes: fills a link, never builds a long queue in it, tells what it carries."""

from __future__ import annotations

import math
import random

import pytest

from relay.adaptation.ack_window import MIN_BYTES, START_KBPS, AckWindow

CLIENT_STYLES = [(1024, 0.2), (4096, 0.0)]


class SimulatedLink:
    """TCP over a link with a rate and a one-way delay, and the acknowledgements of a hall.

    A lost segment comes a round trip later, and all behind it waits.

    :param style: acknowledge from so many bytes, so many seconds apart; and all by a timer of a second.
    """

    def __init__(
        self, kbps: float, delay_s: float, *, loss: float = 0.0, style: tuple[int, float] = CLIENT_STYLES[0]
    ) -> None:
        self.bytes_per_s = kbps * 125
        self.delay_s = delay_s
        self.queues_s: list[float] = []
        self.received = 0
        self._loss = loss
        self._style = style
        self._random = random.Random(1)
        self._free_at = 0.0
        self._in_order_at = 0.0
        self._arrivals: list[tuple[float, int]] = []
        self._acked = 0
        self._acked_at = float("-inf")
        self._waits_since: float | None = None
        self._acks: list[tuple[float, int]] = []

    def send(self, size: int, now: float) -> None:
        size += 60
        self._free_at = max(self._free_at, now) + size / self.bytes_per_s
        arrival = self._free_at + self.delay_s
        if self._random.random() < self._loss:
            arrival += 2 * self.delay_s + 0.05
        self._in_order_at = max(self._in_order_at, arrival)
        self._arrivals.append((self._in_order_at, size - 60))

    def run(self, window: AckWindow, now: float) -> None:
        """What happens at the hall until ``now``, and what of it the relay hears."""
        self.queues_s.append(max(0.0, self._free_at - now))
        while self._arrivals and self._arrivals[0][0] <= now:
            self.received += self._arrivals.pop(0)[1]
            self._waits_since = now if self._waits_since is None else self._waits_since
            self._acknowledge(now)
        self._acknowledge(now)
        while self._acks and self._acks[0][0] <= now:
            window.acknowledged(self._acks.pop(0)[1], now)

    def _acknowledge(self, now: float) -> None:
        waiting = self.received - self._acked
        from_bytes, apart_s = self._style
        soon = waiting >= from_bytes and now - self._acked_at >= apart_s
        if waiting and self._waits_since is not None and (soon or waiting >= 4096 or now - self._waits_since >= 1.0):
            self._acked, self._acked_at, self._waits_since = self.received, now, None
            self._acks.append((now + self.delay_s, self._acked))

    def queue_p95_s(self) -> float:
        """After the first third."""
        steady = sorted(self.queues_s[len(self.queues_s) // 3 :])
        return steady[int(len(steady) * 0.95)]


def play(
    link: SimulatedLink, seconds: float, *, voice_kbps: float = 0.0, pages_at: tuple[float, ...] | None = None
) -> AckWindow:
    """Bulk, or pages of 15 kB, and live voice (which does not wait for the window) every 240 ms."""
    window, next_voice, waiting = AckWindow(), 0.0, 0.0 if pages_at is not None else math.inf
    for step in range(int(seconds * 100)):
        now = step / 100
        link.run(window, now)
        if voice_kbps and now >= next_voice:
            next_voice += 0.24
            size = int(voice_kbps * 30)
            window.sent(size, now)
            link.send(size, now)
        waiting += 15_000 * (pages_at is not None and now in pages_at)
        while waiting > 0 and (size := window.frame_bytes(now)):
            waiting -= size
            window.sent(size, now)
            link.send(size, now)
    return window


@pytest.mark.parametrize(
    ("kbps", "delay_s", "queue_s"),
    [(24, 0.3, 0.6), (32, 0.4, 0.5), (64, 0.3, 0.3), (100, 0.2, 0.3), (150, 0.1, 0.3), (300, 0.3, 0.3)],
)
def test_voice_beside_pages_meets_a_short_queue(kbps: float, delay_s: float, queue_s: float) -> None:
    """An acknowledgement each kilobyte is a third of a second on the thinnest: no window can be finer than that."""
    link = SimulatedLink(kbps, delay_s)
    window = play(link, 60, voice_kbps=16 if kbps >= 100 else 12)
    assert link.received > 0.8 * kbps * 125 * 60
    assert link.queue_p95_s() < queue_s
    assert 0.8 * kbps < window.rate_kbps < 1.25 * kbps


@pytest.mark.parametrize(("kbps", "delay_s"), [(64, 0.3), (100, 0.2), (150, 0.1), (300, 0.3)])
def test_lost_segments_are_no_queue(kbps: float, delay_s: float) -> None:
    link = SimulatedLink(kbps, delay_s, loss=0.01)
    play(link, 60, voice_kbps=12)
    assert link.received > 0.7 * kbps * 125 * 60
    assert link.queue_p95_s() < 0.35


def test_it_keeps_a_fast_link_busy() -> None:
    link = SimulatedLink(2000, 0.02)
    play(link, 30)
    assert link.received > 0.7 * 2000 * 125 * 30


def test_voice_alone_does_not_lower_the_rate() -> None:
    link = SimulatedLink(64, 0.3)
    assert play(link, 40, voice_kbps=12, pages_at=()).rate_kbps >= START_KBPS
    window = play(SimulatedLink(64, 0.3), 20)
    known_kbps = window.rate_kbps
    link = SimulatedLink(64, 0.3)
    link.received = link._acked = window._sent_bytes  # all that was sent has arrived, and now comes voice only
    window.acknowledged(window._sent_bytes, 21.0)
    for step in range(3000):
        now = 21.0 + step / 100
        link.run(window, now)
        if step % 24 == 0:
            window.sent(360, now)
            link.send(360, now)
    assert window.rate_kbps >= 0.9 * known_kbps


def test_the_rate_follows_a_link_that_becomes_slower() -> None:
    link, window = SimulatedLink(300, 0.3), AckWindow()
    for step in range(8000):
        now = step / 100
        if step == 4000:
            link.bytes_per_s = 48 * 125
        link.run(window, now)
        while size := window.frame_bytes(now):
            window.sent(size, now)
            link.send(size, now)
    assert 0.8 * 48 < window.rate_kbps < 1.25 * 48


def test_after_an_outage_that_slowed_tcp_down_the_rate_is_found_again() -> None:
    link, window, voice_at = SimulatedLink(100, 0.2), AckWindow(), 0.0
    for step in range(4500):
        now = step / 100
        link.run(window, now)
        if step == 1500:
            link._free_at = now + 5.0
        link.bytes_per_s = (10 if 2000 <= step < 2500 else 100) * 125
        if now >= voice_at:
            voice_at += 0.24
            window.sent(360, now)
            link.send(360, now)
        while now > 22 and (size := window.frame_bytes(now)):
            window.sent(size, now)
            link.send(size, now)
        if step == 2900:
            before = link.received
    assert link.received - before > 0.4 * 100 * 125 * 16
    assert window.rate_kbps > 80


def test_a_hall_that_acknowledges_by_four_kilobytes_is_served_as_well() -> None:
    link = SimulatedLink(64, 0.3, style=CLIENT_STYLES[1])
    play(link, 60)
    assert link.received > 0.8 * 64 * 125 * 60


def test_frames_get_small_on_a_thin_link() -> None:
    thin = play(SimulatedLink(12, 0.5), 60)
    assert thin.window_bytes <= 6_000
    thin.acknowledged(thin._sent_bytes, 70.0)
    assert 0 < thin.frame_bytes(71.0) <= 500
    assert play(SimulatedLink(5000, 0.01), 5).window_bytes > 10_000


def test_a_silent_hall_gets_no_more_than_the_window() -> None:
    window, total = AckWindow(), 0
    for now in range(100):
        while size := window.frame_bytes(now):
            window.sent(size, now)
            total += size
    assert MIN_BYTES <= total <= window.window_bytes
    assert window.in_flight_bytes == total


def test_a_frame_larger_than_the_window_can_go_when_nothing_is_under_way() -> None:
    window = AckWindow()
    window.sent(50_000, 0.0)
    assert window.frame_bytes(100.0) == 0
    window.acknowledged(50_000, 100.0)
    assert window.frame_bytes(100.0) > 0


def test_a_page_does_not_begin_with_a_windowful_in_the_queue() -> None:
    link = SimulatedLink(64, 0.3)
    play(link, 60, voice_kbps=12, pages_at=(10.0, 30.0, 50.0))
    assert max(link.queues_s[2000:]) < 0.35


def sent_in(window: AckWindow, seconds: float) -> int:
    """Bytes that the pace lets go in a time without any acknowledgement."""
    total, now = 0, 0.0
    while now < seconds:
        size = window.frame_bytes(now)
        if size:
            window.sent(size, now)
            total += size
        now += 0.02
    return total


def test_what_is_known_of_the_link_paces_what_goes_before_the_first_acknowledgement() -> None:
    fresh, told = AckWindow(), AckWindow()
    told.expect(20.0)
    assert sent_in(fresh, 0.5) > 4_000
    assert sent_in(told, 0.5) < 2_000
    told.expect(500.0)
    assert told.rate_kbps == 20.0


@pytest.mark.parametrize("total", [1001, 99])
def test_impossible_acknowledgements_are_refused(total: int) -> None:
    window = AckWindow()
    window.sent(1000, 0.0)
    window.acknowledged(100, 1.0)
    with pytest.raises(ValueError, match="acknowledged"):
        window.acknowledged(total, 2.0)
