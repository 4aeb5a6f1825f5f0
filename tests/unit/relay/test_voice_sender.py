"""Voice that is sent again: once while there is time, twice where a link is in a bad spell."""

from __future__ import annotations

from typing import cast

import pytest

from relay.adaptation.pacer import Class
from relay.media.rtp_outlet import RtpOutlet
from relay.media.voice_packs import ReadyPack
from relay.media.voice_sender import VoiceSender
from transport.rtcp import Nack
from transport.sdp import HALLCAST_VOICE, Codec, NegotiatedMedia

PACK_MS = 240
ROUND_TRIP_S = 0.8


class Outlet:
    """Keeps what goes out by itself."""

    def __init__(self) -> None:
        self.live: list[int] = []

    def send(self, packet: bytearray, class_: Class, now: float, token: object = None) -> None:
        assert class_ is Class.VOICE
        self.live.append(cast(int, token))


class Hall:
    """A sender of packed voice and what the hall asks of it."""

    def __init__(self) -> None:
        self.outlet = Outlet()
        media = NegotiatedMedia("0", "audio", "sendonly", Codec(112, HALLCAST_VOICE, 48_000), ssrc=9)
        self.sender = VoiceSender(cast(RtpOutlet, self.outlet), media, transport_cc=True)
        self.sender.stream.set_rtt(ROUND_TRIP_S)
        self.now = 0.0
        self._t_ms = 0

    def speak(self) -> int:
        self.sender.send_pack(ReadyPack(self._t_ms, self._t_ms + PACK_MS, {16: b"words" * 20}), self.now)
        self._t_ms += PACK_MS
        return self.outlet.live[-1]

    def ask(self, number: int) -> None:
        self.now += ROUND_TRIP_S
        self.sender.handle_rtcp((Nack(0, self.sender.stream.ssrc, (number,)),), self.now)

    def again(self) -> list[int]:
        numbers = []
        while self.sender.waiting(Class.PROTECTION, 1_200, self.now) is not None:
            item = self.sender.next(Class.PROTECTION, 1_200, self.now)
            assert item is not None
            numbers.append(cast(int, item[1]))
        return numbers


@pytest.fixture
def hall() -> Hall:
    return Hall()


def test_what_is_asked_for_once_is_sent_again_once(hall: Hall) -> None:
    lost = hall.speak()
    hall.ask(lost)
    assert hall.again() == [lost]
    hall.speak()
    assert not hall.again()


def test_what_was_lost_again_goes_twice_with_live_voice_between(hall: Hall) -> None:
    lost = hall.speak()
    hall.ask(lost)
    hall.again()
    hall.ask(lost)
    assert hall.again() == [lost]
    hall.speak()
    assert hall.again() == [lost]
    hall.speak()
    assert not hall.again()


def test_what_has_arrived_meanwhile_does_not_go_twice(hall: Hall) -> None:
    lost = hall.speak()
    for _ in range(2):
        hall.ask(lost)
        hall.again()
    hall.sender.arrived(lost)
    hall.speak()
    assert not hall.again()


def test_another_carrier_ends_it(hall: Hall) -> None:
    lost = hall.speak()
    hall.ask(lost)
    hall.ask(lost)
    hall.sender.forget()
    hall.speak()
    assert not hall.again()
