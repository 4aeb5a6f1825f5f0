"""RTCP packets (RFC 3550 section 6, feedback RFC 4585, FIR RFC 5104, REMB draft-alvestrand-rmcat-remb,
transport-wide feedback draft-holmer-rmcat-transport-wide-cc-extensions-01).

Everything here is pure. Bytes that are not RTCP raise :class:`transport.rtp.MalformedPacket`, never anything else;
packet types this version does not know come out as :class:`UnknownRtcp` and are for the caller to ignore.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from transport.rtcp_feedback import build_feedback, parse_feedback
from transport.rtcp_types import Bye as Bye
from transport.rtcp_types import Fir as Fir
from transport.rtcp_types import Nack as Nack
from transport.rtcp_types import Pli as Pli
from transport.rtcp_types import ReceiverReport as ReceiverReport
from transport.rtcp_types import Remb as Remb
from transport.rtcp_types import ReportBlock as ReportBlock
from transport.rtcp_types import RtcpPacket as RtcpPacket
from transport.rtcp_types import SenderReport as SenderReport
from transport.rtcp_types import SourceDescription as SourceDescription
from transport.rtcp_types import TransportFeedback as TransportFeedback
from transport.rtcp_types import UnknownRtcp as UnknownRtcp
from transport.rtp import MalformedPacket

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, BYE = 200, 201, 202, 203
TRANSPORT_FEEDBACK, PAYLOAD_FEEDBACK = 205, 206
FMT_NACK, FMT_PLI, FMT_FIR, FMT_APPLICATION = 1, 1, 4, 15
FMT_TRANSPORT_WIDE = 15
CNAME_ITEM = 1

NTP_EPOCH_S = 2_208_988_800
"""Seconds added to media time in the NTP field of our sender reports, so that it is never 0 (0 means "unknown").
The field says nothing about the time of day: it orders the streams of one peer, and it carries round-trip times."""

_HEADER = struct.Struct("!BBH")
_SENDER = struct.Struct("!IQIII")
_BLOCK = struct.Struct("!IIIIII")
_FEEDBACK = struct.Struct("!II")
_WORD = struct.Struct("!I")
_PAIR = struct.Struct("!HH")
_MAX_NACKED = 32_768


def parse(data: bytes) -> list[RtcpPacket]:
    """Parse a compound (or reduced-size, RFC 5506) RTCP datagram into its packets, in order.

    :raises MalformedPacket: if it is empty, cut short, or its lengths contradict each other.
    """
    if not data:
        raise MalformedPacket("empty RTCP datagram")
    packets: list[RtcpPacket] = []
    at = 0
    while at < len(data):
        if at + 4 > len(data):
            raise MalformedPacket("RTCP packet is shorter than its header")
        first, packet_type, words = _HEADER.unpack_from(data, at)
        if first >> 6 != 2:
            raise MalformedPacket("not RTCP version 2")
        end = at + 4 + 4 * words
        if end > len(data):
            raise MalformedPacket("RTCP packet reaches beyond its datagram")
        body = bytes(data[at + 4 : end])
        if first & 0x20:
            if not body or not 0 < body[-1] <= len(body):
                raise MalformedPacket("RTCP padding is longer than its packet")
            body = body[: len(body) - body[-1]]
        try:
            packets.append(_parse_one(packet_type, first & 0x1F, body))
        except (struct.error, IndexError) as error:
            raise MalformedPacket(f"RTCP packet of type {packet_type} is cut short") from error
        at = end
    return packets


def _parse_one(packet_type: int, count: int, body: bytes) -> RtcpPacket:
    if packet_type == SENDER_REPORT:
        ssrc, ntp, rtp_timestamp, packet_count, octet_count = _SENDER.unpack_from(body)
        return SenderReport(ssrc, ntp, rtp_timestamp, packet_count, octet_count, _blocks(body, _SENDER.size, count))
    if packet_type == RECEIVER_REPORT:
        return ReceiverReport(_WORD.unpack_from(body)[0], _blocks(body, 4, count))
    if packet_type == SOURCE_DESCRIPTION:
        return _parse_sdes(body, count)
    if packet_type == BYE:
        ssrcs = struct.unpack_from(f"!{count}I", body)
        rest = body[4 * count :]
        return Bye(ssrcs, rest[1 : 1 + rest[0]].decode(errors="replace") if rest else "")
    if packet_type == TRANSPORT_FEEDBACK and count == FMT_NACK:
        return _parse_nack(body)
    if packet_type == TRANSPORT_FEEDBACK and count == FMT_TRANSPORT_WIDE:
        return parse_feedback(body)
    if packet_type == PAYLOAD_FEEDBACK and count == FMT_PLI:
        return Pli(*_FEEDBACK.unpack_from(body))
    if packet_type == PAYLOAD_FEEDBACK and count == FMT_FIR:
        sender_ssrc, _ = _FEEDBACK.unpack_from(body)
        if len(body) % 8:
            raise MalformedPacket("FIR is cut short")
        return Fir(sender_ssrc, tuple((ssrc, tail >> 24) for ssrc, tail in _FEEDBACK.iter_unpack(body[8:])))
    if packet_type == PAYLOAD_FEEDBACK and count == FMT_APPLICATION and body[8:12] == b"REMB":
        sender_ssrc, _ = _FEEDBACK.unpack_from(body)
        (packed,) = _WORD.unpack_from(body, 12)
        ssrcs = struct.unpack_from(f"!{packed >> 24}I", body, 16)
        return Remb(sender_ssrc, (packed & 0x3FFFF) << (packed >> 18 & 0x3F), ssrcs)
    return UnknownRtcp(packet_type, count, body)


def _blocks(body: bytes, at: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for number in range(count):
        ssrc, loss, highest, jitter, last_report, delay = _BLOCK.unpack_from(body, at + number * _BLOCK.size)
        lost = loss & 0xFFFFFF
        blocks.append(
            ReportBlock(
                ssrc,
                (loss >> 24) / 256,
                lost - (1 << 24) if lost >> 23 else lost,
                highest,
                jitter,
                last_report,
                delay / 65536,
            )
        )
    return tuple(blocks)


def _parse_sdes(body: bytes, count: int) -> SourceDescription:
    cnames: list[tuple[int, str]] = []
    at = 0
    for _ in range(count):
        (ssrc,) = _WORD.unpack_from(body, at)
        at += 4
        while body[at]:
            item, size = body[at], body[at + 1]
            if at + 2 + size > len(body):
                raise MalformedPacket("SDES item reaches beyond its packet")
            if item == CNAME_ITEM:
                cnames.append((ssrc, body[at + 2 : at + 2 + size].decode(errors="replace")))
            at += 2 + size
        at += 4 - at % 4  # RFC 3550 6.5: a chunk ends with one to four zero bytes, on a word
    return SourceDescription(tuple(cnames))


def _parse_nack(body: bytes) -> Nack:
    sender_ssrc, media_ssrc = _FEEDBACK.unpack_from(body)
    if len(body) > 8 + 4 * _MAX_NACKED // 17:
        raise MalformedPacket("NACK asks for half of all there is")
    numbers: list[int] = []
    for first, mask in _PAIR.iter_unpack(body[8:]):
        numbers.append(first)
        bit = 1
        while mask:
            if mask & 1:
                numbers.append((first + bit) & 0xFFFF)
            mask >>= 1
            bit += 1
    return Nack(sender_ssrc, media_ssrc, tuple(numbers))


def build(*packets: RtcpPacket) -> bytes:
    """Lay packets out one after the other as one datagram. A :class:`Nack` is folded into as few words as will do.

    :raises ValueError: if a field does not fit its place.
    """
    out = bytearray()
    for packet in packets:
        try:
            packet_type, count, body = _build_one(packet)
            if count > 31 or len(body) % 4:
                raise ValueError("a field of the RTCP packet does not fit its place")
            out += _HEADER.pack(0x80 | count, packet_type, len(body) // 4)
        except struct.error as error:
            raise ValueError("a field of the RTCP packet does not fit its place") from error
        out += body
    return bytes(out)


def _build_one(packet: RtcpPacket) -> tuple[int, int, bytes]:
    match packet:
        case SenderReport(ssrc, ntp, rtp_timestamp, packet_count, octet_count, reports):
            head = _SENDER.pack(ssrc, ntp, rtp_timestamp, packet_count & 0xFFFF_FFFF, octet_count & 0xFFFF_FFFF)
            return SENDER_REPORT, len(reports), head + b"".join(map(_build_block, reports))
        case ReceiverReport(ssrc, reports):
            return RECEIVER_REPORT, len(reports), _WORD.pack(ssrc) + b"".join(map(_build_block, reports))
        case SourceDescription(cnames):
            return SOURCE_DESCRIPTION, len(cnames), b"".join(_build_chunk(ssrc, name) for ssrc, name in cnames)
        case Bye(ssrcs, reason):
            text = reason.encode()[:255]
            tail = _padded(bytes((len(text),)) + text) if text else b""
            return BYE, len(ssrcs), struct.pack(f"!{len(ssrcs)}I", *ssrcs) + tail
        case Nack(sender_ssrc, media_ssrc, numbers):
            return TRANSPORT_FEEDBACK, FMT_NACK, _FEEDBACK.pack(sender_ssrc, media_ssrc) + _fold(numbers)
        case Pli(sender_ssrc, media_ssrc):
            return PAYLOAD_FEEDBACK, FMT_PLI, _FEEDBACK.pack(sender_ssrc, media_ssrc)
        case Fir(sender_ssrc, requests):
            entries = b"".join(_FEEDBACK.pack(ssrc, number << 24) for ssrc, number in requests)
            return PAYLOAD_FEEDBACK, FMT_FIR, _FEEDBACK.pack(sender_ssrc, 0) + entries
        case Remb(sender_ssrc, bitrate_bps, ssrcs):
            exponent = max(0, bitrate_bps.bit_length() - 18)
            packed = len(ssrcs) << 24 | exponent << 18 | bitrate_bps >> exponent
            tail = struct.pack(f"!I{len(ssrcs)}I", packed, *ssrcs)
            return PAYLOAD_FEEDBACK, FMT_APPLICATION, _FEEDBACK.pack(sender_ssrc, 0) + b"REMB" + tail
        case TransportFeedback():
            return TRANSPORT_FEEDBACK, FMT_TRANSPORT_WIDE, build_feedback(packet)
        case UnknownRtcp(packet_type, count, body):
            return packet_type, count, body


def _build_block(block: ReportBlock) -> bytes:
    lost = min(max(block.packets_lost, -(1 << 23)), (1 << 23) - 1) & 0xFFFFFF
    fraction = min(max(int(block.fraction_lost * 256), 0), 255)
    delay = min(max(round(block.delay_s * 65536), 0), 0xFFFF_FFFF)
    highest = block.highest_sequence & 0xFFFF_FFFF
    return _BLOCK.pack(block.ssrc, fraction << 24 | lost, highest, block.jitter, block.last_report, delay)


def _build_chunk(ssrc: int, name: str) -> bytes:
    text = name.encode()
    if len(text) > 255:
        raise ValueError("a CNAME has at most 255 bytes")
    chunk = _WORD.pack(ssrc) + bytes((CNAME_ITEM, len(text))) + text
    return chunk + bytes(4 - len(chunk) % 4)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _fold(numbers: Iterable[int]) -> bytes:
    """Sequence numbers, in the order given, as pairs of a number and a mask of the 16 after it."""
    out = bytearray()
    first, mask = -1, 0
    for number in numbers:
        step = (number - first) & 0xFFFF
        if first >= 0 and 1 <= step <= 16:
            mask |= 1 << step - 1
            continue
        if first >= 0:
            out += _PAIR.pack(first, mask)
        first, mask = number, 0
    if first >= 0:
        out += _PAIR.pack(first, mask)
    return bytes(out)


def wants_keyframe(packets: Iterable[RtcpPacket], ssrc: int) -> bool:
    """Whether a PLI or FIR among them asks the source ``ssrc`` for a keyframe."""
    for packet in packets:
        if isinstance(packet, Pli) and packet.media_ssrc == ssrc:
            return True
        if isinstance(packet, Fir) and any(wanted == ssrc for wanted, _ in packet.requests):
            return True
    return False


def remb_bps(packets: Iterable[RtcpPacket]) -> int | None:
    """The newest REMB among them in bit/s, or ``None``."""
    newest = None
    for packet in packets:
        if isinstance(packet, Remb):
            newest = packet.bitrate_bps
    return newest


def ntp_of(media_s: float) -> int:
    """The 64-bit NTP field for a media time in seconds (see :data:`NTP_EPOCH_S`)."""
    return round((media_s + NTP_EPOCH_S) * (1 << 32)) & 0xFFFF_FFFF_FFFF_FFFF
