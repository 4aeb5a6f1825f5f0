"""A relay's address as people type it."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from lecture.errors import HallcastError


class AddressError(HallcastError):
    """What was given is no relay's address (``relay_url_malformed``)."""


def relay_url(text: str) -> str:
    """The address made whole, without a slash at its end: ``relay.example`` is ``https://relay.example``.

    Without a scheme it is ``https``, so that no token leaves this machine in clear by mistake; ``http`` for this
    machine itself.

    :raises AddressError: it is none.
    """
    text = text.strip()
    if "://" not in text:
        text = f"http://{text}" if is_loopback(f"http://{text}") else f"https://{text}"
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise AddressError("relay_url_malformed", f"{text} is not a relay's address (https://relay.example.org).")
    return text.rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether the address is this machine: no proxy of the environment stands between."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
