"""A TURN server small enough for tests: Allocate, Refresh, ChannelBind and channel data over UDP, no authentication."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from aioice import stun

Address = tuple[str, int]


class _Relayed(asyncio.DatagramProtocol):
    """The public side of one allocation."""

    def __init__(self, server: TurnServer, client: Address) -> None:
        self._server = server
        self._client = client
        self.channels: dict[int, Address] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        for number, peer in self.channels.items():
            if peer == addr:
                self._server.relayed += 1
                self._server.transport.sendto(struct.pack("!HH", number, len(data)) + data, self._client)


class TurnServer(asyncio.DatagramProtocol):
    """The side that clients talk to.

    :ivar relayed: datagrams carried, both ways.
    :ivar released: allocations given back.
    """

    def __init__(self) -> None:
        self.relayed = 0
        self.released = 0
        self._allocations: dict[Address, _Relayed] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data[0] & 0xC0 == 0x40:
            number, length = struct.unpack("!HH", data[:4])
            relayed = self._allocations[addr]
            self.relayed += 1
            relayed.transport.sendto(data[4 : 4 + length], relayed.channels[number])
            return
        task = asyncio.create_task(self._request(stun.parse_message(data), addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _request(self, request: stun.Message, client: Address) -> None:
        answer = stun.Message(request.message_method, stun.Class.RESPONSE, request.transaction_id)
        match request.message_method:
            case stun.Method.ALLOCATE:
                if client not in self._allocations:
                    _, relayed = await asyncio.get_running_loop().create_datagram_endpoint(
                        lambda: _Relayed(self, client), local_addr=("127.0.0.1", 0)
                    )
                    self._allocations[client] = relayed
                address = self._allocations[client].transport.get_extra_info("sockname")
                answer.attributes |= {"XOR-RELAYED-ADDRESS": address, "XOR-MAPPED-ADDRESS": client, "LIFETIME": 600}
            case stun.Method.CHANNEL_BIND:
                channels = self._allocations[client].channels
                channels[request.attributes["CHANNEL-NUMBER"]] = request.attributes["XOR-PEER-ADDRESS"]
            case stun.Method.REFRESH:
                answer.attributes["LIFETIME"] = request.attributes["LIFETIME"]
                if request.attributes["LIFETIME"] == 0:
                    self.released += 1
                    self._allocations.pop(client).transport.close()
        self.transport.sendto(bytes(answer), client)

    def close(self) -> None:
        """Close all sockets."""
        for relayed in self._allocations.values():
            relayed.transport.close()
        self.transport.close()


@asynccontextmanager
async def turn_server() -> AsyncIterator[tuple[TurnServer, str]]:
    """A running server and its URL."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        TurnServer, local_addr=("127.0.0.1", 0)
    )
    try:
        yield server, "turn:127.0.0.1:{}?transport=udp".format(transport.get_extra_info("sockname")[1])
    finally:
        server.close()
