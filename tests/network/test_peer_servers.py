"""STUN and TURN servers: used where they answer, no obstacle where they don't."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.network.peers import LOOPBACK, need_ipv6, pair, rtp_packet, until
from tests.network.turn_server import turn_server
from transport import ice
from transport.errors import TransportError
from transport.network import IceServer
from transport.peer import Peer


async def test_media_goes_through_a_turn_server() -> None:
    """A peer with IPv6 alone and one with IPv4 alone: only the relayed address pairs with the other's."""
    need_ipv6()
    async with turn_server() as (server, url):
        servers = (IceServer((url,), "user", "secret"),)
        async with pair(near=replace(LOOPBACK, addresses=("::1",), ice_servers=servers)) as (near, far):
            assert [candidate.split()[7] for candidate in near.peer.local.candidates] == ["host", "relay"]
            before = server.relayed
            for number in range(10):
                near.peer.send_rtp(rtp_packet(number))
                far.peer.send_rtp(rtp_packet(number))
            await until(lambda: len(near.rtp) == len(far.rtp) == 10)
            assert server.relayed >= before + 20
        assert server.released == 1


@pytest.mark.parametrize(
    "url", ["turn:127.0.0.1:9?transport=udp", "turn:127.0.0.1:9?transport=tcp", "stun:127.0.0.1:9"]
)
async def test_servers_that_are_down_cost_only_their_time(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ice, "SERVER_TIMEOUT_S", 0.2)
    network = replace(LOOPBACK, ice_servers=(IceServer((url,), "user", "secret"),))
    async with pair(near=network) as (near, far):
        assert [candidate.split()[7] for candidate in near.peer.local.candidates] == ["host"]
        near.peer.send_rtp(rtp_packet(1))
        await until(lambda: far.rtp)


async def test_a_server_whose_address_is_none() -> None:
    network = replace(LOOPBACK, ice_servers=(IceServer(("https://example.org",)),))
    with pytest.raises(TransportError) as caught:
        await Peer.create(network, controlling=True)
    assert caught.value.error_id == "ice_server_malformed"
