"""Uploading recordings to a relay: real pieces over a line that breaks, real imports in real processes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import random
import zipfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lecture.entries import Entry, Kind, pack_event
from lecture.errors import RefusedError
from lecture.file import LectureFile
from recordings.importing import STALE_S, Imported
from relay import imports
from relay.imports import GATHER_BYTES
from tests import recorded
from tests.network.media_kit import VoicePublisher, until
from tests.network.relays import Served, bearer, served

URL = "/api/library/imports"
OCTETS = {"Content-Type": "application/offset+octet-stream"}


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path / "data", library={"import_mb": 10}) as running:
        yield running


@pytest.fixture
def sound(tmp_path: Path) -> bytes:
    """A lecture file that takes several pieces."""
    path = recorded.write(tmp_path)
    with LectureFile.open(path) as file:
        file.put_blob(random.Random(1).randbytes(4 * GATHER_BYTES), "image/png")
    return path.read_bytes()


async def begin(relay: Served, body: bytes, **more: Any) -> dict[str, Any]:
    facts = {"name": "a.lecture", "size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()} | more
    answer = await relay.http.post(URL, json=facts, headers=relay.staff)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{URL}/{found['upload']}"
    return found


async def send(relay: Served, upload: dict[str, Any], offset: int, piece: Any) -> Any:
    headers = {**relay.staff, **OCTETS, "Upload-Offset": str(offset)}
    return await relay.http.patch(f"{URL}/{upload['upload']}", content=piece, headers=headers)


async def offset_of(relay: Served, upload: dict[str, Any]) -> int:
    answer = await relay.http.head(f"{URL}/{upload['upload']}", headers=relay.staff)
    assert (answer.status_code, answer.headers["upload-length"]) == (200, str(upload["size_bytes"]))
    return int(answer.headers["upload-offset"])


async def finished(relay: Served, upload: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            found: dict[str, Any] = (await relay.http.get(f"{URL}/{upload['upload']}", headers=relay.staff)).json()
            if found["state"] in ("done", "failed"):
                return found
            await asyncio.sleep(0.05)


async def uploaded(relay: Served, body: bytes, **more: Any) -> dict[str, Any]:
    upload = await begin(relay, body, **more)
    assert (await send(relay, upload, 0, body)).status_code == 200
    return await finished(relay, upload)


def left_behind(relay: Served) -> list[str]:
    return [path.name for path in (relay.relay.data_dir / "imports").iterdir()]


async def test_a_broken_upload_goes_on_where_it_was_also_at_a_restarted_relay(tmp_path: Path, sound: bytes) -> None:
    half = len(sound) // 2
    async with served(tmp_path / "data") as relay:
        upload = await begin(relay, sound)
        # A line that breaks within a piece: its head promises all of it.
        head = (
            f"PATCH {URL}/{upload['upload']} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {relay.staff_token}\r\n"
            f"Content-Type: {OCTETS['Content-Type']}\r\nUpload-Offset: 0\r\nContent-Length: {len(sound)}\r\n\r\n"
        )
        _, writer = await asyncio.open_connection("127.0.0.1", relay.http.base_url.port)
        writer.write(head.encode() + sound[:half])
        await writer.drain()
        async with asyncio.timeout(20):
            while await offset_of(relay, upload) < GATHER_BYTES:
                await asyncio.sleep(0.02)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    async with served(tmp_path / "data") as relay:
        again = await begin(relay, sound)
        here = again["received_bytes"]
        assert (again["upload"], again["state"]) == (upload["upload"], "receiving")
        assert GATHER_BYTES <= here <= half
        assert here == await offset_of(relay, again)
        answer = await send(relay, again, here - 1, sound[here - 1 :])
        assert (answer.status_code, answer.json()["error"]["id"]) == (409, "upload_offset_wrong")
        assert (await send(relay, again, here, sound[here:])).status_code == 200
        done = await finished(relay, again)
        assert (done["state"], done["error"], done["progress"]) == ("done", None, 1)
        assert [(one["lecture"], one["title"], one["result"]) for one in done["lectures"]] == [
            (recorded.LECTURE, "Pricing", "new")
        ]
        assert left_behind(relay) == []
        listed = (await relay.http.get("/library?format=json&q=Pricing", headers=relay.staff)).json()
        assert [one["id"] for one in listed["lectures"]] == [recorded.LECTURE]
        replay = await relay.http.get(f"/library/{recorded.LECTURE}/replay.json")
        assert (replay.status_code, len(replay.json()["pages"])) == (200, 3)
        # The same again, in a pack's zip, while the relay has the lecture open: it is one.
        await relay.relay.open_lecture(recorded.LECTURE)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as pack:
            pack.writestr("pack/a.lecture", sound)
            pack.writestr("pack/SHA256SUMS", f"{hashlib.sha256(sound).hexdigest()}  a.lecture\n")
        done = await uploaded(relay, packed.getvalue(), name="../../pack.zip")
        assert [one["result"] for one in done["lectures"]] == ["unchanged"], done
        assert left_behind(relay) == []


async def test_an_import_whose_child_a_stopping_system_ends_begins_anew(
    relay: Served, sound: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "RETRY_S", 0.05)
    start, ended = asyncio.create_subprocess_exec, []

    async def started(*words: Any, **options: Any) -> Process:
        process = await start(*words, **options)
        if "recordings.import_worker" in words and not ended:
            ended.append(process.pid)
            process.terminate()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", started)
    done = await uploaded(relay, sound)
    assert (done["state"], done["error"], len(ended)) == ("done", None, 1)


async def test_what_cannot_be_imported_says_why_and_leaves_nothing(relay: Served, tmp_path: Path) -> None:
    sound = recorded.write(tmp_path).read_bytes()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("../../lectures/x.lecture", sound)
    with LectureFile.open(tmp_path / f"{recorded.LECTURE}.lecture") as file:
        file.set_meta("lecture", "../x")
        file.finish()
    named = (tmp_path / f"{recorded.LECTURE}.lecture").read_bytes()
    for body, more, error_id in (
        (sound, {"sha256": "0" * 64}, "upload_hash_wrong"),
        (out.getvalue(), {}, "import_zip_unsafe"),
        (named, {}, "import_id_invalid"),
        (b"%PDF-1.7", {}, "not_a_lecture_file"),
    ):
        done = await uploaded(relay, body, **more)
        assert (done["state"], done["error"]["id"], done["lectures"]) == ("failed", error_id, [])
    assert left_behind(relay) == []
    assert list((relay.relay.data_dir / "lectures").iterdir()) == []
    upload = await begin(relay, b"four")
    answer = await send(relay, upload, 0, b"more than four")
    assert (answer.status_code, answer.json()["error"]["id"]) == (413, "upload_too_long")
    assert (await relay.http.delete(f"{URL}/{upload['upload']}", headers=relay.staff)).status_code == 204
    assert left_behind(relay) == []


async def test_only_staff_may_and_only_so_much(relay: Served) -> None:
    facts = {"name": "a", "size_bytes": 4, "sha256": "1" * 64}
    upload = await begin(relay, b"four")
    for headers in ({}, relay.lecturer, bearer(relay.hall_token)):
        assert (await relay.http.post(URL, json=facts, headers=headers)).status_code == 401
        for method in ("GET", "PATCH", "DELETE"):
            answer = await relay.http.request(method, f"{URL}/{upload['upload']}", headers={**headers, **OCTETS})
            assert answer.status_code == 401
    for changed, status, error_id in (
        ({"size_bytes": 10_000_001}, 413, "import_too_large"),
        ({"size_bytes": 0}, 422, "upload_invalid"),
        ({"sha256": "../x"}, 422, "upload_invalid"),
    ):
        answer = await relay.http.post(URL, json=facts | changed, headers=relay.staff)
        assert (answer.status_code, answer.json()["error"]["id"]) == (status, error_id)
    for number in range(7):
        await begin(relay, b"four", sha256=f"{number}" * 64)
    answer = await relay.http.post(URL, json=facts | {"sha256": "e" * 64}, headers=relay.staff)
    assert (answer.status_code, answer.json()["error"]["id"]) == (503, "imports_full")
    assert (await relay.http.get(f"{URL}/..%2Fx", headers=relay.staff)).status_code == 404


async def test_a_lecture_that_begins_while_its_import_waits_for_its_turn_goes_on(relay: Served) -> None:
    take = relay.relay.librarian.take
    at_work, done = asyncio.Event(), asyncio.Event()

    async def other(_: Path) -> Imported:
        at_work.set()
        await done.wait()
        raise RefusedError("no_such_file", "It is none.", 409)

    async def this(_: Path) -> Imported:
        raise AssertionError("the lecture's file is written to")

    first = asyncio.create_task(take("other", other))
    await at_work.wait()
    second = asyncio.create_task(take(relay.lecture_id, this))
    lecture = await relay.relay.open_lecture(relay.lecture_id)
    lecture._media_came()
    done.set()
    for task, error_id in ((first, "no_such_file"), (second, "lecture_live")):
        with pytest.raises(RefusedError) as refused:
            await task
        assert refused.value.error_id == error_id
    assert relay.relay.directory.get(relay.lecture_id) is lecture
    assert not lecture.shutting


async def test_an_import_of_a_live_lecture_waits_for_its_end(
    relay: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came over a thin line is not sent again: a hall's copy may come before the lecture has ended."""
    monkeypatch.setattr(imports, "RETRY_S", 0.05)
    lecture = await relay.relay.open_lecture("waves")
    async with VoicePublisher.publishing(lecture):
        await until(lambda: lecture.state == "live", "it is live")
    copy = tmp_path / "hall.lecture"
    with LectureFile.create(copy, {"lecture": "waves", "role": "hall"}) as file:
        file.append(Entry(Kind.MARK, 500, pack_event({"text": "of the hall's copy alone"})), origin_seq=1 << 50)
        file.finish()
    body = copy.read_bytes()
    upload = await begin(relay, body)
    assert (await send(relay, upload, 0, body)).status_code == 200

    async def shown() -> dict[str, Any]:
        found: dict[str, Any] = (await relay.http.get(f"{URL}/{upload['upload']}", headers=relay.staff)).json()
        return found

    async with asyncio.timeout(30):
        while (found := await shown())["error"] is None:
            await asyncio.sleep(0.02)
    assert (found["state"], found["error"]["id"]) == ("waiting", "lecture_live")
    assert left_behind(relay) == [upload["upload"]]
    assert relay.relay.directory.get("waves") is lecture, "the lecture goes on"
    assert not lecture.shutting
    await relay.relay.end_lecture("waves")
    done = await finished(relay, upload)
    assert (done["state"], done["error"], [one["result"] for one in done["lectures"]]) == ("done", None, ["merged"])
    with LectureFile.open(relay.relay.data_dir / "lectures" / "waves.lecture", readonly=True) as file:
        assert [entry.t_ms for entry in file.read(kinds={Kind.MARK})] == [500]


