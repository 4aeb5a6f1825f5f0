"""What comes out of receiving: packets, figures, and putting packets back in order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from transport import rtp


@dataclass(slots=True)
class ReceivedPacket:
    """One packet of a source. All its readers (fan-out, recorder, decoder) share it: nobody changes it.

    :param extended_seq: its sequence number, unwrapped: larger is later in the stream, holes are losses.
    :param timestamp_ext: its timestamp, unwrapped.
    :param payload: without padding; empty for a packet that was padding only.
    :param retransmitted: it came on request (by RTX, or after we had asked for it).
    :param arrival_s: ``now`` of its arrival.
    :param payload_type: its format (the original's, for what came by RTX).
    """

    extended_seq: int
    timestamp_ext: int
    marker: bool
    payload: bytes
    retransmitted: bool = False
    arrival_s: float = 0.0
    extensions: Mapping[int, bytes] = field(default_factory=lambda: rtp.NO_EXTENSIONS)
    payload_type: int = 0


@dataclass(slots=True)
class ReceiveStats:
    """Figures of one received source, all since its beginning unless said otherwise.

    :ivar packets: distinct packets received, retransmitted ones included.
    :ivar bytes: their size on the wire without IP, UDP and SRTP.
    :ivar expected: packets the source has sent, by its sequence numbers.
    :ivar fraction_lost: 0 to 1, losses on the link before any repair, over the last few seconds.
    :ivar jitter_s: interarrival jitter (RFC 3550 section 6.4.1) in seconds.
    :ivar repaired: packets that arrived because we had asked for them.
    :ivar given_up: packets no longer asked for.
    :ivar nacks: sequence numbers asked for, repeats included.
    :ivar duplicates: packets dropped because they were there already (or too old to tell).
    :ivar foreign: packets dropped because of their payload type.
    :ivar restarts: jumps of the sequence numbers taken for a restart of the sender (or a very long outage).
    """

    packets: int = 0
    bytes: int = 0
    expected: int = 0
    fraction_lost: float = 0.0
    jitter_s: float = 0.0
    repaired: int = 0
    given_up: int = 0
    nacks: int = 0
    duplicates: int = 0
    foreign: int = 0
    restarts: int = 0


class InOrder:
    """Puts packets in order, waiting for a missing one at most ``max_wait_s``, then going on without it.

    Each packet comes out at most once, in order of ``extended_seq``; one that arrives after its turn is dropped.

    :param max_packets: bound of what is held; beyond it the oldest hole is given up at once.
    :param max_hole: a hole of more packets than this (a restart of the sender) is not waited for.
    """

    def __init__(self, max_wait_s: float, *, max_packets: int = 2048, max_hole: int = 3000) -> None:
        self.max_wait_s = max_wait_s
        self.skipped = 0
        """Packets gone on without."""
        self.late = 0
        """Packets dropped because they came after their turn (or twice)."""
        self._max_packets = max_packets
        self._max_hole = max_hole
        self._next: int | None = None
        self._held: dict[int, tuple[float, ReceivedPacket]] = {}
        self._oldest_s = math.inf

    def push(self, packet: ReceivedPacket, now: float) -> list[ReceivedPacket]:
        """Take one packet; returns what is in order now."""
        seq = packet.extended_seq
        if self._next is None:
            self._next = seq
        if seq == self._next and not self._held:
            self._next = seq + 1
            return [packet]
        if seq < self._next or seq in self._held:
            self.late += 1
            return []
        self._held[seq] = now, packet
        self._oldest_s = min(self._oldest_s, now)
        if seq == self._next:
            return self._run()
        ready: list[ReceivedPacket] = []
        while self._held and (len(self._held) > self._max_packets or seq - self._next > self._max_hole):
            ready += self._skip()
        return ready + self.poll(now)

    def poll(self, now: float) -> list[ReceivedPacket]:
        """What may go out because its wait is over."""
        ready: list[ReceivedPacket] = []
        while self._held and now >= self._oldest_s + self.max_wait_s:
            ready += self._skip()
        return ready

    @property
    def due_at(self) -> float | None:
        """When :meth:`poll` will next give something, ``None`` while nothing waits."""
        return self._oldest_s + self.max_wait_s if self._held else None

    def flush(self) -> list[ReceivedPacket]:
        """All that is held, in order, without waiting (at the end of a stream)."""
        ready: list[ReceivedPacket] = []
        while self._held:
            ready += self._skip()
        return ready

    def _skip(self) -> list[ReceivedPacket]:
        first = min(self._held)
        self.skipped += first - (self._next or 0)
        self._next = first
        return self._run()

    def _run(self) -> list[ReceivedPacket]:
        """Take out what follows on without a hole."""
        at = self._next or 0
        ready: list[ReceivedPacket] = []
        while (held := self._held.pop(at, None)) is not None:
            ready.append(held[1])
            at += 1
        self._next = at
        self._oldest_s = min((arrival_s for arrival_s, _ in self._held.values()), default=math.inf)
        return ready
