"""Receiving one RTP source: unwrapping, statistics, the ring, retransmission (RFC 3550, 4585, 4588).

:class:`ReceiveStream` hands over every packet the moment it arrives, once, in whatever order; :class:`InOrder` puts a
stream back in order for those who need it (recorder, decoder). Both are pure: ``now`` is an argument, in seconds of
any monotonic clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from transport import rtp
from transport.rtcp import SenderReport
from transport.rtp import RtpPacket


@dataclass(frozen=True, slots=True)
class ReceivedPacket:
    """One packet of a source, as all readers (fan-out, recorder, decoder) share it.

    :param extended_seq: its sequence number, unwrapped: larger is later in the stream, holes are losses.
    :param timestamp_ext: its timestamp, unwrapped.
    :param payload: without padding; empty for a packet that was padding only.
    :param retransmitted: it came on request (by RTX, or after we had asked for it).
    :param arrival_s: ``now`` of its arrival.
    """

    extended_seq: int
    timestamp_ext: int
    marker: bool
    payload: bytes
    retransmitted: bool = False
    arrival_s: float = 0.0
    extensions: Mapping[int, bytes] = field(default_factory=lambda: rtp.NO_EXTENSIONS)


@dataclass(slots=True)
class ReceiveStats:
    """Figures of one received source, all since its beginning unless said otherwise.

    :ivar packets: distinct packets received, retransmitted ones included.
    :ivar bytes: their size on the wire without IP, UDP and SRTP.
    :ivar expected: packets the source has sent, by its sequence numbers.
    :ivar fraction_lost: 0 to 1, losses on the link before any repair, over the last second or two.
    :ivar jitter_s: interarrival jitter (RFC 3550 section 6.4.1) in seconds.
    :ivar repaired: packets that arrived because we had asked for them.
    :ivar given_up: packets no longer asked for.
    :ivar nacks: sequence numbers asked for, repeats included.
    :ivar duplicates: packets dropped because they were there already (or too old to tell).
    :ivar restarts: jumps of the sequence numbers taken for a restart of the sender.
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
    restarts: int = 0


class ReceiveStream:
    """One RTP source as it arrives.

    :param ssrc: of the source.
    :param clock_rate: of its timestamps, in Hz.
    :param payload_type: packets of any other type (but RTX) are dropped.
    :param rtx_payload_type: RTX (RFC 4588) for this source, whatever SSRC it comes on; the caller brings the right ones here.
    :param rtx_ssrc: kept for callers that route by SSRC; ``None`` until known.
    :param local_ssrc: ours, for RTCP that we send.
    :param nack: whether to ask for what is missing.
    :param deadline_s: how long after it was due a packet is still asked for.
    :param reorder_s: how long a hole may be mere reordering before it is asked for.
    :param ring_s: how long packets are kept for readers.
    :param max_ring_packets: bound of the ring whatever the rate; the oldest are dropped first.
    :param report_interval_s: between receiver reports.
    """

    def __init__(
        self,
        ssrc: int,
        clock_rate: int,
        payload_type: int,
        rtx_payload_type: int | None = None,
        rtx_ssrc: int | None = None,
        *,
        local_ssrc: int = 1,
        nack: bool = True,
        deadline_s: float = 3.0,
        reorder_s: float = 0.02,
        ring_s: float = 10.0,
        max_ring_packets: int = 8192,
        report_interval_s: float = 1.0,
    ) -> None:
        self.ssrc = ssrc
        self.clock_rate = clock_rate
        self.rtx_ssrc = rtx_ssrc
        self.stats = ReceiveStats()
        raise NotImplementedError

    @property
    def deadline_s(self) -> float:
        """How long after it was due a packet is still asked for; may be changed at any time."""
        raise NotImplementedError

    @deadline_s.setter
    def deadline_s(self, value: float) -> None:
        raise NotImplementedError

    @property
    def rtt_s(self) -> float:
        """The round-trip time used for repeating NACKs: as set, else as seen in answered NACKs, else a guess of 0.5 s."""
        raise NotImplementedError

    def set_rtt(self, now: float, rtt_s: float) -> None:
        """Feed a round-trip time measured elsewhere (it rules over the stream's own estimate for 10 s)."""
        raise NotImplementedError

    def push(self, packet: bytes | RtpPacket, now: float) -> list[ReceivedPacket]:
        """Take one RTP packet (of the source itself or RTX); returns what is new: one packet, or none for a duplicate,
        a foreign payload type or the first packet after a jump, or two for the packet that confirms a jump.

        :raises MalformedPacket: if the bytes are not RTP.
        """
        raise NotImplementedError

    def handle_sender_report(self, report: SenderReport, now: float) -> None:
        """Take a sender report of this source (our next receiver report answers it)."""
        raise NotImplementedError

    @property
    def due_at(self) -> float:
        """When :meth:`poll` next has something to say (it may be called earlier or later, at no harm)."""
        raise NotImplementedError

    def poll(self, now: float) -> list[bytes]:
        """RTCP to send now, at most one datagram of each: a receiver report when due, one NACK for all that is missing.

        Call it every 10 to 50 ms, or at :attr:`due_at`.
        """
        raise NotImplementedError

    def request_keyframe(self, now: float, min_interval_s: float = 0.5) -> list[bytes]:
        """A PLI for this source, or nothing if one was made less than ``min_interval_s`` (or a round trip) ago."""
        raise NotImplementedError

    def get(self, extended_seq: int) -> ReceivedPacket | None:
        """A packet from the ring."""
        raise NotImplementedError

    def since(self, extended_seq: int) -> list[ReceivedPacket]:
        """All packets in the ring after ``extended_seq``, in order."""
        raise NotImplementedError

    @property
    def missing(self) -> list[int]:
        """Extended sequence numbers still being asked for, in order."""
        raise NotImplementedError


class InOrder:
    """Puts packets in order, waiting for a missing one at most ``max_wait_s``, then going on without it.

    Each packet comes out at most once, in order of ``extended_seq``; one that arrives after its turn is dropped.

    :param max_packets: bound of what is held; beyond it the oldest hole is given up at once.
    """

    def __init__(self, max_wait_s: float, *, max_packets: int = 2048) -> None:
        self.max_wait_s = max_wait_s
        self.skipped = 0
        """Packets gone on without."""
        self.late = 0
        """Packets dropped because they came after their turn (or twice)."""
        raise NotImplementedError

    def push(self, packet: ReceivedPacket, now: float) -> list[ReceivedPacket]:
        """Take one packet; returns what is in order now."""
        raise NotImplementedError

    def poll(self, now: float) -> list[ReceivedPacket]:
        """What may go out because its wait is over."""
        raise NotImplementedError

    @property
    def due_at(self) -> float | None:
        """When :meth:`poll` will next give something, ``None`` while nothing waits."""
        raise NotImplementedError

    def flush(self) -> list[ReceivedPacket]:
        """All that is held, in order, without waiting (at the end of a stream)."""
        raise NotImplementedError
