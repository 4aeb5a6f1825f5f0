"""Sending one RTP source: numbering, forwarding, retransmission on request, sender reports (RFC 3550, 4585, 4588).

Pure: ``now`` is an argument, in seconds of any monotonic clock; packets come back as ``bytearray`` for the caller to
protect and send (in place if it likes).
"""

from __future__ import annotations

import random
import struct
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transport import rtcp, rtp
from transport.received import ReceivedPacket
from transport.rtcp import RtcpPacket
from transport.sdp_types import MID, TRANSPORT_CC, NegotiatedMedia

HOLD_OFF_ROUND_TRIPS = 0.85
"""A packet is not sent again sooner than this after it was sent: until then no request can know that it is lost.
Less than one, so that a receiver that repeats its request every 1.15 round trips is never refused for jitter's sake."""

RESEND_BYTES_PER_S = 60_000.0
MAX_RING_PACKETS = 4096

_SHORTEST_HOLD_OFF_S = 0.02
_UNKNOWN_HOLD_OFF_S = 0.15
_REMEMBERED_REPORTS = 16

_PATCH = struct.Struct("!BHI")  # marker and payload type, sequence number, timestamp: from byte 1 of the header
_SEQUENCE = struct.Struct("!H")


@dataclass(slots=True)
class SendStats:
    """Figures of one sent source, since its beginning unless said otherwise.

    :ivar packets: packets sent, retransmissions not included.
    :ivar bytes: their size on the wire without IP, UDP and SRTP.
    :ivar resent_packets: retransmissions.
    :ivar resent_bytes: their size.
    :ivar held_off: requests not answered because the packet had been resent less than about a round trip before.
    :ivar over_budget: requests not answered because the retransmission budget was used up.
    :ivar not_in_ring: requests for packets that are too old, or that never came from upstream.
    :ivar rtt_s: smoothed round-trip time, ``None`` until a receiver report has answered a sender report of ours.
    :ivar fraction_lost: 0 to 1, from the newest receiver report.
    :ivar packets_lost: from the newest receiver report.
    :ivar jitter_s: from the newest receiver report.
    :ivar report_at_s: ``now`` of the newest receiver report, ``None`` before the first.
    """

    packets: int = 0
    bytes: int = 0
    resent_packets: int = 0
    resent_bytes: int = 0
    held_off: int = 0
    over_budget: int = 0
    not_in_ring: int = 0
    rtt_s: float | None = None
    fraction_lost: float = 0.0
    packets_lost: int = 0
    jitter_s: float = 0.0
    report_at_s: float | None = None


def transport_sequence_offset(block: bytes | bytearray) -> int:
    """Where in a packet with such a block of extensions the transport-wide sequence number goes: it is the first
    element, behind the fixed header, the block's header, and its own head of 1 or 2 bytes.

    :param block: at least its first two bytes.
    """
    head_bytes = 1 if block[:2] == rtp.ONE_BYTE_PROFILE.to_bytes(2, "big") else 2
    return rtp.HEADER_BYTES + 4 + head_bytes


