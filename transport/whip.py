"""A client of WHIP (RFC 9725, publishing) and WHEP (playing): the same requests for both."""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

import httpx

from transport.errors import WhipError
from transport.network import IceServer
from transport.refusal import read_refusal
from transport.sdp_fragment import build_fragment
from transport.sdp_parse import MAX_SDP_BYTES
from transport.sdp_types import Fragment
from transport.trust import trusted, untrusted

MAX_REDIRECTS: Final = 5

# Generous: a link of 24 kbit/s with seconds of queue still gets an offer of 8 kB across.
_TIMEOUT: Final = httpx.Timeout(30.0, connect=15.0)
_LINK: Final = re.compile(r'<([^>]*)>((?:\s*;\s*[\w-]+\s*(?:=\s*(?:"(?:[^"\\]|\\.)*"|[^\s";,]+))?)*)')
_PARAMETER: Final = re.compile(r';\s*([\w-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";,]+)))?')


class WhipSession:
    """A session that a WHIP or WHEP server has made.

    :ivar answer_sdp: the server's answer.
    :ivar session_url: absolute address of the session.
    :ivar etag: entity tag of its ICE session, ``None`` where the server gave none.
    :ivar ice_servers: what the server's ``Link`` headers name.
    """

    def __init__(self, http: _Requests, session_url: str, response: httpx.Response) -> None:
        """Made by :meth:`WhipClient.publish`."""
        self._http = http
        self._ended = False
        self._trickles = True
        self.session_url = session_url
        self.answer_sdp = response.text
        self.etag = response.headers.get("etag")
        self.ice_servers = parse_link_headers(response.headers.get_list("link"))

    async def trickle(self, fragment: Fragment) -> None:
        """Send candidates (PATCH, RFC 9725 section 4.3.1). A server that knows no trickle (405, 501) is left alone.

        :raises WhipError: as :meth:`WhipClient.publish`.
        """
        if self._ended or not self._trickles:
            return
        headers = {"content-type": "application/trickle-ice-sdpfrag"}
        if self.etag is not None:
            headers["if-match"] = self.etag
        body = build_fragment(fragment)
        response = await self._http.send("PATCH", self.session_url, headers, body)
        if response.status_code in (405, 501):
            self._trickles = False
        elif not response.is_success:
            raise _refusal(response)

    async def delete(self) -> None:
        """End the session. Idempotent; one that the server no longer knows counts as ended.

        :raises WhipError: as :meth:`WhipClient.publish`.
        """
        if self._ended:
            return
        response = await self._http.send("DELETE", self.session_url, {}, None)
        if not response.is_success and response.status_code not in (404, 410):
            raise _refusal(response)
        self._ended = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.delete()


class WhipClient:
    """Asks a WHIP or WHEP endpoint for sessions.

    :param url: the endpoint.
    :param token: bearer token, empty for none. It is sent on to another host by no redirect.
    :param http: client to use; the caller closes it. Without one the first request opens one: see :meth:`close`.
    """

    def __init__(self, url: str, token: str, *, http: httpx.AsyncClient | None = None) -> None:
        self._url = url
        self._http = _Requests(httpx.URL(url).host, token, http)

    async def publish(self, offer_sdp: str) -> WhipSession:
        """Offer, and take the answer (POST, 201). Redirects 307 and 308 are followed.

        :raises WhipError: whatever went wrong, with the server's id and text where it gave them.
        """
        headers = {"content-type": "application/sdp", "accept": "application/sdp"}
        response = await self._http.send("POST", self._url, headers, offer_sdp)
        # RFC 9725 demands 201; servers from before it are seen to answer 200.
        if response.status_code not in (200, 201):
            raise _refusal(response)
        location = response.headers.get("location")
        if not location:
            raise WhipError("whip_bad_answer", "The server's answer names no session.", http_status=201)
        if len(response.content) > MAX_SDP_BYTES or not response.text.lstrip().startswith("v=0"):
            raise WhipError("whip_bad_answer", "The server's answer is no session description.", http_status=201)
        return WhipSession(self._http, str(response.url.join(location)), response)

    async def ice_servers(self) -> tuple[IceServer, ...]:
        """Servers that the endpoint recommends before a session exists (OPTIONS; many servers name none).

        :raises WhipError: the server could not be reached.
        """
        response = await self._http.send("OPTIONS", self._url, {}, None)
        return parse_link_headers(response.headers.get_list("link")) if response.is_success else ()

    async def close(self) -> None:
        """Close the HTTP client if it is our own."""
        await self._http.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _Requests:
    """Sends requests with the token, follows redirects that keep the method, and types what goes wrong."""

    def __init__(self, host: str, token: str, http: httpx.AsyncClient | None) -> None:
        self._host = host
        self._token = token
        self._http = http
        self._own: httpx.AsyncClient | None = None

    async def send(self, method: str, url: str, headers: dict[str, str], body: str | None) -> httpx.Response:
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._send_once(method, url, headers, body)
            if response.status_code not in (307, 308) or "location" not in response.headers:
                return response
            url = str(response.url.join(response.headers["location"]))
        raise WhipError("whip_redirect_loop", f"The server redirects more than {MAX_REDIRECTS} times.")

    async def _send_once(self, method: str, url: str, headers: dict[str, str], body: str | None) -> httpx.Response:
        client = self._http
        if client is None:
            client = self._own = self._own or httpx.AsyncClient(timeout=_TIMEOUT, verify=trusted())
        if self._token and httpx.URL(url).host == self._host:
            headers = headers | {"authorization": f"Bearer {self._token}"}
        content = None if body is None else body.encode()
        try:
            return await client.request(method, url, headers=headers, content=content, follow_redirects=False)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise WhipError("whip_bad_url", f"The address {url} cannot be used: {error}.") from error
        except httpx.HTTPError as error:
            reason = untrusted(error) or f"{url} cannot be reached: {str(error) or type(error).__name__}."
            raise WhipError("whip_unreachable", reason, retryable=True) from error

    async def close(self) -> None:
        own, self._own = self._own, None
        if own is not None:
            await own.aclose()


def parse_link_headers(values: Iterable[str]) -> tuple[IceServer, ...]:
    """ICE servers named by ``Link`` headers (RFC 9725 section 4.6); links of other kinds are left out."""
    servers = []
    for value in values:
        for url, parameter_text in _LINK.findall(value):
            parameters = {
                name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain
                for name, quoted, plain in _PARAMETER.findall(parameter_text)
            }
            if "ice-server" in parameters.get("rel", "").split():
                servers.append(IceServer((url,), parameters.get("username"), parameters.get("credential")))
    return tuple(servers)


def _refusal(response: httpx.Response) -> WhipError:
    status = response.status_code
    refusal = read_refusal(response)
    return WhipError(
        refusal.error_id or f"whip_http_{status}",
        refusal.text,
        http_status=status,
        retryable=refusal.retryable,
        retry_after_s=refusal.retry_after_s,
    )
