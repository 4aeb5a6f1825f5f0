"""uvicorn's connections with what it leaves out: a time limit on request heads, an end for sockets that don't read."""

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
from websockets.server import ServerProtocol

from relay.signalling.text_deflate import TextDeflateFactory

SOCKET_BUFFER_BYTES = 32_768
"""What may wait in the relay for one slow socket before a send waits: small, so that a page turn overtakes a page."""

UNSENT_BYTES = 16_384
"""Likewise in the kernel, which would else take megabytes (TCP_NOTSENT_LOWAT, Linux and macOS)."""

ABORT_S = 3.0
"""A socket that we closed and whose client still reads nothing is cut off after this time."""


def http_protocol(head_timeout_s: float) -> type[asyncio.Protocol]:
    """An HTTP/1.1 protocol that closes connections which don't send a whole request head in time."""

    class HttpProtocol(H11Protocol):
        _head_timer: asyncio.TimerHandle | None = None
        _upgraded = False

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
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

    return HttpProtocol


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket with small buffers; one whose client does not read is cut off instead of lingering for ever."""

    def __init__(self, config: Config, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = ServerProtocol(
            extensions=[TextDeflateFactory()], max_size=config.ws_max_size, logger=logging.getLogger("uvicorn.error")
        )
        self._abort_timer: asyncio.TimerHandle | None = None

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

    async def run_asgi(self) -> None:
        try:
            await super().run_asgi()
        finally:
            if not self.disconnected:
                self._abort_timer = self.loop.call_later(ABORT_S, self.transport.abort)
