"""The outermost layer of HTTP: limits on requests and bodies, one answer to every exception, the access log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lecture.errors import RefusedError
from lecture.segment import SEGMENT_BYTES
from relay.config import RelayConfig
from relay.lecture_ids import is_lecture_id
from relay.signalling.errors import error_response
from relay.signalling.http import ROUTE_KEY

access_log = logging.getLogger("hallcast.access")
log = logging.getLogger("hallcast.relay")

LINGER_S = 30.0
LINGER_PAUSE_S = 2.0
LINGER_BYTES = 150_000_000
"""A client whose body is refused early often reads the answer only when it has sent everything. Its bytes are thrown
away within these bounds (in all, between two pieces, in all), so that it gets the answer and not a reset connection.
It holds no place among the requests meanwhile, only its connection."""

IMPORTS = "/api/library/imports"
"""Uploads of recordings; a piece may be a whole file (:mod:`relay.imports` knows its size)."""

MIN_BODY_BYTES_PER_S = 1_000
"""A body that comes more slowly is given up (408): one byte now and then would hold its place among the requests for
ever, and a few hundred such clients all places."""

UNLIMITED_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Must answer while the relay is overloaded: that is what they are for."""

POLLED_ROUTES = frozenset({"/api/live", "/library/{lecture}/exports/{job}", f"{IMPORTS}/{{upload}}"})
"""Asked for every second or two by open pages: what was refused is logged, what went well would fill the log."""


class Gate:
    """ASGI middleware around the whole application.

    :param knows: whether there is a lecture of this id; only then it is written to the log. What stands in its place
        of an address may be a token that somebody pasted there.
    """

    def __init__(self, app: ASGIApp, config: RelayConfig, knows: Callable[[str], Awaitable[bool]]) -> None:
        self._app = app
        self._config = config
        self._knows = knows
        self._active = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        body = _Body(scope, receive, self._body_limit(scope), self._config.limits.request_timeout_s)
        reply = _Reply(send, body)
        self._active += 1
        try:
            if self._active > self._config.limits.requests and scope["path"] not in UNLIMITED_ROUTES:
                raise RefusedError("overloaded", "The relay has too much to do; come back in a moment.", 503)
            await self._app(scope, body.receive, reply.send)
        except Exception as error:
            if not reply.status:
                await error_response(error)(scope, body.receive, reply.send)
            elif not reply.finished:
                # Half an answer is out; uvicorn closes the connection.
                log.warning("answer to %s broken off", _route_of(scope), exc_info=error)
                raise
        finally:
            self._active -= 1
            if self._config.log.access and not (reply.status == 200 and _route_of(scope) in POLLED_ROUTES):
                await self._note(scope, reply.status, time.monotonic() - started)
        await reply.close()

    def _body_limit(self, scope: Scope) -> int:
        if scope["method"] == "PUT" and scope["path"].endswith("/deck"):
            return self._config.media.deck_max_bytes
        if scope["method"] == "PUT" and scope["path"].rpartition("/")[0].endswith("/repair"):
            return SEGMENT_BYTES
        if scope["method"] == "PATCH" and scope["path"].startswith(f"{IMPORTS}/"):
            return self._config.library.import_mb * 1_000_000
        return self._config.limits.sdp_bytes

    async def _note(self, scope: Scope, status: int, took_s: float) -> None:
        lecture = scope.get("path_params", {}).get("lecture", "")
        client = scope.get("client")
        access_log.info(
            "%s %s %s lecture=%s client=%s %.0f ms",
            scope["method"] if scope["method"].isalpha() else "?",
            _route_of(scope),
            status or "gone",
            lecture if is_lecture_id(lecture) and await self._knows(lecture) else "-",
            client[0] if client else "-",
            took_s * 1000,
        )


class _Body:
    """Counts a request's body and its pauses while the application reads it."""

    def __init__(self, scope: Scope, receive: Receive, limit_bytes: int, timeout_s: float) -> None:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        self._announced_bytes = int(length) if length.isdigit() else 0
        self.unread = self._announced_bytes > 0 or b"transfer-encoding" in headers
        self._receive = receive
        self._limit_bytes = limit_bytes
        self._timeout_s = timeout_s
        self._bytes = 0
        self._waited_s = 0.0

    async def receive(self) -> Message:
        """The next piece; raises HTTPException 413 (before anything is read if its length was announced) or 408."""
        if self.unread and self._announced_bytes > self._limit_bytes:
            raise HTTPException(413)
        if not self.unread:
            return await self._receive()  # the answer's sender waits here for the client to go
        patience_s = self._timeout_s + self._bytes / MIN_BODY_BYTES_PER_S - self._waited_s
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(min(self._timeout_s, patience_s)):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408) from None
        self._waited_s += time.monotonic() - asked_at
        self.unread = message["type"] == "http.request" and message.get("more_body", False)
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._limit_bytes:
            raise HTTPException(413)
        return message

    async def linger(self) -> None:
        """Throw away what the client still sends, within bounds."""
        thrown_bytes = 0
        try:
            async with asyncio.timeout(LINGER_S):
                while self.unread and thrown_bytes < LINGER_BYTES:
                    async with asyncio.timeout(LINGER_PAUSE_S):
                        message = await self._receive()
                    self.unread = message["type"] == "http.request" and message.get("more_body", False)
                    thrown_bytes += len(message.get("body", b""))
        except TimeoutError:
            pass


class _Reply:
    """Watches the answer go out; closes the connection after one that came before the body had been read."""

    def __init__(self, send: Send, body: _Body) -> None:
        self._send = send
        self._body = body
        self.status = 0
        self.finished = False
        self._is_held = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            names = {name.lower() for name, _ in message.get("headers", ())}
            headers = list(message.get("headers", ()))
            if b"x-content-type-options" not in names:
                headers.append((b"x-content-type-options", b"nosniff"))
            if b"cache-control" not in names:
                headers.append((b"cache-control", b"no-store"))
            if self._body.unread:
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self.finished = True
            if self._body.unread:
                self._is_held = True
                message = {**message, "more_body": True}
        await self._send(message)

    async def close(self) -> None:
        """End an answer that came before the body had been read, when the client has sent it."""
        if self._is_held:
            await self._body.linger()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _route_of(scope: Scope) -> str:
    """The pattern of the route, never the address itself: addresses may hold session ids and mistyped tokens."""
    return str(scope.get(ROUTE_KEY) or getattr(scope.get("route"), "path", "(no route)"))
