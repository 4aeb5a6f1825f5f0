"""Pairs of connected peers for the tests of this folder."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from transport import sdp
from transport.network import NetworkConfig
from transport.peer import Peer

LOOPBACK = NetworkConfig(addresses=("127.0.0.1",), connect_timeout_s=10)


@dataclass
class End:
    """One end and what it got."""

    peer: Peer
    media: list[sdp.NegotiatedMedia] = field(default_factory=list)
    rtp: list[bytes] = field(default_factory=list)
    rtcp: list[bytes] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.peer.on_rtp = lambda packet, _: self.rtp.append(packet)
        self.peer.on_rtcp = lambda packet, _: self.rtcp.append(packet)
        self.peer.on_closed = self.closed.append


def need_ipv6() -> None:
    """Skip the test where this machine has no IPv6 loopback."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")


def rtp_packet(sequence_number: int, payload: bytes = b"voice", ssrc: int = 1) -> bytes:
    """A minimal RTP packet with payload type 111."""
    return b"\x80\x6f" + sequence_number.to_bytes(2, "big") + b"\x00\x00\x00\x00" + ssrc.to_bytes(4, "big") + payload


@asynccontextmanager
async def pair(
    near: NetworkConfig = LOOPBACK, far: NetworkConfig = LOOPBACK, spec: sdp.OfferSpec | None = None
) -> AsyncIterator[tuple[End, End]]:
    """A connected pair: the near end offers to publish, the far end answers."""
    spec = spec or sdp.publisher_media()
    async with await Peer.create(near, controlling=True) as a, await Peer.create(far, controlling=False) as b:
        offerer, answerer = End(a), End(b)
        offer = sdp.parse_offer(sdp.make_offer(spec, a.local))
        answer, answerer.media = sdp.make_answer(offer, sdp.AnswerPolicy(), b.local)
        remote, offerer.media = sdp.parse_answer(spec, answer)
        await asyncio.gather(a.connect(remote), b.connect(offer.transport))
        yield offerer, answerer


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait for a condition; looks every 5 ms."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)
