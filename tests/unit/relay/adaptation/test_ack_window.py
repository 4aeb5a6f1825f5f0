"""The window of unacknowledged bytes: fills a link, never builds a long queue in it."""

from __future__ import annotations

import pytest

from relay.adaptation.ack_window import MIN_BYTES, AckWindow


class SimulatedLink:
    """A link with a rate and a one-way delay; the hall acknowledges each 4 kB, or after a second."""

    def __init__(self, kbps: float, delay_s: float) -> None:
        self.bytes_per_s = kbps * 125
        self.delay_s = delay_s
        self.free_at = 0.0
        self.arrivals: list[tuple[float, int]] = []
        self.queues_s: list[float] = []

    def send(self, size: int, now: float) -> None:
        self.free_at = max(self.free_at, now) + size / self.bytes_per_s
        self.queues_s.append(self.free_at - now)
        self.arrivals.append((self.free_at + self.delay_s, size))


def play(link: SimulatedLink, seconds: float) -> tuple[AckWindow, int]:
    window, now = AckWindow(), 0.0
    received = acked = 0
    waiting_since: float | None = None
    acks: list[tuple[float, int]] = []
    while now < seconds:
        while link.arrivals and link.arrivals[0][0] <= now:
            received += link.arrivals.pop(0)[1]
            waiting_since = now if waiting_since is None else waiting_since
        if waiting_since is not None and (received - acked >= 4096 or now - waiting_since >= 1.0):
            acked, waiting_since = received, None
            acks.append((now + link.delay_s, acked))
        while acks and acks[0][0] <= now:
            window.acknowledged(acks.pop(0)[1], now)
        while size := window.frame_bytes():
            window.sent(size, now)
            link.send(size, now)
        now += 0.01
    return window, received


@pytest.mark.parametrize(("kbps", "delay_s"), [(32, 0.4), (64, 0.3), (150, 0.1), (300, 0.3), (2000, 0.02)])
def test_it_fills_the_link_without_a_long_queue(kbps: float, delay_s: float) -> None:
    link = SimulatedLink(kbps, delay_s)
    _, received = play(link, 60)
    assert received > 0.5 * kbps * 125 * 60
    steady = sorted(link.queues_s[len(link.queues_s) // 3 :])
    assert steady[int(len(steady) * 0.9)] < 1.3


def test_frames_get_small_on_a_thin_link() -> None:
    link = SimulatedLink(12, 0.5)
    window, _ = play(link, 60)
    assert window.window_bytes <= 6_000
    assert play(SimulatedLink(5000, 0.01), 5)[0].window_bytes > 20_000


def test_a_silent_hall_gets_no_more_than_the_window() -> None:
    window, total = AckWindow(), 0
    while size := window.frame_bytes():
        window.sent(size, 0.0)
        total += size
    assert MIN_BYTES <= total <= window.window_bytes
    assert window.in_flight_bytes == total


def test_a_frame_larger_than_the_window_can_go_when_nothing_is_under_way() -> None:
    window = AckWindow()
    window.sent(50_000, 0.0)
    assert window.frame_bytes() == 0
    window.acknowledged(50_000, 1.0)
    assert window.frame_bytes() > 0


@pytest.mark.parametrize("total", [1001, 99])
def test_impossible_acknowledgements_are_refused(total: int) -> None:
    window = AckWindow()
    window.sent(1000, 0.0)
    window.acknowledged(100, 1.0)
    with pytest.raises(ValueError, match="acknowledged"):
        window.acknowledged(total, 2.0)
