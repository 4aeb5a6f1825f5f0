"""A relay's network face: uvicorn, started and stopped by whoever owns it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn

from lecture.errors import HallcastError
from relay.app import Relay
from relay.config import ServerConfig
from relay.signalling.app import create_app
from relay.signalling.protocols import WebSocketProtocol, http_protocol

STOP_S = 5
"""Requests and sockets that have not ended after this time are cancelled when the relay stops."""

PING_INTERVAL_S = 20.0
PING_TIMEOUT_S = 40.0
"""A thin link with a full queue may hold a pong for long; halls are watched by their reports besides."""

KEEP_ALIVE_S = 30


class RelayServer:
    """Serves an entered relay on HTTP. Use it within ``async with``; inside, it is reachable at :attr:`url`.

    :ivar port: where it listens.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.port = 0

    @property
    def url(self) -> str:
        """Its address for this machine, or the public one if configured; no slash at the end."""
        server = self._relay.config.server
        if server.public_url:
            return server.public_url.rstrip("/")
        return self.local_url

    @property
    def local_url(self) -> str:
        """Its address for this machine."""
        server = self._relay.config.server
        address = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(server.host, server.host)
        host = f"[{address}]" if ":" in address and not address.startswith("[") else address
        return f"{'https' if server.tls_certificate else 'http'}://{host}:{self.port}"

    @property
    def connections(self) -> int:
        """How many clients are connected, idle ones included."""
        return len(self._server.server_state.connections)

    async def __aenter__(self) -> Self:
        """Listen.

        :raises HallcastError: ``address_unusable``, ``tls_unusable``.
        """
        config = self._relay.config
        _check_tls(config.server)
        listener = _listen(config.server)
        self.port = int(listener.getsockname()[1])
        self._server = _Server(
            uvicorn.Config(
                create_app(self._relay),
                http=http_protocol(config.limits.request_timeout_s, config.limits.sockets + 2 * config.limits.requests),
                ws=WebSocketProtocol,
                ws_max_size=config.limits.message_bytes,
                ws_ping_interval=PING_INTERVAL_S,
                ws_ping_timeout=PING_TIMEOUT_S,
                lifespan="off",
                log_config=None,
                # uvicorn writes whole addresses at "info": ours (relay.signalling.gate) writes routes only.
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=bool(config.server.trusted_proxies),
                forwarded_allow_ips=list(config.server.trusted_proxies),
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=STOP_S,
                ssl_certfile=config.server.tls_certificate or None,
                ssl_keyfile=config.server.tls_key or None,
            )
        )
        self._task = asyncio.create_task(self._server.serve([listener]))
        ready = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait((self._task, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._task.done():
            await self._task
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        await self._task


class _Server(uvicorn.Server):
    """uvicorn without its hands on the process's signals; says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(server: ServerConfig) -> socket.socket:
    try:
        family = socket.AF_INET
        with contextlib.suppress(ValueError):
            if ipaddress.ip_address(server.host).version == 6:
                family = socket.AF_INET6
        dual = server.host == "::" and socket.has_dualstack_ipv6()
        listener = socket.create_server((server.host, server.port), family=family, backlog=512, dualstack_ipv6=dual)
    except OSError as error:
        text = f"The relay cannot listen on {server.host} port {server.port}: {error.strerror or error}."
        raise HallcastError("address_unusable", text) from error
    listener.setblocking(False)
    return listener


def _check_tls(server: ServerConfig) -> None:
    if not server.tls_certificate:
        return
    for file in (server.tls_certificate, server.tls_key):
        if not Path(file).is_file():
            raise HallcastError("tls_unusable", f"The TLS file {file} is not there.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(server.tls_certificate, server.tls_key)
    except (ssl.SSLError, OSError) as error:
        raise HallcastError("tls_unusable", "The TLS certificate and key cannot be used together.") from error
