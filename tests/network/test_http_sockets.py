from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed

from lecture.entries import Entry, Kind, pack_event, unpack_event
from lecture.file import LectureFile
from tests.network.peers import until
from tests.network.relays import Served, closed_with, served

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def relay(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path / "data", limits={"hello_timeout_s": 0.5, "send_timeout_s": 1.0}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One relay for the tests that leave it as it was."""
    async with served(tmp_path_factory.mktemp("shared") / "data") as running:
        yield running


def hello(**fields: object) -> str:
    return json.dumps({"kind": "hello", "v": "1.0", **fields})


async def refusal(relay: Served, path: str, first: str | bytes) -> tuple[int | None, dict[str, Any]]:
    async with relay.socket(path) as ws:
        await ws.send(first)
        code, said = await closed_with(ws)
    assert len(said) == 1
    error = json.loads(said[0])
    assert (error["kind"], error["fatal"]) == ("error", True)
    return code, error


@pytest.mark.parametrize("by", ["hall_code", "hall_token", "staff_token"])
async def test_a_hall_is_let_in_by_code_or_token(relay: Served, by: str) -> None:
    secret = {"code" if by == "hall_code" else "token": getattr(relay, by)}
    async with relay.socket("/ws/hall/waves") as ws:
        await ws.send(hello(**secret, hall="Hall 3"))
        welcome = json.loads(await ws.recv())
        assert (welcome["kind"], welcome["lecture"]["id"]) == ("welcome", "waves")
        await ws.send(json.dumps({"kind": "bye"}))
        code, _ = await closed_with(ws)
    assert code == 1000


async def test_a_hall_that_waits_is_told_so_again_and_that_its_question_was_taken(relay: Served) -> None:
    lecture = await relay.relay.open_lecture("waves")
    async with relay.socket("/ws/hall/waves") as ws:
        await ws.send(hello(token=relay.hall_token, hall="Hall 3"))
        assert json.loads(await ws.recv())["kind"] == "welcome"
        said: list[dict[str, Any]] = []
        async with lecture._stage.recorder._writing:  # the disk takes its time
            await ws.send(json.dumps({"kind": "question", "text": "When?", "id": "q1"}))
            await ws.send(json.dumps({"kind": "want", "language": "en", "start_ms": 7, "end_ms": 7}))
            while not any(message["kind"] == "filled" for message in said) or len(planned(said)) < 2:
                said.append(json.loads(await ws.recv()))
        assert not any(message["kind"] == "asked" for message in said), "it is not on disk yet"
        while said[-1]["kind"] != "asked":
            said.append(json.loads(await ws.recv()))
        with LectureFile.open(relay.relay.directory.path_of("waves"), readonly=True) as file:
            (question,) = file.read(kinds={Kind.QUESTION})
    assert unpack_event(question) == {"hall": "Hall 3", "text": "When?", "id": "q1"}
    assert (said[-1]["id"], said[-1].get("error", "")) == ("q1", "")
    filled = next(message for message in said if message["kind"] == "filled")
    assert (filled["language"], filled["start_ms"], filled["end_ms"]) == ("en", 7, 7)


async def test_a_hall_whose_connection_fails_in_the_relay_is_told_so(shared: Served) -> None:
    lecture = await shared.relay.open_lecture("waves")
    async with shared.socket("/ws/hall/waves") as ws:
        await ws.send(hello(token=shared.hall_token))
        assert json.loads(await ws.recv())["kind"] == "welcome"
        (connection,) = lecture._people._halls
        connection.leave("failed")
        code, said = await closed_with(ws)
    assert (code, json.loads(said[-1])["id"]) == (1011, "internal_error")


def planned(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message for message in said if message["kind"] == "state" and message["lecture"] == "planned"]


@pytest.mark.parametrize(("token", "claimed"), [("lecturer_token", "interpreter"), ("interpreter_token", "lecturer")])
async def test_the_token_says_who_a_lecturer_is_whatever_the_hello_claims(
    relay: Served, token: str, claimed: str
) -> None:
    async with relay.socket("/ws/lecturer/waves") as ws:
        await ws.send(hello(token=getattr(relay.lecture, token), role=claimed))
        welcome = json.loads(await ws.recv())
        assert (welcome["kind"], welcome["role"]) == ("welcome", token.removesuffix("_token"))
        await ws.send(json.dumps({"kind": "turn", "deck": "no-such-deck", "page": 1}))
        errors: list[str] = []
        while not errors:
            message = json.loads(await ws.recv())
            errors += [message["id"]] if message["kind"] == "error" else []
    assert errors == ["role_forbidden" if token == "interpreter_token" else "deck_unknown"]


@pytest.mark.parametrize("path", ["/ws/hall/{}", "/ws/lecturer/{}"])
@pytest.mark.parametrize(
    "secret", [{"token": "wrong"}, {"code": "HHHH-2222"}, {"token": "\ud800"}, {"token": "x" * 500}]
)
async def test_a_wrong_secret_is_answered_alike_whether_or_not_the_lecture_exists(
    shared: Served, path: str, secret: dict[str, str]
) -> None:
    known, unknown = [
        await refusal(shared, path.format(name), hello(**secret)) for name in ("waves", "no-such-lecture")
    ]
    assert known == unknown
    assert known[1]["id"] in {"unauthorised", "message_malformed"}
    assert known[0] == (4401 if known[1]["id"] == "unauthorised" else 4400)


async def test_a_hall_may_not_sit_down_as_lecturer(shared: Served) -> None:
    code, error = await refusal(shared, "/ws/lecturer/waves", hello(token=shared.hall_token))
    assert (code, error["id"]) == (4403, "forbidden")


async def test_staff_learn_that_a_lecture_does_not_exist(shared: Served) -> None:
    _, error = await refusal(shared, "/ws/hall/no-such-lecture", hello(token=shared.staff_token))
    assert error["id"] == "lecture_unknown"


@pytest.mark.parametrize(
    ("first", "code", "error_id"),
    [
        ("garbage", 4400, "message_malformed"),
        ("{}", 4400, "message_malformed"),
        ("[" * 20_000, 4400, "message_malformed"),
        ("null", 4400, "message_malformed"),
        (b"\x00\x01\x02", 4400, "frame_unexpected"),
        (json.dumps({"kind": "bye"}), 4400, "message_unexpected"),
        (json.dumps({"kind": "from the future"}), 4400, "message_unexpected"),
        (json.dumps({"kind": "hello", "v": "2.0", "token": "x"}), 4426, "version_unsupported"),
        (json.dumps({"kind": "hello", "v": 7, "token": "x"}), 4400, "message_malformed"),
        ("x" * 70_000, 1009, "message_too_large"),
    ],
)
async def test_garbage_as_first_words_is_told_and_closed(
    shared: Served, first: str | bytes, code: int, error_id: str
) -> None:
    for path in ("/ws/hall/waves", "/ws/lecturer/waves"):
        closed, error = await refusal(shared, path, first)
        assert (closed, error["id"]) == (code, error_id)
    assert (await shared.http.get("/readyz")).status_code == 200


async def test_a_message_beyond_all_bounds_is_not_even_read(relay: Served) -> None:
    async with relay.socket("/ws/hall/waves", compression=None) as ws:
        with contextlib.suppress(ConnectionClosed):
            await ws.send("x" * 20_000_000)
        code, said = await closed_with(ws)
    assert code in {1006, 1009}
    assert not said


async def test_who_says_nothing_is_sent_away(relay: Served) -> None:
    async with relay.socket("/ws/hall/waves") as ws:
        code, said = await closed_with(ws)
    assert code == 1013, "a slow line is no wrong token: come back"
    assert [json.loads(message)["id"] for message in said] == ["hello_timeout"]


@pytest.mark.parametrize("leave", ["close", "abort"])
async def test_who_goes_before_saying_hello_leaves_nothing_behind(
    relay: Served, leave: str, caplog: pytest.LogCaptureFixture
) -> None:
    ws = await relay.socket("/ws/hall/waves")
    if leave == "abort":
        ws.transport.abort()
    else:
        await ws.close()
    await until(lambda: not tasks_of_sockets())
    assert not caplog.records


def tasks_of_sockets() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if "run_asgi" in repr(task.get_coro())]


async def test_more_sockets_than_allowed_are_told_to_come_back(tmp_path: Path) -> None:
    async with served(tmp_path / "data", limits={"sockets": 1}) as relay:
        async with relay.socket("/ws/hall/waves") as first:
            await first.send(hello(token=relay.hall_token))
            await first.recv()
            async with relay.socket("/ws/hall/waves") as second:
                code, said = await closed_with(second)
            assert code == 1013
            assert json.loads(said[0])["id"] == "overloaded"
        async with relay.socket("/ws/hall/waves") as third:
            await third.send(hello(token=relay.hall_token))
            assert json.loads(await third.recv())["kind"] == "welcome"


@pytest.mark.parametrize("path", ["/ws/hall/waves", "/ws/lecturer/waves"])
async def test_who_stops_reading_is_dropped_as_too_slow_and_the_lecture_goes_on(
    tmp_path: Path, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    # Where the socket's own limit came first, it would only count as gone: its reason is what is asked for here.
    limits, media = {"send_timeout_s": 1.0}, {"hall_send_timeout_s": 0.5}
    async with served(tmp_path / "data", limits=limits, media=media) as relay:
        lecture = await relay.relay.open_lecture("waves")
        token = relay.hall_token if "hall" in path else relay.lecture.lecturer_token
        stuck = await sat_down(relay, path, hello(token=token, **({"hall": "stuck"} if "hall" in path else {})))
        async with relay.socket("/ws/hall/waves") as reading:
            await reading.send(hello(token=relay.hall_token, hall="reading"))
            seen = asyncio.create_task(count_marks(reading, 700))
            for _ in range(700):
                lecture.log.append(Entry(Kind.MARK, lecture.now_ms(), pack_event({"text": "m" * 3000})))
            assert await asyncio.wait_for(seen, 20) == 700

        def dropped() -> list[str]:
            return [message for message in caplog.messages if "is dropped" in message]

        await until(dropped, 15)
        assert [message.rpartition(": ")[2] for message in dropped()] == ["too_slow"]
        # Not even its connection lingers: what it never read would else be kept for it for ever.
        await until(lambda: not tasks_of_sockets(), 15)
        await until(lambda: not relay.server.connections, 15)
        assert not any(hall["connected"] for hall in lecture.snapshot()["halls"])
        stuck.close()


async def sat_down(relay: Served, path: str, first: str) -> socket.socket:
    """A socket with little room for what it does not read, that has been welcomed."""
    stuck = socket.create_connection(("127.0.0.1", relay.server.port))
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.setblocking(False)
    loop = asyncio.get_running_loop()
    head = (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    await loop.sock_sendall(stuck, head.encode())
    assert (await loop.sock_recv(stuck, 12)).endswith(b" 101")
    text = first.encode()
    await loop.sock_sendall(stuck, b"\x81\xfe" + len(text).to_bytes(2, "big") + b"\0\0\0\0" + text)
    said = b""
    while b'"welcome"' not in said:
        said += await loop.sock_recv(stuck, 1024)
    return stuck


async def count_marks(ws: Any, wanted: int) -> int:
    marks = 0
    async for message in ws:
        fields = json.loads(message) if isinstance(message, str) else {}
        marks += fields.get("kind") == "entry" and "text" in fields["fields"]
        if marks == wanted:
            break
    return marks


async def test_a_relay_that_stops_says_so_to_everyone(tmp_path: Path) -> None:
    async with served(tmp_path / "data") as relay:
        ws = await relay.socket("/ws/hall/waves")
        await ws.send(hello(token=relay.hall_token))
        await ws.recv()
    code, _ = await closed_with(ws)
    assert code in {1001, 1012}
