"""Receiving one RTP source: unwrapping, duplicates, statistics, retransmission (RFC 3550, 4585, 4588).

:class:`ReceiveStream` hands over every packet the moment it arrives, once, in whatever order; :class:`InOrder` puts a
stream back in order for those who need it (recorder, decoder). Both are pure: ``now`` is an argument, in seconds of
any monotonic clock.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

from transport import rtcp, rtp
from transport.nack import NackSchedule
from transport.received import InOrder as InOrder
from transport.received import ReceivedPacket as ReceivedPacket
from transport.received import ReceiveStats as ReceiveStats
from transport.rtcp import SenderReport
from transport.rtp import RtpPacket
from transport.sdp_types import NegotiatedMedia

MAX_DROPOUT = 3000
"""Packets a stream may seem to leap ahead, or fall back, before a second packet must confirm it (RFC 3550 A.1)."""

REMEMBERED_S = 10.0

_LONGEST_SPACING_S = 0.25
_JITTER_LIMIT_S = 5.0
_FOREIGN_TIMESTAMP_S = 60
_LOSS_INTERVALS = 8
_LOSS_PACKETS = 50


class ReceiveStream:
    """One RTP source as it arrives.

    :param ssrc: of the source.
    :param clock_rate: of its timestamps, in Hz.
    :param payload_type: packets of any other type (but RTX) are dropped.
    :param rtx_payload_type: RTX (RFC 4588) for this source, on whatever SSRC: the caller brings the right ones here.
    :param rtx_ssrc: kept for callers that route by SSRC; ``None`` until known.
    :param local_ssrc: ours, for RTCP that we send.
    :param nack: whether to ask for what is missing.
    :param deadline_s: how long after it was due a packet is still asked for.
    :param reorder_s: how long a hole may be mere reordering before it is asked for.
    :param remembered_s: how long it is known which packets have come; what is older is taken for a duplicate.
    :param max_remembered: bound of that whatever the rate; the oldest are forgotten first.
    :param report_interval_s: between receiver reports.
    :param also: further payload types that the source may change to, with those of their RTX.
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
        remembered_s: float = REMEMBERED_S,
        max_remembered: int = 8192,
        report_interval_s: float = 1.0,
        also: Mapping[int, int | None] | None = None,
    ) -> None:
        self.ssrc = ssrc
        self.clock_rate = clock_rate
        self.payload_type = payload_type
        self.rtx_payload_type = rtx_payload_type
        formats = {payload_type: rtx_payload_type, **(also or {})}
        self._payload_types = frozenset(formats)
        self._originals = {rtx: number for number, rtx in formats.items() if rtx is not None}  # RTX to original
        self.rtx_ssrc = rtx_ssrc
        self.local_ssrc = local_ssrc
        self._stats = ReceiveStats()
        self._nack = nack
        self._holes = NackSchedule(deadline_s=deadline_s, reorder_s=reorder_s)
        self._remembered_s = remembered_s
        self._max_remembered = max_remembered
        self._arrived: dict[int, float] = {}  # numbers that have come, and when, in that order
        self._floor = -1  # numbers below it are forgotten: whether they had come cannot be told any more
        self._sequence = rtp.Unwrapper(16)
        self._timestamps = rtp.Unwrapper(32)
        self._suspect: tuple[RtpPacket, float] | None = None
        self._newest_arrival_s = 0.0
        self._spacing_s = 0.02
        self._jitter = 0.0
        self._jitter_from: tuple[float, int] | None = None
        self._base = 0  # the first number that counts as expected; moved up by jumps
        self._first_hand = 0  # packets that came without being asked for
        self._reported = (0, 0)
        self._intervals: deque[tuple[int, int]] = deque(maxlen=_LOSS_INTERVALS)
        self._report_interval_s = report_interval_s
        self._report_at = math.inf
        self._packets_reported = 0
        self._sender_report: tuple[int, float] | None = None
        self._keyframe_asked_s = -math.inf

    @classmethod
    def negotiated(
        cls, media: NegotiatedMedia, ssrc: int, *, deadline_s: float, remembered_s: float = REMEMBERED_S
    ) -> ReceiveStream:
        """One source of what was agreed on; several where the sender simulcasts."""
        return cls(
            ssrc,
            media.codec.clock_rate,
            media.codec.payload_type,
            media.rtx_payload_type,
            media.remote_rtx_ssrcs.get(ssrc),
            local_ssrc=media.ssrc,
            nack="nack" in media.feedback,
            deadline_s=deadline_s,
            remembered_s=remembered_s,
            also={item.codec.payload_type: item.rtx_payload_type for item in media.also},
        )

    @property
    def stats(self) -> ReceiveStats:
        """The figures, up to date."""
        stats = self._stats
        stats.expected = self._expected()
        stats.jitter_s = self._jitter / self.clock_rate
        stats.given_up, stats.nacks = self._holes.given_up, self._holes.asked
        return stats

    @property
    def deadline_s(self) -> float:
        """How long after it was due a packet is still asked for; may be changed at any time."""
        return self._holes.deadline_s

    @deadline_s.setter
    def deadline_s(self, value: float) -> None:
        self._holes.deadline_s = value

    @property
    def repeat_round_trips(self) -> float:
        """Round trips between two requests for the same packet (:class:`transport.nack.NackSchedule`)."""
        return self._holes.repeat_round_trips

    @repeat_round_trips.setter
    def repeat_round_trips(self, value: float) -> None:
        self._holes.repeat_round_trips = value

    @property
    def rtt_s(self) -> float:
        """The round-trip time used for repeating NACKs: as set, else as seen in answered NACKs, else 0.5 s."""
        return self._holes.round_trip.rtt_s

    def set_rtt(self, now: float, rtt_s: float) -> None:
        """Feed a round-trip time measured elsewhere (it rules over the stream's own estimate for 10 s)."""
        self._holes.round_trip.tell(now, rtt_s)

    def push(self, packet: bytes | RtpPacket, now: float) -> list[ReceivedPacket]:
        """Take one RTP packet (of the source itself or RTX); returns what is new: one packet, none for a duplicate,
        a foreign payload type or the first packet after a jump, two for the packet that confirms a jump.

        :raises MalformedPacket: if the bytes are not RTP.
        """
        parsed = packet if isinstance(packet, RtpPacket) else rtp.parse(packet)
        if parsed.payload_type in self._payload_types:
            return self._take(parsed, now)
        if parsed.payload_type in self._originals:
            return self._take_rtx(parsed, now)
        self._stats.foreign += 1
        return []

    def _take(self, packet: RtpPacket, now: float) -> list[ReceivedPacket]:
        newest = self._sequence.newest
        seq = self._sequence.peek(packet.sequence_number)
        if newest is None:
            self._base = seq
            self._report_at = now + self._report_interval_s / 2
        elif seq != newest + 1 and self._is_jump(packet, seq, newest):
            return self._take_after_jump(packet, newest, now)
        self._suspect = None
        return self._store(packet, seq, now, by_rtx=False)

    def _is_jump(self, packet: RtpPacket, seq: int, newest: int) -> bool:
        """Far off, or an old number with a timestamp that does not go with it; what we have asked for is neither."""
        if seq in self._holes:
            return False
        if abs(seq - newest) > MAX_DROPOUT:
            return True
        off = self._timestamps.peek(packet.timestamp) - (self._timestamps.newest or 0)
        return seq <= newest and abs(off) > _FOREIGN_TIMESTAMP_S * self.clock_rate

    def _take_after_jump(self, packet: RtpPacket, newest: int, now: float) -> list[ReceivedPacket]:
        """RFC 3550 A.1: only the second packet in a row shows that a jump is a jump."""
        if self._suspect is None or packet.sequence_number != (self._suspect[0].sequence_number + 1) & 0xFFFF:
            self._suspect = packet, now
            return []
        first, arrival_s = self._suspect
        self._suspect = None
        # The numbers go on upwards for our readers, wherever the sender has jumped.
        seq = newest + ((first.sequence_number - newest - 1) & 0xFFFF) + 1
        self._stats.restarts += 1
        self._holes.clear()
        self._floor = seq
        self._base += seq - newest - 1
        self._sequence.newest = seq - 1
        return self._store(first, seq, arrival_s, by_rtx=False) + self._store(packet, seq + 1, now, by_rtx=False)

    def _take_rtx(self, packet: RtpPacket, now: float) -> list[ReceivedPacket]:
        if len(packet.payload) < 2:
            return []  # a probe for bandwidth: padding only
        original = int.from_bytes(packet.payload[:2], "big")
        newest = self._sequence.newest
        seq = self._sequence.peek(original)
        if newest is None or seq - newest > MAX_DROPOUT:
            return []
        packet.payload = packet.payload[2:]
        packet.payload_type = self._originals[packet.payload_type]
        return self._store(packet, seq, now, by_rtx=True)

    def _store(self, packet: RtpPacket, seq: int, now: float, *, by_rtx: bool) -> list[ReceivedPacket]:
        stats = self._stats
        if seq in self._arrived or seq < self._floor:
            stats.duplicates += 1
            return []
        asked = self._holes.arrived(seq, now)
        newest = self._sequence.newest
        if newest is None or seq > newest:
            self._advance(newest, seq, now)
        received = ReceivedPacket(
            seq,
            self._timestamps.unwrap(packet.timestamp),
            packet.marker,
            packet.payload,
            by_rtx or asked,
            now,
            packet.extensions,
            packet.payload_type,
        )
        stats.packets += 1
        stats.bytes += rtp.HEADER_BYTES + len(packet.payload)
        if by_rtx or asked:
            stats.repaired += 1
        else:
            if seq >= self._base:
                self._first_hand += 1
            self._measure_jitter(packet.timestamp, now)
        self._remember(seq, now)
        return [received]

    def _advance(self, newest: int | None, seq: int, now: float) -> None:
        """The stream has gone on to ``seq``: what lies between is missing."""
        self._sequence.newest = seq
        if newest is not None:
            step = seq - newest
            passed_s = now - self._newest_arrival_s
            if step > 1 and self._nack:
                # When each would have come: evenly before this one as the stream goes, but not before the last one.
                spacing_s = min(self._spacing_s, passed_s / step)
                for behind in range(step - 1, 0, -1):
                    self._holes.add(seq - behind, now - behind * spacing_s, now)
            self._spacing_s += (min(passed_s / step, _LONGEST_SPACING_S) - self._spacing_s) / 16
        self._newest_arrival_s = now

    def _measure_jitter(self, timestamp: int, now: float) -> None:
        """RFC 3550 A.8, once per timestamp: the packets of one picture are sent as fast as the line takes them."""
        before = self._jitter_from
        if before is None:
            self._jitter_from = now, timestamp
            return
        step = (timestamp - before[1]) & 0xFFFF_FFFF
        if step == 0 or step >= 1 << 31:
            return
        self._jitter_from = now, timestamp
        deviation = abs((now - before[0]) * self.clock_rate - step)
        if deviation < _JITTER_LIMIT_S * self.clock_rate:
            self._jitter += (deviation - self._jitter) / 16

    def _remember(self, seq: int, now: float) -> None:
        arrived = self._arrived
        arrived[seq] = now
        while True:
            oldest = next(iter(arrived))
            if len(arrived) <= self._max_remembered and arrived[oldest] >= now - self._remembered_s:
                return
            del arrived[oldest]
            self._floor = max(self._floor, oldest + 1)

    def handle_sender_report(self, report: SenderReport, now: float) -> None:
        """Take a sender report of this source (our next receiver report answers it)."""
        self._sender_report = report.ntp >> 16 & 0xFFFF_FFFF, now

    def recovered(self, extended_seq: int) -> None:
        """What this packet carried came another way: it is asked for no longer."""
        self._holes.forget(extended_seq)

    @property
    def due_at(self) -> float:
        """When :meth:`poll` next has something to say (it may be called earlier or later, at no harm)."""
        return min(self._report_at, self._holes.due_at)

    def poll(self, now: float) -> list[bytes]:
        """RTCP to send now, at most one datagram of each: a receiver report when due, one NACK for all that is missing.

        Both are reduced-size RTCP (RFC 5506). Call it every 10 to 50 ms, or at :attr:`due_at`.
        """
        out: list[bytes] = []
        if now >= self._report_at:
            self._report_at = now + self._report_interval_s
            if self._stats.packets != self._packets_reported:  # RFC 3550 6.4: only sources heard of since
                self._packets_reported = self._stats.packets
                out.append(rtcp.build(rtcp.ReceiverReport(self.local_ssrc, (self._report_block(now),))))
        wanted = self._holes.due(now)
        if wanted:
            numbers = tuple(seq & 0xFFFF for seq in wanted)
            out.append(rtcp.build(rtcp.Nack(self.local_ssrc, self.ssrc, numbers)))
        return out

    def _expected(self) -> int:
        newest = self._sequence.newest
        return 0 if newest is None else newest - self._base + 1

    def _report_block(self, now: float) -> rtcp.ReportBlock:
        """RFC 3550 A.3. Retransmissions do not count as received: the sender wants to know of its link."""
        expected, received = self._expected(), self._first_hand
        interval = expected - self._reported[0], received - self._reported[1]
        self._reported = expected, received
        lost = max(0, interval[0] - interval[1])
        if interval[0] > 0:
            self._intervals.append((interval[0], lost))
        self._stats.fraction_lost = self._recent_loss()
        last_report, delay_s = 0, 0.0
        if self._sender_report is not None:
            last_report, delay_s = self._sender_report[0], now - self._sender_report[1]
        return rtcp.ReportBlock(
            self.ssrc,
            lost / interval[0] if interval[0] > 0 else 0.0,
            expected - received,
            ((self._sequence.newest or 0) - 0x10000) & 0xFFFF_FFFF,
            int(self._jitter),
            last_report,
            delay_s,
        )

    def _recent_loss(self) -> float:
        """Over as few of the last intervals as make a meaningful number of packets."""
        expected = lost = 0
        for interval_expected, interval_lost in reversed(self._intervals):
            expected += interval_expected
            lost += interval_lost
            if expected >= _LOSS_PACKETS:
                break
        return lost / expected if expected else 0.0

    def request_keyframe(self, now: float, min_interval_s: float = 0.5) -> list[bytes]:
        """A PLI for this source, or nothing if one was made less than ``min_interval_s`` (or a round trip) ago."""
        if now - self._keyframe_asked_s < max(min_interval_s, self.rtt_s):
            return []
        self._keyframe_asked_s = now
        return [rtcp.build(rtcp.Pli(self.local_ssrc, self.ssrc))]

    @property
    def missing(self) -> list[int]:
        """Extended sequence numbers still being asked for, in order."""
        return self._holes.missing
