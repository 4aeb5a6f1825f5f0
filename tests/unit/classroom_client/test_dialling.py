"""Connection attempts overlap: the first that stands wins, the others leave nothing behind."""

from __future__ import annotations

import asyncio

import pytest

from classroom_client.dialling import first_to_stand


class Line:
    """Attempts answer when the test says so."""

    def __init__(self) -> None:
        self.attempts: list[asyncio.Future[str]] = []
        self.cancelled = 0
        self.discarded: list[str] = []
        self.begun = asyncio.Event()

    async def attempt(self) -> str:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.attempts.append(answer)
        self.begun.set()
        try:
            return await answer
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def discard(self, name: str) -> None:
        self.discarded.append(name)

    async def wait_for(self, count: int) -> None:
        while len(self.attempts) < count:
            self.begun.clear()
            await self.begun.wait()

    def dial(self, *, hold: bool = False, give_up_s: float = 30) -> asyncio.Task[str]:
        return asyncio.ensure_future(
            first_to_stand(self.attempt, self.discard, every_s=0.01, give_up_s=give_up_s, hold=lambda: hold)
        )


async def test_later_attempt_wins_over_one_that_hangs() -> None:
    line = Line()
    dialling = line.dial()
    await line.wait_for(3)
    line.attempts[2].set_result("third")
    assert await dialling == "third"
    assert line.cancelled == len(line.attempts) - 1


async def test_refusals_are_tried_again() -> None:
    line = Line()
    dialling = line.dial()
    for number in range(3):
        await line.wait_for(number + 1)
        line.attempts[number].set_exception(ConnectionRefusedError())
    await line.wait_for(4)
    line.attempts[3].set_result("here")
    assert await dialling == "here"


async def test_what_trying_again_cannot_change_ends_it() -> None:
    line = Line()
    dialling = line.dial()
    await line.wait_for(2)
    line.attempts[1].set_exception(ValueError("no hall socket"))
    with pytest.raises(ValueError, match="no hall socket"):
        await dialling
    assert line.cancelled >= 1


async def test_of_two_that_stand_one_is_closed() -> None:
    line = Line()
    dialling = line.dial()
    await line.wait_for(2)
    line.attempts[0].set_result("one")
    line.attempts[1].set_result("two")
    winner = await dialling
    assert {winner, *line.discarded} == {"one", "two"}


async def test_no_fresh_attempt_while_one_has_got_through() -> None:
    line = Line()
    dialling = line.dial(hold=True)
    await line.wait_for(1)
    loop = asyncio.get_running_loop()
    passed: asyncio.Future[None] = loop.create_future()
    loop.call_later(0.05, passed.set_result, None)
    await passed
    assert len(line.attempts) == 1
    line.attempts[0].set_result("one")
    assert await dialling == "one"


async def test_it_is_given_up_with_the_last_failure() -> None:
    line = Line()
    dialling = line.dial(give_up_s=0.05)
    await line.wait_for(1)
    line.attempts[0].set_exception(ConnectionResetError())
    with pytest.raises(ConnectionResetError):
        await dialling


async def test_cancelled_dialling_leaves_nothing() -> None:
    line = Line()
    dialling = line.dial()
    await line.wait_for(2)
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling
    assert line.cancelled == len(line.attempts)
