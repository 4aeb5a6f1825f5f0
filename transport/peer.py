"""One peer connection: ICE, DTLS and SRTP of aiortc, RTP and RTCP as bytes above it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Self

from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCIceParameters

from transport import rtp
from transport.dtls import DtlsTransport, fingerprints, process_certificate
from transport.errors import TransportError
from transport.ice import IceGatherer, IceTransport
from transport.network import NetworkConfig
from transport.sdp_types import LocalTransport, RemoteTransport
from transport.srtp import MAX_PACKET_BYTES

__all__ = ["MAX_PACKET_BYTES", "OnPacket", "Peer"]

logger = logging.getLogger("hallcast.transport.peer")

OnPacket = Callable[[bytes, float], None]
"""Gets a packet and ``now`` (seconds of the event loop's monotonic clock)."""

MAX_EARLY_PACKETS = 50
_CLOSE_TIMEOUT_S = 2.0
"""Giving a TURN allocation back may take aioice a minute where the server is gone; nobody waits for that."""


class Peer:
    """A transport to one other peer, over which RTP and RTCP packets go as bytes.

    Everything happens on one event loop (asyncio or uvloop). Callbacks are called from the loop, must not block and
    must not raise. ``on_closed`` is called once, unless :meth:`close` was called first, with a reason:
    ``consent_expired`` (no answer for :attr:`NetworkConfig.consent_timeout_s`), ``closed_by_peer`` or
    ``network_lost``; the peer has then freed everything it held.

    ::

        peer = await Peer.create(network, controlling=False)
        answer, media = make_answer(offer, policy, peer.local)
        peer.on_rtp = lambda packet, now: ...
        await peer.connect(offer.transport)

    :ivar on_rtp: called with every authentic RTP packet, decrypted.
    :ivar on_rtcp: called with every authentic compound RTCP packet, decrypted.
    :ivar local: what to tell the other side.
    :ivar bytes_sent: UDP payload bytes of RTP and RTCP sent; ``packets_sent`` counts their packets.
    :ivar bytes_received: UDP payload bytes of RTP and RTCP received, authentic or not; likewise ``packets_received``.
    :ivar packets_dropped: outgoing packets for which the system's socket buffer had no room, or that were too long.
    :ivar packets_rejected: received packets that were not authentic, or replayed.
    """

    def __init__(self, network: NetworkConfig, *, controlling: bool, certificate: RTCCertificate) -> None:
        """Use :meth:`create`."""
        self._network = network
        self._loop = asyncio.get_running_loop()
        self._gatherer = IceGatherer(network, controlling=controlling)
        self._connection = self._gatherer.connection
        self._ice = IceTransport(self._gatherer)
        self._dtls = DtlsTransport(self._ice, certificate)
        self._certificate = certificate
        self._watch: asyncio.Task[None] | None = None
        self._lost: asyncio.Future[str] = self._loop.create_future()
        self._closing: asyncio.Task[None] | None = None
        self.connected = False
        self.on_rtp: OnPacket | None = None
        self.on_rtcp: OnPacket | None = None
        self.on_closed: Callable[[str], None] | None = None
        self.bytes_sent = 0
        self.bytes_received = 0
        self.packets_sent = 0
        self.packets_received = 0
        self.packets_dropped = 0
        self.packets_rejected = 0
        self._early: list[bytes] = []  # what came before the keys did
        self.local: LocalTransport

    @classmethod
    async def create(
        cls, network: NetworkConfig, *, controlling: bool, certificate: RTCCertificate | None = None
    ) -> Peer:
        """Bind sockets and gather candidates.

        :param controlling: true for the side that offers (RFC 8445 section 6.1.1).
        :param certificate: DTLS certificate; by default one is made per process.
        :raises TransportError: ``udp_ports_exhausted``, ``no_address``, ``ice_server_malformed``.
        """
        peer = cls(network, controlling=controlling, certificate=certificate or process_certificate())
        try:
            await peer._gatherer.gather()
        except BaseException:
            await peer.close()
            raise
        parameters = peer._gatherer.getLocalParameters()
        assert parameters.usernameFragment is not None
        assert parameters.password is not None
        candidates = peer._connection.announced_candidates()
        if network.candidate_map is not None:
            candidates = [mapped for text in candidates if (mapped := network.candidate_map.local(text)) is not None]
        peer.local = LocalTransport(
            ufrag=parameters.usernameFragment,
            pwd=parameters.password,
            fingerprints=fingerprints(peer._certificate),
            candidates=tuple(candidates),
        )
        return peer

    async def connect(self, remote: RemoteTransport) -> None:
        """Connect: ICE, DTLS, SRTP. Candidates may be added meanwhile. On failure the peer is closed.

        :raises TransportError: ``connect_timeout``, ``ice_failed``, ``dtls_failed``, ``closed``.
        """
        try:
            async with asyncio.timeout(self._network.connect_timeout_s):
                await self._connect(remote)
        except TimeoutError:
            await self.close()
            step = "no path to the other side was found" if self._dtls.state == "new" else "its DTLS did not answer"
            raise TransportError(
                "connect_timeout", f"Not connected within {self._network.connect_timeout_s:g} s: {step}."
            ) from None
        except BaseException:
            await self.close()
            raise
        self.connected = True
        self._watch = asyncio.create_task(self._watch_over(), name="hallcast-peer")

    async def _connect(self, remote: RemoteTransport) -> None:
        self._refuse_closed()
        self._connection.on_lost = self._lose
        for candidate in remote.candidates:
            await self.add_candidate(candidate)
        await self._ice.start(
            RTCIceParameters(usernameFragment=remote.ufrag, password=remote.pwd, iceLite=remote.ice_lite)
        )
        self._refuse_closed()
        if self._ice.state != "completed":
            raise TransportError("ice_failed", "No path to the other side was found.")
        self._connection.on_media = self._media_received
        self._dtls.on_closed = self._dtls_closed
        self._dtls.choose_role(server=remote.setup == "active")
        await self._dtls.start(
            RTCDtlsParameters([RTCDtlsFingerprint(entry.algorithm, entry.value) for entry in remote.fingerprints])
        )
        self._refuse_closed()
        if self._dtls.state != "connected":
            raise TransportError("dtls_failed", f"The DTLS handshake failed{self._dtls.failure}.")
        early, self._early = self._early, []
        for data in early:
            self._media_received(data)

    def _refuse_closed(self) -> None:
        if self._closing is not None:
            raise TransportError("closed", "The peer is closed.")

    async def _watch_over(self) -> None:
        reason = await self._lost
        logger.info("peer lost: %s", reason)
        self._watch = None
        await self.close()
        if self.on_closed is not None:
            self.on_closed(reason)

    def _lose(self, reason: str) -> None:
        self.connected = False
        if not self._lost.done():
            self._lost.set_result(reason)

    def _dtls_closed(self) -> None:
        self._lose("closed_by_peer")

    async def add_candidate(self, candidate: str | None) -> None:
        """Add a trickled candidate of the other side (``candidate:…``), ``None`` or empty for their end.

        Candidates that cannot be used (TCP, mDNS names, malformed ones) are ignored: the other side's own checks
        make its address known to us. The end is ignored too: aioice 0.13 gives up at once when none of them could be
        used, and our deadline ends a hopeless attempt anyway.
        """
        if not candidate or self._closing is not None:
            return
        if self._network.candidate_map is not None:
            candidate = self._network.candidate_map.remote(candidate)
        if candidate is not None:
            await self._connection.add_remote(candidate)

    def send_rtp(self, packet: bytes | bytearray | memoryview) -> None:
        """Protect and send one RTP packet now; dropped when not connected or when the socket's buffer is full.

        :raises ValueError: longer than :data:`MAX_PACKET_BYTES`.
        """
        if (outbound := self._dtls.outbound) is not None and self.connected:
            self._send(outbound.protect(packet))

    def send_rtcp(self, packet: bytes | bytearray | memoryview) -> None:
        """Protect and send one compound RTCP packet now; dropped like RTP, and if longer than :data:`MAX_PACKET_BYTES`:
        how long it is depends on what the other side has sent."""
        if len(packet) > MAX_PACKET_BYTES:
            self.packets_dropped += 1
        elif (outbound := self._dtls.outbound) is not None and self.connected:
            self._send(outbound.protect_rtcp(packet))

    def _send(self, data: memoryview | None) -> None:
        if data is None or not self._connection.send_now(data):
            self.packets_dropped += 1
            return
        self.packets_sent += 1
        self.bytes_sent += len(data)

    def _media_received(self, data: bytes) -> None:
        if (inbound := self._dtls.inbound) is None:
            # The other side may be through with the handshake before us, and its first packets are the first words:
            # nobody would know that they were lost. Beyond the bound what comes is dropped, and asked for again.
            if len(self._early) < MAX_EARLY_PACKETS and self._closing is None:
                self._early.append(data)
            return
        self.packets_received += 1
        self.bytes_received += len(data)
        is_rtcp = rtp.is_rtcp(data)
        try:
            packet = inbound.unprotect_rtcp(data) if is_rtcp else inbound.unprotect(data)
        except ValueError:
            packet = None
        if packet is None:
            self.packets_rejected += 1
            return
        handler = self.on_rtcp if is_rtcp else self.on_rtp
        if handler is not None:
            handler(bytes(packet), self._loop.time())

    @property
    def rtt_s(self) -> float | None:
        """Round-trip time of the last answered consent check, in seconds."""
        return self._connection.rtt_s

    @property
    def remote_address(self) -> tuple[str, int] | None:
        """Where packets go now: address and port of the selected pair."""
        return self._connection.selected_address

    async def close(self) -> None:
        """Say goodbye (DTLS ``close_notify``) and free sockets and tasks. Idempotent; ``on_closed`` is not called."""
        self.connected = False
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="hallcast-peer-close")
        # Shielded: whoever is cancelled while waiting here leaves nothing half closed.
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._dtls.stop()
                await self._ice.stop()
        except TimeoutError:
            logger.info("a TURN server did not take its allocation back in time")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
