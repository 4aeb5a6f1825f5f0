"""HTTP clients of our programs: which certificates they trust, and what they say of a proxy that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from lecture.errors import HallcastError
from transport.address import is_loopback
from transport.trust import trusted

_Client = TypeVar("_Client", httpx.Client, httpx.AsyncClient)


def http_client(url: str, **options: Any) -> httpx.AsyncClient:
    """A client that speaks to the relay at ``url``; by the environment's proxy, unless that is this machine.

    :raises HallcastError: ``proxy_unusable``.
    """
    return _made(httpx.AsyncClient, url, options)


def blocking_http_client(url: str, **options: Any) -> httpx.Client:
    """As :func:`http_client`, for programs without an event loop.

    :raises HallcastError: ``proxy_unusable``.
    """
    return _made(httpx.Client, url, options)


def _made(make: Callable[..., _Client], url: str, options: dict[str, Any]) -> _Client:
    verify = trusted()
    try:
        return make(trust_env=not is_loopback(url), verify=verify, **options)
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        # A proxy of a kind that httpx does not know (socks://), or that needs a package which is not there (socks5://).
        text = (
            "The proxy that the environment names (ALL_PROXY, HTTPS_PROXY or HTTP_PROXY) cannot be used: only http:// "
            "proxies can. Name such a one, or have none stand between: NO_PROXY=the relay's host."
        )
        raise HallcastError("proxy_unusable", text) from error
