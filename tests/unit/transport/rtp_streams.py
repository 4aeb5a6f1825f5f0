"""RTP packets and receivers for the tests of receiving."""

from __future__ import annotations

from transport import rtcp
from transport.receive import ReceiveStream
from transport.rtp import RtpPacket

SSRC, CLOCK, TYPE, RTX = 77, 48_000, 111, 112
STARTS = [0, 1, 2, 100, 32767, 32768, 65400, 65533, 65534, 65535]
SPACING_S = 0.02


def packet(seq: int, *, timestamp: int | None = None, payload: bytes = b"x", marker: bool = False) -> RtpPacket:
    stamp = seq * 960 if timestamp is None else timestamp
    return RtpPacket(TYPE, marker, seq & 0xFFFF, stamp & 0xFFFF_FFFF, SSRC, payload)


def rtx(original: int, osn_payload: bytes = b"x") -> RtpPacket:
    payload = (original & 0xFFFF).to_bytes(2, "big") + osn_payload
    return RtpPacket(RTX, False, 9, original * 960 & 0xFFFF_FFFF, SSRC + 1, payload)


def stream(**options: float) -> ReceiveStream:
    return ReceiveStream(SSRC, CLOCK, TYPE, RTX, **options)  # type: ignore[arg-type]


def asked(datagrams: list[bytes]) -> list[int]:
    parsed = [one for datagram in datagrams for one in rtcp.parse(datagram)]
    return [number for one in parsed if isinstance(one, rtcp.Nack) for number in one.sequence_numbers]


def report_block(datagrams: list[bytes]) -> rtcp.ReportBlock:
    parsed = [one for datagram in datagrams for one in rtcp.parse(datagram)]
    (report,) = [one for one in parsed if isinstance(one, rtcp.ReceiverReport)]
    return report.reports[0]
