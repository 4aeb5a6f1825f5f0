"""Where and how peers reach each other: what an operator configures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class IceServer:
    """One STUN or TURN server (RFC 7064, RFC 7065).

    :param urls: ``stun:host:port``, ``turn:host:port?transport=udp|tcp`` or ``turns:host:port``.
    :param username: TURN user name.
    :param credential: TURN password.
    """

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None

    def link_headers(self) -> list[str]:
        """``Link`` header values that hand this server to a WHIP or WHEP client (RFC 9725 section 4.6)."""
        suffix = ""
        if self.username is not None and self.credential is not None:
            user, secret = (_quote(value) for value in (self.username, self.credential))
            suffix = f'; username="{user}"; credential="{secret}"; credential-type="password"'
        return [f'<{url}>; rel="ice-server"{suffix}' for url in self.urls]


class CandidateMap(Protocol):
    """Changes ICE candidates on their way out and in; a forwarder between two peers is put in place with it."""

    def local(self, candidate: str) -> str | None:
        """What to announce for a candidate of ours; ``None``: keep it to ourselves."""

    def remote(self, candidate: str) -> str | None:
        """What to connect to for a candidate of the remote peer; ``None``: ignore it."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """How our peers gather candidates and how long they wait.

    :param addresses: local addresses to listen on; empty for all addresses of this machine (and 127.0.0.1 only
        where there is no other).
    :param udp_ports: first and last UDP port to use, both included; ``None`` leaves the choice to the system. One
        port per peer and address.
    :param ice_servers: of these one STUN and one TURN server are used (a limit of aioice 0.13).
    :param connect_timeout_s: ICE, DTLS and SRTP must be up after this many seconds.
    :param consent_timeout_s: the peer is gone when it has answered no consent check for so long (RFC 7675: 30).
    :param consent_interval_s: mean time between two consent checks (RFC 7675: 5), varied by 20 % either way.
    :param public_addresses: addresses at which a 1:1 NAT makes our ports reachable; announced beside our own.
    :param candidate_map: see :class:`CandidateMap`.
    """

    addresses: tuple[str, ...] = ()
    udp_ports: tuple[int, int] | None = None
    ice_servers: tuple[IceServer, ...] = ()
    connect_timeout_s: float = 20.0
    consent_timeout_s: float = 30.0
    consent_interval_s: float = 5.0
    public_addresses: tuple[str, ...] = ()
    candidate_map: CandidateMap | None = None

    def __post_init__(self) -> None:
        if self.udp_ports is not None:
            first, last = self.udp_ports
            if not 1 <= first <= last <= 65535:
                raise ValueError(f"udp_ports must be two ports in order, not {first}-{last}")


def _quote(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
