from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.network.relays import FRAGMENT, SDP, Served, bearer, player_offer, publisher_offer, served
from transport.network import IceServer

TURN = IceServer(("turn:turn.example.org:3478?transport=udp", "stun:turn.example.org"), 'us"er', "secret")


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def relay(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path / "data", network={"ice_servers": (TURN,)}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One relay for the tests that leave it as it was."""
    async with served(tmp_path_factory.mktemp("shared") / "data") as running:
        yield running


def token_of(relay: Served, who: str) -> dict[str, str]:
    """Headers of a role, whatever language follows it."""
    return relay.lecturer if who.startswith("lecturer") else bearer(relay.lecture.interpreter_token)


async def publish(relay: Served, who: str, offer: str) -> httpx.Response:
    """Publish as a role, with ``?language=`` behind it or without."""
    query = f"?{who.partition('?')[2]}" if "?" in who else ""
    return await relay.http.post(f"/whip/waves{query}", content=offer, headers={**SDP, **token_of(relay, who)})


async def test_an_offer_makes_a_session_that_takes_candidates_and_ends(relay: Served) -> None:
    async with publisher_offer() as offer:
        made = await relay.http.post("/whip/waves", content=offer, headers={**SDP, **relay.lecturer})
    assert made.status_code == 201
    assert made.headers["content-type"] == "application/sdp"
    assert made.text.startswith("v=0")
    assert "a=candidate" in made.text
    assert made.headers["accept-patch"] == "application/trickle-ice-sdpfrag"
    session, etag = made.headers["location"], made.headers["etag"]
    assert session.startswith("/whip/waves/")
    assert etag.startswith('"')
    assert etag.endswith('"')
    assert made.headers.get_list("link") == TURN.link_headers()
    assert 'username="us\\"er"; credential="secret"; credential-type="password"' in made.headers["link"]

    ufrag, pwd = (
        next(line.split(":", 1)[1] for line in offer.splitlines() if line.startswith(f"a=ice-{name}:"))
        for name in ("ufrag", "pwd")
    )
    fragment = (
        f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n"
    )
    headers = {**FRAGMENT, **relay.lecturer}

    async def patch(text: str, **conditions: str) -> int:
        answer = await relay.http.patch(session, content=text, headers={**headers, **conditions})
        if answer.status_code == 204:
            assert answer.content == b""
            assert "etag" not in answer.headers
        else:
            assert answer.json()["error"]["id"]
        return answer.status_code

    assert await patch(fragment, **{"If-Match": etag}) == 204
    assert await patch(fragment) == 428
    assert await patch(fragment, **{"If-Match": '"another"'}) == 412
    restart = fragment.replace(f"ufrag:{ufrag}", "ufrag:neww").replace(f"pwd:{pwd}", "pwd:newpasswordnewpassword")
    assert await patch(restart, **{"If-Match": "*"}) == 422
    assert await patch("garbage\0", **{"If-Match": etag}) == 400
    wrong_type = await relay.http.patch(session, content=fragment, headers={**SDP, **relay.lecturer, "If-Match": etag})
    assert wrong_type.status_code == 415

    for method in ("POST", "PUT"):
        refused = await relay.http.request(method, session, headers=relay.lecturer)
        assert refused.status_code == 405
        assert refused.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"
    for method in ("GET", "HEAD"):
        looked = await relay.http.request(method, session, headers=relay.lecturer)
        elsewhere = await relay.http.request(method, "/whip/no-such-lecture/no-such-session")
        assert (looked.status_code, looked.content) == (elsewhere.status_code, elsewhere.content) == (204, b"")
        without_date = [{**answer.headers, "date": ""} for answer in (looked, elsewhere)]
        assert without_date[0] == without_date[1]  # nobody learns whether it is there
    assert (await relay.http.delete(session)).status_code == 401
    assert (await relay.http.delete(session, headers=relay.lecturer)).status_code == 200
    assert (await relay.http.delete(session, headers=relay.lecturer)).status_code == 404
    assert await patch(fragment, **{"If-Match": etag}) == 404


@pytest.mark.parametrize(
    ("first", "second", "status", "error_id"),
    [
        ("lecturer", "lecturer", 409, "publisher_exists"),
        ("lecturer", "lecturer?language=ko", 409, "publisher_exists"),
        ("interpreter", "interpreter", 409, "publisher_exists"),
        ("interpreter?language=ko", "lecturer?language=ko", 409, "publisher_exists"),
        ("lecturer", "interpreter?language=de", 422, "language_unknown"),
        ("lecturer", "interpreter?language=en", 422, "language_unknown"),
        ("lecturer", "interpreter", 201, None),
        ("interpreter", "lecturer", 201, None),
    ],
)
async def test_a_second_publisher_is_refused_where_it_would_speak_into_the_first(
    shared: Served, first: str, second: str, status: int, error_id: str | None
) -> None:
    async with publisher_offer() as offer:
        made = await publish(shared, first, offer)
        other = await publish(shared, second, offer)
    assert made.status_code == 201
    assert other.status_code == status
    if error_id is not None:
        assert other.json()["error"]["id"] == error_id
    for who, answer in ((first, made), (second, other)):
        if answer.status_code == 201:
            gone = await shared.http.delete(answer.headers["location"], headers=token_of(shared, who))
            assert gone.status_code == 200, "it was still there"


@pytest.mark.parametrize("who", ["lecturer", "interpreter"])
async def test_a_publisher_that_sends_nothing_is_replaced_by_the_next(tmp_path: Path, who: str) -> None:
    async with served(tmp_path / "data", media={"takeover_silence_s": 0.2}) as relay, publisher_offer() as offer:
        dead = await publish(relay, who, offer)
        async with asyncio.timeout(10):
            while (alive := await publish(relay, who, offer)).status_code == 409:
                await asyncio.sleep(0.02)
        assert alive.status_code == 201
        sessions = [answer.headers["location"] for answer in (dead, alive)]
        gone = [(await relay.http.delete(session, headers=token_of(relay, who))).status_code for session in sessions]
        assert gone == [404, 200]


async def test_a_lecture_that_has_ended_takes_no_publisher(relay: Served) -> None:
    await relay.relay.end_lecture("waves")
    async with publisher_offer() as offer:
        refused = await relay.http.post("/whip/waves", content=offer, headers={**SDP, **relay.lecturer})
    assert (refused.status_code, refused.json()["error"]["id"]) == (410, "lecture_ended")


@pytest.mark.parametrize("token", ["hall_code", "hall_token", "staff_token"])
async def test_players_play_by_whep_with_any_token_of_the_lecture(relay: Served, token: str) -> None:
    headers = bearer(getattr(relay, token))
    async with player_offer() as offer:
        made = await relay.http.post("/whep/waves?language=ko", content=offer, headers={**SDP, **headers})
    assert made.status_code == 201, made.text
    session = made.headers["location"]
    assert session.startswith("/whep/waves/")
    assert "a=sendonly" in made.text
    assert (await relay.http.delete(session, headers=headers)).status_code == 200


async def test_a_player_cannot_end_a_publisher(relay: Served) -> None:
    async with publisher_offer() as offer:
        made = await relay.http.post("/whip/waves", content=offer, headers={**SDP, **relay.lecturer})
    session = made.headers["location"].rsplit("/", 1)[1]
    refused = await relay.http.delete(f"/whep/waves/{session}", headers=bearer(relay.hall_token))
    assert (refused.status_code, refused.json()["error"]["id"]) == (404, "session_unknown")
    assert (await relay.http.delete(made.headers["location"], headers=relay.lecturer)).status_code == 200


async def test_the_location_is_absolute_where_the_operator_has_told_the_address(tmp_path: Path) -> None:
    async with served(tmp_path / "data", server={"public_url": "https://relay.example.org/"}) as relay:
        async with publisher_offer() as offer:
            made = await relay.http.post("/whip/waves", content=offer, headers={**SDP, **relay.lecturer})
        assert made.headers["location"].startswith("https://relay.example.org/whip/waves/")


GOOD_HEAD = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


@pytest.mark.parametrize(
    ("body", "headers", "status", "error_id"),
    [
        (b"", {}, 400, "sdp_malformed"),
        (b"garbage", {}, 400, "sdp_malformed"),
        (GOOD_HEAD.encode(), {}, None, None),
        (GOOD_HEAD.encode() + b"m=audio x UDP/TLS/RTP/SAVPF 111\r\n", {}, 400, "sdp_malformed"),
        (b"v=0\r\n" * 5000, {}, 400, "sdp_malformed"),
        (b"\xff\xfe\xfd", {}, 400, "body_not_text"),
        (b"\0" * 1000, {}, 400, "sdp_malformed"),
        (b"v=0\r\n" + b"a" * 70_000, {}, 413, "body_too_large"),
        (b"v=0", {"Content-Type": "text/plain"}, 415, "content_type_unsupported"),
        (b"v=0", {"Content-Type": ""}, 415, "content_type_unsupported"),
        (b"v=0", {"Accept": "text/html"}, 406, "not_acceptable"),
        (b"v=0", {"Accept": "application/sdp;q=0, */*"}, 406, "not_acceptable"),
    ],
)
async def test_bad_offers_get_a_clear_error_and_the_lecture_goes_on(
    shared: Served, body: bytes, headers: dict[str, str], status: int | None, error_id: str | None
) -> None:
    for path in ("/whip/waves", "/whep/waves"):
        refused = await shared.http.post(path, content=body, headers={**SDP, **shared.lecturer, **headers})
        if status is None:
            assert 400 <= refused.status_code < 500
        else:
            assert (refused.status_code, refused.json()["error"]["id"]) == (status, error_id)
        assert refused.headers["access-control-allow-origin"] == "*"
    async with publisher_offer() as offer:
        made = await shared.http.post("/whip/waves", content=offer, headers={**SDP, **shared.lecturer})
    assert made.status_code == 201
    assert (await shared.http.delete(made.headers["location"], headers=shared.lecturer)).status_code == 200


async def test_an_offer_without_a_voice_is_not_acceptable(shared: Served) -> None:
    async with publisher_offer() as offer:
        head, *sections = offer.split("m=")
        video = next(section for section in sections if section.startswith("video"))
        mid = next(line.split(":")[1] for line in video.splitlines() if line.startswith("a=mid:"))
        lines = [f"a=group:BUNDLE {mid}" if line.startswith("a=group:BUNDLE") else line for line in head.splitlines()]
        text = "\r\n".join(lines) + "\r\nm=" + video
        refused = await shared.http.post("/whip/waves", content=text, headers={**SDP, **shared.lecturer})
        unknown = offer.replace("opus/48000/2", "speex/16000")
        codec = await shared.http.post("/whip/waves", content=unknown, headers={**SDP, **shared.lecturer})
    assert (refused.status_code, refused.json()["error"]["id"]) == (406, "offer_without_audio")
    assert codec.status_code == 406
    assert codec.json()["error"]["id"] in {"no_common_codec", "offer_without_audio"}


@pytest.mark.parametrize("path", ["/whip/waves", "/whep/no-such-lecture"])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_other_methods_are_reserved(shared: Served, method: str, path: str) -> None:
    refused = await shared.http.request(method, path)
    assert refused.status_code == 405
    assert refused.headers["allow"] == "GET, HEAD, OPTIONS, POST"


@pytest.mark.parametrize("path", ["/whip/waves", "/whep/waves", "/whep/no-such-lecture"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers", [{}, bearer("wrong")])
async def test_whoever_looks_at_an_endpoint_sees_nothing(
    shared: Served, method: str, path: str, headers: dict[str, str]
) -> None:
    """RFC 9725, section 4.1: 2XX without content. One answer for all, or it would tell which lectures there are."""
    looked = await shared.http.request(method, path, headers=headers)
    assert (looked.status_code, looked.content) == (204, b"")
    assert looked.headers["access-control-allow-origin"] == "*"


async def test_pages_of_others_may_publish_after_a_preflight(relay: Served) -> None:
    preflight = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    allowed = await relay.http.options("/whip/waves", headers=preflight)
    assert allowed.status_code == 200
    assert allowed.headers["accept-post"] == "application/sdp"
    assert allowed.headers["access-control-allow-origin"] == "*"
    assert {"Authorization", "Content-Type", "If-Match"} <= set(
        allowed.headers["access-control-allow-headers"].split(", ")
    )
    assert "link" not in allowed.headers
    session = await relay.http.options("/whip/waves/some-session", headers=preflight)
    assert session.headers["access-control-allow-methods"] == "DELETE, GET, HEAD, OPTIONS, PATCH"
    refused = await relay.http.post("/whip/waves", headers={"Origin": "https://elsewhere.example"})
    exposed = set(refused.headers["access-control-expose-headers"].split(", "))
    assert {"Location", "ETag", "Link", "Accept-Patch", "Retry-After"} <= exposed
    with_token = await relay.http.options("/whip/waves", headers=relay.lecturer)
    assert with_token.headers.get_list("link") == TURN.link_headers()
    assert (await relay.http.options("/whip/waves", headers=bearer("wrong"))).status_code == 401


async def test_origins_can_be_limited(tmp_path: Path) -> None:
    async with served(tmp_path / "data", server={"cors_origins": ("https://studio.example",)}) as relay:
        for origin, allowed in (("https://studio.example", "https://studio.example"), ("https://evil.example", None)):
            answer = await relay.http.options("/whip/waves", headers={"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == allowed
            assert answer.headers["vary"] == "Origin"
