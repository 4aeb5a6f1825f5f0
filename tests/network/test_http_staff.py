from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import pytest_asyncio

from hallcast.cli import main
from lecture.entries import Entry, Kind, pack_event
from lecture.file import LectureFile
from recordings.catalogue import Catalogue
from relay import app
from tests.network.peers import until
from tests.network.relays import SDP, Served, bearer, publisher_offer, served

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def relay(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path / "data") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One relay for the tests that leave it as it was."""
    async with served(tmp_path_factory.mktemp("shared") / "data") as running:
        yield running


async def test_a_lecture_is_planned_listed_changed_and_ended(relay: Served) -> None:
    wanted = {
        "title": "유체 역학 3",
        "course": "Physics",
        "languages": ["ko", "en"],
        "planned_at": "2031-03-02T10:00:00+09:00",
    }
    made = await relay.http.post("/api/lectures", json=wanted, headers=relay.staff)
    assert made.status_code == 201
    facts = made.json()
    name = facts["lecture"]
    assert name.startswith("3-")
    assert (facts["title"], facts["languages"], facts["state"]) == ("유체 역학 3", ["ko", "en"], "planned")
    assert facts["planned_at"] == "2031-03-02T01:00:00Z"
    assert facts["hall_code_expires_at"].startswith("2031-04-01T01:00:00")
    base = relay.server.url
    assert facts["urls"] == {
        "studio": f"{base}/studio/{name}#token={facts['lecturer_token']}",
        "interpreter": f"{base}/studio/{name}#token={facts['interpreter_token']}&role=interpreter",
        "hall": f"{base}/hall#code={facts['hall_code']}",
        "library": f"{base}/library/{name}",
        "whip": f"{base}/whip/{name}",
        "whep": f"{base}/whep/{name}",
        "deck": f"{base}/lectures/{name}/deck",
    }

    listed = (await relay.http.get("/api/lectures", headers=relay.staff)).json()["lectures"]
    assert [found["lecture"] for found in listed] == [name, "waves"]
    assert listed[0] == facts
    shown = (await relay.http.get(f"/api/lectures/{name}", headers=relay.staff)).json()
    assert shown == {**facts, "live": None}

    change = {"title": "Fluids 3", "planned_at": "2031-05-01T00:00:00Z"}
    changed = (await relay.http.patch(f"/api/lectures/{name}", json=change, headers=relay.staff)).json()
    assert changed == {
        **facts,
        "title": "Fluids 3",
        "planned_at": "2031-05-01T00:00:00Z",
        "hall_code_expires_at": "2031-05-31T00:00:00Z",
    }

    for _ in range(2):
        ended = await relay.http.post(f"/api/lectures/{name}/end", headers=relay.staff)
        assert ended.status_code == 200
        assert ended.json()["state"] == "ended"
    by_state = (await relay.http.get("/api/lectures?state=ended", headers=relay.staff)).json()["lectures"]
    assert [found["lecture"] for found in by_state] == [name]


async def test_only_its_end_has_the_librarian_look_for_a_lecture_not_each_question_about_it(relay: Served) -> None:
    librarian, woken = relay.relay.librarian, relay.relay.librarian._wake
    lecture = await relay.relay.open_lecture("waves")
    assert librarian._soon <= 0
    await lecture.end()
    assert librarian._soon > 0
    await until(lambda: not woken.is_set(), 20)
    await relay.relay.open_lecture("waves")
    assert not woken.is_set()


async def test_a_change_does_not_wait_for_an_import(relay: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "FILE_WAIT_S", 0.05)
    librarian = relay.relay.librarian
    path = (await relay.relay.open_lecture("waves")).log.path
    await relay.relay.directory.close("waves")
    async with librarian._busy:
        changed = await relay.http.patch("/api/lectures/waves", json={"title": "Tides"}, headers=relay.staff)
        assert changed.json()["title"] == "Tides"
    with LectureFile.open(path, readonly=True) as file:
        await until(lambda: file.get_meta("title") == "Tides", 20)


async def test_a_lecture_that_is_open_shows_how_it_goes(relay: Served, capsys: pytest.CaptureFixture[str]) -> None:
    async with publisher_offer() as offer:
        made = await relay.http.post("/whip/waves", content=offer, headers={**SDP, **relay.lecturer})
        assert made.status_code == 201
        live = (await relay.http.get("/api/lectures/waves", headers=relay.staff)).json()["live"]
        words = ["lectures", "show", "waves", "--relay", relay.server.local_url, "--staff-token", relay.staff_token]
        assert await asyncio.to_thread(main, words) == 0
        shown = capsys.readouterr().out
    assert "lecture time      0:00\n" in shown
    assert "halls             0, with 0 people\n" in shown
    assert [publisher["role"] for publisher in live["publishers"]] == ["lecturer"]


@pytest.mark.parametrize(
    ("fields", "status", "error_id"),
    [
        ({}, 422, "request_invalid"),
        ({"title": ""}, 422, "title_invalid"),
        ({"title": "a\nb"}, 422, "title_invalid"),
        ({"title": "a" * 201}, 422, "title_invalid"),
        ({"title": 7}, 422, "request_invalid"),
        ({"title": "x", "tite": "y"}, 422, "request_invalid"),
        ({"title": "x", "lecture": "../x"}, 422, "lecture_id_invalid"),
        ({"title": "x", "lecture": "waves"}, 409, "lecture_exists"),
        ({"title": "x", "languages": []}, 422, "language_invalid"),
        ({"title": "x", "languages": ["en", "en"]}, 422, "language_invalid"),
        ({"title": "x", "languages": "en"}, 422, "request_invalid"),
        ({"title": "x", "planned_at": "tomorrow"}, 422, "request_invalid"),
        ({"title": "x", "planned_at": "2031-03-02T10:00:00"}, 422, "request_invalid"),
        ({"title": "x", "planned_at": "9999-12-31T23:59:59Z"}, 422, "planned_at_invalid"),
        ({"title": "x", "planned_at": "0001-01-01T00:00:00+14:00"}, 422, "planned_at_invalid"),
        ({"title": "x", "course": "c" * 500}, 422, "course_invalid"),
    ],
)
async def test_bad_plans_get_a_clear_error(
    shared: Served, fields: dict[str, object], status: int, error_id: str
) -> None:
    refused = await shared.http.post("/api/lectures", json=fields, headers=shared.staff)
    assert (refused.status_code, refused.json()["error"]["id"]) == (status, error_id)
    assert refused.json()["error"]["text"]
    assert len(shared.relay.catalogue.list()) == 1


@pytest.mark.parametrize(
    "change", [{}, {"title": ""}, {"planned_at": "9999-12-31T23:59:59Z"}, {"state": "ended"}, {"languages": ["de"]}]
)
async def test_what_cannot_be_changed_is_said_so(shared: Served, change: dict[str, object]) -> None:
    refused = await shared.http.patch("/api/lectures/waves", json=change, headers=shared.staff)
    assert refused.status_code == 422
    assert refused.json()["error"]["id"] in {"request_invalid", "title_invalid", "planned_at_invalid"}


async def test_an_error_never_repeats_what_was_sent(shared: Served) -> None:
    refused = await shared.http.post("/api/lectures", json={"title": {"password": "swordfish"}}, headers=shared.staff)
    assert refused.status_code == 422
    assert "swordfish" not in refused.text


async def test_the_api_is_described_without_fetching_anything_from_elsewhere(shared: Served) -> None:
    described = (await shared.http.get("/openapi.json")).json()
    assert set(described["paths"]["/api/lectures"]) == {"get", "post"}
    assert described["components"]["securitySchemes"]
    assert (await shared.http.get("/docs")).status_code == 404
    refused = await shared.http.put("/api/lectures")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")


async def test_the_end_of_a_lecture_is_in_the_catalogue_at_once_and_after_a_restart(tmp_path: Path) -> None:
    async with served(tmp_path / "data") as relay:
        lecture = await relay.relay.open_lecture("waves")
        lecture.log.append(Entry(Kind.MARK, 0, pack_event({"text": "x"})))
        ended = (await relay.http.post("/api/lectures/waves/end", headers=relay.staff)).json()
        assert datetime.fromisoformat(ended["ended_at"])
        token = relay.lecture.lecturer_token
    with Catalogue(tmp_path / "data" / "catalogue.db") as catalogue:
        record = catalogue.get("waves")
        assert record is not None
        assert record.state == "ended"
        # As if the relay had been killed between the file's end and the catalogue's.
        catalogue.update("waves", lambda found: replace(found, state="live", ended_at=None))
    async with served(tmp_path / "data") as again:
        settled = (await again.http.get("/api/lectures/waves", headers=again.staff)).json()
        assert settled["state"] == "ended"
        refused = await again.http.post("/whip/waves", headers={**SDP, **bearer(token)}, content=b"v=0")
        assert (refused.status_code, refused.json()["error"]["id"]) == (410, "lecture_ended")


async def test_the_console_is_told_of_lectures_halls_links_and_questions(relay: Served) -> None:
    assert (await relay.http.get("/api/live")).status_code == 401
    assert (await relay.http.get("/api/live", headers=relay.lecturer)).status_code == 401
    assert (await relay.http.get("/api/live", headers=relay.staff)).json()["lectures"] == []
    lecture = await relay.relay.open_lecture("waves")
    for t_ms, page in ((0, 1), (0, 2)):
        lecture.log.append(Entry(Kind.TURN, t_ms, pack_event({"deck": "d", "page": page})))
    async with relay.socket("/ws/hall/waves") as ws:
        await ws.send(json.dumps({"kind": "hello", "v": "1.0", "token": relay.hall_token, "hall": "Busan"}))
        await ws.recv()
        await ws.send(json.dumps({"kind": "report", "behind_ms": 1500, "page": 1, "heads": 40}))
        await ws.send(json.dumps({"kind": "question", "text": "Why?"}))
        await until(lambda: lecture.snapshot()["questions"])
        answer = await relay.http.get("/api/live", headers=relay.staff)
        (shown,) = answer.json()["lectures"]
        (hall,) = shown["halls"]
    assert answer.headers["content-encoding"] == "gzip"
    assert shown["lecture"]["title"] == "Waves"
    assert shown["players"] == 0
    assert [(asked["hall"], asked["text"]) for asked in shown["questions"]] == [("Busan", "Why?")]
    assert (hall["name"], hall["connected"], hall["behind_ms"], hall["page"]) == ("Busan", True, 1500, 1)
    assert hall["silent_s"] < 5
    assert hall["link"]["connected"] is False
    await until(lambda: not lecture.snapshot()["halls"][0]["connected"])
    (gone,) = (await relay.http.get("/api/live", headers=relay.staff)).json()["lectures"][0]["halls"]
    assert (gone["name"], gone["page_due"], gone["link"]) == ("Busan", 2, None)
