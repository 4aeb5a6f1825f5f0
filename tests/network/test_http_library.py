"""A running relay and its library: searching, what staff do, what goes on by itself."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio

from lecture.entries import Entry, Kind, pack_event
from lecture.file import LectureFile
from recordings.importing import Imported
from relay import librarian
from relay.app import Relay
from relay.signalling.server import RelayServer
from tests import catalogues, recorded
from tests.network.relays import Served, bearer, config_for, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME = recorded.LECTURE


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded.write(tmp_path_factory.mktemp("recording"))


@pytest.fixture
def data(tmp_path: Path, recording: Path) -> Path:
    """A data folder with a recording and no catalogue."""
    (tmp_path / "data" / "lectures").mkdir(parents=True)
    shutil.copy(recording, tmp_path / "data" / "lectures")
    return tmp_path / "data"


@pytest_asyncio.fixture(loop_scope="module")
async def relay(data: Path) -> AsyncIterator[Served]:
    async with served(data) as running:
        await until(lambda: listed(running, q="질문"), "the recording is in the index")
        yield running


async def listed(relay: Served, headers: dict[str, str] | None = None, **query: str) -> list[dict[str, Any]]:
    answer = await relay.http.get("/library", params={"format": "json", **query}, headers=headers)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["lectures"]
    return found


async def until(check: Callable[[], Awaitable[object]], what: str) -> None:
    """Wait for something to be true.

    :raises AssertionError: naming what did not come about.
    """
    try:
        async with asyncio.timeout(60):
            while not await check():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not so: {what}") from None


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["id"]


async def test_recordings_without_a_catalogue_are_listed_searched_and_replayed(relay: Served) -> None:
    (found,) = await listed(relay, q="질문")
    assert (found["id"], found["hits"][0]["moments"], found["hits"][0]["page"]) == (NAME, [1500], 2)
    assert "file_bytes" not in found
    assert (await relay.http.get(f"/library/{NAME}/replay.json")).status_code == 200
    assert await listed(relay, q="질문", course="Business 1", until="2026-03-01") == [found]
    assert await listed(relay, q="질문", until="2026-02-28") == []
    shown = (await relay.http.get(f"/api/lectures/{NAME}", headers=relay.staff)).json()
    assert (shown["hall_code"], shown["state"]) == ("", "ended")
    for wrong in ({"q": "x" * 300}, {"page": "0"}, {"page": "x"}, {"from": "yesterday"}):
        refused = await relay.http.get("/library", params={"format": "json", **wrong})
        assert error_of(refused) == (422, "query_invalid")


async def test_a_lecture_is_found_by_its_words_soon_after_its_end(relay: Served) -> None:
    lecture = await relay.relay.open_lecture("waves")
    deck = {"deck": "d", "title": "D", "page_count": 1, "pages": [{"page": 1, "title": "파동의 간섭", "text": ""}]}
    lecture.log.append(Entry(Kind.DECK, 0, pack_event(deck)))
    lecture.log.append(Entry(Kind.TURN, 700, pack_event({"deck": "d", "page": 1})))
    assert await listed(relay, q="간섭") == []
    await relay.relay.end_lecture("waves")
    await until(lambda: listed(relay, q="간섭"), "its page is in the index")
    (found,) = await listed(relay, q="간섭 waves")
    assert found["hits"][0]["moments"] == [700]


async def test_staff_change_delete_restore_and_purge(relay: Served, data: Path) -> None:
    staff, change = relay.staff, {"title": "값", "tags": ["시장"], "series": "봄", "keep": "for_ever"}
    assert (await relay.http.get("/api/library")).status_code == 401
    assert (await relay.http.get("/library?format=json", headers=bearer("wrong"))).status_code == 401
    changed = await relay.http.patch(f"/api/lectures/{NAME}", json=change, headers=staff)
    assert (changed.status_code, changed.json()["tags"]) == (200, ["시장"])
    with LectureFile.open(data / "lectures" / f"{NAME}.lecture", readonly=True) as file:
        assert (file.get_meta("title"), file.get_meta("keep")) == ("값", "forever")
    (found,) = await listed(relay, staff, tag="시장", series="봄")
    assert (found["keep_forever"], found["missing"], found["trouble"]) == (True, False, "")
    assert found["missing_ms"] == recorded.HOLE_MS[1] - recorded.HOLE_MS[0]
    for wrong in ({"tags": ["a,b"]}, {"tags": ["a", "a"]}, {"series": "\n"}):
        assert (await relay.http.patch(f"/api/lectures/{NAME}", json=wrong, headers=staff)).status_code == 422

    deleted = await relay.http.delete(f"/api/library/lectures/{NAME}", headers=staff)
    assert deleted.status_code == 200
    assert (data / "recycle" / f"{NAME}.lecture").is_file()
    assert await listed(relay, staff) == []
    assert (await relay.http.get(f"/library/{NAME}/replay.json")).status_code == 401
    assert (await relay.http.get(f"/api/lectures/{NAME}", headers=staff)).status_code == 404
    recycled = (await relay.http.get("/api/library/bin", headers=staff)).json()["lectures"]
    assert [one["lecture"] for one in recycled] == [NAME]
    assert (await relay.http.post(f"/api/library/bin/{NAME}/restore", headers=staff)).status_code == 204
    assert len(await listed(relay, q="질문")) == 1
    assert (await relay.http.get("/api/library", headers=staff)).json()["storage"]["incomplete"] == [NAME]
    refused = await relay.http.delete(f"/api/library/bin/{NAME}", headers=staff)
    assert error_of(refused) == (409, "not_recycled")
    await relay.http.delete(f"/api/library/lectures/{NAME}", headers=staff)
    assert (await relay.http.delete(f"/api/library/bin/{NAME}", headers=staff)).status_code == 204
    assert list((data / "recycle").iterdir()) == []


async def test_a_lecture_that_is_open_is_closed_before_its_file_moves_and_a_live_one_stays(
    relay: Served, data: Path
) -> None:
    lecture = await relay.relay.open_lecture("waves")
    lecture.log.append(Entry(Kind.MARK, 0, pack_event({"text": "x"})))
    lecture._media_came()
    refused = await relay.http.delete("/api/library/lectures/waves", headers=relay.staff)
    assert error_of(refused) == (409, "lecture_live")
    await relay.http.post("/api/library/bin/waves/restore", headers=relay.staff)
    refused = await relay.http.delete("/api/library/bin/waves", headers=relay.staff)
    assert error_of(refused) == (409, "not_recycled")
    assert relay.relay.directory.get("waves") is lecture
    assert not lecture.shutting
    await relay.relay.end_lecture("waves")
    assert (await relay.http.delete("/api/library/lectures/waves", headers=relay.staff)).status_code == 200
    assert lecture.closed.is_set()
    assert [path.name for path in (data / "recycle").iterdir()] == ["waves.lecture"]
    joined = await relay.http.post("/join", json={"code": relay.hall_code})
    assert joined.status_code == 403


async def test_a_check_gives_way_to_who_opens_the_lecture_and_waits_until_it_is_closed(relay: Served) -> None:
    relay_, librarian_ = relay.relay, relay.relay.librarian
    check = asyncio.create_task(librarian_._check_now(NAME))
    async with asyncio.timeout(20):
        while not librarian_._checks:
            await asyncio.sleep(0)
    await relay_.open_lecture(NAME)
    assert await check is None
    assert await librarian_._check_now(NAME) is None
    await relay_.directory.close(NAME)
    assert await librarian_._check_now(NAME) is True


async def test_a_check_gives_way_to_who_changes_a_recording_when_his_turn_comes(relay: Served, data: Path) -> None:
    librarian_ = relay.relay.librarian
    record = dataclasses.replace(await relay.relay.record(NAME), title="Changed")
    await asyncio.to_thread(librarian_._shelf.catalogue.update, NAME, lambda _: record)
    async with librarian_._busy:  # as an import holds it
        change = librarian_.remembering(record)
        check = asyncio.create_task(librarian_._check_now(NAME))
        async with asyncio.timeout(20):
            while not librarian_._checks:
                await asyncio.sleep(0)
    await change
    assert await check is None
    with LectureFile.open(data / "lectures" / f"{NAME}.lecture", readonly=True) as file:
        assert file.get_meta("title") == "Changed"
    checked: list[bool | None] = []

    async def place(path: Path) -> Imported:
        checked.append(await librarian_._check_now(NAME))
        return Imported(path.name, NAME, "Changed", "unchanged")

    await librarian_.take(NAME, place)
    assert checked == [None]
    assert await librarian_._check_now(NAME) is True


async def test_a_live_lecture_without_catalogue_goes_on_with_a_new_hall_code(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with served(data) as relay:
        lecture = await relay.relay.open_lecture("waves")
        lecture._media_came()
        lecturer, old_code = relay.lecturer, relay.hall_code
    for path in data.glob("catalogue.db*"):
        path.unlink()
    async with served(data) as again:
        record = await again.relay.record("waves")
        assert (record.state, record.title, record.languages) == ("live", "Waves", ("en", "ko"))
        assert record.hall_code not in ("", old_code)
        assert (await again.http.post("/join", json={"code": record.hall_code})).status_code == 200
        blob = await again.http.get(f"/library/waves/blob/{'0' * 64}", headers=lecturer)
        assert error_of(blob) == (404, "page_missing")


async def test_damage_and_loss_reach_console_metrics_and_library(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(librarian, "SCAN_PAUSE_S", 0.05)
    monkeypatch.setattr(librarian, "ROUND_S", 0.05)
    db = sqlite3.connect(data / "lectures" / f"{NAME}.lecture")
    with db:
        db.execute("UPDATE entries SET payload = x'00' WHERE kind = 1 AND t_ms = 0")
    db.close()
    async with served(data) as relay:

        async def counts() -> object:
            return (await relay.http.get("/api/live", headers=relay.staff)).json()["library"]

        async def damage_is_told() -> bool:
            return await counts() == {"damaged": 1, "missing": 0}

        await until(damage_is_told, "the check found the damage")
        (found,) = await listed(relay, relay.staff)
        assert "CRC" in found["scan_problems"][0]
        (data / "lectures" / f"{NAME}.lecture").unlink()

        async def loss_is_told() -> bool:
            return await counts() == {"damaged": 0, "missing": 1}

        await until(loss_is_told, "a round missed the file")
        assert await listed(relay) == []
        assert (await listed(relay, relay.staff))[0]["missing"] is True
        metrics = (await relay.http.get("/metrics")).text
        assert "hallcast_library_missing 1.0" in metrics
        assert "hallcast_library_damaged 0.0" in metrics


async def test_a_relay_with_its_catalogue_on_postgresql(data: Path) -> None:
    programs = catalogues.postgres_programs()
    if programs is None:
        pytest.skip("Debian's package postgresql is not installed")
    with catalogues.postgres(programs) as url:
        config = config_for(data, data={"catalogue_url": url}, access={"join_failures": 3})
        async with Relay(config) as relay, RelayServer(relay) as server:
            handout = await relay.create_lecture("Waves", lecture_id="waves")
            async with httpx.AsyncClient(base_url=server.local_url, trust_env=False, timeout=20) as http:
                served_here = Served(relay, server, http, handout)
                await until(lambda: listed(served_here, q="질문"), "the recording is in the index")
                joined = await http.post("/join", json={"code": handout.record.hall_code})
                assert joined.status_code == 200
                # Who guesses faster than the server answers gets no more guesses by that.
                wrong = [f"{letter}CDE-2345" for letter in "CDEFGHJKMN"]
                answers = await asyncio.gather(*(http.post("/join", json={"code": code}) for code in wrong))
                assert sorted(answer.status_code for answer in answers) == [403] * 3 + [429] * 7
        async with Relay(config) as again:
            assert (await again.record("waves")).hall_code == handout.record.hall_code
    assert not (data / "catalogue.db").exists()


async def test_the_library_goes_on_after_a_round_that_failed(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(librarian, "ROUND_S", 0.1)
    async with served(data) as relay:
        await until(lambda: listed(relay, q="질문"), "the recording is in the index")

        def have(languages: str) -> None:
            with contextlib.closing(sqlite3.connect(data / "catalogue.db", isolation_level=None)) as db:
                db.execute("UPDATE lectures SET languages = ? WHERE lecture_id = ?", (languages, NAME))

        async def failed() -> bool:
            return "a round of the library failed" in caplog.text

        have("no list")  # somebody's hand
        await until(failed, "no round can be done")
        have('["en"]')
        shutil.copy(data / "lectures" / f"{NAME}.lecture", data / "lectures" / "another.lecture")

        async def both() -> bool:
            return len(await listed(relay, q="질문")) == 2

        await until(both, "a recording that was put there since is in the index")


async def test_a_catalogue_that_does_not_answer_holds_up_no_lecture(data: Path) -> None:
    programs = catalogues.postgres_programs()
    if programs is None:
        pytest.skip("Debian's package postgresql is not installed")
    with (
        catalogues.postgres(programs) as url,
        psycopg.connect(url) as other,
        psycopg.connect(url, autocommit=True) as watching,
    ):
        async with served(data, data={"catalogue_url": url}) as relay:
            other.execute("LOCK TABLE lectures IN ACCESS EXCLUSIVE MODE")
            waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%hall_code_key =%'"
            joining = asyncio.create_task(relay.http.post("/join", json={"code": relay.hall_code}))
            while watching.execute(waiting).fetchone() is None:
                assert not joining.done()
                await asyncio.sleep(0)
            assert (await relay.http.get("/healthz")).status_code == 200
            assert not joining.done()
            other.rollback()
            assert (await joining).status_code == 200


async def test_rules_put_old_recordings_into_the_bin(data: Path) -> None:
    async with served(data, library={"keep_days": 1.0}) as relay:

        async def recycled() -> object:
            return (await relay.http.get("/api/library/bin", headers=relay.staff)).json()["lectures"]

        async def moved() -> bool:
            return (data / "recycle" / f"{NAME}.lecture").is_file()

        await until(recycled, "the rule was applied")
        await until(moved, "the file follows")
        assert (await relay.http.get("/api/library/due", headers=relay.staff)).json() == {"lectures": []}
