"""The emulated link itself: what the other network tests stand on."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from tests.network.link import LinkSpec, Loss, LossyLink
from tests.network.link_model import LinkDirection
from tests.network.peers import LOOPBACK, pair, rtp_packet, until
from transport import sdp
from transport.peer import Peer


@pytest.mark.parametrize(("loss", "fraction"), [(Loss.random(0.1), 0.1), (Loss.bursts(0.1, 4), 0.1), (Loss(), 0.0)])
def test_losses_are_as_many_as_asked_for_and_the_same_for_the_same_seed(loss: Loss, fraction: float) -> None:
    def losses() -> list[bool]:
        direction = LinkDirection(LinkSpec(loss=loss), "7")
        return [direction.carry(0.0, 100) is None for _ in range(20_000)]

    first = losses()
    assert sum(first) / len(first) == pytest.approx(fraction, abs=0.015)
    assert losses() == first


def test_bursts_have_the_length_asked_for() -> None:
    direction = LinkDirection(LinkSpec(loss=Loss.bursts(0.1, 4)), "7")
    text = "".join("x" if direction.carry(0.0, 100) is None else "." for _ in range(20_000))
    bursts = [burst for burst in text.split(".") if burst]
    assert sum(map(len, bursts)) / len(bursts) == pytest.approx(4, rel=0.15)


def test_rate_queue_and_delay() -> None:
    direction = LinkDirection(LinkSpec(rate_kbps=80, delay_ms=300, queue_ms=501), "7")
    arrivals = [direction.carry(1.0, 1000) for _ in range(8)]
    # 1000 bytes take 100 ms; five fit into 500 ms, the rest is dropped.
    assert arrivals[:5] == pytest.approx([1.4, 1.5, 1.6, 1.7, 1.8])
    assert arrivals[5:] == [None] * 3
    assert direction.counters.dropped == 3
    assert direction.queue_ms(1.2) == pytest.approx(300)


def test_jitter_keeps_the_order() -> None:
    direction = LinkDirection(LinkSpec(delay_ms=10, jitter_ms=100), "7")
    arrivals = [direction.carry(n / 1000, 100) for n in range(1000)]
    assert arrivals == sorted(arrivals)  # type: ignore[type-var]


async def test_udp_goes_through_the_link_and_nowhere_else() -> None:
    async with LossyLink(seed=1) as link, pair(near=link.near(LOOPBACK)) as (near, far):
        assert near.peer.local.candidates == ()
        before = link.up.counters.packets
        for number in range(20):
            near.peer.send_rtp(rtp_packet(number))
        await until(lambda: len(far.rtp) == 20)
        assert link.up.counters.packets >= before + 20
        link.udp_blocked = True
        near.peer.send_rtp(rtp_packet(20))
        await until(lambda: link.up.counters.blocked > 0)
        link.udp_blocked = False
        link.break_now()
        blocked = link.down.counters.blocked
        far.peer.send_rtp(rtp_packet(1))
        await until(lambda: link.down.counters.blocked > blocked)
        link.mend()
        far.peer.send_rtp(rtp_packet(2))
        await until(lambda: len(near.rtp) == 1)
        assert len(far.rtp) == 20


async def test_descriptions_of_a_browser_are_rewritten() -> None:
    async with LossyLink(seed=1) as link, await Peer.create(LOOPBACK, controlling=True) as peer:
        text = sdp.make_offer(sdp.publisher_media(), peer.local)
        assert "a=candidate" not in link.hide(text)
        rewritten = sdp.parse_offer(link.through(text)).transport.candidates
        assert len(rewritten) == len(peer.local.candidates)
        assert not set(rewritten) & set(peer.local.candidates)
        assert link.through(text) == link.through(text)


async def test_tcp_is_complete_in_order_and_as_slow_as_the_link() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
        writer.close()

    sent = bytes(range(256)) * 80
    spec = LinkSpec(rate_kbps=400, delay_ms=30, loss=Loss.random(0.15))
    async with LossyLink(seed=3, down=spec, up=spec) as link:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            port = await link.tcp("127.0.0.1", server.sockets[0].getsockname()[1])
            began = time.monotonic()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            writer.write_eof()
            async with asyncio.timeout(30):
                got = await reader.read(-1)
            took_s = time.monotonic() - began
            writer.close()
            await writer.wait_closed()
    assert got == sent
    assert took_s > len(sent) * 8 / 400_000 + 0.12
    assert link.up.counters.lost > 0


async def test_tcp_survives_an_outage() -> None:
    async with LossyLink(seed=3) as link:
        received: list[bytes] = []

        async def sink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.append(await reader.readexactly(6))
            writer.close()

        async with await asyncio.start_server(sink, "127.0.0.1", 0) as server:
            port = await link.tcp("127.0.0.1", server.sockets[0].getsockname()[1])
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"abc")
            await until(lambda: link.up.counters.bytes > 52 + 52)
            link.down_for(0.3)
            writer.write(b"def")
            await until(lambda: link.up.counters.blocked > 0)
            await until(lambda: received == [b"abcdef"])
            writer.close()
            await writer.wait_closed()


async def test_leaving_closes_everything() -> None:
    async with LossyLink(seed=1) as link:
        port = await link.tcp("127.0.0.1", 9)
        link.through("candidate:1 1 udp 1 127.0.0.1 9 typ host")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
