"""Pen and pointer from the lecturer's socket to a hall behind a thin, lossy link."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import websockets

from classroom_client.view import Link
from lecture.codec import encode
from lecture.entries import Kind
from lecture.ink import DECIMALS
from lecture.lecturer_messages import Erase, Ink, LecturerHello, Pointer
from lecture.messages import PROTOCOL_VERSION, Message
from tests.network.hall_kit import Class, Seat, lecture_hall, seat
from tests.network.link import LinkSpec, Loss
from tests.network.media_kit import VoicePublisher, until

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(120)]

THIN = LinkSpec(rate_kbps=64, delay_ms=300, loss=Loss.bursts(0.05, 3))
STROKES = 4
PARTS = 12
PART_S = 0.1
ON_TIME_MS = 1000
"""Ink is late when the voice of its moment was heard so much before it."""


class Lecturer:
    """A lecturer's program that draws."""

    def __init__(self, socket: websockets.ClientConnection, deck: str) -> None:
        self._socket = socket
        self.deck = deck
        self.drawn: dict[str, list[list[float]]] = {}

    async def say(self, message: Message) -> None:
        await self._socket.send(encode(message))

    async def stroke(self, name: str, page: int, height: float) -> None:
        """A wave across the page, as a mouse sends it."""
        line = self.drawn.setdefault(name, [])
        for part in range(PARTS):
            xs = [(part * 4 + index) / (PARTS * 4) for index in range(4)]
            points = tuple((x, height + 0.05 * math.sin(x * 20)) for x in xs)
            line += [[round(x, DECIMALS), round(y, DECIMALS)] for x, y in points]
            await self.say(Ink(self.deck, page, name, points, more=part < PARTS - 1))
            await asyncio.sleep(PART_S)  # the pace of a hand, which is what this is about

    async def point(self, page: int) -> None:
        """Go round and round, at a mouse's pace, until cancelled."""
        for step in itertools.count():
            await self.say(Pointer(self.deck, page, step % 20 / 20, 0.5))
            await asyncio.sleep(0.03)


async def lecturer(stack: AsyncExitStack, room: Class) -> Lecturer:
    url = f"ws://127.0.0.1:{room.port}/ws/lecturer/{room.relay.lecture_id}"
    socket = await stack.enter_async_context(websockets.connect(url, proxy=None))
    await socket.send(encode(LecturerHello(PROTOCOL_VERSION, token=room.relay.lecture.lecturer_token)))
    assert json.loads(await socket.recv())["kind"] == "welcome"

    async def read() -> None:
        async for _ in socket:
            pass

    reading = asyncio.create_task(read())
    stack.callback(reading.cancel)
    return Lecturer(socket, room.deck)


def noted(at: Seat, kind: str) -> list[dict[str, Any]]:
    path = at.folder / "pages" / "ink.json"
    return [one for one in json.loads(path.read_text()) if one["kind"] == kind] if path.exists() else []


def lines(events: list[dict[str, Any]]) -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float]]] = {}
    for event in events:
        found.setdefault(event["stroke"], []).extend(event["points"])
    return found


async def test_all_that_is_drawn_is_seen_with_its_voice_on_a_thin_link(tmp_path: Path) -> None:
    async with lecture_hall(tmp_path) as room, AsyncExitStack() as stack:
        thin = await stack.enter_async_context(seat(room, tmp_path / "thin", down=THIN, up=THIN, camera=False))
        tcp = await stack.enter_async_context(seat(room, tmp_path / "tcp", udp=False, camera=False))
        await until(lambda: thin.hall.view.link is Link.UP and tcp.hall.view.link is Link.UP, "both connected")
        hand = await lecturer(stack, room)
        async with VoicePublisher.publishing(room.lecture):
            room.lecture.turn(room.deck, 1)
            for hall in (thin, tcp):
                await until(lambda hall=hall: hall.hall.view.picture is not None, "page 1", timeout_s=40)  # type: ignore[misc]
            for number in range(STROKES):
                await hand.stroke(f"s{number}", 1, 0.2 + 0.15 * number)
            pointing = asyncio.create_task(hand.point(1))
            for hall in (thin, tcp):
                await until(lambda hall=hall: hall.hall.view.drawing.pointer is not None, "the pointer", timeout_s=40)  # type: ignore[misc]
            pointing.cancel()
            await hand.say(Pointer(room.deck, 1, shown=False))
            await hand.say(Erase(room.deck, 1, "s0"))
            ended_ms = room.lecture.now_ms()
            for hall in (thin, tcp):
                await until(lambda hall=hall: (hall.hall.view.heard_ms or 0) > ended_ms + 500, "heard", timeout_s=40)  # type: ignore[misc]
            for hall in (thin, tcp):
                assert len(hall.hall.view.drawing.strokes) == STROKES - 1
                assert hall.hall.view.drawing.pointer is None
            # Who comes now finds the same picture.
            late = await stack.enter_async_context(seat(room, tmp_path / "late", down=THIN, up=THIN, camera=False))
            expected = thin.hall.view.drawing
            await until(lambda: late.hall.view.drawing == expected, "the late hall sees it too", timeout_s=40)
        await room.lecture.end()
        for hall in (thin, tcp, late):
            assert (await hall.receipt()).complete
    for hall in (thin, tcp):
        ink = noted(hall, "ink")
        assert lines(ink) == hand.drawn
        assert all(event["heard_ms"] >= event["t_ms"] for event in ink)
        late_ms = sorted(event["heard_ms"] - event["t_ms"] for event in ink)
        assert late_ms[-1] <= ON_TIME_MS, late_ms
        assert len(noted(hall, "erase")) == 1
        pointed = noted(hall, "pointer")
        assert not pointed[-1]["shown"]
        assert any(event["shown"] for event in pointed)
        apart_ms = [later["t_ms"] - one["t_ms"] for one, later in itertools.pairwise(pointed) if later["shown"]]
        assert all(apart >= 90 for apart in apart_ms), "more than ten a second"


async def test_an_interpreter_draws_nothing(tmp_path: Path) -> None:
    async with lecture_hall(tmp_path) as room:
        url = f"ws://127.0.0.1:{room.port}/ws/lecturer/{room.relay.lecture_id}"
        async with websockets.connect(url, proxy=None) as socket:
            hello = LecturerHello(PROTOCOL_VERSION, token=room.relay.lecture.interpreter_token, role="interpreter")
            await socket.send(encode(hello))
            assert json.loads(await socket.recv())["kind"] == "welcome"
            for message in (
                Ink(room.deck, 1, "s", ((0.1, 0.1),)),
                Erase(room.deck, 1),
                Pointer(room.deck, 1, 0.5, 0.5),
            ):
                await socket.send(encode(message))
            refused = 0
            async with asyncio.timeout(20):
                while refused < 3:
                    told = json.loads(await socket.recv())
                    if told["kind"] == "error":
                        assert (told["id"], told["fatal"]) == ("role_forbidden", False)
                        refused += 1
        assert not room.lecture.log.read(kinds=[Kind.INK, Kind.POINTER])
