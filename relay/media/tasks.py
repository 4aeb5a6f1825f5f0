"""Tasks with an owner."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

logger = logging.getLogger("hallcast.media")


async def guarded(what: str, coroutine: Coroutine[Any, Any, object]) -> None:
    """Run as the outermost frame of a task of its own: a fault of ours in one session must not end the lecture.

    It is logged with its traceback; the session it happened in ends.
    """
    try:
        await coroutine
    except Exception:
        logger.exception("%s failed", what)


def start_guarded(
    create_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    what: str,
    coroutine: Coroutine[Any, Any, object],
) -> asyncio.Task[None]:
    """Start a :func:`guarded` task, which may be cancelled before it has begun."""
    task = create_task(guarded(what, coroutine))
    task.add_done_callback(lambda _: coroutine.close())  # else Python complains that nobody ever awaited it
    return task


@contextmanager
def fenced(what: str, end: Callable[[], None]) -> Iterator[None]:
    """One session's part of a task that serves many: as for :func:`guarded`, a fault of ours in it ends that session.

    :param end: ends it.
    """
    try:
        yield
    except Exception:
        logger.exception("%s failed", what)
        end()


class Crew:
    """The tasks of one owner, each :func:`guarded`. Used within ``async with``; leaving cancels and awaits all."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        # The group is not told of an error in the body: it would come out wrapped in an ExceptionGroup.
        await self._group.__aexit__(None, None, None)

    def spawn(self, what: str, coroutine: Coroutine[Any, Any, object]) -> asyncio.Task[None]:
        """Run as a task of this crew."""
        task = start_guarded(self._group.create_task, what, coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
