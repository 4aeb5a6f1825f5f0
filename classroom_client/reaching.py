"""Reaching the relay's TCP port; what follows (TLS, the WebSocket) has its own time."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit
from urllib.request import getproxies

from transport.address import is_loopback

_CONNECT_TIMEOUT_S = 6.0  # three SYNs, each with a second or more for its answer


async def reach(url: str) -> socket.socket | None:
    """A connected socket; None where a proxy of this machine has to be asked instead.

    :raises OSError: nobody answers (TimeoutError), or somebody refuses.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)
    if getproxies() and not is_loopback(url):
        return None
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_CONNECT_TIMEOUT_S):
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = OSError("the relay's name has no address")
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await loop.sock_connect(sock, address)
            return sock
        except OSError as error:  # a TimeoutError is one
            failure = error
            sock.close()
        except BaseException:
            sock.close()
            raise
    raise failure
