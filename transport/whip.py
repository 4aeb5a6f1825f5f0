"""A client of WHIP (RFC 9725, publishing) and WHEP (playing): the same requests for both."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import httpx

from transport.network import IceServer
from transport.sdp_types import Fragment


class WhipSession:
    """A session that a WHIP or WHEP server has made.

    :ivar answer_sdp: the server's answer.
    :ivar session_url: absolute address of the session.
    :ivar etag: entity tag of its ICE session, ``None`` where the server gave none.
    :ivar ice_servers: what the server's ``Link`` headers name.
    """

    answer_sdp: str
    session_url: str
    etag: str | None
    ice_servers: tuple[IceServer, ...]

    async def trickle(self, fragment: Fragment) -> None:
        """Send candidates (PATCH, RFC 9725 section 4.3.1). A server that knows no trickle (405, 501) is left alone.

        :raises WhipError: as :meth:`WhipClient.publish`.
        """
        raise NotImplementedError

    async def delete(self) -> None:
        """End the session. Idempotent; one that the server no longer knows counts as ended.

        :raises WhipError: as :meth:`WhipClient.publish`.
        """
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.delete()


class WhipClient:
    """Asks a WHIP or WHEP endpoint for sessions.

    :param url: the endpoint.
    :param token: bearer token, empty for none.
    :param http: client to use; the caller closes it. Without one each session opens and closes its own.
    """

    def __init__(self, url: str, token: str, *, http: httpx.AsyncClient | None = None) -> None:
        raise NotImplementedError

    async def publish(self, offer_sdp: str) -> WhipSession:
        """Offer, and take the answer (POST, 201). Redirects 307 and 308 are followed.

        :raises WhipError: whatever went wrong, with the server's id and text where it gave them.
        """
        raise NotImplementedError

    async def ice_servers(self) -> tuple[IceServer, ...]:
        """Servers that the endpoint recommends before a session exists (OPTIONS; many servers name none)."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close the HTTP client if it is our own."""
        raise NotImplementedError
