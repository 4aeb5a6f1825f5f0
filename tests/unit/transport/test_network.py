"""Configuration of addresses and ICE servers."""

from __future__ import annotations

import pytest

from transport.network import IceServer, NetworkConfig
from transport.whip import parse_link_headers

TURN = IceServer(("turn:turn.example.org:3478?transport=udp", "turns:turn.example.org:5349"), 'us"er', "pass\\word")
STUN = IceServer(("stun:stun.example.org",))


def test_link_headers_there_and_back() -> None:
    headers = [*STUN.link_headers(), *TURN.link_headers()]
    assert headers[0] == '<stun:stun.example.org>; rel="ice-server"'
    servers = parse_link_headers([", ".join(headers)])
    assert [server.urls[0] for server in servers] == [*STUN.urls, *TURN.urls]
    assert servers[0].username is None
    assert {(server.username, server.credential) for server in servers[1:]} == {(TURN.username, TURN.credential)}
    assert servers == parse_link_headers(headers)


@pytest.mark.parametrize(
    ("header", "urls"),
    [
        (
            '<stun:a>; rel="ice-server", <https://x/>; rel="next", <turn:b>;rel=ice-server;username=u;credential=c',
            ["stun:a", "turn:b"],
        ),
        ('<stun:a>; title="a, <turn:evil>; b"; rel="ice-server"', ["stun:a"]),
        ("stun:a; rel=ice-server", []),
        ("", []),
        ("<" * 1000 + ";" * 1000, []),
    ],
)
def test_link_headers_of_others(header: str, urls: list[str]) -> None:
    assert [server.urls[0] for server in parse_link_headers([header])] == urls


@pytest.mark.parametrize("ports", [(0, 10), (20, 10), (1, 70000)])
def test_a_port_range_that_is_none(ports: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="udp_ports"):
        NetworkConfig(udp_ports=ports)
