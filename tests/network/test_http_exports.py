"""Exports through the relay: real jobs in real processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lecture.entries import Entry, Kind, pack_event
from lecture.file import LectureFile
from relay.exports import MAX_WAITING
from tests import recorded
from tests.network import parts
from tests.network.peers import until
from tests.network.relays import Served, bearer, served

URL = f"/library/{recorded.LECTURE}/exports"


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Served]:
    lectures = tmp_path / "data" / "lectures"
    lectures.mkdir(parents=True)
    recorded.write(lectures)
    async with served(tmp_path / "data") as running:
        yield running


async def ask(relay: Served, **order: Any) -> dict[str, Any]:
    answer = await relay.http.post(URL, json=order, headers=relay.staff)
    assert answer.status_code == 202, answer.text
    facts: dict[str, Any] = answer.json()
    return facts


async def finished(relay: Served, job: dict[str, Any]) -> dict[str, Any]:
    while True:
        answer = (await relay.http.get(f"{URL}/{job['job']}", headers=relay.staff)).json()
        if answer["state"] in ("done", "failed"):
            found: dict[str, Any] = answer
            return found
        await asyncio.sleep(0.05)


def workers(parent: int | None = None) -> list[int]:
    """Process ids of the export workers that this process (or the one of this id) has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent_id = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if b"recordings.export_worker" in words and parent_id == (parent or os.getpid()):
                found.append(int(folder.name))
    return found


def lasts_long(lectures: Path) -> None:
    """Make the recording one that takes a minute to export: its last page is shown for a whole working day."""
    with LectureFile.open(lectures / f"{recorded.LECTURE}.lecture") as file:
        file.append(Entry(Kind.MARK, 10 * 3_600_000, pack_event({"text": "The end."})))
        file.finish()


async def test_staff_ask_for_a_film_and_their_browser_fetches_it_without_a_token(relay: Served) -> None:
    job = await ask(relay, to="mp4", language="en")
    assert (job["state"] in ("waiting", "running"), job["progress"]) == (True, 0)
    done = await finished(relay, job)
    assert (done["state"], done["progress"], done["error"]) == ("done", 1, None)
    answer = await relay.http.get(done["file"], headers={"Range": "bytes=4-7"})
    assert (answer.status_code, answer.content) == (206, b"ftyp")
    assert answer.headers["content-disposition"] == 'attachment; filename="pricing01-en.mp4"'
    assert answer.headers["content-range"] == f"bytes 4-7/{done['size_bytes']}"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert (await relay.http.get(done["file"], headers={"Range": "bytes=99999999-"})).status_code == 416
    assert (await ask(relay, to="mp4", language="en"))["job"] == job["job"], "what is there is not made again"
    relay.http.cookies.clear()
    assert (await relay.http.get(done["file"])).status_code == 401
    assert (await relay.http.get(done["file"], headers=relay.staff)).status_code == 200
    listed = (await relay.http.get(URL, headers=relay.staff)).json()["exports"]
    assert [one["job"] for one in listed] == [job["job"]]
    assert (await relay.http.delete(f"{URL}/{job['job']}", headers=relay.staff)).status_code == 204
    assert (await relay.http.get(done["file"], headers=relay.staff)).status_code == 404
    assert list((relay.relay.cache_dir / "exports").iterdir()) == []


async def test_a_usb_pack_is_as_small_as_on_the_command_line(relay: Served, tmp_path: Path) -> None:
    whole = await ask(relay, to="usb")
    assert (whole["camera"], whole["voice"], whole["lecture_file"]) == (False, "light", True)
    small = await ask(relay, to="usb", voice="full", lecture_file=False)
    assert small["job"] != whole["job"]
    found = {}
    for name, job in (("whole", whole), ("small", small)):
        done = await finished(relay, job)
        assert (done["state"], done["error"]) == ("done", None)
        (tmp_path / name).write_bytes((await relay.http.get(done["file"])).content)
        with zipfile.ZipFile(tmp_path / name) as packed:
            files = {entry.partition("/")[2]: packed.read(entry) for entry in packed.namelist()}
        assert (b'"full"' in files["data/lecture.js"]) == (job["voice"] == "full")
        found[name] = files
    assert found["whole"].keys() - found["small"].keys() == {f"{recorded.LECTURE}.lecture"}
    sound = await ask(relay, to="opus", lecture_file=False)
    assert sound["job"] == (await ask(relay, to="opus"))["job"], "of anything else it makes no difference"


async def test_nothing_is_given_out_of_a_lecture_that_was_deleted(relay: Served) -> None:
    job = await finished(relay, await ask(relay, to="pdf"))
    assert (await relay.http.get(job["file"])).status_code == 200
    await until(lambda: relay.relay.catalogue.get(recorded.LECTURE) is not None, 20)
    deleted = await relay.http.delete(f"/api/library/lectures/{recorded.LECTURE}", headers=relay.staff)
    assert deleted.status_code == 200
    for address in (job["file"], f"{URL}/{job['job']}"):
        assert (await relay.http.get(address, headers=relay.staff)).status_code == 404
    assert list((relay.relay.cache_dir / "exports").iterdir()) == []


