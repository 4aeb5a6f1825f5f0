"""ICE by aioice, with what aioice 0.13 cannot be configured to do.

All of aioice's and aiortc's ICE internals that we touch are here and in ``ice_socket.py``; each is named with the limit
that makes it necessary. Checked against aioice 0.13.0 and aiortc 1.16.0.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aioice import Candidate, Connection, stun
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import CandidatePair, StunProtocol, relayed_candidate, server_reflexive_candidate
from aiortc import RTCIceGatherer, RTCIceServer, RTCIceTransport
from aiortc.rtcicetransport import connection_kwargs

from transport.consent import Consent
from transport.errors import TransportError
from transport.ice_socket import ConsentCheck, MediaProtocol, bind_udp
from transport.network import NetworkConfig

logger = logging.getLogger("hallcast.transport.ice")

SERVER_TIMEOUT_S: Final = 3.0
"""How long gathering waits for STUN and TURN servers; the host candidates are worth more than theirs late."""

MAX_DTLS_QUEUE: Final = 64
MAX_REMOTE_CANDIDATES: Final = 50


class IceConnection(Connection):
    """aioice's connection with our sockets, our consent, and media handed over as it arrives.

    :ivar on_media: called with every SRTP or SRTCP datagram.
    :ivar on_lost: called with a reason when the connection is over and we did not close it.
    :ivar rtt_s: round-trip time of the last answered consent check.
    """

    def __init__(self, network: NetworkConfig, *, controlling: bool, **servers: Any) -> None:
        super().__init__(ice_controlling=controlling, **servers)
        self._network = network
        self._consent: Consent | None = None
        self._consent_checks: dict[bytes, tuple[StunProtocol, ConsentCheck]] = {}
        self._selected: tuple[MediaProtocol, tuple[str, int]] | None = None
        self.on_media: Callable[[bytes], None] = _ignore
        self.on_lost: Callable[[str], None] = _ignore
        self.rtt_s: float | None = None

    # -- gathering --------------------------------------------------------------------------------------------------

    async def get_component_candidates(self, component: int, addresses: list[str], timeout: int = 5) -> list[Candidate]:
        """Replaces aioice's, which binds port 0 on every address but 127.0.0.1 and takes no advice."""
        # Without any other address (no network at all) a relay and a hall on one machine still find each other.
        wanted = list(self._network.addresses) or addresses or ["127.0.0.1"]
        candidates: list[Candidate] = []
        for index, address in enumerate(wanted):
            try:
                protocol = await self._bind(address)
            except OSError as error:
                logger.info("cannot listen on %s: %s", address, error)
                continue
            host, port = protocol.transport.get_extra_info("sockname")[:2]
            protocol.local_candidate = _host_candidate(component, host, port, preference=65535 - index)
            candidates.append(protocol.local_candidate)
        if not candidates:
            raise TransportError("no_address", f"None of the addresses {', '.join(wanted)} can be listened on.")
        queries: list[Awaitable[tuple[Candidate, Any]]] = []
        if self.stun_server:
            queries += [
                server_reflexive_candidate(protocol, self.stun_server)
                for protocol in self._protocols
                if ipaddress.ip_address(protocol.local_candidate.host).version == 4
            ]
        if self.turn_server:
            queries.append(self._allocate(component))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_ask_server(query)) for query in queries]
        return candidates + [candidate for task in tasks if (candidate := task.result()) is not None]

    async def _bind(self, address: str) -> MediaProtocol:
        sock = bind_udp(address, self._network.udp_ports)
        loop = asyncio.get_running_loop()
        opening = loop.create_task(loop.create_datagram_endpoint(lambda: MediaProtocol(self), sock=sock))
        try:
            # Shielded: uvloop 0.23 keeps the socket for ever when it is cancelled on the way.
            _, protocol = await asyncio.shield(opening)
        except BaseException:
            opening.add_done_callback(lambda _: _close_opened(opening, sock))
            raise
        protocol.sock = sock
        self._protocols.append(protocol)
        return protocol

    async def _allocate(self, component: int) -> tuple[Candidate, StunProtocol]:
        assert self.turn_server is not None
        candidate, protocol = await relayed_candidate(
            component=component,
            hide_related_address=False,
            protocol_factory=lambda: MediaProtocol(self),
            turn_server=self.turn_server,
            turn_username=self.turn_username,
            turn_password=self.turn_password,
            turn_ssl=self.turn_ssl,
            turn_transport=self.turn_transport,
        )
        self._protocols.append(protocol)
        return candidate, protocol

    def announced_candidates(self) -> list[str]:
        """Candidate attribute values to tell the other side."""
        announced = []
        for candidate in self.local_candidates:
            if candidate.type == "host":
                version = ipaddress.ip_address(candidate.host).version
                announced += [
                    _host_candidate(candidate.component, public, candidate.port, preference=65535 - 1024 - index)
                    for index, public in enumerate(self._network.public_addresses)
                    if ipaddress.ip_address(public).version == version
                ]
            announced.append(candidate)
        return [f"candidate:{candidate.to_sdp()}" for candidate in announced]

    # -- connecting -------------------------------------------------------------------------------------------------

    async def add_remote(self, text: str) -> None:
        """Add a candidate attribute value of the other side; what cannot be used is ignored."""
        if len(self._remote_candidates) >= MAX_REMOTE_CANDIDATES:
            return
        try:
            candidate = Candidate.from_sdp(text.removeprefix("candidate:"))
            # mDNS names are not resolved (aioice would open port 5353 and wait for a second): whoever hides its
            # address sends checks to ours, and becomes known as a peer-reflexive candidate.
            ipaddress.ip_address(candidate.host)
        except ValueError:
            return
        if candidate.transport.lower() != "udp" or candidate.component != 1 or not 0 < candidate.port < 65536:
            return
        await self.add_remote_candidate(candidate)

    def check_incoming(self, message: stun.Message, addr: tuple[str, int], protocol: StunProtocol) -> None:
        # aioice 0.13 takes the mandatory PRIORITY (RFC 8445 section 7.1.1) for granted: KeyError without it.
        if "PRIORITY" in message.attributes:
            super().check_incoming(message, addr, protocol)

    def check_complete(self, pair: CandidatePair) -> None:
        super().check_complete(pair)
        selected = self._nominated.get(1)
        if selected is not None and isinstance(selected.protocol, MediaProtocol):
            self._selected = (selected.protocol, selected.remote_addr)

    async def query_consent(self) -> None:
        """Replaces aioice's loop (aioice issue 58), in which a check not answered within 0.5 s counts as failed."""
        assert self.remote_password is not None
        loop = asyncio.get_running_loop()
        consent = self._consent = Consent(
            self._network.consent_interval_s, self._network.consent_timeout_s, loop.time(), random.Random()
        )
        try:
            while not consent.expired(now := loop.time()):
                if consent.check_due(now):
                    self._send_consent_check(now, self.remote_password.encode())
                await asyncio.sleep(consent.wait_s(now))
        finally:
            self._forget_consent_checks(before=float("inf"))
        self.on_lost("consent_expired")

    def _send_consent_check(self, now: float, key: bytes) -> None:
        self._forget_consent_checks(before=now - self._network.consent_timeout_s)
        pair = self._nominated.get(1)
        if pair is None:
            return
        request = self.build_request(pair, nominate=False)
        request.add_message_integrity(key)
        check = ConsentCheck(now, pair.remote_addr, key, self._consent_answered)
        transactions: dict[bytes, Any] = pair.protocol.transactions
        transactions[request.transaction_id] = check
        self._consent_checks[request.transaction_id] = (pair.protocol, check)
        pair.protocol.send_stun(request, pair.remote_addr)

    def _consent_answered(self, sent_at: float) -> None:
        now = asyncio.get_running_loop().time()
        self.rtt_s = now - sent_at
        if self._consent is not None:
            self._consent.answered(now)

    def _forget_consent_checks(self, before: float) -> None:
        for transaction_id, (protocol, check) in list(self._consent_checks.items()):
            if check.sent_at < before:
                protocol.transactions.pop(transaction_id, None)
                del self._consent_checks[transaction_id]

    # -- data -------------------------------------------------------------------------------------------------------

    @property
    def selected_address(self) -> tuple[str, int] | None:
        """Where :meth:`send_now` sends to."""
        return self._selected[1] if self._selected is not None else None

    def send_now(self, data: bytes | memoryview) -> bool:
        """Send a datagram on the selected pair without awaiting.

        aioice's ``send`` is a coroutine above ``transport.sendto``, which queues without bound when the socket is
        full. Here the socket itself is asked; a datagram it has no room for is dropped, as a router would.
        """
        if self._selected is None:
            return False
        protocol, address = self._selected
        if protocol.sock is None:
            # A TURN allocation. aioice starts a task per datagram and keeps those that wait for a channel binding.
            protocol.transport.sendto(bytes(data), address)
            return True
        try:
            protocol.sock.sendto(data, address)
        except OSError:
            return False
        return True

    def data_received(self, data: bytes, component: int) -> None:
        # Only DTLS comes here. It repeats what is lost, so what arrives at a full queue is dropped.
        if self._queue.qsize() < MAX_DTLS_QUEUE:
            super().data_received(data, component)

    def protocol_lost(self, protocol: StunProtocol) -> None:
        if self._selected is not None and self._selected[0] is protocol and not self._closing:
            self.on_lost("network_lost")
        super().protocol_lost(protocol)

    async def close(self) -> None:
        self._selected = None
        self.on_media = _ignore
        self.on_lost = _ignore
        await super().close()


