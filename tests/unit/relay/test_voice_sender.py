"""Voice that is sent again: by itself while there is time, with a live pack besides where few tries are left."""

from __future__ import annotations

from typing import cast

import pytest

from relay.adaptation.copies import is_urgent
from relay.adaptation.pacer import Class
from relay.media.rtp_outlet import RtpOutlet
from relay.media.voice_packs import ReadyPack
from relay.media.voice_sender import VoiceSender
from transport import rtp
from transport.rtcp import Nack
from transport.sdp import HALLCAST_VOICE, Codec, NegotiatedMedia
from transport.voice_payload import pack, split

PACK_MS = 240
ROUND_TRIP_S = 0.8
DELAY_MS = 5_200


class Outlet:
    """Keeps what goes out by itself."""

    def __init__(self) -> None:
        self.live: list[tuple[int, bytes]] = []

    def send(self, packet: bytearray, class_: Class, now: float, token: object = None) -> None:
        assert class_ is Class.VOICE
        self.live.append((cast(int, token), bytes(packet)))


class Hall:
    """A sender of packed voice and what the hall asks of it."""

    def __init__(self, fmtp: str = "copies=1") -> None:
        self.outlet = Outlet()
        media = NegotiatedMedia("0", "audio", "sendonly", Codec(112, HALLCAST_VOICE, 48_000, fmtp=fmtp), ssrc=9)
        self.sender = VoiceSender(cast(RtpOutlet, self.outlet), media, transport_cc=True)
        self.sender.stream.set_rtt(ROUND_TRIP_S)
        self.sender.protect(0.1, 40.0, ROUND_TRIP_S, DELAY_MS)
        self._t_ms = 0

    def speak(self) -> int:
        """The next pack; returns its number."""
        payload = pack([bytes([self._t_ms // PACK_MS % 256, slot]) * 40 for slot in range(4)])
        self.sender.send_pack(ReadyPack(self._t_ms, 4, {16: payload}), self.now)
        self._t_ms += PACK_MS
        return self.outlet.live[-1][0]

    @property
    def now(self) -> float:
        return self._t_ms / 1000

    def ask(self, number: int) -> None:
        self.sender.handle_rtcp((Nack(0, self.sender.stream.ssrc, (number,)),), self.now)

    def again(self) -> list[int]:
        """Numbers of what goes out by itself once more."""
        numbers = []
        while self.sender.waiting(Class.PROTECTION, 1_200, self.now) is not None:
            item = self.sender.next(Class.PROTECTION, 1_200, self.now)
            assert item is not None
            numbers.append(cast(int, item[1]))
        return numbers

    def copied(self) -> int:
        """Number of the pack that the newest one brings along, -1 for none."""
        number, packet = self.outlet.live[-1]
        _, copy = split(rtp.parse(packet).payload)
        return -1 if copy is None else number - copy.packets_before


@pytest.fixture
def hall() -> Hall:
    return Hall()


def lose(hall: Hall, packs: int) -> int:
    """A pack is lost, and asked for after so many more."""
    lost = hall.speak()
    for _ in range(packs):
        hall.speak()
        assert hall.copied() < 0
    hall.ask(lost)
    assert hall.again() == [lost]
    return lost


def test_while_there_is_time_what_is_asked_for_goes_by_itself_only(hall: Hall) -> None:
    lose(hall, 5)
    hall.speak()
    assert hall.copied() < 0


def test_with_few_tries_left_a_live_pack_brings_it_along_once(hall: Hall) -> None:
    lost = lose(hall, 10)
    hall.speak()
    assert hall.copied() == lost
    hall.speak()
    assert hall.copied() < 0
    assert not hall.again()


def test_the_live_packs_arrival_is_that_of_the_copy(hall: Hall) -> None:
    lose(hall, 10)
    carrier = hall.speak()
    hall.sender.arrived(carrier)
    assert (0, PACK_MS) not in [(span.start_ms, span.end_ms) for span in hall.sender.unheard()]
    assert min(span.start_ms for span in hall.sender.unheard()) == PACK_MS


def test_what_has_arrived_meanwhile_is_not_brought_along(hall: Hall) -> None:
    hall.sender.arrived(lose(hall, 10))
    hall.speak()
    assert hall.copied() < 0


def test_a_hall_that_takes_no_copies_gets_none() -> None:
    hall = Hall(fmtp="")
    lose(hall, 10)
    hall.speak()
    assert hall.copied() < 0


def test_another_carrier_ends_it(hall: Hall) -> None:
    lost = hall.speak()
    for _ in range(10):
        hall.speak()
    hall.ask(lost)
    hall.sender.forget()
    hall.speak()
    assert hall.copied() < 0
    assert not hall.again()


@pytest.mark.parametrize(
    ("age_ms", "delay_ms", "rtt_s", "urgent"),
    [(2_000, 5_200, 0.8, False), (2_600, 5_200, 0.8, True), (2_600, 3_600, 0.2, False), (3_000, 3_600, 0.2, True),
     (5_000, 0, 0.8, False), (5_000, 5_200, 0.0, False)],
)  # fmt: skip
def test_urgent_is_what_has_less_than_three_tries_left(age_ms: int, delay_ms: int, rtt_s: float, urgent: bool) -> None:
    assert is_urgent(age_ms, delay_ms, rtt_s) is urgent
