"""The packets of RTCP as values; :mod:`transport.rtcp` reads and writes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one source (RFC 3550 section 6.4.1).

    :param fraction_lost: since its last report, 0 to 1.
    :param packets_lost: in all; negative where duplicates outnumber losses.
    :param highest_sequence: extended highest sequence number received.
    :param jitter: in units of the source's timestamp.
    :param last_report: middle 32 bits of the NTP field of the last sender report it has, 0 for none.
    :param delay_s: seconds between receiving that and sending this.
    """

    ssrc: int
    fraction_lost: float
    packets_lost: int
    highest_sequence: int
    jitter: int
    last_report: int = 0
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SenderReport:
    """SR. ``ntp`` is the 64-bit NTP field: seconds and 2**-32 seconds."""

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    reports: tuple[ReportBlock, ...] = ()

    @property
    def ntp_s(self) -> float:
        """The NTP field in seconds (of the sender's own clock)."""
        return self.ntp / (1 << 32)


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """RR: ``ssrc`` is the receiver's own."""

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """SDES: the CNAME of each SSRC; other items are not kept."""

    cnames: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Bye:
    """BYE."""

    ssrcs: tuple[int, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Nack:
    """Generic NACK (RFC 4585 section 6.2.1): please send these again."""

    sender_ssrc: int
    media_ssrc: int
    sequence_numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pli:
    """Picture loss indication (RFC 4585 section 6.3.1): please send a keyframe."""

    sender_ssrc: int
    media_ssrc: int


@dataclass(frozen=True, slots=True)
class Fir:
    """Full intra request (RFC 5104 section 4.3.1): pairs of SSRC and request number (8 bits, new one each request)."""

    sender_ssrc: int
    requests: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Remb:
    """Receiver estimated maximum bitrate."""

    sender_ssrc: int
    bitrate_bps: int
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).

    :param base_sequence: transport-wide sequence number (16 bits) of the first packet it speaks of.
    :param feedback_count: counts the sender's feedback packets (8 bits).
    :param reference: 24 bits of the receiver's clock in units of 64 ms.
    :param arrivals: for each packet from ``base_sequence`` on: when it arrived, in ticks of 250 µs after the reference
        (may be negative), or ``None`` if it has not.
    """

    sender_ssrc: int
    media_ssrc: int
    base_sequence: int
    feedback_count: int
    reference: int
    arrivals: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class UnknownRtcp:
    """A packet of a type (or feedback format, in ``count``) not known here; ``body`` is all after its header."""

    packet_type: int
    count: int
    body: bytes


RtcpPacket = (
    SenderReport | ReceiverReport | SourceDescription | Bye | Nack | Pli | Fir | Remb | TransportFeedback | UnknownRtcp
)
