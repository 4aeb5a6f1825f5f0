"""TCP across the emulated link: in order and complete, at the price of waiting.

Both ends talk to a forwarder; between its halves segments go through the same two directions as the UDP packets. What
is lost is sent again after a round trip, then ever more rarely, while all that came after it waits; a window grows
and is halved as Reno does.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass

from tests.network.link_model import LinkDirection

HEADER_BYTES = 52
SEGMENT_BYTES = 1400
MAX_RETRY_S = 60.0
SOCKET_BUFFER_BYTES = 16 * 1024
"""Small: what waits in the forwarder's own sockets is a queue that the link's model does not know of."""


@dataclass(slots=True)
class _Segment:
    number: int
    data: bytes
    sent_at: float
    tries: int = 0


class TcpPipe:
    """One way of one connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: LinkDirection,
        back: LinkDirection,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._there = there
        self._back = back
        self._loop = asyncio.get_running_loop()
        self._window = 10.0
        self._threshold = float("inf")
        self._halved_at = 0.0
        self._round_trip_s = 2 * max(0.05, (there.spec.delay_ms + back.spec.delay_ms) / 1000)
        self._in_flight = 0
        self._changed = asyncio.Event()
        self._arrived: dict[int, bytes] = {}
        self._next_out = 0

    async def run(self) -> None:
        """Carry bytes until the sender ends, then the end itself."""
        number = 0
        while True:
            data = await self._reader.read(SEGMENT_BYTES)
            await self._wait(lambda: self._in_flight < int(self._window))
            await self._writer.drain()
            self._in_flight += 1
            self._send(_Segment(number, data, self._loop.time()))
            number += 1
            if not data:
                await self._wait(lambda: self._in_flight == 0)
                return

    async def _wait(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def _send(self, segment: _Segment) -> None:
        now = self._loop.time()
        arrival = self._there.carry(now, len(segment.data) + HEADER_BYTES)
        if arrival is not None:
            self._loop.call_at(arrival, self._deliver, segment)
            return
        if now - self._halved_at > self._round_trip_s:
            self._threshold = max(2.0, self._window / 2)
            self._window = self._threshold if segment.tries == 0 else 1.0
            self._halved_at = now
        wait_s = max(0.2, 1.2 * self._round_trip_s) * 2**segment.tries
        segment.tries += 1
        self._loop.call_later(min(MAX_RETRY_S, wait_s), self._send, segment)

    def _deliver(self, segment: _Segment) -> None:
        self._arrived[segment.number] = segment.data
        while (data := self._arrived.pop(self._next_out, None)) is not None:
            self._next_out += 1
            if self._writer.transport.is_closing():
                continue
            if data:
                self._writer.write(data)
            elif self._writer.can_write_eof():
                # A peer that has aborted its end leaves a socket that can no longer be shut down.
                with contextlib.suppress(OSError):
                    self._writer.write_eof()
        self._acknowledge(segment)

    def _acknowledge(self, segment: _Segment) -> None:
        now = self._loop.time()
        arrival = self._back.carry(now, HEADER_BYTES)
        if arrival is None:
            # A later acknowledgement covers it; at the tail there is none, and it takes a retransmission to get one.
            self._loop.call_later(max(0.2, self._round_trip_s), self._acknowledge, segment)
        else:
            self._loop.call_at(arrival, self._acknowledged, segment)

    def _acknowledged(self, segment: _Segment) -> None:
        self._in_flight -= 1
        self._window += 1.0 if self._window < self._threshold else 1 / self._window
        if segment.tries == 0:
            self._round_trip_s += (self._loop.time() - segment.sent_at - self._round_trip_s) / 8
        self._changed.set()


async def handshake(there: LinkDirection, back: LinkDirection) -> None:
    """The round trip that opening a connection takes."""
    loop = asyncio.get_running_loop()
    wait_s = 1.0
    while True:
        now = loop.time()
        there_at = there.carry(now, HEADER_BYTES)
        back_at = None
        if there_at is not None:
            await asyncio.sleep(there_at - now)
            back_at = back.carry(loop.time(), HEADER_BYTES)
        if back_at is not None:
            await asyncio.sleep(back_at - loop.time())
            return
        await asyncio.sleep(wait_s)
        wait_s *= 2


def shrink_buffers(writer: asyncio.StreamWriter) -> None:
    """Keep the forwarder's own buffers small."""
    sock = writer.get_extra_info("socket")
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
