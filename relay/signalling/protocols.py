"""uvicorn's connections with what it leaves out: a time limit on request heads, an end for sockets that don't read,
and for clients that cut what they send into crumbs: parsing those stands in the way of everybody's voice."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State
from websockets.server import ServerProtocol

from lecture.errors import CloseCode
from relay.signalling.text_deflate import TextDeflateFactory

SOCKET_BUFFER_BYTES = 32_768
"""What may wait in the relay for one slow socket before a send waits: small, so that a page turn overtakes a page."""

UNSENT_BYTES = 16_384
"""Likewise in the kernel, which would else take megabytes (TCP_NOTSENT_LOWAT, Linux and macOS)."""

ABORT_S = 3.0
"""A socket that we closed and whose client still reads nothing is cut off after this time."""


HEAD_BYTES = 65_536
"""Longest head of a request."""

MAX_PIECES = 256
MIN_PIECE_BYTES = 32
"""A body may come in this many pieces (HTTP chunks) of any size; beyond that they must be of this size on average."""

MAX_FRAMES = 500
FRAMES_PER_S = 150.0
"""WebSocket frames of any kind that a client may send at once, and for long. Messages alone are limited more closely
(:mod:`relay.media.connection`): these are for pings and fragments, which uvicorn handles without asking us."""

PARSED_BYTES = 2_048
"""Frames are counted after each so many bytes: a network read may hold forty thousand empty ones."""


def http_protocol(head_timeout_s: float, max_connections: int) -> type[asyncio.Protocol]:
    """An HTTP/1.1 protocol that closes connections which don't send a whole request head in time.

    :param max_connections: more, idle ones and sockets included, are cut off at once: they would take the file
        descriptors that the media of those who are in need.
    """

    class HttpProtocol(H11Protocol):
        _head_timer: asyncio.TimerHandle | None = None
        _upgraded = False

        def __init__(self, config: Config, *args: Any, **options: Any) -> None:
            super().__init__(config, *args, **options)
            self.conn = _HttpParser(h11.SERVER, HEAD_BYTES)

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > max_connections:
                transport.abort()
                return
            self._head_timer = self.loop.call_later(head_timeout_s, self._head_is_late)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_head_timer()
            super().connection_lost(exc)

        def handle_events(self) -> None:
            super().handle_events()
            # A further head of a kept-alive connection is watched from its first byte on.
            if self._is_between_requests():
                if self._head_timer is None and self.conn.trailing_data[0]:
                    self._head_timer = self.loop.call_later(head_timeout_s, self._head_is_late)
            else:
                self._stop_head_timer()

        def handle_websocket_upgrade(self, event: h11.Request) -> None:
            self._upgraded = True  # the connection is the WebSocket protocol's from here on
            super().handle_websocket_upgrade(event)

        def _is_between_requests(self) -> bool:
            return not self._upgraded and (self.cycle is None or self.cycle.response_complete)

        def _head_is_late(self) -> None:
            self._head_timer = None
            if self._is_between_requests() and not self.transport.is_closing():
                self.transport.abort()

        def _stop_head_timer(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def send_400_response(self, msg: str) -> None:
            if self._upgraded or self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
                self.transport.close()  # an answer is on its way already
                return
            body = b'{"error":{"id":"request_malformed","text":"This is no HTTP request that can be answered."}}'
            headers = [
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
                ("connection", "close"),
                ("cache-control", "no-store"),
            ]
            for event in (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
            self.transport.close()

    return HttpProtocol


class _HttpParser(h11.Connection):
    """h11's parser, which takes bodies in pieces of a byte."""

    _pieces = 0
    _body_bytes = 0

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._pieces = self._body_bytes = 0
        elif isinstance(event, h11.Data):
            self._pieces += 1
            self._body_bytes += len(event.data)
            if self._pieces > MAX_PIECES + self._body_bytes // MIN_PIECE_BYTES:
                raise h11.RemoteProtocolError("the body comes in crumbs")
        return event


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket with small buffers; one whose client does not read is cut off instead of lingering for ever, and so
    is one whose client floods it with frames (``message_flood``)."""

    def __init__(self, config: Config, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = ServerProtocol(
            extensions=[TextDeflateFactory()], max_size=config.ws_max_size, logger=logging.getLogger("uvicorn.error")
        )
        self._abort_timer: asyncio.TimerHandle | None = None
        self._flooded = False
        self._frames = 0.0
        self._frames_at = self.loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=SOCKET_BUFFER_BYTES)
        tcp = transport.get_extra_info("socket")
        option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
        if tcp is not None and option is not None:
            with contextlib.suppress(OSError):
                tcp.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), PARSED_BYTES):
            if self._flooded or self.transport.is_closing():
                return
            super().data_received(data[start : start + PARSED_BYTES])

    def handle_events(self) -> None:
        now = self.loop.time()
        self._frames = max(0.0, self._frames - (now - self._frames_at) * FRAMES_PER_S) + len(self.conn.events)
        self._frames_at = now
        if self._frames <= MAX_FRAMES:
            super().handle_events()
        elif self.conn.state is State.OPEN:
            # What else it sends is thrown away until it is cut off: it would not see why if that came at once.
            self._flooded = self.close_sent = True
            self.conn.send_close(int(CloseCode.PROTOCOL), "message_flood")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.queue.put_nowait({"type": "websocket.disconnect", "code": int(CloseCode.PROTOCOL)})
        else:
            self.transport.abort()

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # it reads nothing, so it needs no pongs: they would pile up here

    async def run_asgi(self) -> None:
        try:
            await super().run_asgi()
        finally:
            if not self.disconnected:
                self._abort_timer = self.loop.call_later(ABORT_S, self.transport.abort)
