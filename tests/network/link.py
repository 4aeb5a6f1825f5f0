"""A lossy link between two peers, in this process: seeded, shaped in each direction, broken on command.

::

    async with LossyLink(seed=7, down=LinkSpec(rate_kbps=64, delay_ms=300, loss=Loss.bursts(0.05, 3)),
                         up=LinkSpec(rate_kbps=32, delay_ms=300)) as link:
        relay_url = await link.tcp("127.0.0.1", relay_port)      # HTTP and WebSocket through the link
        hall = HallEngine(url, network=link.near(NetworkConfig(addresses=("127.0.0.1",))))   # UDP through the link
        ...
        link.down_for(20)            # outage of both directions, 20 s from now on
        link.udp_blocked = True      # only TCP passes
        link.down.spec = LinkSpec(rate_kbps=48, delay_ms=250)    # a step of the rate
        assert link.down.counters.dropped == 0

*Near* is the end on the thin link (the hall, or a publisher), *far* is the relay. *Down* runs far to near, *up* near
to far. Only the near peer needs to know of the link: :meth:`LossyLink.near` gives it a network configuration that
announces no candidate of its own and reaches the far peer through a forwarder here; the far peer meets the
forwarder as a peer-reflexive candidate. For peers that are not ours (a browser), rewrite descriptions with
:meth:`LossyLink.hide` and :meth:`LossyLink.through`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from transport.network import NetworkConfig


@dataclass(frozen=True, slots=True)
class Loss:
    """Gilbert-Elliott loss: in the good state nothing is lost, in the bad state everything.

    :param enter: chance per packet to enter the bad state.
    :param leave: chance per packet to leave it.
    """

    enter: float = 0.0
    leave: float = 1.0

    @classmethod
    def random(cls, fraction: float) -> Loss:
        """Independent losses."""
        raise NotImplementedError

    @classmethod
    def bursts(cls, fraction: float, mean_length: float) -> Loss:
        """``fraction`` of packets lost in bursts of ``mean_length`` packets on average."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """One direction.

    :param rate_kbps: capacity including UDP/IP headers; ``None`` for no limit.
    :param delay_ms: one-way delay beside queueing.
    :param jitter_ms: each packet is late by up to this much more; packets keep their order.
    :param queue_ms: longest queue, in ms at ``rate_kbps``; what does not fit is dropped (drop-tail).
    """

    rate_kbps: float | None = None
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: Loss = field(default_factory=Loss)
    queue_ms: float = 1000.0


@dataclass(slots=True)
class Counters:
    """What one direction has carried. Bytes count UDP/IP (or TCP/IP) headers."""

    packets: int = 0
    bytes: int = 0
    lost: int = 0
    dropped: int = 0
    blocked: int = 0
    queue_ms: float = 0.0
    max_queue_ms: float = 0.0


class LinkDirection:
    """One direction of a link. Assign ``spec`` to change it from the next packet on."""

    spec: LinkSpec
    counters: Counters


class LossyLink:
    """See the module. ``async with``: leaving closes all sockets and tasks."""

    down: LinkDirection
    up: LinkDirection
    udp_blocked: bool

    def __init__(self, *, seed: int, down: LinkSpec | None = None, up: LinkSpec | None = None) -> None:
        raise NotImplementedError

    def near(self, network: NetworkConfig) -> NetworkConfig:
        """``network`` for the near peer, with all its UDP through this link."""
        raise NotImplementedError

    def hide(self, text: str) -> str:
        """A description, fragment or candidate of the near peer without its candidates."""
        raise NotImplementedError

    def through(self, text: str) -> str:
        """A description, fragment or candidate of the far peer, its candidates replaced by forwarders of this link."""
        raise NotImplementedError

    async def tcp(self, host: str, port: int) -> int:
        """Open a TCP forwarder to a far server; returns its port on 127.0.0.1."""
        raise NotImplementedError

    def break_now(self) -> None:
        """Begin an outage: everything is lost both ways until :meth:`mend`."""
        raise NotImplementedError

    def mend(self) -> None:
        """End the outage."""
        raise NotImplementedError

    def down_for(self, seconds: float) -> None:
        """An outage that ends by itself."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError


_ = Callable
