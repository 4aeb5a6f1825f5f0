from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lecture.tracks import LIGHT_KBPS
from recordings.catalogue import CatalogueError
from relay.adaptation.ack_window import START_KBPS
from relay.signalling import health
from relay.tokens import group_code
from tests.network.peers import until
from tests.network.relays import SDP, Served, bearer, closed_with, publisher_offer, served


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path / "data") as running:
        yield running


def figures(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_health_and_readiness(relay: Served) -> None:
    assert (await relay.http.get("/healthz")).json() == {"status": "ok"}
    ready = await relay.http.get("/readyz")
    assert ready.json() == {"ready": True, "checks": {"data_folder": "ok", "catalogue": "ok"}}


async def test_a_relay_that_cannot_write_or_read_is_alive_and_not_ready(
    relay: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "READY_MAX_AGE_S", 0.0)

    def broken() -> None:
        raise CatalogueError("catalogue_unusable", "The disk is gone.")

    monkeypatch.setattr(relay.relay.catalogue, "check", broken)
    monkeypatch.setattr(relay.relay, "data_dir", relay.relay.data_dir / "gone")
    ready = await relay.http.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"] == {"data_folder": "not_writable", "catalogue": "catalogue_unusable"}
    assert (await relay.http.get("/healthz")).status_code == 200


async def test_who_asks_while_the_relay_checks_itself_hears_what_comes_of_it(relay: Served) -> None:
    answers = await asyncio.gather(*(relay.http.get("/readyz") for _ in range(3)))
    assert [answer.json()["checks"] for answer in answers] == [{"data_folder": "ok", "catalogue": "ok"}] * 3


async def test_metrics_tell_of_publishers_halls_and_the_disk(relay: Served) -> None:
    idle = figures((await relay.http.get("/metrics")).text)
    assert idle["hallcast_lectures_live", ()] == 0
    assert idle["hallcast_disk_free_bytes", ()] > 0
    async with relay.socket("/ws/hall/waves") as ws, publisher_offer() as offer:
        await ws.send(json.dumps({"kind": "hello", "v": "1.0", "token": relay.hall_token, "hall": 'Hall "3"\n'}))
        await ws.recv()
        report = {"kind": "report", "behind_ms": 1500, "fraction_lost": 0.25, "rtt_ms": 600, "gaps": 2, "heads": 40}
        report |= {"received_kbps": 38.5, "playout_delay_ms": 2400}
        await ws.send(json.dumps(report))
        await relay.http.post("/whip/waves", content=offer, headers={**SDP, **relay.lecturer})
        lecture = await relay.relay.open_lecture("waves")
        await until(lambda: lecture.snapshot()["halls"][0]["heads"] == 40)
        await until(lambda: lecture.snapshot()["halls"][0]["link"]["budget_kbps"] > 0)
        found = figures((await relay.http.get("/metrics")).text)
    of_lecture = (("lecture", "waves"),)
    (name,) = {dict(labels)["hall"] for metric, labels in found if metric == "hallcast_hall_gaps"}
    of_hall = (("hall", name), ("lecture", "waves"))
    assert name.startswith('Hall "3"')
    assert found["hallcast_sockets", ()] == 1
    assert found["hallcast_halls", of_lecture] == 1
    assert found["hallcast_heads", of_lecture] == 40
    assert found["hallcast_hall_behind_seconds", of_hall] == pytest.approx(1.5)
    assert found["hallcast_hall_rtt_seconds", of_hall] == pytest.approx(0.6)
    assert found["hallcast_hall_fraction_lost", of_hall] == 0.25
    assert found["hallcast_hall_gaps", of_hall] == 2
    assert found["hallcast_hall_playout_delay_seconds", of_hall] == pytest.approx(2.4)
    # A hall without RTP knows best what comes; the relay, what it takes the link to carry, and the rung it gives.
    assert found["hallcast_hall_used_kbps", of_hall] == found["hallcast_hall_received_kbps", of_hall] == 38.5
    assert found["hallcast_hall_budget_kbps", of_hall] == pytest.approx(START_KBPS)
    assert found["hallcast_hall_rung_kbps", of_hall] == LIGHT_KBPS
    assert found["hallcast_hall_connected", of_hall] == 1
    assert found["hallcast_hall_silent_seconds", of_hall] < 20
    assert found["hallcast_hall_page_due", of_hall] == 0
    assert found["hallcast_hall_carrier", (("carrier", "socket"), *of_hall)] in (0, 1)
    assert found["hallcast_publishers", of_lecture] == 0
    assert ("hallcast_publisher_silent_seconds", (("language", "en"), *of_lecture, ("role", "lecturer"))) in found
    assert found["hallcast_recorder_failing", of_lecture] == 0
    assert found["process_open_fds", ()] > 0


async def test_strangers_may_not_read_the_metrics(tmp_path: Path) -> None:
    async with served(tmp_path / "data", access={"metrics_from": ("192.0.2.0/24",)}) as relay:
        assert (await relay.http.get("/metrics")).status_code == 401
        assert (await relay.http.get("/metrics", headers=bearer("wrong"))).status_code == 401
        assert (await relay.http.get("/metrics", headers=relay.staff)).status_code == 200


async def test_the_log_tells_routes_and_no_secret(
    relay: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="hallcast")
    # What uvicorn itself may say at its own level, set by the server, is captured as well.
    code, wrong_code = relay.hall_code, "HHHH2222"
    secrets = [relay.staff_token, relay.lecture.lecturer_token, relay.lecture.interpreter_token, relay.hall_token]
    secrets += [code, group_code(code), wrong_code, "mistyped-token"]
    joined = (await relay.http.post("/join", json={"code": group_code(code)})).json()
    await relay.http.post("/join", json={"code": wrong_code})
    async with publisher_offer() as offer:
        made = await relay.http.post("/whip/waves", content=offer, headers={**SDP, **relay.lecturer})
    secrets.append(made.headers["location"].rpartition("/")[2])
    await relay.http.delete(made.headers["location"], headers=relay.lecturer)
    for secret in secrets[:8]:
        await relay.http.get(f"/whip/{secret}?token={secret}", headers=bearer("mistyped-token"))
        await relay.http.get(f"/{secret}/{secret}?access_token={secret}")
        await relay.http.get(f"/api/lectures/{secret}", headers=bearer(secret))
        await relay.http.post("/api/lectures", json={"title": {"x": secret}}, headers=relay.staff)
    for first in ({"token": joined["token"]}, {"code": code}, {"code": wrong_code}, {"token": "mistyped-token"}):
        async with relay.socket(f"/ws/hall/waves?token={relay.hall_token}") as ws:
            await ws.send(json.dumps({"kind": "hello", "v": "1.0", **first}))
            await ws.send(json.dumps({"kind": "bye"}))
            await closed_with(ws)
    monkeypatch.setattr(relay.relay.catalogue, "list", lambda state: 1 / 0)
    await relay.http.get("/api/lectures", headers=relay.staff)

    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("hallcast"))
    everything = "\n".join(
        logging.Formatter().format(record)
        for record in caplog.records
        if not record.name.startswith(("httpx", "httpcore"))
    )
    assert re.search(r"^POST /whip/\{lecture\} 201 lecture=waves client=127.0.0.1 \d+ ms$", ours, re.MULTILINE)
    assert re.search(r"^DELETE /whip/\{lecture\}/\{session\} 200 lecture=waves", ours, re.MULTILINE)
    assert re.search(r"^GET \(no route\) 404 lecture=- ", ours, re.MULTILINE)
    assert re.search(r"^GET /api/lectures/\{lecture\} 40[14] ", ours, re.MULTILINE)
    assert "ZeroDivisionError" in everything
    for secret in secrets:
        assert secret not in everything
