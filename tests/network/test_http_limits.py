from __future__ import annotations

import asyncio
import json
import ssl
import time
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.network.relays import SDP, Served, bearer, self_signed, served

HUGE_BYTES = 100_000_000


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path / "data") as running:
        yield running


async def pieces(total_bytes: int) -> AsyncIterator[bytes]:
    piece = b"%PDF-" + b"\0" * 65_531
    for _ in range(total_bytes // len(piece)):
        yield piece


async def raw(relay: Served, request: bytes, *, end: bool = False) -> bytes:
    """Send bytes and read the answer to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.server.port)
    answer = bytearray()
    try:
        writer.write(request)
        if end:
            writer.write_eof()
        async with asyncio.timeout(10):
            while piece := await reader.read(65_536):
                answer += piece
    except ConnectionError:
        pass  # cut off rather than closed
    finally:
        writer.close()
    return bytes(answer)


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
@pytest.mark.parametrize(
    ("method", "path", "error_id"),
    [
        ("POST", "/whip/waves", "body_too_large"),
        ("POST", "/whep/waves", "body_too_large"),
        ("POST", "/api/lectures", "body_too_large"),
        ("POST", "/join", "body_too_large"),
        ("PUT", "/lectures/waves/deck", "deck_too_large"),
    ],
)
async def test_a_body_of_100_mb_is_refused_early_and_never_held(
    relay: Served, method: str, path: str, error_id: str, announced: bool
) -> None:
    token = relay.staff_token if path.startswith("/api") else relay.lecture.lecturer_token
    kind = {"/api/lectures": "application/json", "/join": "application/json", "/lectures/waves/deck": "application/pdf"}
    headers = {"Content-Type": kind.get(path, "application/sdp"), **bearer(token)}
    if announced:
        headers["Content-Length"] = str(HUGE_BYTES // 65_536 * 65_536)
    tracemalloc.start()
    try:
        refused = await relay.http.request(method, path, headers=headers, content=pieces(HUGE_BYTES))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (refused.status_code, refused.json()["error"]["id"]) == (413, error_id)
    assert refused.headers["connection"] == "close"
    assert peak_bytes < 8_000_000
    assert not list(relay.relay.cache_dir.iterdir())
    assert (await relay.http.get("/healthz")).status_code == 200


async def test_a_client_that_waits_for_leave_to_send_never_sends(relay: Served) -> None:
    head = (
        f"POST /whip/waves HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nContent-Length: {HUGE_BYTES}\r\n"
        f"Authorization: Bearer {relay.lecture.lecturer_token}\r\nExpect: 100-continue\r\n\r\n"
    )
    answer = await raw(relay, head.encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer


async def test_a_wrong_token_is_told_before_the_body_is_read(relay: Served) -> None:
    head = f"PUT /lectures/waves/deck HTTP/1.1\r\nHost: x\r\nContent-Length: {HUGE_BYTES}\r\n\r\n"
    answer = await raw(relay, head.encode() + b"\0" * 100_000)
    assert answer.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 400_000 + b"\r\n",
        b"POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /join HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnot a length\r\n",
        b"POST /join HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
        b"BREW /whip/waves HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%00%ff%2e%2e/%2e%2e HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /whip/" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /ws/hall/waves HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
async def test_broken_http_gets_an_error_or_a_closed_connection(relay: Served, request_bytes: bytes) -> None:
    answer = await raw(relay, request_bytes, end=True)
    assert not answer or answer.startswith(b"HTTP/1.1 4")
    assert (await relay.http.get("/healthz")).status_code == 200


async def test_a_look_at_an_absurd_address_shows_nothing_and_costs_nothing(relay: Served) -> None:
    answer = await raw(relay, b"GET /whip/" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", end=True)
    assert not answer or answer.startswith((b"HTTP/1.1 204", b"HTTP/1.1 4"))
    assert (await relay.http.get("/healthz")).status_code == 200


async def test_slow_heads_and_bodies_are_cut_off(tmp_path: Path) -> None:
    async with served(tmp_path / "data", limits={"request_timeout_s": 0.3}) as relay:
        begun = time.monotonic()
        assert await raw(relay, b"") == b""
        assert await raw(relay, b"GET /healthz HTTP/1.1\r\nHost:") == b""
        twice = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /heal"
        answer = await raw(relay, twice)
        assert answer.count(b"HTTP/1.1 200") == 1
        head = b"POST /join HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
        answer = await raw(relay, head)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"request_timeout" in answer
        assert time.monotonic() - begun < 9
        # A socket is not a request head: it may stay.
        async with relay.socket("/ws/hall/waves") as socket:
            for _ in range(2):  # heads that begin after it are cut off before it
                assert await raw(relay, b"GET /healthz HTTP/1.1\r\nHost:") == b""
            await socket.ping()


async def test_overload_is_told_and_health_still_answers(tmp_path: Path) -> None:
    async with served(tmp_path / "data", limits={"requests": 1}) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.server.port)
        writer.write(b"POST /join HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n")

        async def refused() -> httpx.Response | None:
            answer = await relay.http.post("/whip/waves", headers={**SDP, **relay.lecturer})
            return answer if answer.status_code == 503 else None

        async with asyncio.timeout(10):
            while (answer := await refused()) is None:
                await asyncio.sleep(0.01)
        assert answer.json()["error"]["id"] == "overloaded"
        assert int(answer.headers["retry-after"]) > 0
        assert (await relay.http.get("/healthz")).status_code == 200
        writer.write(b"{}")
        assert (await reader.read(100)).startswith(b"HTTP/1.1 422 ")
        writer.close()
        assert (await relay.http.get("/library?format=json")).status_code == 200


async def test_what_goes_wrong_inside_is_logged_and_not_told(
    relay: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> object:
        raise RuntimeError("the password of the database is swordfish")

    monkeypatch.setattr(relay.relay.catalogue, "list", fail)
    monkeypatch.setattr(relay.relay.directory, "open", fail)
    for answer in (
        await relay.http.get("/api/lectures", headers=relay.staff),
        await relay.http.post("/whip/waves", content=b"v=0", headers={**SDP, **relay.lecturer}),
    ):
        assert answer.status_code == 500
        assert answer.json() == {"error": {"id": "internal_error", "text": "Something went wrong in the relay."}}
    # The library's rounds, which read the same catalogue, may have met it too.
    logged = [record for record in caplog.records if record.name == "hallcast.relay" and record.exc_info]
    assert len(logged) == 2
    assert all("the password" in str(record.exc_info) for record in logged)
    async with relay.socket("/ws/hall/waves") as socket:
        await socket.send(json.dumps({"kind": "hello", "v": "1.0", "token": relay.hall_token}))
        assert json.loads(await socket.recv()) == {
            "kind": "error", "id": "internal_error", "text": "Something went wrong in the relay.", "fatal": True
        }  # fmt: skip


async def test_tls_by_certificate_files(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    server = {"tls_certificate": str(certificate), "tls_key": str(key)}
    async with served(tmp_path / "data", server=server) as relay:
        assert relay.server.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(certificate))
        async with httpx.AsyncClient(base_url=relay.server.url, verify=context, trust_env=False) as http:
            shown = await http.get("/api/lectures/waves", headers=relay.staff)
            assert shown.json()["urls"]["studio"].startswith(f"{relay.server.url}/studio/waves#token=")


async def test_a_trusted_proxy_says_which_scheme_it_was_asked_by(tmp_path: Path) -> None:
    async with served(tmp_path / "data", server={"trusted_proxies": ("127.0.0.0/8",)}) as relay:
        headers = {**relay.staff, "X-Forwarded-Proto": "https", "Host": "relay.example.org"}
        shown = await relay.http.get("/api/lectures/waves", headers=headers)
        assert shown.json()["urls"]["hall"].startswith("https://relay.example.org/hall#code=")


async def test_who_sends_on_after_a_refusal_holds_no_place_among_the_requests(tmp_path: Path) -> None:
    async with served(tmp_path / "data", limits={"requests": 1}) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.server.port)
        head = f"PUT /lectures/waves/deck HTTP/1.1\r\nHost: x\r\nContent-Length: {HUGE_BYTES}\r\n\r\n"
        writer.write(head.encode() + b"\0" * 100_000)
        assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
        assert (await relay.http.get("/library?format=json")).status_code == 200
        writer.write(b"\0" * 100_000)
        await writer.drain()
        assert not reader.at_eof(), "and is listened to"
        writer.close()
