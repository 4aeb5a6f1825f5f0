"""A WebSocket as the media part's channel."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from relay.media.channel import ChannelClosed

CLOSE_TIMEOUT_S = 2.0
"""How long the close frame may wait behind data that a client does not read; then the connection is cut."""

MAX_REASON_BYTES = 123  # RFC 6455 section 5.5.1: a close frame has 125 bytes, two of them are the code


class SocketChannel:
    """Implements :class:`relay.media.channel.Channel`.

    Nothing is queued here: a send waits until the transport below has taken it. A client that takes nothing for
    ``send_timeout_s`` counts as gone.
    """

    def __init__(self, websocket: WebSocket, send_timeout_s: float) -> None:
        self._websocket = websocket
        self._send_timeout_s = send_timeout_s
        self._closed = False

    async def send_text(self, text: str) -> None:
        await self._send(self._websocket.send_text(text))

    async def send_binary(self, data: bytes) -> None:
        await self._send(self._websocket.send_bytes(data))

    async def receive(self) -> str | bytes:
        if self._closed:
            raise ChannelClosed
        try:
            message = await self._websocket.receive()
        except (WebSocketDisconnect, RuntimeError) as error:  # RuntimeError: Starlette's word for "after the end"
            raise ChannelClosed from error
        if message["type"] == "websocket.disconnect":
            self._closed = True
            raise ChannelClosed
        text, data = message.get("text"), message.get("bytes")
        return text if text is not None else bytes(data or b"")

    async def close(self, code: int, reason: str) -> None:
        if self._closed:
            return
        self._closed = True
        if self._websocket.application_state is not WebSocketState.CONNECTED:
            return
        short = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._websocket.close(code, short)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            pass  # gone already, or it does not read: the server cuts the connection once the handler returns

    async def _send(self, sending: Coroutine[None, None, None]) -> None:
        if self._closed:
            sending.close()
            raise ChannelClosed
        try:
            async with asyncio.timeout(self._send_timeout_s):
                await sending
        except (TimeoutError, WebSocketDisconnect, RuntimeError) as error:
            self._closed = True
            raise ChannelClosed from error
