"""Clients that come, go and break off in every way leave no socket, task or connection at the relay."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from tests.network.peers import LOOPBACK, until
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
