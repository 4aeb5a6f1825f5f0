"""A thread that feeds the event loop, owned by a task.

A daemon, not one of asyncio's executor: a read of a microphone or of standard input can block for ever, and the
program must be able to end all the same.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

STOP_S = 1.0

_Item = TypeVar("_Item")

Run = Callable[[threading.Event], None]


async def run_in_thread(name: str, run: Run) -> None:
    """Run ``run(stop)`` in a thread until it returns. Cancelled: sets ``stop`` and waits for at most a second.

    :raises BaseException: what ``run`` raised.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    stop = threading.Event()

    def finish(error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def body() -> None:
        error: BaseException | None = None
        try:
            run(stop)
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the loop has gone: nobody waits any more
            loop.call_soon_threadsafe(finish, error)

    threading.Thread(target=body, name=name, daemon=True).start()
    try:
        await asyncio.shield(done)
    except asyncio.CancelledError:
        stop.set()
        with suppress(Exception, TimeoutError):
            await asyncio.wait_for(asyncio.shield(done), STOP_S)
        raise


def in_loop(call: Callable[[_Item], None]) -> Callable[[_Item], None]:
    """``call`` made callable from a thread; it then runs in this event loop, and not at all once that has ended."""
    loop = asyncio.get_running_loop()

    def post(item: _Item) -> None:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(call, item)

    return post
