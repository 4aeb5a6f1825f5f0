"""The one way to a peer over UDP: numbered for its feedback, charged to its link, in strict order of the classes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from relay.adaptation.estimator import LinkEstimator
from relay.adaptation.pacer import Class, Pacer
from transport import rtcp, rtp
from transport.data_send import Token
from transport.peer import Peer
from transport.rtcp import RtcpPacket
from transport.send import SendStream, transport_sequence_offset
from transport.twcc import Outcome, SentLog, stamp

SRTP_TAG_BYTES = 10
WIRE_BYTES = 20 + 8 + SRTP_TAG_BYTES
"""What IP, UDP and SRTP add to an RTP packet."""
HEADER_BYTES = 12 + 8
"""RTP header with the transport-wide sequence number as its only extension."""
PROBING = frozenset({Class.PAGE, Class.CATCH_UP, Class.BULK})
"""Classes of which there is enough to ask the link what it carries."""
SLACK_S = 0.002
"""Timers closer together than this are one."""
UNKNOWN_RTT_S = 1.0


class Lane(Protocol):
    """Packets of some classes, given out one by one when their turn has come."""

    @property
    def classes(self) -> tuple[Class, ...]:
        """Which it may have."""

    def waiting(self, class_: Class, packet_bytes: int, now: float) -> Class | None:
        """Whether a packet of this class is there to be sent: the class at whose pace, None if there is none.

        :param packet_bytes: the largest RTP packet that would be taken.
        """

    def next(self, class_: Class, packet_bytes: int, now: float) -> tuple[bytearray, object] | None:
        """The packet, and what its outcome shall come back with."""


class DataLane(Lane, Protocol):
    """A lane of data, which is sent again until it is delivered."""

    @property
    def stream(self) -> SendStream:
        """Its packets."""

    def arrived(self, token: Token) -> None:
        """A packet of its own has arrived."""

    def lost(self, token: Token) -> None:
        """A packet of its own is lost."""


class RtpOutlet:
    """Sends all RTP of one peer: live voice at once, what the lanes hold when the pacer lets their class go.

    No task and at most one timer: it is set only while something waits.

    :param transport_cc: the peer gives transport-wide feedback on all streams (which leave room for the number).
    :param burst_s: of the link's time may go before its turn: a timer for each packet costs more than the packet.
    :param on_outcomes: gets what became of packets, as feedback tells it.
    :ivar open: while false nothing but live voice and :meth:`send` goes out.
    :ivar sent_bytes: on the wire, by class (index 0 is RTCP's).
    """

    def __init__(
        self,
        peer: Peer,
        *,
        transport_cc: bool,
        start_kbps: float,
        burst_s: float = 0.0,
        on_outcomes: Callable[[Sequence[Outcome], float], None] | None = None,
    ) -> None:
        self.estimator = LinkEstimator(start_kbps=start_kbps)
        self.pacer = Pacer(start_kbps)
        self.log = SentLog() if transport_cc else None
        self.open = True
        self.sent_bytes = [0] * (len(Class) + 1)
        self._peer = peer
        self._burst_s = burst_s
        self._on_outcomes = on_outcomes
        self._lanes: list[tuple[Class, Lane]] = []
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0  # uvloop's handle of a time that has come already does not know it
        self._pumping = False
        self._closed = False

    def add_lane(self, lane: Lane) -> None:
        """Serve a lane, after those added before where they have the same class."""
        self._lanes = sorted([*self._lanes, *((class_, lane) for class_ in lane.classes)], key=lambda item: item[0])

    def send(self, packet: bytearray, class_: Class, now: float, token: object = None) -> None:
        """Send a packet now, whatever waits; it is charged to the account all the same."""
        size = len(packet) + WIRE_BYTES
        if self.log is not None:
            offset = transport_sequence_offset(packet[rtp.HEADER_BYTES : rtp.HEADER_BYTES + 2])
            stamp(packet, offset, self.log.sent(size, now, token, class_))
        self.estimator.sent(size, now)
        self.pacer.sent(size, class_, now)
        self.sent_bytes[class_] += size
        self._peer.send_rtp(packet)

    def send_rtcp(self, packet: bytes) -> None:
        """Send RTCP now."""
        self.sent_bytes[0] += len(packet) + WIRE_BYTES + 4
        self._peer.send_rtcp(packet)

    def charge(self, size_bytes: int, now: float) -> None:
        """Something went to the same hall another way."""
        self.pacer.sent(size_bytes, Class.CONTROL, now)

    def pump(self, now: float) -> None:
        """Send what may go now; what has to wait is sent by a timer. Call it when there may be something new."""
        if not self._lanes or not self.open or self._closed or self._pumping or not self._peer.connected:
            return
        self._pumping = True
        try:
            wait_until = self._pump(now)
        finally:
            self._pumping = False
        if wait_until is not None:
            self._arm(wait_until)

    def room(self, class_: Class, now: float) -> bool:
        """Whether a packet of this class could go at once (for who has no lane)."""
        return self.pacer.ready_at(class_, now) <= now + self._burst_s

    def feedback(self, packets: Sequence[RtcpPacket], now: float) -> bool:
        """Digest transport-wide feedback; returns whether it told of an arrival."""
        if self.log is None:
            return False
        arrived = False
        for packet in packets:
            if isinstance(packet, rtcp.TransportFeedback):
                outcomes = self.log.feedback(packet, now)
                arrived = arrived or any(outcome.arrival_s is not None for outcome in outcomes)
                self._settle(outcomes, now)
        return arrived

    def tick(self, now: float) -> None:
        """A few times a second: what feedback never spoke of is lost, the budget follows the time."""
        if self.log is not None and self.log.in_flight_bytes:
            self._settle(self.log.overdue(now, self.estimator.rtt_s or UNKNOWN_RTT_S), now)
        self._follow_budget(now)
        self.pump(now)

    def facts(self, now: float) -> dict[str, Any]:
        """The link in figures, JSON-ready."""
        estimator = self.estimator
        return {
            "budget_kbps": round(estimator.sustained_kbps(now), 1),
            "used_kbps": round(estimator.sent_kbps(now), 1),
            "acked_kbps": round(estimator.acked_kbps, 1),
            "queue_ms": round(estimator.queue_ms),
            "loss": round(estimator.loss, 4),
            "class_bytes": {class_.name.lower(): self.sent_bytes[class_] for class_ in Class},
        }

    def close(self) -> None:
        """Send nothing more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pump(self, now: float) -> float | None:
        size = self._packet_bytes()
        for class_, lane in self._lanes:
            while (pace := lane.waiting(class_, size, now)) is not None:
                if class_ in PROBING and self._probe(now):
                    size = self._packet_bytes()
                ready_at = self.pacer.ready_at(pace, now)
                if ready_at > now + self._burst_s:
                    return ready_at
                item = lane.next(class_, size, now)
                if item is None:
                    break
                self.send(item[0], class_, now, item[1])
        return None

    def _packet_bytes(self) -> int:
        """Largest RTP packet worth sending now in the paced classes."""
        return self.pacer.packet_bytes() - WIRE_BYTES

    def _probe(self, now: float) -> bool:
        probe = self.estimator.probe(now)
        if probe is None:
            return False
        self.pacer.probe(probe, now)
        return True

    def _settle(self, outcomes: Sequence[Outcome], now: float) -> None:
        if not outcomes:
            return
        self.estimator.feedback(outcomes, now)
        self._follow_budget(now)
        if self._on_outcomes is not None:
            self._on_outcomes(outcomes, now)

    def _follow_budget(self, now: float) -> None:
        self.pacer.budget(self.estimator.budget_kbps(now))
        self.pacer.queue_ms = self.estimator.queue_ms

    def _arm(self, at: float) -> None:
        timer = self._timer
        if timer is not None and not timer.cancelled():
            if self._timer_at <= at + SLACK_S:
                return
            timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._due)

    def _due(self) -> None:
        self._timer = None
        self.pump(self._loop.time())
