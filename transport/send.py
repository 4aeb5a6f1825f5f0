"""Sending one RTP source: numbering, forwarding, retransmission on request, sender reports (RFC 3550, 4585, 4588).

Pure: ``now`` is an argument, in seconds of any monotonic clock; packets come back as ``bytearray`` for the caller to
protect and send (in place if it likes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transport import rtp
from transport.receive import ReceivedPacket
from transport.rtcp import RtcpPacket


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
        max_ring_packets: int = 4096,
        resend_bytes_per_s: float = 60_000,
        first_sequence: int | None = None,
    ) -> None:
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.clock_rate = clock_rate
        self.stats = SendStats()
        self.transport_sequence_offset: int | None = None
        raise NotImplementedError

    def send(self, payload: bytes, timestamp: int, marker: bool, now: float) -> bytearray:
        """The next packet of our own.

        :param timestamp: of any width; its low 32 bits go on the wire.
        """
        raise NotImplementedError

    def forward(
        self, packet: ReceivedPacket, timestamp: int, now: float, payload: bytes | None = None
    ) -> bytearray | None:
        """A packet of an upstream source, renumbered for this peer.

        :param timestamp: for this peer (lecture time in the clock rate), of any width.
        :param payload: in place of the packet's own (such as one with rewritten picture ids).
        :returns: ``None`` for a packet from before the newest :meth:`switch_source` (or before the first forwarded
            one): its number is taken.
        """
        raise NotImplementedError

    def switch_source(self) -> None:
        """What is forwarded next comes from another source: its numbers follow on, its timestamps never go back."""
        raise NotImplementedError

    def handle_rtcp(self, packet: bytes | Sequence[RtcpPacket], now: float) -> list[bytearray]:
        """Digest RTCP from the peer (raw, or parsed once for several streams); returns the retransmissions to send now.

        Other sources' feedback is ignored. Keyframe requests are for the caller (:func:`transport.rtcp.wants_keyframe`).

        :raises MalformedPacket: if raw bytes are not RTCP.
        """
        raise NotImplementedError

    def set_rtt(self, rtt_s: float) -> None:
        """Feed a round-trip time measured elsewhere (until receiver reports give one)."""
        raise NotImplementedError

    def set_resend_budget(self, bytes_per_s: float) -> None:
        """Change the budget of retransmission."""
        raise NotImplementedError

    def sender_report(self, now: float, media_ms: float) -> bytes:
        """SR and SDES to send now (about once a second).

        :param media_ms: what time it is now on the clock of this stream's timestamps (lecture time, for a relay).
        """
        raise NotImplementedError

    def bye(self) -> bytes:
        """BYE, for the end of the stream."""
        raise NotImplementedError
