"""A running relay whose finished recordings lie in object storage, which comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import obstore
import pytest

from lecture.errors import HallcastError
from lecture.file import LectureFile
from recordings.files import sha256_of
from relay import librarian, store_keeper
from tests import recorded, s3
from tests.network.relays import served
from tests.network.test_http_imports import uploaded
from tests.network.test_http_library import until

NAME = recorded.LECTURE
KEY = f"hallcast/lectures/{NAME}.lecture"


class Door:
    """A way to a server that can be shut: then nobody answers at its address."""

    def __init__(self, url: str) -> None:
        self._there = httpx.URL(url)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._port = 0

    async def open(self) -> str:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{self._port}"

    async def shut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(self._there.host, self._there.port)
        both = {writer, there_writer}
        self._writers |= both
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        self._writers -= both


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[s3.S3Server]:
    for name, value in s3.KEYS.items():
        monkeypatch.setenv(name, value)
    for name in ("RETRY_S", "RETRY_MOST_S", "LOOK_S"):
        monkeypatch.setattr(store_keeper, name, 0.1)
    for name in ("ROUND_S", "SCAN_PAUSE_S"):
        monkeypatch.setattr(librarian, name, 0.1)
    with s3.served(tmp_path / "s3.log") as running:
        yield running


async def test_a_recording_goes_to_the_storage_and_comes_back_whether_that_is_there_or_not(
    tmp_path: Path, server: s3.S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data" / "lectures").mkdir(parents=True)
    path = recorded.write(tmp_path / "data" / "lectures")
    was = sha256_of(path)
    door = Door(server.url)
    server = replace(server, url=await door.open())
    await door.shut()
    library = {**server.settings, "local_mb": 0.001}
    async with served(tmp_path / "data", library=library) as relay:
        keeper = relay.relay.librarian.keeper
        assert keeper is not None

        async def facts() -> dict[str, str | int]:
            told: dict[str, str | int] = (await relay.http.get("/api/library", headers=relay.staff)).json()["remote"]
            return told

        async def replay() -> tuple[int, str]:
            answer = await relay.http.get(f"/library/{NAME}/replay.json")
            if answer.status_code == 503:
                assert answer.headers["retry-after"]
            return answer.status_code, "" if answer.is_success else answer.json()["error"]["id"]

        async def told() -> bool:
            now = await facts()
            return now["waiting"] == 1 and "object storage" in str(now["trouble"])

        async def only_there() -> bool:
            return not path.exists() and await asyncio.to_thread(server.listed) == [KEY]

        await until(told, "staff see that the storage is away")
        assert await replay() == (200, "")

        await door.open()
        await until(only_there, "it is made up for, and the local file is dropped")
        assert await facts() == {"waiting": 0, "trouble": ""}
        assert relay.relay.librarian.storage is not None
        assert relay.relay.librarian.storage.missing == ()

        await door.shut()
        # A repair, or anything else that opens the lecture, begins no empty file in its place.
        assert (await relay.http.post(f"/api/lectures/{NAME}/end", headers=relay.staff)).status_code == 503
        assert not path.exists()
        assert await replay() == (503, "recording_fetching")

        keeper._local_bytes = 0  # from here on all stays
        await door.open()

        async def replayed() -> bool:
            return (await replay())[0] == 200

        await until(replayed, "the recording is fetched and replayed")
        assert sha256_of(path) == was
    await door.shut()
    assert s3.KEYS["AWS_SECRET_ACCESS_KEY"] not in caplog.text


def put(server: s3.S3Server, name: str, body: bytes, sha256: str) -> None:
    """Have an object in the bucket, whose uploader told this SHA-256."""
    key = f"hallcast/lectures/{name}.lecture"
    obstore.put(server.bucket, key, body, attributes={"sha256": sha256}, use_multipart=False)


async def test_one_recording_that_is_damaged_there_holds_up_no_other(tmp_path: Path, server: s3.S3Server) -> None:
    (tmp_path / "data" / "lectures").mkdir(parents=True)
    recorded.write(tmp_path / "data" / "lectures")
    # Nobody here knows it, so that it is fetched for its words; and it comes first in every order.
    await asyncio.to_thread(put, server, "aaa", b"bitten", "ab" * 32)
    async with served(tmp_path / "data", library=server.settings) as relay:
        librarian = relay.relay.librarian

        async def arrived() -> bool:
            return KEY in await asyncio.to_thread(server.listed)

        await until(arrived, "the recording that is here is uploaded")

        async def told() -> bool:
            return librarian.storage is not None and librarian.storage.damaged == ("aaa",)

        await until(told, "staff are told of the other one")
        assert librarian.keeper is not None
        assert librarian.keeper.trouble == ""


async def test_what_is_found_damaged_there_is_checked_and_not_fetched_again_and_again(
    tmp_path: Path, server: s3.S3Server
) -> None:
    (tmp_path / "data" / "lectures").mkdir(parents=True)
    path = recorded.write(tmp_path / "data" / "lectures")
    sha256, size = sha256_of(path), path.stat().st_size
    library = {**server.settings, "local_mb": 0.001, "scan_days": 0.0}
    async with served(tmp_path / "data", library=library):

        async def only_there() -> bool:
            return not path.exists()

        await until(only_there, "the recording lies in the storage alone")
    await asyncio.to_thread(put, server, NAME, b"x" * size, sha256)
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "catalogue.db", isolation_level=None)) as db:
        db.execute("UPDATE lecture_files SET scanned_at = NULL")  # the check before the upload was long ago
    async with served(tmp_path / "data", library={**library, "scan_days": 30.0}) as relay:

        async def checked() -> bool:
            found = (await relay.http.get("/library?format=json", headers=relay.staff)).json()["lectures"]
            return [bool(one["scan_problems"] and one["scanned_at"]) for one in found if one["id"] == NAME] == [True]

        await until(checked, "it is known to be checked")


async def test_two_who_want_the_same_recording_get_it(tmp_path: Path, server: s3.S3Server) -> None:
    (tmp_path / "data" / "lectures").mkdir(parents=True)
    path = recorded.write(tmp_path / "data" / "lectures")
    was = sha256_of(path)
    library = {**server.settings, "local_mb": 0.001, "scan_days": 0.0}
    async with served(tmp_path / "data", library=library) as relay:
        keeper = relay.relay.librarian.keeper
        assert keeper is not None

        async def only_there() -> bool:
            return not path.exists()

        await until(only_there, "the recording lies in the storage alone")
        keeper._local_bytes = 0  # from here on all stays
        found = await asyncio.gather(*(keeper.fetch(NAME) for _ in range(4)), return_exceptions=True)
        assert [one.text for one in found if isinstance(one, HallcastError)] == []
        assert found == [None] * 4
        assert sha256_of(path) == was


async def test_a_damaged_file_replaces_no_sound_copy(tmp_path: Path, server: s3.S3Server) -> None:
    """Damage that opening does not meet, in a file that has just been changed: only a check finds it."""
    (tmp_path / "data" / "lectures").mkdir(parents=True)
    path = recorded.write(tmp_path / "data" / "lectures")
    was = sha256_of(path)
    async with served(tmp_path / "data", library=server.settings) as relay:
        keeper = relay.relay.librarian.keeper
        assert keeper is not None

        async def uploaded() -> bool:
            return await asyncio.to_thread(server.listed) == [KEY] and keeper.waiting == 0

        await until(uploaded, "it is uploaded")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("UPDATE entries SET payload = x'00' WHERE kind = 1 AND t_ms = 0")

        relay.relay.librarian.changed()  # it would see it by itself within a minute

        async def damage_is_told() -> bool:
            return (await relay.http.get("/api/live", headers=relay.staff)).json()["library"]["damaged"] == 1

        await until(damage_is_told, "the check before the upload finds it")
        found = await asyncio.to_thread(lambda: obstore.get(server.bucket, KEY).bytes())
        assert hashlib.sha256(bytes(found)).hexdigest() == was


async def test_a_lecture_is_deleted_with_its_exports_and_restored_while_the_storage_is_away(
    tmp_path: Path, server: s3.S3Server
) -> None:
    (tmp_path / "data" / "lectures").mkdir(parents=True)
    path = recorded.write(tmp_path / "data" / "lectures")
    door = Door(server.url)
    server = replace(server, url=await door.open())
    async with served(tmp_path / "data", library=server.settings) as relay:

        async def uploaded() -> bool:
            return await asyncio.to_thread(server.listed) == [KEY]

        await until(uploaded, "it is uploaded")
        order = {"to": "pdf"}
        asked = await relay.http.post(f"/library/{NAME}/exports", json=order, headers=relay.staff)
        assert asked.is_success, asked.text
        await door.shut()
        deleted = await relay.http.delete(f"/api/library/lectures/{NAME}", headers=relay.staff)
        assert deleted.status_code == 200, deleted.text
        assert relay.relay.exports.jobs(NAME) == []
        assert not path.exists()
        assert (await relay.http.post(f"/api/library/bin/{NAME}/restore", headers=relay.staff)).status_code == 204
        assert path.exists()


async def test_an_upload_by_staff_is_merged_into_what_lies_in_the_storage_alone(
    tmp_path: Path, server: s3.S3Server
) -> None:
    (tmp_path / "data" / "lectures").mkdir(parents=True)
    path = recorded.write(tmp_path / "data" / "lectures")
    part = tmp_path / "part.lecture"
    shutil.copyfile(path, part)
    with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as db:
        db.execute("DELETE FROM entries WHERE t_ms >= 3000")
    async with served(tmp_path / "data", library={**server.settings, "local_mb": 0.001}) as relay:

        async def only_there() -> bool:
            return not path.exists() and await asyncio.to_thread(server.listed) == [KEY]

        await until(only_there, "it lies in the storage alone")
        done = await uploaded(relay, part.read_bytes())
        assert (done["state"], [one["result"] for one in done["lectures"]]) == ("done", ["unchanged"]), done
        await until(only_there, "and lies there again")
    found = await asyncio.to_thread(lambda: obstore.get(server.bucket, KEY).bytes())
    part.write_bytes(bytes(found))
    with LectureFile.open(part, readonly=True) as file:
        assert file.verify().duration_ms == recorded.VOICE_MS
