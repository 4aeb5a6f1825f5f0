"""One direction of an emulated link, as arithmetic: when a packet arrives, or why it does not. Time is an argument."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


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
        return cls(enter=fraction, leave=1 - fraction)

    @classmethod
    def bursts(cls, fraction: float, mean_length: float) -> Loss:
        """``fraction`` of packets lost in bursts of ``mean_length`` packets on average."""
        leave = 1 / mean_length
        return cls(enter=leave * fraction / (1 - fraction), leave=leave)


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """One direction.

    :param rate_kbps: capacity including IP headers; ``None`` for no limit.
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
    """What became of the packets that one direction was given. Bytes count IP headers.

    :ivar packets: delivered, with ``bytes``.
    :ivar lost: by the loss model.
    :ivar dropped: by the full queue.
    :ivar blocked: in an outage, or UDP while that was blocked.
    """

    packets: int = 0
    bytes: int = 0
    lost: int = 0
    dropped: int = 0
    blocked: int = 0
    max_queue_ms: float = 0.0


class LinkDirection:
    """One direction of a link.

    :ivar spec: assign it to change the link from the next packet on.
    :ivar broken: whether everything is lost.
    """

    def __init__(self, spec: LinkSpec, seed: str) -> None:
        self.spec = spec
        self.counters = Counters()
        self.broken = False
        # Two generators: whether there is jitter does not change which packets are lost.
        self._loss_rng = random.Random(f"{seed} loss")
        self._jitter_rng = random.Random(f"{seed} jitter")
        self._in_burst = False
        self._free_at = 0.0
        self._last_arrival = 0.0

    def queue_ms(self, now: float) -> float:
        """How long a packet sent now waits for those before it."""
        return max(0.0, self._free_at - now) * 1000

    def carry(self, now: float, size_bytes: int) -> float | None:
        """Take a packet; the time at which it arrives, or ``None``.

        :param now: seconds.
        :param size_bytes: with IP headers.
        """
        if self.broken:
            self.counters.blocked += 1
            return None
        spec = self.spec
        start = max(now, self._free_at)
        sending_s = size_bytes * 8 / (spec.rate_kbps * 1000) if spec.rate_kbps else 0.0
        queue_ms = (start - now) * 1000
        if queue_ms + sending_s * 1000 > spec.queue_ms and queue_ms > 0:
            self.counters.dropped += 1
            return None
        self._free_at = start + sending_s
        self.counters.max_queue_ms = max(self.counters.max_queue_ms, queue_ms)
        if self._is_lost():
            self.counters.lost += 1
            return None
        late_ms = spec.delay_ms + spec.jitter_ms * self._jitter_rng.random()
        self._last_arrival = max(self._last_arrival, self._free_at + late_ms / 1000)
        self.counters.packets += 1
        self.counters.bytes += size_bytes
        return self._last_arrival

    def _is_lost(self) -> bool:
        loss = self.spec.loss
        if self._in_burst:
            self._in_burst = self._loss_rng.random() >= loss.leave
        else:
            self._in_burst = self._loss_rng.random() < loss.enter
        return self._in_burst
