"""One peer connection: ICE, DTLS and SRTP of aiortc, RTP and RTCP as bytes above it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from transport.network import NetworkConfig
from transport.sdp_types import LocalTransport, RemoteTransport

OnPacket = Callable[[bytes, float], None]
"""Gets a packet and ``now`` (seconds of the event loop's monotonic clock)."""


class Peer:
    """A transport to one other peer, over which RTP and RTCP packets go as bytes.

    Everything happens on one event loop (asyncio or uvloop). Callbacks are called from the loop, must not block and
    must not raise. ``on_closed`` is called once, unless :meth:`close` was called first, with a reason:
    ``consent_expired`` (no answer for :attr:`NetworkConfig.consent_timeout_s`), ``closed_by_peer`` or ``network_lost``.

    ::

        peer = await Peer.create(network, controlling=False)
        answer, media = make_answer(offer, policy, peer.local)
        peer.on_rtp = lambda packet, now: ...
        await peer.connect(offer.transport)

    :ivar on_rtp: called with every authentic RTP packet, decrypted.
    :ivar on_rtcp: called with every authentic compound RTCP packet, decrypted.
    :ivar local: what to tell the other side.
    """

    on_rtp: OnPacket | None
    on_rtcp: OnPacket | None
    on_closed: Callable[[str], None] | None
    local: LocalTransport

    @classmethod
    async def create(cls, network: NetworkConfig, *, controlling: bool) -> Peer:
        """Bind sockets and gather candidates.

        :param controlling: true for the side that offers (RFC 8445 section 6.1.1).
        :raises TransportError: ``udp_ports_exhausted``, ``no_address``.
        """
        raise NotImplementedError

    async def connect(self, remote: RemoteTransport) -> None:
        """Connect: ICE, DTLS, SRTP. Candidates may be added meanwhile. On failure the peer is closed.

        :raises TransportError: ``connect_timeout``, ``ice_failed``, ``dtls_failed``, ``closed``.
        """
        raise NotImplementedError

    async def add_candidate(self, candidate: str | None) -> None:
        """Add a trickled candidate of the other side (``candidate:…``), ``None`` or empty for their end.

        Candidates that cannot be used (TCP, mDNS names, malformed ones) are ignored: the other side's own checks
        make its address known to us.
        """
        raise NotImplementedError

    def send_rtp(self, packet: bytes | bytearray | memoryview) -> None:
        """Protect and send one RTP packet now; dropped when not connected or when the socket's buffer is full.

        :raises ValueError: longer than :data:`MAX_PACKET_BYTES`.
        """
        raise NotImplementedError

    def send_rtcp(self, packet: bytes | bytearray | memoryview) -> None:
        """Protect and send one compound RTCP packet now; dropped like RTP."""
        raise NotImplementedError

    @property
    def connected(self) -> bool:
        """Whether packets can flow."""
        raise NotImplementedError

    @property
    def rtt_s(self) -> float | None:
        """Round-trip time of the last answered consent check, in seconds."""
        raise NotImplementedError

    @property
    def remote_address(self) -> tuple[str, int] | None:
        """Where packets go now: address and port of the selected pair."""
        raise NotImplementedError

    @property
    def bytes_sent(self) -> int:
        """UDP payload bytes of RTP and RTCP sent."""
        raise NotImplementedError

    @property
    def bytes_received(self) -> int:
        """UDP payload bytes of RTP and RTCP received."""
        raise NotImplementedError

    @property
    def packets_sent(self) -> int:
        """RTP and RTCP packets sent."""
        raise NotImplementedError

    @property
    def packets_received(self) -> int:
        """RTP and RTCP packets received, authentic or not."""
        raise NotImplementedError

    @property
    def packets_dropped(self) -> int:
        """Outgoing packets that the system's socket buffer had no room for."""
        raise NotImplementedError

    async def close(self) -> None:
        """Say goodbye (DTLS ``close_notify``) and free sockets and tasks. Idempotent; ``on_closed`` is not called."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
