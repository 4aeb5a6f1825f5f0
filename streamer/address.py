"""Where a relay's endpoints are."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from streamer.errors import StreamError


@dataclass(frozen=True, slots=True)
class RelayAddress:
    """Addresses of one lecture at a relay.

    :param base: ``https://relay.example.org``, with a path where a proxy adds one; no slash at the end.
    """

    base: str
    lecture: str

    @classmethod
    def parse(cls, url: str, lecture: str) -> RelayAddress:
        """Read what the user gave; ``https://`` is added where it is missing.

        :raises StreamError: ``relay_url_malformed``.
        """
        text = url.strip()
        if "://" not in text:
            text = f"https://{text}"
        try:
            parts = urlsplit(text)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise StreamError("relay_url_malformed", f"{url} is not a relay's address (https://relay.example.org).")
        return cls(text.rstrip("/"), lecture)

    @property
    def is_loopback(self) -> bool:
        """Whether the relay is on this machine: no proxy is asked then."""
        host = urlsplit(self.base).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def whip(self, language: str = "") -> str:
        """The WHIP endpoint."""
        query = f"?{urlencode({'language': language})}" if language else ""
        return f"{self.base}/whip/{quote(self.lecture, safe='')}{query}"

    @property
    def socket(self) -> str:
        """The lecturer's socket."""
        return f"ws{self.base.removeprefix('http')}/ws/lecturer/{quote(self.lecture, safe='')}"

    def deck(self, title: str = "") -> str:
        """Where the deck is put."""
        query = f"?{urlencode({'title': title})}" if title else ""
        return f"{self.base}/lectures/{quote(self.lecture, safe='')}/deck{query}"