@pytest.mark.parametrize("when", ["at the start", "while the relay runs"])
async def test_what_nobody_finishes_is_removed_after_a_day(
    tmp_path: Path, sound: bytes, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    async with served(tmp_path / "data") as relay:
        old, young = await begin(relay, sound), await begin(relay, sound, damaged=True)
        for upload in (old, young):
            assert (await send(relay, upload, 0, sound[:1000])).status_code == 200
        if when == "while the relay runs":
            monkeypatch.setattr(imports, "_SWEEP_EVERY_S", 0.05)
            relay.relay.imports.get(old["upload"]).touched_at -= STALE_S + 1
            # A sweep waits for its turn; whatever is asked of the imports brings it about.
            relay.relay.imports._asked.set()
            await until(lambda: left_behind(relay) == [young["upload"]], "it is removed")
            assert (await relay.http.get(f"{URL}/{old['upload']}", headers=relay.staff)).status_code == 404
    if when == "at the start":
        (body,) = [path for path in (tmp_path / "data" / "imports" / old["upload"]).iterdir() if path.suffix != ".json"]
        an_age_ago = body.stat().st_mtime - STALE_S - 1
        os.utime(body, (an_age_ago, an_age_ago))
        async with served(tmp_path / "data") as relay:
            await until(lambda: left_behind(relay) == [young["upload"]], "it is removed")
            assert (await relay.http.get(f"{URL}/{old['upload']}", headers=relay.staff)).status_code == 404
            assert await offset_of(relay, young) == 1000
