"""The WHIP client against a server in memory (httpx's own transport for that)."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from transport.errors import WhipError
from transport.sdp import Fragment, parse_fragment
from transport.whip import WhipClient, WhipSession

URL = "https://relay.example/whip/lecture"
ANSWER = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n"
Handler = Callable[[httpx.Request], httpx.Response]


class Server:
    """Answers by a function and remembers what it was asked."""

    def __init__(self, handler: Handler) -> None:
        self.requests: list[httpx.Request] = []
        self._handler = handler
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self._handle))

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._handler(request)

    def client(self, url: str = URL, token: str = "secret") -> WhipClient:
        return WhipClient(url, token, http=self.http)


def created(location: str = "/whip/session/1", **headers: str) -> httpx.Response:
    content = headers | {"location": location, "content-type": "application/sdp"}
    return httpx.Response(201, headers=content, text=ANSWER)


async def session_of(server: Server) -> WhipSession:
    return await server.client().publish("v=0\r\noffer")


@pytest.mark.parametrize(
    ("location", "session_url"),
    [
        ("/whip/session/1", "https://relay.example/whip/session/1"),
        ("session/1", "https://relay.example/whip/session/1"),
        ("https://other.example/s/1", "https://other.example/s/1"),
    ],
)
async def test_publishing(location: str, session_url: str) -> None:
    link = '<stun:stun.example.org>; rel="ice-server"'
    server = Server(lambda request: created(location, etag='"e1"', link=link))
    session = await session_of(server)
    assert session.answer_sdp == ANSWER
    assert session.session_url == session_url
    assert session.etag == '"e1"'
    assert [entry.urls for entry in session.ice_servers] == [("stun:stun.example.org",)]
    request = server.requests[0]
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/sdp"
    assert request.headers["authorization"] == "Bearer secret"
    assert request.content == b"v=0\r\noffer"


async def test_without_a_token_none_is_sent() -> None:
    server = Server(lambda request: created())
    await server.client(token="").publish("v=0")
    assert "authorization" not in server.requests[0].headers


async def test_trickle_and_goodbye() -> None:
    server = Server(lambda request: created(etag='"e1"') if request.method == "POST" else httpx.Response(204))
    session = await session_of(server)
    fragment = Fragment(("candidate:1 1 udp 1 192.0.2.1 9 typ host",), "abcd", "x" * 22, True, "0")
    await session.trickle(fragment)
    patch = server.requests[1]
    assert (patch.method, str(patch.url)) == ("PATCH", session.session_url)
    assert patch.headers["content-type"] == "application/trickle-ice-sdpfrag"
    assert patch.headers["if-match"] == '"e1"'
    assert parse_fragment(patch.content.decode()) == fragment
    await session.delete()
    await session.delete()
    await session.trickle(fragment)
    assert [request.method for request in server.requests] == ["POST", "PATCH", "DELETE"]
    assert server.requests[2].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize("status", [405, 501])
async def test_a_server_without_trickle_is_not_asked_again(status: int) -> None:
    server = Server(lambda request: created() if request.method == "POST" else httpx.Response(status))
    session = await session_of(server)
    await session.trickle(Fragment(end=True))
    await session.trickle(Fragment(end=True))
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [404, 410])
async def test_a_session_that_is_gone_counts_as_ended(status: int) -> None:
    server = Server(lambda request: created() if request.method == "POST" else httpx.Response(status))
    async with await session_of(server):
        pass
    assert server.requests[1].method == "DELETE"


@pytest.mark.parametrize("status", [307, 308])
async def test_redirects_keep_method_body_and_the_token_on_its_host(status: int) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/whip/lecture":
                return httpx.Response(status, headers={"location": "/moved"})
            case "/moved":
                return httpx.Response(status, headers={"location": "https://other.example/whip"})
        return created("/s/1")

    server = Server(handler)
    session = await session_of(server)
    assert session.session_url == "https://other.example/s/1"
    assert [request.method for request in server.requests] == ["POST"] * 3
    assert server.requests[2].content == b"v=0\r\noffer"
    assert "authorization" in server.requests[1].headers
    assert "authorization" not in server.requests[2].headers


async def test_a_redirect_without_end() -> None:
    server = Server(lambda request: httpx.Response(307, headers={"location": "/whip/lecture"}))
    with pytest.raises(WhipError) as caught:
        await session_of(server)
    assert caught.value.error_id == "whip_redirect_loop"
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("response", "error_id", "retryable", "retry_after_s"),
    [
        (
            httpx.Response(409, json={"error": {"id": "publisher_exists", "text": "Taken."}}),
            "publisher_exists",
            True,
            None,
        ),
        (httpx.Response(401, json={"error": {"id": "unauthorised", "text": "No."}}), "unauthorised", False, None),
        (httpx.Response(400, json={"id": "sdp_malformed", "text": "No."}), "sdp_malformed", False, None),
        (httpx.Response(400, json={"error": {"id": "<script>", "text": 7}}), "whip_http_400", False, None),
        (httpx.Response(404, text="gone"), "whip_http_404", False, None),
        (httpx.Response(503, headers={"retry-after": "7"}), "whip_http_503", True, 7.0),
        (
            httpx.Response(
                503,
                headers={"date": "Tue, 01 Jul 2025 10:00:00 GMT", "retry-after": "Tue, 01 Jul 2025 10:00:30 GMT"},
            ),
            "whip_http_503",
            True,
            30.0,
        ),
        (httpx.Response(429, headers={"retry-after": "soon"}), "whip_http_429", True, None),
        (httpx.Response(302, headers={"location": "/x"}), "whip_http_302", False, None),
        (httpx.Response(201, text=ANSWER), "whip_bad_answer", False, None),
        (httpx.Response(201, text="<html>", headers={"location": "/s"}), "whip_bad_answer", False, None),
        (httpx.Response(201, text="v=0" + "x" * 70_000, headers={"location": "/s"}), "whip_bad_answer", False, None),
    ],
)
async def test_refusals_carry_the_servers_id_and_whether_to_try_again(
    response: httpx.Response, error_id: str, retryable: bool, retry_after_s: float | None
) -> None:
    with pytest.raises(WhipError) as caught:
        await session_of(Server(lambda request: response))
    error = caught.value
    assert (error.error_id, error.retryable, error.retry_after_s) == (error_id, retryable, retry_after_s)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout(""), httpx.RemoteProtocolError("cut off")]
)
async def test_network_trouble_can_be_tried_again(error: httpx.TransportError) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(WhipError) as caught:
        await session_of(Server(fail))
    assert caught.value.error_id == "whip_unreachable"
    assert caught.value.retryable
    assert caught.value.http_status == 0


async def test_an_address_that_is_none() -> None:
    async with WhipClient("nonsense", "") as client:
        with pytest.raises(WhipError) as caught:
            await client.publish("v=0")
    assert caught.value.error_id == "whip_bad_url"
    assert not caught.value.retryable


async def test_ice_servers_ahead_of_a_session() -> None:
    link = '<turn:t.example>; rel="ice-server"; username="u"; credential="c"; credential-type="password"'
    server = Server(lambda request: httpx.Response(204, headers={"link": link}))
    (turn,) = await server.client().ice_servers()
    assert (turn.urls, turn.username, turn.credential) == (("turn:t.example",), "u", "c")
    assert server.requests[0].method == "OPTIONS"
    assert await Server(lambda request: httpx.Response(405)).client().ice_servers() == ()
