"""Packs that bring an earlier one along, from the relay's sender to the hall's frames."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classroom_client.voice_stream import VoiceStream
from relay.adaptation.copies import MOST_PACKS, copies_fit, copy_spacing
from relay.media.pack_copies import MAX_BYTES, PackCopies
from transport import rtcp, rtp, voice_payload
from transport.sdp import HALLCAST_VOICE, Codec, NegotiatedMedia
from transport.send import SendStream

PACK_MS = 240
MEDIA = NegotiatedMedia(
    "0", "audio", "recvonly", Codec(112, HALLCAST_VOICE, 48_000), feedback=frozenset({"nack"}), ssrc=9
)


def pack(number: int) -> list[bytes]:
    return [bytes([number % 256, slot]) * 40 for slot in range(4)]


class Link:
    """Packs on their way to a hall."""

    def __init__(self, spacing: int, taken: bool = True) -> None:
        self.copies = PackCopies(taken)
        self.copies.spacing = spacing
        self.heard: dict[int, bytes] = {}
        self.asked: list[int] = []
        self._sender = SendStream(7, 112, 48_000, first_sequence=65_530)
        self._stream = VoiceStream(MEDIA, self._take_rtcp, lambda: 1_000)
        self._stream.on_frames = self._take

    def send(self, number: int, t_ms: int) -> bytes:
        payload, _ = self.copies.payload(voice_payload.pack(pack(number)), t_ms)
        return bytes(self._sender.send(payload, voice_payload.timestamp_of(t_ms), False, t_ms / 1000))

    def deliver(self, packet: bytes, now: float) -> None:
        self._stream.push(rtp.parse(packet), now)

    def close(self) -> None:
        self._stream.close()

    def _take(self, frames: list[tuple[int, bytes]], now: float) -> None:
        assert frames == sorted(frames, key=lambda frame: frame[0])
        for t_ms, data in frames:
            assert self.heard.setdefault(t_ms, data) == data, "a copy is the very frame"

    def _take_rtcp(self, data: bytes) -> None:
        for message in rtcp.parse(data):
            if isinstance(message, rtcp.Nack):
                self.asked += message.sequence_numbers


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, MOST_PACKS), st.integers(0, 3)), min_size=1, max_size=30),
    st.randoms(use_true_random=False),
)
def test_no_order_of_losses_yields_a_wrong_frame(packs: list[tuple[bool, int, int]], rng: object) -> None:
    async def run() -> None:
        link, t_ms, true = Link(0), 0, {}
        under_way: list[tuple[float, bytes]] = []
        for number, (lost, spacing, pauses) in enumerate(packs):
            t_ms += PACK_MS * (1 + pauses * 10)
            link.copies.spacing = spacing
            true |= {t_ms + 60 * slot: data for slot, data in enumerate(pack(number))}
            packet = link.send(number, t_ms)
            if not lost:
                under_way.append((number + 3 * rng.random(), packet))  # type: ignore[attr-defined]
        for at, packet in sorted(under_way):
            link.deliver(packet, at)
        link.close()
        assert link.heard.items() <= true.items()

    asyncio.run(run())


@pytest.mark.parametrize("spacing", [1, 3])
async def test_a_burst_no_longer_than_the_spacing_is_heard_whole_and_not_asked_for(spacing: int) -> None:
    link = Link(spacing)
    packets = [link.send(number, number * PACK_MS) for number in range(12)]
    for number, packet in enumerate(packets):
        if not 4 <= number < 4 + spacing:
            link.deliver(packet, number * PACK_MS / 1000)
    assert sorted(link.heard) == list(range(0, 12 * PACK_MS, 60))
    link.deliver(link.send(12, 12 * PACK_MS), 3.5)
    link.close()
    first = (65_530 + 4) & 0xFFFF
    assert len(set(link.asked)) < spacing
    assert link.asked.count(first) == 0, "its copy came with the packet that showed the hole"


async def test_who_does_not_take_copies_gets_packets_as_ever() -> None:
    link = Link(1, taken=False)
    for number in range(3):
        packet = link.send(number, number * PACK_MS)
        assert rtp.parse(packet).payload == voice_payload.pack(pack(number))
    link.close()


def test_a_payload_stays_small_enough_and_a_pause_is_not_bridged() -> None:
    copies = PackCopies(taken=True)
    copies.spacing = 1
    large = bytes(MAX_BYTES // 2)
    assert copies.payload(large, 0) == (large, 0)
    assert copies.payload(large, PACK_MS)[1] == 1
    assert copies.payload(large + b"x", 2 * PACK_MS)[1] == 0
    assert copies.payload(b"x", 60_000)[1] == 0
    assert copies.payload(b"x", 60_000 + PACK_MS)[1] == 1


def test_copies_are_for_halls_that_cannot_wait() -> None:
    assert copy_spacing(1_500, 0.6, PACK_MS, wanted=False) == 0, "two round trips and a pack: it can"
    assert copy_spacing(1_430, 0.6, PACK_MS, wanted=False) == 4
    assert copy_spacing(1_500, 0.6, PACK_MS, wanted=True) == 4, "a delay that wavers changes nothing"
    assert copy_spacing(800, 0.6, PACK_MS, wanted=False) == 1
    assert copy_spacing(400, 0.6, PACK_MS, wanted=False) == 0, "even the next pack comes too late"
    assert copy_spacing(0, 0.6, PACK_MS, wanted=False) == 0, "unknown"


@given(st.integers(0, 8_000), st.floats(0, 3), st.booleans())
def test_a_copy_is_there_in_time(playout_delay_ms: int, rtt_s: float, wanted: bool) -> None:
    spacing = copy_spacing(playout_delay_ms, rtt_s, PACK_MS, wanted=wanted)
    assert 0 <= spacing <= MOST_PACKS
    assert not spacing or (spacing + 1) * PACK_MS < playout_delay_ms


def test_copies_are_sent_where_the_link_loses_packets_and_has_room() -> None:
    assert not copies_fit(0.02, 100, 12, wanted=False)
    assert copies_fit(0.02, 100, 12, wanted=True)
    assert copies_fit(0.05, 36, 12, wanted=False)
    assert not copies_fit(0.05, 35, 12, wanted=False)
