"""What the hall uses of its link, in kbit/s, with what lies below the payload. Pure; the clock is an argument."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

UDP_OVERHEAD_BYTES = 28
"""IPv4 (20) and UDP (8) headers; SRTP's own bytes are in the payload already."""
TCP_OVERHEAD_BYTES = 52
"""IPv4 (20) and TCP with timestamps (32), for each segment and for each acknowledgement of two segments."""
_SEGMENT_BYTES = 1400
_WEBSOCKET_BYTES = 4
_TLS_BYTES = 22
_WINDOW_S = 5.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Kilobits per second each way."""

    in_kbps: float = 0.0
    out_kbps: float = 0.0


class LinkMeter:
    """Counts bytes on the wire: UDP as given by the transport, TCP estimated from the messages on the socket."""

    def __init__(self) -> None:
        self.in_bytes = 0
        self.out_bytes = 0
        self._udp_in = (0, 0)
        self._udp_out = (0, 0)
        self._began: float | None = None
        self._samples: deque[tuple[float, int, int]] = deque()  # bounded by the window: one sample per call of usage

    def socket_received(self, payload_bytes: int, *, tls: bool) -> None:
        """A WebSocket message came in."""
        wire, segments = _tcp_bytes(payload_bytes, tls)
        self.in_bytes += wire
        self.out_bytes += TCP_OVERHEAD_BYTES * ((segments + 1) // 2)

    def socket_sent(self, payload_bytes: int, *, tls: bool) -> None:
        """A WebSocket message went out."""
        wire, segments = _tcp_bytes(payload_bytes, tls)
        self.out_bytes += wire
        self.in_bytes += TCP_OVERHEAD_BYTES * ((segments + 1) // 2)

    def udp_totals(self, *, bytes_in: int, packets_in: int, bytes_out: int, packets_out: int) -> None:
        """Totals of the present peer; smaller ones than before mean a new peer."""
        self.in_bytes += _growth(self._udp_in, (bytes_in, packets_in))
        self.out_bytes += _growth(self._udp_out, (bytes_out, packets_out))
        self._udp_in = (bytes_in, packets_in)
        self._udp_out = (bytes_out, packets_out)

    def usage(self, now: float) -> Usage:
        """Mean of the last five seconds."""
        if self._began is None:
            self._began = now
        self._samples.append((now, self.in_bytes, self.out_bytes))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _WINDOW_S:
            self._samples.popleft()
        then, bytes_in, bytes_out = self._samples[0]
        return _usage(self.in_bytes - bytes_in, self.out_bytes - bytes_out, now - then)

    def mean(self, now: float) -> Usage:
        """Mean since the first call of :meth:`usage`."""
        if self._began is None:
            return Usage()
        return _usage(self.in_bytes, self.out_bytes, now - self._began)


def _usage(bytes_in: int, bytes_out: int, seconds: float) -> Usage:
    if seconds <= 0:
        return Usage()
    return Usage(bytes_in * 8 / 1000 / seconds, bytes_out * 8 / 1000 / seconds)


def _tcp_bytes(payload_bytes: int, tls: bool) -> tuple[int, int]:
    record = payload_bytes + _WEBSOCKET_BYTES + (_TLS_BYTES if tls else 0)
    segments = max(1, -(-record // _SEGMENT_BYTES))
    return record + segments * TCP_OVERHEAD_BYTES, segments


def _growth(before: tuple[int, int], after: tuple[int, int]) -> int:
    if after[0] < before[0] or after[1] < before[1]:
        before = (0, 0)
    return after[0] - before[0] + UDP_OVERHEAD_BYTES * (after[1] - before[1])
