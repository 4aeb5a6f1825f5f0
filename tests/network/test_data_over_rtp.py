"""Data of three priorities and voice, over one connection through a lossy link, paced and told apart by feedback."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.network.link import LinkSpec, Loss, LossyLink
from tests.network.peers import LOOPBACK, until
from transport import rtcp, rtp, twcc
from transport.data_receive import DataReceiver
from transport.data_send import DataSender, Token
from transport.peer import Peer
from transport.receive import ReceiveStream
from transport.sdp import (
    TRANSPORT_CC,
    AnswerPolicy,
    NegotiatedMedia,
    hall_media,
    make_answer,
    make_offer,
    parse_answer,
    parse_offer,
)
from transport.send import SendStream
from transport.twcc import FeedbackRecorder, SentLog

EVENT, PAGE, BULK = 1, 4, 7
RATE_BYTES_PER_S = 250_000 / 8
OVERHEAD_BYTES = 28 + 10  # IP, UDP, SRTP


@dataclass
class Relay:
    """The sending end: voice every 60 ms, data as fast as the pace allows, lost pieces again."""

    peer: Peer
    voice: SendStream
    data: SendStream
    sender: DataSender = field(default_factory=DataSender)
    log: SentLog = field(default_factory=lambda: SentLog(0xFFF0))  # wraps at once
    lost: int = 0
    acked: int = 0
    _charged_until_s: float = 0.0

    def send(self, packet: bytearray, stream: SendStream, now: float, token: Token | None = None) -> None:
        size_bytes = len(packet) + OVERHEAD_BYTES
        assert stream.transport_sequence_offset is not None
        twcc.stamp(packet, stream.transport_sequence_offset, self.log.sent(size_bytes, now, token))
        self.peer.send_rtp(packet)
        self._charged_until_s = max(self._charged_until_s, now) + size_bytes / RATE_BYTES_PER_S

    def on_rtcp(self, data: bytes, now: float) -> None:
        packets = rtcp.parse(data)
        for packet in packets:
            if isinstance(packet, rtcp.TransportFeedback):
                self.digest(self.log.feedback(packet, now))
        for again in self.voice.handle_rtcp(packets, now):
            self.send(again, self.voice, now)

    def digest(self, outcomes: list[twcc.Outcome]) -> None:
        for outcome in outcomes:
            self.lost += outcome.arrival_s is None
            self.acked += outcome.arrival_s is not None
            if isinstance(outcome.token, Token):
                if outcome.arrival_s is None:
                    self.sender.lost(outcome.token)
                else:
                    self.sender.delivered(outcome.token)

    def fill(self, now: float) -> None:
        while self._charged_until_s <= now:
            taken = self.sender.next_payload(BULK, 1100)
            if taken is None:
                return
            self.send(self.data.send(taken[0], int(now * 1000), False, now), self.data, now, taken[1])


@dataclass
class Hall:
    """The receiving end."""

    peer: Peer
    voice: ReceiveStream
    recorder: FeedbackRecorder
    data_ssrc: int
    extension_id: int
    receiver: DataReceiver = field(default_factory=DataReceiver)
    heard: set[int] = field(default_factory=set)
    got: list[str | bytes] = field(default_factory=list)

    def on_rtp(self, data: bytes, now: float) -> None:
        packet = rtp.parse(data)
        number = twcc.sequence_of(packet.extensions, self.extension_id)
        assert number is not None
        self.recorder.arrived(number, now)
        if packet.ssrc == self.data_ssrc:
            self.got += self.receiver.push(packet.payload)
        else:
            self.heard.update(int.from_bytes(entry.payload[:4], "big") for entry in self.voice.push(packet, now))

    def tick(self, now: float) -> None:
        for report in self.voice.poll(now):
            self.peer.send_rtcp(report)
        if (feedback := self.recorder.poll(now)) is not None:
            self.peer.send_rtcp(feedback)


@asynccontextmanager
async def connected(link: LossyLink) -> AsyncIterator[tuple[Relay, Hall]]:
    spec = hall_media(camera=False, data=True)
    policy = AnswerPolicy(direction="sendonly", audio_codecs=("hallcast-voice",), transport_cc=True, data=True)
    async with (
        await Peer.create(link.near(LOOPBACK), controlling=True) as near,
        await Peer.create(LOOPBACK, controlling=False) as far,
    ):
        offer = parse_offer(make_offer(spec, near.local))
        answer, theirs = make_answer(offer, policy, far.local)
        remote, ours = parse_answer(spec, answer)
        await asyncio.gather(near.connect(remote), far.connect(offer.transport))
        voice, data = (SendStream.negotiated(media, transport_cc=True) for media in theirs)
        relay = Relay(far, voice, data)
        hall = hall_of(near, ours)
        far.on_rtcp = relay.on_rtcp
        near.on_rtp = hall.on_rtp
        near.on_rtcp = lambda data, now: None
        yield relay, hall


def hall_of(peer: Peer, media: list[NegotiatedMedia]) -> Hall:
    voice, data = media
    return Hall(
        peer,
        ReceiveStream.negotiated(voice, voice.remote_ssrcs[0], deadline_s=5),
        FeedbackRecorder(voice.ssrc, interval_s=0.1),
        data.remote_ssrcs[0],
        voice.extensions[TRANSPORT_CC],
    )


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_object_arrives_and_messages_in_order(seed: int) -> None:
    rng = random.Random(seed)
    loss = Loss.bursts(0.10, 4)
    shape = LinkSpec(rate_kbps=400, delay_ms=60, jitter_ms=10, loss=loss)
    async with LossyLink(seed=seed) as link, connected(link) as (relay, hall):
        link.down.spec = link.up.spec = shape
        loop = asyncio.get_running_loop()
        frames = [number.to_bytes(4, "big") + rng.randbytes(rng.choice([40, 900, 4000])) for number in range(60)]
        for number, frame in enumerate(frames):
            relay.sender.put(frame, PAGE if number % 3 == 0 else BULK)
        events = 0
        voices = 0
        began = loop.time()

        def step() -> None:
            nonlocal events, voices
            now = loop.time()
            while voices < (now - began) / 0.06:  # it goes on to the end, so that its losses are seen
                payload = voices.to_bytes(4, "big") + bytes(90)
                relay.send(relay.voice.send(payload, voices * 2880, False, now), relay.voice, now)
                voices += 1
                if voices % 2 and voices < 60:
                    relay.sender.put(f"event {events}", EVENT)
                    events += 1
            relay.fill(now)
            relay.digest(relay.log.overdue(now, 0.15))
            hall.tick(now)

        async with asyncio.timeout(30):
            while not hall.heard.issuperset(range(60)) or relay.sender.undelivered():
                step()
                await asyncio.sleep(0.005)
        messages = [entry for entry in hall.got if isinstance(entry, str)]
        assert messages == [f"event {number}" for number in range(events)]
        assert sorted(entry for entry in hall.got if isinstance(entry, bytes)) == frames
        assert relay.lost > 10
        assert link.down.counters.lost > 10
        assert link.down.counters.dropped == 0
        # The urgent ones did not wait for the others.
        assert hall.got.index("event 0") < 5
        pages = [at for at, entry in enumerate(hall.got) if isinstance(entry, bytes) and entry in frames[::3]]
        bulk = [at for at, entry in enumerate(hall.got) if isinstance(entry, bytes) and entry not in frames[::3]]
        assert sum(pages) / len(pages) < sum(bulk) / len(bulk)


async def test_data_waits_out_an_outage() -> None:
    shape = LinkSpec(rate_kbps=400, delay_ms=30)
    async with LossyLink(seed=3, down=shape, up=shape) as link, connected(link) as (relay, hall):
        loop = asyncio.get_running_loop()
        page = random.Random(3).randbytes(30_000)

        def after_a_step(condition: Callable[[], object]) -> Callable[[], object]:
            def step() -> object:
                now = loop.time()
                relay.fill(now)
                relay.digest(relay.log.overdue(now, 0.08))
                hall.tick(now)
                return condition()

            return step

        relay.sender.put(page, PAGE)
        relay.sender.put("after the page began", EVENT)
        await until(after_a_step(lambda: hall.got))
        link.break_now()
        await until(after_a_step(lambda: relay.lost > 5))
        relay.sender.put("in the outage", EVENT)
        link.mend()
        await until(after_a_step(lambda: not relay.sender.undelivered()))
        assert hall.got[0] == "after the page began"
        assert sorted(hall.got[1:], key=str) == sorted(["in the outage", page], key=str)
