"""A lossy link between two peers, in this process: seeded, shaped in each direction, broken on command.

::

    async with LossyLink(seed=7, down=LinkSpec(rate_kbps=64, delay_ms=300, loss=Loss.bursts(0.05, 3)),
                         up=LinkSpec(rate_kbps=32, delay_ms=300)) as link:
        port = await link.tcp("127.0.0.1", relay_port)           # HTTP and WebSocket through the link
        network = link.near(NetworkConfig(addresses=("127.0.0.1",)))   # UDP through the link
        hall = ...(f"http://127.0.0.1:{port}", network)
        ...
        link.down_for(20)            # outage of both directions, 20 s from now on
        link.udp_blocked = True      # only TCP passes
        link.down.spec = LinkSpec(rate_kbps=48, delay_ms=250)    # a step of the rate, now
        link.at(40, lambda: setattr(link.down, "spec", LinkSpec(rate_kbps=120, delay_ms=250)))  # and one later
        assert link.down.counters.dropped == 0

*Near* is the end on the thin link (the hall, or a publisher), *far* is the relay. *Down* runs far to near, *up* near
to far. Only the near peer needs to know of the link: :meth:`LossyLink.near` gives it a network configuration that
announces no candidate of its own and reaches the far peer through a forwarder here; the far peer meets the
forwarder as a peer-reflexive candidate. For peers that are not ours (a browser), rewrite descriptions with
:meth:`LossyLink.hide` (what the near peer says) and :meth:`LossyLink.through` (what it is told).

The same seed and the same packets give the same losses; UDP and TCP share one queue per direction. IPv4 only.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from tests.network.link_model import Counters, LinkDirection, LinkSpec, Loss
from tests.network.link_tcp import TcpPipe, handshake, shrink_buffers
from transport.network import NetworkConfig

__all__ = ["Counters", "LinkDirection", "LinkSpec", "Loss", "LossyLink"]

UDP_HEADER_BYTES = 28
MAX_DATAGRAM_BYTES = 65535

_CANDIDATE = re.compile(r"(candidate:\S+ 1 udp \d+) (\d+\.\d+\.\d+\.\d+) (\d+) typ \w+[^\r\n]*", re.IGNORECASE)
_CANDIDATE_LINE = re.compile(r"^a=candidate:[^\r\n]*\r?\n", re.MULTILINE)

Address = tuple[str, int]


class LossyLink:
    """See the module. ``async with``: leaving closes all sockets and tasks.

    :ivar down: the direction from far to near.
    :ivar up: the direction from near to far.
    :ivar udp_blocked: while true no UDP packet passes.
    """

    def __init__(self, *, seed: int, down: LinkSpec | None = None, up: LinkSpec | None = None) -> None:
        self.down = LinkDirection(down or LinkSpec(), f"{seed} down")
        self.up = LinkDirection(up or LinkSpec(), f"{seed} up")
        self.udp_blocked = False
        self._forwarders: dict[Address, _UdpForwarder] = {}
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._timers: list[asyncio.TimerHandle] = []

    # -- candidates -------------------------------------------------------------------------------------------------

    def near(self, network: NetworkConfig) -> NetworkConfig:
        """``network`` for the near peer, with all its UDP through this link."""
        return replace(network, candidate_map=self)

    def local(self, candidate: str) -> str | None:
        """:class:`transport.network.CandidateMap`: the far peer is told of no address."""
        return None

    def remote(self, candidate: str) -> str | None:
        """:class:`transport.network.CandidateMap`: the far peer is reached through a forwarder."""
        return self.through(candidate) if _CANDIDATE.search(candidate) else None

    def hide(self, text: str) -> str:
        """A description or fragment of the near peer without its candidates."""
        return _CANDIDATE_LINE.sub("", text)

    def through(self, text: str) -> str:
        """A description, fragment or candidate of the far peer, its candidates replaced by forwarders of this link.

        A description loses those that cannot be (IPv6): a peer would take them, and pass by the link.
        """
        text = _CANDIDATE_LINE.sub(lambda line: line[0] if _CANDIDATE.search(line[0]) else "", text)
        return _CANDIDATE.sub(self._forwarded, text)

    def _forwarded(self, match: re.Match[str]) -> str:
        far = (match[2], int(match[3]))
        if far not in self._forwarders:
            self._forwarders[far] = _UdpForwarder(self, far)
        host, port = self._forwarders[far].address
        return f"{match[1]} {host} {port} typ host"

    # -- TCP --------------------------------------------------------------------------------------------------------

    async def tcp(self, host: str, port: int) -> int:
        """Open a TCP forwarder to a far server; returns its port on 127.0.0.1."""

        def connected(near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
            self._writers.append(near_writer)
            task = asyncio.create_task(self._connection(host, port, near_reader, near_writer))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=2048)
        self._servers.append(server)
        listening: Address = server.sockets[0].getsockname()
        return listening[1]

    async def _connection(
        self, host: str, port: int, near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter
    ) -> None:
        try:
            await self._connect(host, port, near_reader, near_writer)
        except OSError:
            near_writer.transport.abort()
        finally:
            near_writer.close()

    async def _connect(
        self, host: str, port: int, near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter
    ) -> None:
        shrink_buffers(near_writer)
        await handshake(self.up, self.down)
        far_reader, far_writer = await asyncio.open_connection(host, port, limit=2048)
        self._writers.append(far_writer)
        shrink_buffers(far_writer)
        ways = (
            TcpPipe(near_reader, far_writer, self.up, self.down),
            TcpPipe(far_reader, near_writer, self.down, self.up),
        )
        tasks = [asyncio.create_task(way.run()) for way in ways]
        try:
            # An end that breaks off (ConnectionError) takes the other way down with it.
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            if any(task.exception() is not None for task in done):
                near_writer.transport.abort()
                far_writer.transport.abort()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            far_writer.close()

    # -- outages ----------------------------------------------------------------------------------------------------

    def break_now(self) -> None:
        """Begin an outage: everything is lost both ways until :meth:`mend`."""
        self.down.broken = self.up.broken = True

    def mend(self) -> None:
        """End the outage."""
        self.down.broken = self.up.broken = False

    def down_for(self, seconds: float) -> None:
        """An outage that ends by itself."""
        self.break_now()
        self.at(seconds, self.mend)

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something so many seconds from now, unless the link is closed before."""
        self._timers.append(asyncio.get_running_loop().call_later(seconds, action))

    def seen(self, direction: LinkDirection, data: bytes) -> None:
        """A UDP packet is about to enter a direction; for those who count what passes."""

    # -- lifetime ---------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for timer in self._timers:
            timer.cancel()
        for forwarder in self._forwarders.values():
            forwarder.close()
        for server in self._servers:
            server.close()
        connections = list(self._connections)
        for task in connections:
            task.cancel()
        if connections:
            await asyncio.wait(connections)
        # A connection that came in just now had no time to begin, and so none to close anything.
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)


