"""CPU per RTP packet, without SRTP and the socket: python benchmarks/rtp_cpu.py

Forwarding is what a relay does once per packet and hall; ingest once per packet.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from transport import opus, rtcp, rtp, voice_payload
from transport.media_clock import MediaClock
from transport.receive import InOrder, ReceivedPacket, ReceiveStream
from transport.send import SendStream

PACKETS = 100_000
SPACING_S = 0.01
PAYLOAD = bytes(600)


def measure(name: str, step: Callable[[int], object], count: int = PACKETS) -> None:
    """Print the process time of one step in µs, the best of three runs (others share the machine)."""
    best_s = float("inf")
    for run in range(3):
        began_s = time.process_time()
        for n in range(run * count, run * count + count):
            step(n)
        best_s = min(best_s, time.process_time() - began_s)
    print(f"{name:48}{best_s / count * 1e6:8.2f} µs")


def main() -> None:
    """Run all measurements."""
    received = [ReceivedPacket(65_536 + n, n * 3000, False, PAYLOAD) for n in range(3 * PACKETS)]
    bare = SendStream(1, 96, 90_000)
    measure("forward", lambda n: bare.forward(received[n], n * 3000, n * SPACING_S))
    extended = SendStream(1, 96, 90_000, extensions={1: b"0"}, transport_sequence_id=3)
    measure("forward with mid and transport-cc", lambda n: extended.forward(received[n], n * 3000, n * SPACING_S))
    measure("send", lambda n: bare.send(PAYLOAD, n * 3000, False, n * SPACING_S))

    wire = [
        rtp.build(rtp.RtpPacket(96, False, n & 0xFFFF, n * 3000 & 0xFFFF_FFFF, 1, PAYLOAD, {1: b"0"}))
        for n in range(65_536)
    ]
    measure("parse", lambda n: rtp.parse(wire[n & 0xFFFF]))
    stream = ReceiveStream(1, 90_000, 96)
    measure("ingest (parse included)", lambda n: stream.push(wire[n & 0xFFFF], n * SPACING_S))
    order = InOrder(1.0)
    measure("in order", lambda n: order.push(received[n], n * SPACING_S))
    clock = MediaClock(90_000)
    measure("media clock", lambda n: clock.at(n * 900, n * 10.0))

    lossy = SendStream(1, 96, 90_000, rtx_payload_type=97, rtx_ssrc=2, resend_bytes_per_s=1e9, first_sequence=0)
    lossy.set_rtt(0.1)

    def resend(n: int) -> None:
        lossy.send(PAYLOAD, n * 3000, False, n * SPACING_S)
        lossy.handle_rtcp([rtcp.Nack(1, 1, ((n - 100) & 0xFFFF,))], n * SPACING_S)

    measure("send and one retransmission", resend)

    frames = [bytes(90)] * 4
    packed = voice_payload.pack(frames)
    measure("voice payload, pack", lambda n: voice_payload.pack(frames))
    measure("voice payload, unpack", lambda n: voice_payload.unpack(packed))
    measure("Opus packet duration", lambda n: opus.packet_duration_ms(PAYLOAD))


if __name__ == "__main__":
    main()
