"""Hostile clients of a running relay: what they send costs them their own connection, and nobody else anything."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.network.peers import until
from tests.network.relays import Served, served

UPGRADE = (
    b"GET /ws/hall/waves HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(os.urandom(16)) + b"\r\n\r\n"
)
TEXT, PING, PONG = 1, 9, 10


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path / "data") as running:
        yield running


def frame(opcode: int, data: bytes = b"", *, last: bool = True) -> bytes:
    """A small masked frame."""
    return bytes([last << 7 | opcode, 0x80 | len(data)]) + b"\0\0\0\0" + data


async def flood(relay: Served, head: bytes, crumbs: bytes, *, after: bytes = b"") -> bytes:
    """Send crumbs, once the relay has said ``after``, until it has enough; what it said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.server.port)
    said = bytearray()

    async def listen() -> None:
        try:
            while piece := await reader.read(65_536):
                said.extend(piece)
        except ConnectionError:
            pass

    listening = asyncio.create_task(listen())
    try:
        async with asyncio.timeout(20):
            writer.write(head)
            await until(lambda: after in said)
            while not listening.done():
                writer.write(crumbs)
                await writer.drain()
                await asyncio.sleep(0)
    except ConnectionError:
        await listening
    finally:
        listening.cancel()
        writer.transport.abort()
    return bytes(said)


@pytest.mark.parametrize(
    ("first", "crumb"),
    [(b"", frame(PING, b"p" * 125)), (b"", frame(PONG)), (frame(TEXT, b"{", last=False), frame(0, last=False))],
    ids=["pings", "pongs", "empty fragments"],
)
async def test_a_socket_flooded_with_frames_is_closed(relay: Served, first: bytes, crumb: bytes) -> None:
    said = await flood(relay, UPGRADE, first + crumb * 2000, after=b"\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 101 ")
    assert (4400).to_bytes(2, "big") + b"message_flood" in said
    async with relay.socket("/ws/hall/waves") as ws:
        await ws.send(json.dumps({"kind": "hello", "v": "1.0", "token": relay.hall_token}))
        assert json.loads(await ws.recv())["kind"] == "welcome"


async def test_a_body_in_crumbs_is_refused(relay: Served) -> None:
    head = b"POST /join HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    said = await flood(relay, head, b"1\r\n \r\n" * 1000)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert json.loads(said.partition(b"\r\n\r\n")[2])["error"]["id"] == "request_malformed"
    assert (await relay.http.post("/join", json={"code": relay.hall_code})).status_code == 200


async def test_a_body_that_trickles_does_not_hold_its_place(tmp_path: Path) -> None:
    async with served(tmp_path / "data", limits={"request_timeout_s": 0.4}) as relay:
        head = b"POST /join HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.server.port)
        writer.write(head)
        answer = asyncio.create_task(reader.read(20))
        async with asyncio.timeout(20):
            while not answer.done():
                writer.write(b" ")
                await asyncio.wait([answer], timeout=0.05)
        assert answer.result().startswith(b"HTTP/1.1 408 ")
        writer.transport.abort()


async def test_a_hall_cannot_write_lines_of_its_own_into_the_log(
    relay: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="hallcast")
    name = "Hall\n2026 ERROR all is lost\x1b[2J\u2028\u202e 3 \u0645\u06cc\u200c\u062f\u0627\u0646"
    async with relay.socket("/ws/hall/waves") as ws:
        await ws.send(json.dumps({"kind": "hello", "v": "1.0", "token": relay.hall_token, "hall": name}))
        assert json.loads(await ws.recv())["kind"] == "welcome"
        lecture = await relay.relay.open_lecture("waves")
        (hall,) = lecture.snapshot()["halls"]
    assert hall["name"] == "Hall 2026 ERROR all is lost [2J 3 \u0645\u06cc\u200c\u062f\u0627\u0646"
    assert f"hall {hall['name']} joins waves" in caplog.messages


async def test_idle_connections_do_not_take_all_there_are(tmp_path: Path) -> None:
    async with served(tmp_path / "data", limits={"sockets": 2, "requests": 4}) as relay:
        async with relay.socket("/ws/hall/waves") as ws:
            await ws.send(json.dumps({"kind": "hello", "v": "1.0", "token": relay.hall_token}))
            assert json.loads(await ws.recv())["kind"] == "welcome"
            lines = [await asyncio.open_connection("127.0.0.1", relay.server.port) for _ in range(30)]
            ends = [asyncio.create_task(reader.read()) for reader, _ in lines]
            await until(lambda: sum(end.done() for end in ends) >= 20)
            assert relay.server.connections <= 10
            await ws.send(json.dumps({"kind": "want", "language": "xx", "start_ms": 0, "end_ms": 1}))
            while json.loads(await ws.recv()).get("id") != "language_unknown":
                pass
            for _, writer in lines:
                writer.close()
            await asyncio.gather(*ends, return_exceptions=True)
        await until(lambda: relay.server.connections == 0)
        assert (await relay.http.get("/healthz")).status_code == 200
