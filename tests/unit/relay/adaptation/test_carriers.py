"""RTP while anything comes back over UDP, else the socket; and back."""

from __future__ import annotations

import pytest

from relay.adaptation.carriers import Carrier, CarrierSwitch, hedge_after_s


def heard_until(switch: CarrierSwitch, start: float, end: float, every_s: float = 0.5) -> None:
    """Feedback at a steady pace."""
    now = start
    while now <= end:
        switch.heard(now)
        now += every_s


def test_the_socket_carries_until_a_media_connection_stands() -> None:
    switch = CarrierSwitch()
    assert switch.choose(0.0) is Carrier.SOCKET
    assert not switch.probe_due(0.0)
    switch.connected(5.0)
    assert switch.choose(5.0) is Carrier.RTP
    switch.disconnected()
    assert switch.choose(5.1) is Carrier.SOCKET


@pytest.mark.parametrize(("rtt_s", "silent_s"), [(0.2, 3.0), (0.9, 3.6), (2.0, 5.0)])
def test_silence_switches_to_the_socket(rtt_s: float, silent_s: float) -> None:
    switch = CarrierSwitch()
    switch.rtt_s = rtt_s
    switch.connected(0.0)
    heard_until(switch, 0.0, 10.0)
    assert switch.choose(10.0 + silent_s - 0.1) is Carrier.RTP
    assert switch.choose(10.0 + silent_s + 0.1) is Carrier.SOCKET


def test_udp_that_works_from_the_start_never_leaves_rtp() -> None:
    switch = CarrierSwitch()
    switch.connected(0.0)
    for second in range(1, 100):
        switch.heard(float(second))
        assert switch.choose(second + 0.9) is Carrier.RTP


def test_rtp_is_taken_again_after_two_seconds_of_feedback() -> None:
    switch = CarrierSwitch()
    switch.connected(0.0)
    assert switch.choose(4.0) is Carrier.SOCKET
    heard_until(switch, 20.0, 21.9)
    assert switch.choose(21.9) is Carrier.SOCKET
    switch.heard(22.0)
    assert switch.choose(22.0) is Carrier.RTP


def test_a_single_sign_of_life_does_not_bring_rtp_back() -> None:
    switch = CarrierSwitch()
    switch.connected(0.0)
    for now in (10.0, 13.0, 16.0, 19.0):
        switch.heard(now)
        assert switch.choose(now + 1.5) is Carrier.SOCKET


def test_rtp_is_probed_once_a_second_while_the_socket_carries() -> None:
    switch = CarrierSwitch()
    switch.connected(0.0)
    assert not any(switch.probe_due(now / 10) for now in range(30))
    assert sum(switch.probe_due(4.0 + now / 10) for now in range(100)) == 10


@pytest.mark.parametrize(
    ("rtt_s", "playout_delay_ms", "after_s"),
    [(0.0, 0, 1.3), (0.8, 0, 1.6), (0.4, 3_800, 1.3), (0.6, 4_500, 1.8), (0.8, 5_200, 2.5), (2.0, 2_000, 2.5)],
)
def test_a_hall_that_plays_later_waits_longer_for_rtp(rtt_s: float, playout_delay_ms: int, after_s: float) -> None:
    assert hedge_after_s(rtt_s, playout_delay_ms) == pytest.approx(after_s)
