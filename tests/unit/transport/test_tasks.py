"""The first of several coroutines that is done."""

from __future__ import annotations

import asyncio

import pytest

from transport.tasks import until_first


async def test_the_others_are_cancelled_and_waited_for() -> None:
    ended: list[str] = []

    async def stay() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("stay")

    async def go() -> None:
        await asyncio.sleep(0)

    await until_first(stay(), go())
    assert ended == ["stay"]


async def test_what_the_first_one_raised_comes_out_bare() -> None:
    async def stay() -> None:
        await asyncio.Event().wait()

    async def fail() -> None:
        raise LookupError("first")

    with pytest.raises(LookupError, match="first"):
        await until_first(stay(), fail())


async def test_cancelling_the_whole_cancels_all() -> None:
    ended: list[int] = []

    async def stay(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    whole = asyncio.create_task(until_first(stay(1), stay(2)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
    assert sorted(ended) == [1, 2]
