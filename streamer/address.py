"""Where a relay's endpoints are."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from transport.address import is_loopback, relay_url


@dataclass(frozen=True, slots=True)
class RelayAddress:
    """Addresses of one lecture at a relay.

    :param base: ``https://relay.example.org``, with a path where a proxy adds one; no slash at the end.
    """

    base: str
    lecture: str

    @classmethod
    def parse(cls, url: str, lecture: str) -> RelayAddress:
        """Read what the user gave.

        :raises AddressError: ``relay_url_malformed``.
        """
        return cls(relay_url(url), lecture)

    @property
    def is_loopback(self) -> bool:
        """Whether the relay is on this machine: no proxy is asked then."""
        return is_loopback(self.base)

    def whip(self, language: str = "") -> str:
        """The WHIP endpoint."""
        query = f"?{urlencode({'language': language})}" if language else ""
        return f"{self.base}/whip/{quote(self.lecture, safe='')}{query}"

    @property
    def socket(self) -> str:
        """The lecturer's socket."""
        return f"ws{self.base.removeprefix('http')}/ws/lecturer/{quote(self.lecture, safe='')}"

    def repair(self, sha256: str = "") -> str:
        """Where the recording's repair is asked for, and where a segment is put."""
        segment = f"/{sha256}" if sha256 else ""
        return f"{self.base}/lectures/{quote(self.lecture, safe='')}/repair{segment}"

    def deck(self, title: str = "") -> str:
        """Where the deck is put."""
        query = f"?{urlencode({'title': title})}" if title else ""
        return f"{self.base}/lectures/{quote(self.lecture, safe='')}/deck{query}"
