from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests import pdfs
from tests.network.media_kit import VoicePublisher
from tests.network.peers import until
from tests.network.relays import Served, bearer, served


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path / "data", media={"deck_max_pages": 20, "deck_max_bytes": 300_000}) as running:
        yield running


async def put(relay: Served, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    answer = await relay.http.put(
        "/lectures/waves/deck?title=My%20deck", content=body, headers={**pdfs.PDF_TYPE, **relay.lecturer, **headers}
    )
    return answer.status_code, answer.json()


async def test_a_deck_is_taken_and_its_pages_come(relay: Served) -> None:
    deck = pdfs.blank(2)
    status, facts = await put(relay, deck)
    assert status == 202
    again = await relay.http.put("/lectures/waves/deck", content=deck, headers={**pdfs.PDF_TYPE, **relay.staff})
    assert (again.status_code, again.json()) == (202, facts)
    async with relay.socket("/ws/lecturer/waves") as ws:
        await ws.send(json.dumps({"kind": "hello", "v": "1.0", "token": relay.lecture.lecturer_token}))
        pages = set[int]()
        async with asyncio.timeout(30):
            while len(pages) < 2:
                message = json.loads(await ws.recv())
                fields = message.get("fields", {})
                if message["kind"] == "entry" and "digest" in fields:
                    assert fields["deck"] == facts["deck"]
                    pages.add(fields["page"])
                    image = await relay.http.get(f"/library/waves/blob/{fields['digest']}", headers=relay.lecturer)
                    assert image.status_code == 200
    await until(lambda: not leftovers(relay), 20)


def leftovers(relay: Served) -> list[Path]:
    return [path for path in relay.relay.cache_dir.iterdir() if path.name.startswith("upload-")]


@pytest.mark.parametrize(
    ("body", "headers", "status", "error_id"),
    [
        (b"", {}, 415, "deck_not_pdf"),
        (b"not a pdf at all", {}, 415, "deck_not_pdf"),
        (b"\x89PNG\r\n" + b"\0" * 5000, {}, 415, "deck_not_pdf"),
        (b" " * 2000 + b"%PDF-1.7", {}, 415, "deck_not_pdf"),
        (b"%PDF-1.7" + b"\0" * 400_000, {}, 413, "deck_too_large"),
        (b"%PDF-1.7", {"Content-Type": "text/html"}, 415, "content_type_unsupported"),
    ],
)
async def test_what_is_no_deck_is_refused_and_the_lecture_goes_on(
    relay: Served, body: bytes, headers: dict[str, str], status: int, error_id: str
) -> None:
    refused, facts = await put(relay, body, **headers)
    assert (refused, facts["error"]["id"]) == (status, error_id)
    assert not leftovers(relay)
    assert (await put(relay, pdfs.blank(1)))[0] == 202


@pytest.mark.parametrize(
    ("body", "error_id"),
    [
        (pdfs.blank(21), "deck_too_many_pages"),
        (b"%PDF-1.7\n" + b"broken " * 1000, "deck_not_pdf"),
    ],
    ids=["too many pages", "broken"],
)
async def test_what_rendering_finds_is_told_to_the_lecturer(relay: Served, body: bytes, error_id: str) -> None:
    async with relay.socket("/ws/lecturer/waves") as ws:
        await ws.send(json.dumps({"kind": "hello", "v": "1.0", "token": relay.lecture.lecturer_token}))
        status, facts = await put(relay, body)
        if status == 202:
            async with asyncio.timeout(30):
                while (message := json.loads(await ws.recv()))["kind"] != "error":
                    pass
            assert (message["id"], message["fatal"]) == (error_id, False)
        else:
            assert facts["error"]["id"] == error_id
    assert (await relay.http.get("/api/lectures/waves", headers=relay.staff)).status_code == 200


@pytest.mark.realtime
async def test_a_deck_that_takes_for_ever_is_given_up_and_holds_up_no_voice(tmp_path: Path) -> None:
    endless = pdfs.pdf(["/X107 Do"] * 3, objects=pdfs.endless_forms())
    async with served(tmp_path / "data", media={"deck_timeout_s": 1.0}) as relay:
        lecture = await relay.relay.open_lecture("waves")

        def voice() -> dict[str, int]:
            return dict(lecture.snapshot()["voices"]["en"])

        async with VoicePublisher.publishing(lecture), relay.socket("/ws/lecturer/waves") as ws:
            await ws.send(json.dumps({"kind": "hello", "v": "1.0", "token": relay.lecture.lecturer_token}))
            await until(lambda: voice()["recorded_end_ms"] > 0)
            status, facts = await put(relay, endless)
            assert status == 202
            async with asyncio.timeout(30):
                while (message := json.loads(await ws.recv()))["kind"] != "error":
                    pass
            assert (message["id"], message["fatal"]) == ("deck_render_timeout", False)
            told_ms = lecture.now_ms()
            await until(lambda: voice()["recorded_end_ms"] > told_ms)
            assert voice()["missing_ms"] == 0
            assert lecture.snapshot()["deck"]["troubles"] == {facts["deck"]: "deck_render_timeout"}
            await until(lambda: not list((tmp_path / "data").rglob("*.pdf")))  # it is not tried again
            assert (await put(relay, pdfs.blank(1)))[0] == 202, "the next one is taken"


async def test_a_deck_cut_short_leaves_nothing_behind(relay: Served) -> None:
    head = (
        "PUT /lectures/waves/deck HTTP/1.1\r\nHost: x\r\nContent-Type: application/pdf\r\nContent-Length: 5000\r\n"
        f"Authorization: Bearer {relay.lecture.lecturer_token}\r\n\r\n%PDF-1.7"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", relay.server.port)
    writer.write(head.encode())
    await until(lambda: leftovers(relay))
    writer.transport.abort()
    await until(lambda: not leftovers(relay))


async def test_more_uploads_than_allowed_are_told_to_come_back(tmp_path: Path) -> None:
    async with served(tmp_path / "data", limits={"deck_uploads": 0}) as relay:
        status, facts = await put(relay, pdfs.blank(1))
        assert (status, facts["error"]["id"]) == (503, "overloaded")


async def test_uploads_that_a_killed_relay_left_are_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / "data" / "cache" / "upload-left"
    left.mkdir(parents=True)
    (left / "deck.pdf").write_bytes(b"%PDF-")
    async with served(tmp_path / "data") as relay:
        assert not leftovers(relay)


async def test_a_lecturer_may_not_send_a_deck_to_another_lecture(relay: Served) -> None:
    other = await relay.relay.create_lecture("Tides", lecture_id="tides")
    headers = {**pdfs.PDF_TYPE, **bearer(other.lecturer_token)}
    assert (await relay.http.put("/lectures/waves/deck", content=pdfs.blank(1), headers=headers)).status_code == 401
