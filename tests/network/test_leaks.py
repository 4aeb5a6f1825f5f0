"""Clients that come, go and break off in every way leave no socket, task or connection at the relay."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.network.peers import LOOPBACK, until
from tests.network.relays import SDP, Served, player_offer, served
from transport.peer import Peer

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,  # the relay runs on this one
}


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    def run(coroutine: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(coroutine)

    return run


def test_a_peer_that_is_not_wanted_any_more_while_it_is_made_keeps_no_socket(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    async def make_and_cancel() -> None:
        await (await Peer.create(LOOPBACK, controlling=False)).close()
        before = open_files()
        for steps in range(12):
            making = asyncio.create_task(Peer.create(LOOPBACK, controlling=False))
            for _ in range(steps):
                await asyncio.sleep(0)
            making.cancel()
            (made,) = await asyncio.gather(making, return_exceptions=True)
            if isinstance(made, Peer):
                await made.close()
        await until(lambda: open_files() <= before)

    run(make_and_cancel())


async def hall(relay: Served, offers: list[str], manner: str) -> None:
    """A hall that says hello, makes its offers without waiting for answers, and goes."""
    async with relay.socket("/ws/hall/waves") as ws:
        await ws.send(json.dumps({"kind": "hello", "v": "1.0", "token": relay.hall_token, "camera": True}))
        while json.loads(await ws.recv())["kind"] != "welcome":
            pass
        for sdp in offers:
            await ws.send(json.dumps({"kind": "offer", "sdp": sdp}))
            await ws.send(json.dumps({"kind": "candidate", "candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host"}))
        await ws.send(json.dumps({"kind": "want", "language": "en", "start_ms": 0, "end_ms": 1 << 50}))
        if manner == "answered":
            while json.loads(await ws.recv())["kind"] != "answer":
                pass
        if manner == "bye":
            await ws.send(json.dumps({"kind": "bye"}))
            await ws.wait_closed()
        else:
            ws.transport.abort()


def test_halls_and_players_that_vanish_leave_nothing(
    run: Callable[[Coroutine[Any, Any, None]], None], tmp_path: Path
) -> None:
    async def wave(relay: Served, offer: str) -> None:
        manners = ("vanished", "answered", "bye") * 3
        await asyncio.gather(*(hall(relay, [offer] * (number % 4), "bye") for number in range(4)))
        await asyncio.gather(*(hall(relay, [offer] * 3, manner) for manner in manners))
        for _ in range(3):
            made = await relay.http.post("/whep/waves", content=offer, headers={**SDP, **relay.staff})
            await relay.http.delete(made.headers["location"], headers=relay.staff)

    async def come_and_go() -> None:
        async with served(tmp_path / "data") as relay, player_offer() as offer:
            lecture = await relay.relay.open_lecture("waves")

            def all_gone() -> bool:
                return not any(found["connected"] for found in lecture.snapshot()["halls"])

            await wave(relay, offer)  # the first one may open what stays: the catalogue in a thread, the client's line
            await until(all_gone)
            await until(lambda: relay.server.connections <= 1)
            tasks, files = len(asyncio.all_tasks()), open_files()
            for _ in range(3):
                await wave(relay, offer)
            await until(all_gone)
            await until(lambda: len(asyncio.all_tasks()) <= tasks, 20)
            await until(lambda: open_files() <= files, 20)

    run(come_and_go())
