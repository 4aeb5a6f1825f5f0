from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from relay.tokens import group_code
from tests.network.relays import SDP, Served, bearer, closed_with, served

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def relay(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path / "data") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One relay for the tests that leave it as it was."""
    async with served(tmp_path_factory.mktemp("shared") / "data", access={"join_failures": 1000}) as running:
        yield running


def told(answer: httpx.Response) -> tuple[object, ...]:
    """All that an answer tells, but for the date."""
    headers = sorted((name, value) for name, value in answer.headers.items() if name != "date")
    return answer.status_code, answer.content, headers


GUARDED = [
    ("POST", "/whip/{}"),
    ("PATCH", "/whip/{}/some-session"),
    ("DELETE", "/whip/{}/some-session"),
    ("POST", "/whep/{}"),
    ("DELETE", "/whep/{}/some-session"),
    ("PUT", "/lectures/{}/deck"),
    ("GET", "/api/lectures/{}"),
    ("PATCH", "/api/lectures/{}"),
    ("POST", "/api/lectures/{}/end"),
    ("POST", "/api/lectures/{}/code"),
    ("GET", "/library/{}/replay.json"),
    ("GET", "/library/{}/voice/en.ogg"),
    ("GET", "/library/{}/camera.webm"),
    ("GET", "/library/{}/blob/" + "0" * 64),
]


WRONG = [
    None,
    "",
    "Bearer",
    "Bearer wrong",
    "Basic d3Jvbmc6d3Jvbmc=",
    "Bearer " + "a" * 2000,
    "Bearer HHHH-2222",
    "\xff",
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_without_a_good_token_a_lecture_that_exists_looks_like_one_that_does_not(
    shared: Served, method: str, path: str
) -> None:
    for authorization in WRONG:
        headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
        known, unknown = [
            await shared.http.request(method, path.format(name), headers=headers, content=b"x")
            for name in ("waves", "no-such-lecture")
        ]
        assert told(known) == told(unknown)
        assert known.status_code == 401
        assert known.json()["error"]["id"] == "unauthorised"
        assert known.headers["www-authenticate"] == 'Bearer realm="hallcast"'


@pytest.mark.parametrize(
    ("method", "path", "token"),
    [
        ("POST", "/whip/waves", "hall_token"),
        ("POST", "/whip/waves", "staff_token"),
        ("POST", "/whip/waves", "hall_code"),
        ("PUT", "/lectures/waves/deck", "hall_token"),
    ],
)
async def test_a_good_token_of_the_wrong_role_is_forbidden(shared: Served, method: str, path: str, token: str) -> None:
    refused = await shared.http.request(method, path, headers={**SDP, **bearer(getattr(shared, token))}, content=b"x")
    assert (refused.status_code, refused.json()["error"]["id"]) == (403, "forbidden")


async def test_an_interpreter_may_not_send_a_deck(shared: Served) -> None:
    headers = bearer(shared.lecture.interpreter_token)
    refused = await shared.http.put("/lectures/waves/deck", headers=headers, content=b"%PDF-")
    assert (refused.status_code, refused.json()["error"]["id"]) == (403, "forbidden")


async def test_the_token_of_another_lecture_is_a_wrong_token(relay: Served) -> None:
    other = await relay.relay.create_lecture("Tides", lecture_id="tides")
    for token in (other.lecturer_token, relay.relay.tokens.hall("tides", other.record.hall_code)):
        assert (await relay.http.post("/whep/waves", headers={**SDP, **bearer(token)})).status_code == 401


async def test_lecturers_have_no_say_in_the_staff_api(shared: Served) -> None:
    assert (await shared.http.get("/api/lectures", headers=shared.lecturer)).status_code == 401
    assert (await shared.http.get("/api/lectures", headers=shared.staff)).status_code == 200


async def test_a_good_token_learns_that_a_lecture_does_not_exist(shared: Served) -> None:
    for method, path in (("POST", "/whep/no-such-lecture"), ("GET", "/api/lectures/no-such-lecture")):
        answer = await shared.http.request(method, path, headers={**SDP, **shared.staff}, content=b"v=0")
        assert (answer.status_code, answer.json()["error"]["id"]) == (404, "lecture_unknown")


async def test_a_hall_joins_by_the_code_that_was_read_out(relay: Served) -> None:
    joined = await relay.http.post("/join", json={"code": group_code(relay.hall_code).lower()})
    assert joined.status_code == 200
    facts = joined.json()
    assert (facts["lecture"], facts["title"], facts["ws"]) == ("waves", "Waves", "/ws/hall/waves")
    assert facts["languages"] == ["en", "ko"]
    opened = await relay.http.get("/library/waves/blob/" + "0" * 64, headers=bearer(facts["token"]))
    assert opened.status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "error_id"),
    [
        (b'{"code": "HHHH-2222"}', 403, "join_code_wrong"),
        (b'{"code": ""}', 403, "join_code_wrong"),
        (b'{"code": "\\ud800"}', 422, "request_invalid"),
        (b'{"code": "' + b"A" * 65 + b'"}', 422, "request_invalid"),
        (b'{"code": 7}', 422, "request_invalid"),
        (b"{}", 422, "request_invalid"),
        (b"[]", 422, "request_invalid"),
        (b"null", 422, "request_invalid"),
        (b"{", 422, "request_invalid"),
        (b"\xff", None, None),
        (b"[" * 10_000, None, None),
    ],
)
async def test_bad_codes_get_a_clear_error(
    shared: Served, body: bytes, status: int | None, error_id: str | None
) -> None:
    refused = await shared.http.post("/join", content=body, headers={"Content-Type": "application/json"})
    if status is None:
        assert 400 <= refused.status_code < 500
        assert refused.json()["error"]["id"]
    else:
        assert (refused.status_code, refused.json()["error"]["id"]) == (status, error_id)


async def by_join(relay: Served, code: str) -> tuple[int | None, str]:
    answer = await relay.http.post("/join", json={"code": code})
    return answer.status_code, answer.json()["error"]["id"]


async def by_whep(relay: Served, code: str) -> tuple[int | None, str]:
    answer = await relay.http.post("/whep/waves", headers={**SDP, **bearer(code)})
    return answer.status_code, answer.json()["error"]["id"]


async def by_library(relay: Served, code: str) -> tuple[int | None, str]:
    answer = await relay.http.get("/library/waves/blob/" + "0" * 64, headers=bearer(code))
    return answer.status_code, answer.json()["error"]["id"]


async def by_hall_socket(relay: Served, code: str, *, lecture: str = "waves") -> tuple[int | None, str]:
    async with relay.socket(f"/ws/hall/{lecture}") as ws:
        await ws.send(json.dumps({"kind": "hello", "v": "1.0", "code": code}))
        closed, (said,) = await closed_with(ws)
    return closed, json.loads(said)["id"]


@pytest.mark.parametrize(
    ("way", "expired", "wrong"),
    [
        (by_join, (410, "join_code_expired"), (403, "join_code_wrong")),
        (by_whep, (410, "join_code_expired"), (401, "unauthorised")),
        (by_library, (410, "join_code_expired"), (401, "unauthorised")),
        (by_hall_socket, (4410, "join_code_expired"), (4401, "unauthorised")),
    ],
)
async def test_an_expired_code_is_told_only_to_who_knows_it(
    relay: Served,
    way: Callable[[Served, str], Awaitable[tuple[int | None, str]]],
    expired: tuple[int, str],
    wrong: tuple[int, str],
) -> None:
    relay.relay.catalogue.update("waves", lambda record: replace(record, code_expires_at=time.time() - 1))
    assert await way(relay, relay.hall_code) == expired
    assert await way(relay, group_code(relay.hall_code).lower()) == expired
    assert await way(relay, "HHHH2222") == wrong
    # A hall that was let in before stays in.
    assert (await relay.http.post("/whep/waves", headers={**SDP, **bearer(relay.hall_token)})).status_code == 400
    assert await by_hall_socket(relay, relay.hall_code, lecture="no-such-lecture") == (4401, "unauthorised")


async def test_a_new_code_voids_the_old_one_and_its_halls(relay: Served) -> None:
    old_token = relay.hall_token
    renewed = await relay.http.post("/api/lectures/waves/code", headers=relay.staff)
    assert renewed.status_code == 200
    assert (await relay.http.post("/join", json={"code": relay.hall_code})).status_code == 403
    assert (await relay.http.post("/whep/waves", headers={**SDP, **bearer(old_token)})).status_code == 401
    assert (await relay.http.post("/join", json={"code": renewed.json()["hall_code"]})).status_code == 200


async def test_a_code_outlives_its_lecture_however_that_is_planned_anew(relay: Served) -> None:
    life = timedelta(days=relay.relay.config.access.hall_code_days)
    url, planned = "/api/lectures/waves", datetime.now(UTC) + timedelta(days=90)

    def expiry(answer: httpx.Response) -> datetime:
        assert answer.status_code == 200, answer.text
        return datetime.fromisoformat(answer.json()["hall_code_expires_at"])

    async def plan(at: datetime) -> datetime:
        return expiry(await relay.http.patch(url, json={"planned_at": at.isoformat()}, headers=relay.staff))

    assert await plan(planned) == planned + life
    assert expiry(await relay.http.post(f"{url}/code", headers=relay.staff)) == planned + life
    # A lecture that was created long ago and planned for a day that has passed gets a code that serves for now.
    relay.relay.catalogue.update(
        "waves", lambda found: replace(found, created_at=found.created_at - 1e7, planned_at=found.created_at - 1e7)
    )
    renewed = expiry(await relay.http.post(f"{url}/code", headers=relay.staff))
    assert await plan(planned - timedelta(days=300)) == renewed
    # One that has expired does not come back because the past is put right.
    relay.relay.catalogue.update("waves", lambda found: replace(found, code_expires_at=found.code_expires_at - 1e7))
    assert await plan(planned - timedelta(days=301)) < datetime.now(UTC)


async def test_guessing_codes_is_slowed_down_and_honest_tokens_are_not(tmp_path: Path) -> None:
    limits = {"join_failures": 3, "join_failures_per_minute": 1.0}
    async with served(tmp_path / "data", access=limits, server={"trusted_proxies": ("127.0.0.1",)}) as relay:

        async def join(code: str, address: str) -> httpx.Response:
            return await relay.http.post("/join", json={"code": code}, headers={"X-Forwarded-For": address})

        statuses = [(await join("HHHH2222", "192.0.2.7")).status_code for _ in range(5)]
        assert statuses == [403, 403, 403, 429, 429]
        slowed = await join(relay.hall_code, "192.0.2.7")
        assert slowed.json()["error"]["id"] == "too_many_attempts"
        assert 0 < int(slowed.headers["retry-after"]) <= 60
        assert (await join(relay.hall_code, "192.0.2.8")).status_code == 200
        headers = {**SDP, **bearer(relay.hall_token), "X-Forwarded-For": "192.0.2.7"}
        assert (await relay.http.post("/whep/waves", headers=headers)).status_code == 400


async def test_forwarded_addresses_of_strangers_are_not_believed(tmp_path: Path) -> None:
    limits = {"join_failures": 2, "join_failures_per_minute": 1.0}
    async with served(tmp_path / "data", access=limits, server={"trusted_proxies": ("203.0.113.9",)}) as relay:
        for number in range(3):
            answer = await relay.http.post(
                "/join",
                json={"code": "HHHH2222"},
                headers={"X-Forwarded-For": f"192.0.2.{number}", "X-Forwarded-Proto": "https"},
            )
        assert answer.status_code == 429
        shown = await relay.http.get("/api/lectures/waves", headers={**relay.staff, "X-Forwarded-Proto": "https"})
        assert shown.json()["urls"]["hall"].startswith("http://")