class SendStream:
    """One RTP source as it goes out to one peer.

    Either all packets are the stream's own (:meth:`send`, numbered without holes) or they are forwarded
    (:meth:`forward`, upstream's numbering and its holes kept, so that a late packet still finds its place); both may
    alternate with :meth:`switch_source` between.

    :param payload_type: as negotiated with this peer.
    :param clock_rate: of its timestamps, in Hz.
    :param rtx_payload_type: with ``rtx_ssrc``: retransmissions go as RTX (RFC 4588); without, as the same packet again.
    :param extensions: constant header extensions of every packet (such as the MID).
    :param transport_sequence_id: extension id of the transport-wide sequence number; two bytes are left for it at
        :attr:`transport_sequence_offset` of every packet, for the one who sends to fill in.
    :param ring_s: how long packets are kept for retransmission.
    :param max_ring_packets: bound of the ring whatever the rate; the oldest are dropped first.
    :param resend_bytes_per_s: budget of retransmission; up to one second of it may be used at once.
    :param first_sequence: default random below 2**15.
    """

    def __init__(
        self,
        ssrc: int,
        payload_type: int,
        clock_rate: int,
        *,
        rtx_payload_type: int | None = None,
        rtx_ssrc: int | None = None,
        extensions: Mapping[int, bytes] = rtp.NO_EXTENSIONS,
        transport_sequence_id: int | None = None,
        cname: str = "hallcast",
        ring_s: float = 10.0,
        max_ring_packets: int = MAX_RING_PACKETS,
        resend_bytes_per_s: float = RESEND_BYTES_PER_S,
        first_sequence: int | None = None,
    ) -> None:
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.clock_rate = clock_rate
        self.stats = SendStats()
        block = _extension_block(extensions, transport_sequence_id)
        self.transport_sequence_offset: int | None = None
        """Where in each packet the transport-wide sequence number goes; ``None`` without one."""
        if transport_sequence_id is not None:
            self.transport_sequence_offset = transport_sequence_offset(block)
        self._header = _template(payload_type, ssrc, block)
        has_rtx = rtx_payload_type is not None and rtx_ssrc is not None
        self._rtx_header = _template(rtx_payload_type or 0, rtx_ssrc or 0, block) if has_rtx else None
        self._rtx_types = {payload_type: rtx_payload_type} if rtx_payload_type is not None else {}
        self._rtx_sequence = random.getrandbits(15)
        self._cname = cname
        first = random.getrandbits(15) if first_sequence is None else first_sequence & 0xFFFF
        self._newest = first + 0xFFFF  # unwrapped number of the newest packet: one before the first
        self._offset: int | None = None  # from upstream's unwrapped numbers to ours
        self._base = 0  # upstream's number from which on this source is forwarded
        self._shift = 0  # what is added to this source's timestamps
        self._timestamp: int | None = None
        self._ring: dict[int, tuple[int, int, bytes, float]] = {}  # byte 1, timestamp, payload, when sent
        self._ring_order: deque[tuple[float, int]] = deque()
        self._ring_s = ring_s
        self._max_ring_packets = max_ring_packets
        self._resent_s: dict[int, float] = {}
        self._resend_bytes_per_s = resend_bytes_per_s
        self._tokens = resend_bytes_per_s
        self._tokens_at_s: float | None = None
        self._reports: deque[tuple[int, float]] = deque(maxlen=_REMEMBERED_REPORTS)
        self._payload_bytes = 0
        self._told_rtt_s: float | None = None

    @classmethod
    def negotiated(
        cls,
        media: NegotiatedMedia,
        *,
        mid: bool = False,
        transport_cc: bool = False,
        resend_bytes_per_s: float = RESEND_BYTES_PER_S,
    ) -> SendStream:
        """The source that was agreed on.

        :param mid: each packet names its media section (RFC 8843 section 15), which a few receivers need.
        :param transport_cc: leave room for the transport-wide sequence number where that was agreed on. The one who
            sends then has to fill it in, in every packet (:func:`transport.twcc.stamp`).
        """
        mid_id = media.extensions.get(MID) if mid else None
        return cls(
            media.ssrc,
            media.codec.payload_type,
            media.codec.clock_rate,
            rtx_payload_type=media.rtx_payload_type,
            rtx_ssrc=media.rtx_ssrc,
            resend_bytes_per_s=resend_bytes_per_s,
            extensions={mid_id: media.mid.encode()} if mid_id else rtp.NO_EXTENSIONS,
            transport_sequence_id=media.extensions.get(TRANSPORT_CC) if transport_cc else None,
            # Data is sent again in other packets (transport.data_send): nothing of it is kept here.
            max_ring_packets=0 if media.kind == "application" else MAX_RING_PACKETS,
        )

    def switch_format(self, payload_type: int, rtx_payload_type: int | None) -> None:
        """What is sent next is in another of the formats agreed on. Retransmissions keep the format they had.

        :param rtx_payload_type: the format's RTX; without one its packets go again as they were.
        """
        self.payload_type = payload_type
        if rtx_payload_type is not None:
            self._rtx_types[payload_type] = rtx_payload_type

    @property
    def rtt_s(self) -> float | None:
        """Round-trip time from receiver reports, else as told by :meth:`set_rtt`, else ``None``."""
        return self.stats.rtt_s if self.stats.rtt_s is not None else self._told_rtt_s

    def send(
        self, payload: bytes, timestamp: int, marker: bool, now: float, payload_type: int | None = None
    ) -> bytearray:
        """The next packet of our own.

        :param timestamp: of any width; its low 32 bits go on the wire.
        :param payload_type: another one of the same section than usual (redundant audio).
        """
        return self._emit(self._newest + 1, payload, timestamp & 0xFFFF_FFFF, marker, now, payload_type)

    def forward(
        self, packet: ReceivedPacket, timestamp: int, now: float, payload: bytes | None = None
    ) -> bytearray | None:
        """A packet of an upstream source, renumbered for this peer.

        :param timestamp: for this peer (lecture time in the clock rate), of any width.
        :param payload: in place of the packet's own (such as one with rewritten picture ids).
        :returns: ``None`` for a packet from before the newest :meth:`switch_source` (or before the first forwarded
            one): its number is taken.
        """
        seq = packet.extended_seq
        if self._offset is None:
            self._start_source(seq, timestamp)
        elif seq < self._base:
            return None
        return self._emit(
            seq + (self._offset or 0),
            packet.payload if payload is None else payload,
            (timestamp + self._shift) & 0xFFFF_FFFF,
            packet.marker,
            now,
        )

    def _start_source(self, seq: int, timestamp: int) -> None:
        self._base = seq
        self._offset = self._newest + 1 - seq
        self._shift = 0
        if self._timestamp is not None:
            step = (timestamp - self._timestamp) & 0xFFFF_FFFF
            if step == 0 or step >= 1 << 31:
                self._shift = self._timestamp + 1 - timestamp

    def switch_source(self) -> None:
        """What is forwarded next comes from another source: its numbers follow on, its timestamps never go back
        (where they would, all of this source's are moved up by as much as it takes)."""
        self._offset = None

    def padding(self, size_bytes: int) -> bytearray | None:
        """A packet of nothing but padding, to see what the link carries: RTX without a payload, which receivers drop.

        :param size_bytes: of the packet, as near as 255 bytes of padding come to it.
        :returns: ``None`` where no RTX was agreed on.
        """
        rtx_type = self._rtx_types.get(self.payload_type)
        if self._rtx_header is None or rtx_type is None:
            return None
        header = self._rtx_header
        _PATCH.pack_into(header, 1, rtx_type, self._rtx_sequence, self._timestamp or 0)
        self._rtx_sequence = (self._rtx_sequence + 1) & 0xFFFF
        count = min(255, max(1, size_bytes - len(header)))
        out = header + bytes(count - 1) + bytes((count,))
        out[0] |= 0x20
        return out

    def newest_again(self) -> bytearray | None:
        """The newest packet once more, by which a receiver notices what it lacks before it; None if it is not kept."""
        kept = self._ring.get(self._newest)
        return None if kept is None else self._again(self._newest, kept)

    def forget(self) -> None:
        """Answer no more requests for what has been made so far: it was dropped, or is of no use any more."""
        self._ring.clear()
        self._ring_order.clear()
        self._resent_s.clear()

    def _emit(
        self, seq: int, payload: bytes, timestamp: int, marker: bool, now: float, payload_type: int | None = None
    ) -> bytearray:
        head = self.payload_type if payload_type is None else payload_type
        if marker:
            head |= 0x80
        header = self._header
        _PATCH.pack_into(header, 1, head, seq & 0xFFFF, timestamp)
        out = header + payload
        if seq > self._newest:
            self._newest = seq
            self._timestamp = timestamp
        self._ring[seq] = head, timestamp, payload, now
        order = self._ring_order
        order.append((now, seq))
        if order[0][0] < now - self._ring_s or len(order) > self._max_ring_packets:
            self._trim(now)
        stats = self.stats
        stats.packets += 1
        stats.bytes += len(out)
        self._payload_bytes += len(payload)
        return out

    def _trim(self, now: float) -> None:
        order, oldest_s = self._ring_order, now - self._ring_s
        while order and (order[0][0] < oldest_s or len(order) > self._max_ring_packets):
            _, seq = order.popleft()
            self._ring.pop(seq, None)
            self._resent_s.pop(seq, None)

    def handle_rtcp(self, packet: bytes | Sequence[RtcpPacket], now: float) -> list[bytearray]:
        """Digest RTCP from the peer (raw, or parsed once for several streams); returns the retransmissions to send.

        Other sources' feedback is ignored. Keyframe requests are the caller's (:func:`transport.rtcp.wants_keyframe`).

        :raises MalformedPacket: if raw bytes are not RTCP.
        """
        packets = rtcp.parse(bytes(packet)) if isinstance(packet, bytes | bytearray | memoryview) else packet
        out: list[bytearray] = []
        for one in packets:
            if isinstance(one, rtcp.Nack):
                if one.media_ssrc == self.ssrc:
                    out += self._answer(one.sequence_numbers, now)
            elif isinstance(one, rtcp.ReceiverReport | rtcp.SenderReport):
                for block in one.reports:
                    if block.ssrc == self.ssrc:
                        self._digest(block, now)
        return out

    def _answer(self, numbers: Sequence[int], now: float) -> list[bytearray]:
        self._refill(now)
        stats, newest = self.stats, self._newest
        rtt_s = self.rtt_s
        hold_off_s = _UNKNOWN_HOLD_OFF_S if rtt_s is None else max(HOLD_OFF_ROUND_TRIPS * rtt_s, _SHORTEST_HOLD_OFF_S)
        out: list[bytearray] = []
        for number in numbers:
            seq = newest - ((newest - number) & 0xFFFF)
            kept = self._ring.get(seq)
            if kept is None:
                stats.not_in_ring += 1
                continue
            # A hole of upstream's that has just been filled was asked for before it went out: once is enough.
            before_s = self._resent_s.get(seq, kept[3] if rtt_s is not None else None)
            if before_s is not None and now - before_s < hold_off_s:
                stats.held_off += 1
                continue
            again = self._again(seq, kept)
            if len(again) > self._tokens:
                stats.over_budget += 1
                continue
            self._tokens -= len(again)
            self._resent_s[seq] = now
            stats.resent_packets += 1
            stats.resent_bytes += len(again)
            out.append(again)
        return out

    def _again(self, seq: int, kept: tuple[int, int, bytes, float]) -> bytearray:
        head, timestamp, payload, _ = kept
        rtx_type = self._rtx_types.get(head & 0x7F)
        if self._rtx_header is None or rtx_type is None:
            _PATCH.pack_into(self._header, 1, head, seq & 0xFFFF, timestamp)
            return self._header + payload
        # RFC 4588 section 4: own number, the original's timestamp and marker, its number before the payload.
        header = self._rtx_header
        _PATCH.pack_into(header, 1, rtx_type | head & 0x80, self._rtx_sequence, timestamp)
        self._rtx_sequence = (self._rtx_sequence + 1) & 0xFFFF
        return header + _SEQUENCE.pack(seq & 0xFFFF) + payload

    def _refill(self, now: float) -> None:
        if self._tokens_at_s is not None:
            earned = (now - self._tokens_at_s) * self._resend_bytes_per_s
            self._tokens = min(self._resend_bytes_per_s, self._tokens + earned)
        self._tokens_at_s = now

    def _digest(self, block: rtcp.ReportBlock, now: float) -> None:
        stats = self.stats
        stats.fraction_lost, stats.packets_lost = block.fraction_lost, block.packets_lost
        stats.jitter_s = block.jitter / self.clock_rate
        stats.report_at_s = now
        for stamp, sent_s in self._reports:
            if stamp == block.last_report:
                rtt_s = max(0.0, now - sent_s - block.delay_s)
                stats.rtt_s = rtt_s if stats.rtt_s is None else stats.rtt_s + (rtt_s - stats.rtt_s) / 4
                return

    def set_rtt(self, rtt_s: float) -> None:
        """Feed a round-trip time measured elsewhere (it counts until receiver reports give one)."""
        self._told_rtt_s = rtt_s

    def set_resend_budget(self, bytes_per_s: float) -> None:
        """Change the budget of retransmission."""
        self._resend_bytes_per_s = bytes_per_s
        self._tokens = min(self._tokens, bytes_per_s)

    def sender_report(self, now: float, media_ms: float) -> bytes:
        """SR and SDES to send now (about once a second).

        :param media_ms: what time it is now on the clock of this stream's timestamps (lecture time, for a relay).
        """
        ntp = rtcp.ntp_of(media_ms / 1000)
        self._reports.append((ntp >> 16 & 0xFFFF_FFFF, now))
        timestamp = round(media_ms * self.clock_rate / 1000) + self._shift
        report = rtcp.SenderReport(self.ssrc, ntp, timestamp & 0xFFFF_FFFF, self.stats.packets, self._payload_bytes)
        return rtcp.build(report, rtcp.SourceDescription(((self.ssrc, self._cname),)))


def _extension_block(extensions: Mapping[int, bytes], transport_sequence_id: int | None) -> bytes:
    if transport_sequence_id is None:
        return rtp.build_extensions(extensions)
    return rtp.build_extensions({transport_sequence_id: b"\0\0", **extensions})


def _template(payload_type: int, ssrc: int, block: bytes) -> bytearray:
    if not 0 <= payload_type <= 127:
        raise ValueError(f"no RTP payload type {payload_type}")
    first = 0x90 if block else 0x80
    return bytearray(bytes((first, payload_type)) + bytes(6) + ssrc.to_bytes(4, "big") + block)
