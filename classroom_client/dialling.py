"""Getting through to the relay as soon as the line is back.

A TCP connection that is being opened in an outage repeats its SYN after 1, 3, 7, 15 s: when the line is back, the
system may still be waiting for many seconds. So attempts overlap: a fresh one every second or so, each with the time
that a bad line needs, and the first that stands wins.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def first_to_stand(
    attempt: Callable[[], Awaitable[T]],
    discard: Callable[[T], Awaitable[None]],
    *,
    every_s: float,
    give_up_s: float,
    hold: Callable[[], bool],
) -> T:
    """The result of the attempt that succeeds first.

    :param attempt: raises OSError where trying again can help at once; whatever else it raises ends the dialling.
    :param discard: closes what a later attempt opened in vain.
    :param every_s: between the beginnings of attempts, varied by a fifth.
    :param give_up_s: for all of them together.
    :param hold: while true no fresh attempt begins: one of those under way has got through to somebody.
    :raises OSError: nobody was reached in time; of the last attempt that failed, else TimeoutError.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + give_up_s
    fresh_at = loop.time()
    under_way: set[asyncio.Task[T]] = set()
    winner: asyncio.Task[T] | None = None
    failure: OSError = TimeoutError("nobody answers")
    try:
        while (now := loop.time()) < give_up_at:
            if now >= fresh_at:
                if not under_way or not hold():
                    under_way.add(asyncio.ensure_future(attempt()))
                fresh_at = now + every_s * random.uniform(0.8, 1.2)
            wait_s = min(fresh_at, give_up_at) - now
            if not under_way:
                await asyncio.sleep(wait_s)
                continue
            done, under_way = await asyncio.wait(under_way, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if task.exception() is None:
                    # Of two at once the other one is closed with those that are under way.
                    under_way |= done - {task}
                    winner = task
                    return task.result()
            for task in done:
                try:
                    task.result()
                except OSError as error:
                    failure = error
        raise failure
    finally:
        for task in under_way - {winner}:
            task.cancel()
        for outcome in await asyncio.gather(*(under_way - {winner}), return_exceptions=True):
            if not isinstance(outcome, BaseException):
                await discard(outcome)