async def test_only_staff_may(relay: Served) -> None:
    for headers in ({}, relay.lecturer, bearer(relay.hall_token)):
        for path in (URL, f"{URL}/0011223344556677", f"{URL}/0011223344556677/file"):
            assert (await relay.http.get(path, headers=headers)).status_code == 401
        assert (await relay.http.post(URL, json={"to": "pdf"}, headers=headers)).status_code == 401


async def test_what_cannot_be_made_is_refused(relay: Served) -> None:
    for lecture, order, status, error_id in (
        (recorded.LECTURE, {"to": "exe"}, 422, "request_invalid"),
        (recorded.LECTURE, {"to": "opus", "language": "../en"}, 404, "voice_missing"),
        ("nobody", {"to": "pdf"}, 404, "recording_unknown"),
        ("..%2F..%2Fpasswd", {"to": "pdf"}, 404, "not_found"),
    ):
        answer = await relay.http.post(f"/library/{lecture}/exports", json=order, headers=relay.staff)
        assert (answer.status_code, answer.json()["error"]["id"]) == (status, error_id)


async def test_one_export_is_made_at_a_time_and_a_cancelled_one_leaves_nothing(relay: Served) -> None:
    lasts_long(relay.relay.data_dir / "lectures")
    first, second, third = [await ask(relay, to=kind) for kind in ("webm", "mp4", "pdf")]

    async def progress() -> float:
        return float((await relay.http.get(f"{URL}/{first['job']}", headers=relay.staff)).json()["progress"])

    async with asyncio.timeout(30):
        while not 0 < await progress() < 1:
            await asyncio.sleep(0.05)
    (pid,) = workers()
    assert os.getpriority(os.PRIO_PROCESS, pid) == 19
    assert os.sched_getscheduler(pid) == os.SCHED_IDLE
    if Path("/proc/self/autogroup").exists():
        # In a session of its own, which else would get as much as the relay's.
        assert os.getsid(pid) == pid
        assert Path(f"/proc/{pid}/autogroup").read_text().endswith("nice 19\n")
    assert (await relay.http.get(second["file"], headers=relay.staff)).status_code == 409
    for job in (second, first):
        assert (await relay.http.delete(f"{URL}/{job['job']}", headers=relay.staff)).status_code == 204
    assert pid not in workers()
    assert (await finished(relay, third))["state"] == "done"
    assert [path.name for path in (relay.relay.cache_dir / "exports").iterdir()] == [third["job"]]


async def test_a_worker_that_dies_fails_its_export_and_no_other(relay: Served) -> None:
    first, second = await ask(relay, to="webm"), await ask(relay, to="opus")
    await until(workers, 20)
    os.kill(workers()[0], signal.SIGKILL)
    failed = await finished(relay, first)
    assert (failed["state"], failed["error"]["id"]) == ("failed", "export_failed")
    assert (await finished(relay, second))["state"] == "done"
    assert (await ask(relay, to="webm"))["job"] != first["job"], "it can be asked for again"


async def test_too_many_are_refused(relay: Served) -> None:
    lectures = relay.relay.data_dir / "lectures"
    lasts_long(lectures)
    await ask(relay, to="webm")
    await until(workers, 20)
    for number in range(MAX_WAITING):
        (lectures / f"copy{number}.lecture").symlink_to(lectures / f"{recorded.LECTURE}.lecture")
        answer = await relay.http.post(f"/library/copy{number}/exports", json={"to": "mp4"}, headers=relay.staff)
        assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    answer = await relay.http.post(URL, json={"to": "mp4"}, headers=relay.staff)
    assert (answer.status_code, answer.json()["error"]["id"]) == (503, "exports_full")


async def test_old_files_make_room_for_new_ones(tmp_path: Path) -> None:
    (tmp_path / "data" / "lectures").mkdir(parents=True)
    recorded.write(tmp_path / "data" / "lectures")
    async with served(tmp_path / "data", exports={"keep_mb": 0}) as relay:
        first, second = await ask(relay, to="opus"), await ask(relay, to="pdf")
        assert (await finished(relay, second))["state"] == "done"
        assert (await relay.http.get(second["file"])).content.startswith(b"%PDF")
        async with asyncio.timeout(20):
            while (await relay.http.get(first["file"], headers=relay.staff)).status_code != 404:
                await asyncio.sleep(0.05)


async def test_a_killed_relay_takes_its_export_with_it(tmp_path: Path) -> None:
    (tmp_path / "lectures").mkdir()
    recorded.write(tmp_path / "lectures")
    lasts_long(tmp_path / "lectures")
    async with parts.relay(tmp_path) as (part, url):
        headers = bearer((tmp_path / "staff.token").read_text().strip())
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            assert (await http.post(URL, json={"to": "mp4"}, headers=headers)).status_code == 202
        await until(lambda: workers(part.process.pid), 20)
        (pid,) = workers(part.process.pid)
        part.process.kill()
        await part.process.wait()
        await until(lambda: not is_worker(pid), 20)


def is_worker(pid: int) -> bool:
    """Whether this process is there, and no mere entry of one that has ended."""
    try:
        return b"recordings.export_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