class IceGatherer(RTCIceGatherer):
    """aiortc's gatherer around an :class:`IceConnection`; aiortc 1.16 constructs aioice's own and takes no other."""

    def __init__(self, network: NetworkConfig, *, controlling: bool) -> None:
        super().__init__(iceServers=[])
        servers = [
            RTCIceServer(list(server.urls), username=server.username, credential=server.credential)
            for server in network.ice_servers
        ]
        try:
            options = connection_kwargs(servers)
        except ValueError as error:
            raise TransportError("ice_server_malformed", f"An ICE server's address is malformed: {error}.") from error
        self.connection = self._connection = IceConnection(network, controlling=controlling, **options)


class IceTransport(RTCIceTransport):
    """aiortc's ICE transport around an :class:`IceConnection`."""

    def __init__(self, gatherer: IceGatherer) -> None:
        super().__init__(gatherer)
        self.connection = gatherer.connection


def _host_candidate(component: int, host: str, port: int, *, preference: int) -> Candidate:
    return Candidate(
        foundation=candidate_foundation("host", "udp", host),
        component=component,
        transport="udp",
        priority=candidate_priority(component, "host", preference),
        host=host,
        port=port,
        type="host",
    )


async def _ask_server(query: Awaitable[tuple[Candidate, Any]]) -> Candidate | None:
    try:
        async with asyncio.timeout(SERVER_TIMEOUT_S):
            candidate, _ = await query
    except (TimeoutError, OSError, stun.TransactionError) as error:
        logger.warning("a STUN or TURN server gave no candidate: %s", error or type(error).__name__)
        return None
    return candidate


def _close_opened(opening: asyncio.Task[tuple[asyncio.DatagramTransport, MediaProtocol]], sock: socket.socket) -> None:
    if opening.cancelled() or opening.exception() is not None:
        sock.close()
    else:
        opening.result()[0].close()


def _ignore(_: object) -> None:
    return None