class _UdpForwarder:
    """Stands for one address of the far peer: a socket for the near peers, and one towards it for each of them."""

    def __init__(self, link: LossyLink, far: Address) -> None:
        self._link = link
        self._far = far
        self._loop = asyncio.get_running_loop()
        self._backs: dict[Address, socket.socket] = {}
        self._front = self._open("127.0.0.1", self._from_near)
        self.address: Address = self._front.getsockname()

    def _open(self, host: str, on_readable: Callable[[socket.socket], None]) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((host, 0))
        self._loop.add_reader(sock.fileno(), on_readable, sock)
        return sock

    def _from_near(self, front: socket.socket) -> None:
        for data, near in _drain(front):
            if near not in self._backs:
                # Towards any address of this machine: the system picks the one that reaches the far peer.
                self._backs[near] = self._open("0.0.0.0", lambda back, near=near: self._from_far(back, near))  # type: ignore[misc]
            self._carry(self._link.up, self._backs[near], data, self._far)

    def _from_far(self, back: socket.socket, near: Address) -> None:
        for data, _ in _drain(back):
            self._carry(self._link.down, self._front, data, near)

    def _carry(self, direction: LinkDirection, sock: socket.socket, data: bytes, to: Address) -> None:
        self._link.seen(direction, data)
        if self._link.udp_blocked:
            direction.counters.blocked += 1
            return
        arrival = direction.carry(self._loop.time(), len(data) + UDP_HEADER_BYTES)
        if arrival is not None:
            self._loop.call_at(arrival, _send, sock, data, to)

    def close(self) -> None:
        for sock in (self._front, *self._backs.values()):
            self._loop.remove_reader(sock.fileno())
            sock.close()


def _drain(sock: socket.socket) -> list[tuple[bytes, Address]]:
    packets = []
    try:
        while True:
            packets.append(sock.recvfrom(MAX_DATAGRAM_BYTES))
    except OSError:
        return packets


def _send(sock: socket.socket, data: bytes, to: Address) -> None:
    # Late packets find the socket closed, and one whose peer has gone gives ECONNREFUSED: both vanish, as on a link.
    if sock.fileno() >= 0:
        try:
            sock.sendto(data, to)
        except OSError:
            return
