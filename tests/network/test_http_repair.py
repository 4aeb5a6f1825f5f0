"""Repair over HTTP: what a relay wants, takes and refuses, and what is left of it after a kill."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lecture.chunks import Chunker
from lecture.copy_time import COPY_TIME_KEY, CopyTime
from lecture.entries import EncodedFrame, Kind
from lecture.file import LectureFile
from lecture.log import Span
from lecture.segment import CONTENT_TYPE, SEGMENT_BYTES, After, Segment, pack_segment
from lecture.tracks import Track
from recordings.camera_fill import digest_of
from recordings.recording import Recording
from tests import film
from tests.network.media_kit import until
from tests.network.relays import Served, bearer, served
from tests.network.test_relay_command import hallcast, run
from tests.network.test_relay_command import relay as relay_process
from tests.unit.recordings.test_merge import FRAMES, LENGTH_MS, OWN, SOURCE, write

HOLE = Span(2_000, 4_000)


def recorded(data: Path) -> Path:
    """An ended lecture of which the uplink's outage took two seconds."""
    path = data / "lectures" / "waves.lecture"
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"lecture": "waves", "title": "Waves", "languages": '["en", "ko"]', "state": "ended"}
    with LectureFile.create(path, facts | {"clock_end_ms": str(LENGTH_MS)}) as file:
        write(file, SOURCE, [one for one in FRAMES if not HOLE.start_ms <= one.t_ms < HOLE.end_ms])
        file.finish()
    return path


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path / "data") as running:
        # The lecture is planned already: the librarian of a relay that finds a file takes it for a lecture of its own.
        recorded(tmp_path / "data")
        yield running


def segment(start_ms: int, end_ms: int, **changes: Any) -> bytes:
    frames = tuple(one for one in FRAMES if start_ms <= one.t_ms < end_ms)
    track = Track("voice", "opus", 48_000, changes.pop("language", "en"), "source", 1)
    return pack_segment(Segment("laptop", Span(start_ms, end_ms), track, changes.pop("frames", frames)))


async def put(relay: Served, body: bytes, token: str = "", **headers: str) -> tuple[int, dict[str, Any]]:
    answer = await relay.http.put(
        f"/lectures/waves/repair/{headers.pop('sha256', hashlib.sha256(body).hexdigest())}",
        content=body,
        headers={"Content-Type": CONTENT_TYPE, **bearer(token or relay.lecture.lecturer_token), **headers},
    )
    return answer.status_code, answer.json()


async def ask(relay: Served, token: str = "", **query: str) -> dict[str, Any]:
    headers = bearer(token or relay.lecture.lecturer_token)
    answer = await relay.http.get("/lectures/waves/repair", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_segments_fill_an_ended_lecture_once_and_its_file_is_finished_again(
    relay: Served, tmp_path: Path
) -> None:
    path = tmp_path / "data" / "lectures" / "waves.lecture"
    with Recording.open(path) as recording:
        revision, length_ms = recording.revision, recording.duration_ms
    facts = await ask(relay, copy="laptop")
    assert facts["wanted"] == [{"kind": "voice", "language": "en", "start_ms": 2_000, "end_ms": 4_000}]
    assert (facts["missing_ms"], facts["repaired_ms"], facts["state"]) == (2_000, 0, "ended")
    assert (facts["language"], facts["segment_bytes"]) == ("en", SEGMENT_BYTES)

    first, second = segment(2_000, 2_600), segment(2_600, 3_400)
    assert (await put(relay, first))[1]["added_ms"] == 600
    status, facts = await put(relay, first)
    assert (status, facts["added_ms"], facts["missing_ms"]) == (200, 0, 1_400)
    status, facts = await put(relay, second)
    assert (facts["added_ms"], facts["repaired_ms"], facts["missing_ms"]) == (800, 1_400, 600)
    # The rest it has not, and is not asked again; another copy is.
    status, facts = await put(relay, segment(3_400, 4_000, frames=()))
    assert (facts["wanted"], facts["missing_ms"]) == ([], 0)
    assert [one["start_ms"] for one in (await ask(relay, copy="phone"))["wanted"]] == [3_400]
    async with asyncio.timeout(20):
        while True:
            with Recording.open(path) as recording:
                tracks = {track.rung: track.track_id for track in recording.tracks("voice") if track.language == "en"}
            with LectureFile.open(path, readonly=True) as file:
                done = not file.gaps([tracks["16"]], Span(2_040, 3_360)) and file.finished
            if done:
                break
            await asyncio.sleep(0.05)
    with Recording.open(path) as recording:
        assert recording.verify().ok
        assert recording.revision != revision
        assert recording.duration_ms == length_ms
    assert (await relay.relay.record("waves")).state == "ended"
    shown = (await relay.http.get("/api/lectures/waves", headers=relay.staff)).json()["live"]["voices"]["en"]
    assert (shown["missing_ms"], shown["repaired_ms"]) == (0, 1_400)


async def test_an_ended_lecture_takes_pictures_from_its_lecturer_alone_and_its_file_is_finished_again(
    tmp_path: Path,
) -> None:
    async with served(tmp_path / "data") as relay:
        path = recorded(tmp_path / "data")
        with LectureFile.open(path) as file:
            film.write_film(file, film.without())
            file.finish()
        facts = await ask(relay, copy="laptop")
        assert [one["kind"] for one in facts["wanted"]] == ["voice", "camera"]
        before, missing = film.FILM[14], film.within(film.FILM)
        wanted = facts["wanted"][1]
        assert (wanted["after"], wanted["end_ms"]) == (digest_of(before), film.HOLE.end_ms)
        span = Span(wanted["start_ms"], wanted["end_ms"])
        body = pack_segment(Segment("laptop", span, film.CAMERA, tuple(missing), After(wanted["after"], before.t_ms)))
        status, refusal = await put(relay, body, relay.lecture.interpreter_token)
        assert (status, refusal["error"]["id"]) == (403, "forbidden")
        assert [one["kind"] for one in (await ask(relay, relay.lecture.interpreter_token))["wanted"]] == []
        assert [one["kind"] for one in (await ask(relay, copy="laptop", language="en"))["wanted"]] == ["voice"]
        status, facts = await put(relay, body)
        assert (status, [one["kind"] for one in facts["wanted"]]) == (200, ["voice"])
        assert facts["added_ms"] > 2_000
        status, facts = await put(relay, body)
        assert (status, facts["added_ms"]) == (200, 0)
        await until(lambda: relay.relay.directory.get("waves").log.finished, "its file is finished again")
    with LectureFile.open(path, readonly=True) as file:
        assert film.pictures_of(file) == film.FILM
        assert file.verify().ok


BROKEN = segment(2_000, 3_000)


@pytest.mark.parametrize(
    ("body", "changes", "status", "error_id"),
    [
        (BROKEN, {"sha256": "0" * 64}, 422, "segment_hash_wrong"),
        (BROKEN, {"Content-Type": "application/json"}, 415, "content_type_unsupported"),
        (BROKEN[:-7], {}, 400, "segment_malformed"),
        (BROKEN[:-1] + b"\x00", {}, 400, "segment_malformed"),
        (b"HCS1" + b"\xff" * 60_000, {}, 400, "segment_malformed"),
        (b"", {}, 400, "segment_malformed"),
        (segment(2_000, 2_040, frames=(EncodedFrame(2_000, 60, FRAMES[9].data),)), {}, 400, "segment_malformed"),
        (b"HCS1" + bytes(SEGMENT_BYTES), {}, 413, "segment_too_large"),
        (segment(5_000, LENGTH_MS + 5_000), {}, 422, "repair_beyond_lecture"),
        (segment(2_000, 3_000, language="fr"), {}, 422, "language_unknown"),
    ],
    ids=["hash", "type", "cut", "crc", "head", "empty", "duration", "large", "beyond", "language"],
)
async def test_what_is_no_good_is_refused_and_changes_nothing(
    relay: Served, body: bytes, changes: dict[str, str], status: int, error_id: str
) -> None:
    refused, facts = await put(relay, body, **changes)
    assert (refused, facts["error"]["id"]) == (status, error_id)
    assert (await ask(relay, copy="laptop"))["missing_ms"] == 2_000


async def test_an_interpreter_repairs_no_voice_of_the_lecturers(relay: Served) -> None:
    token = relay.lecture.interpreter_token
    status, facts = await put(relay, segment(2_000, 3_000), token)
    assert (status, facts["error"]["id"]) == (403, "forbidden")
    facts = await ask(relay, token)
    assert (facts["wanted"], facts["language"]) == ([], "ko")
    hall = await relay.http.get("/lectures/waves/repair", headers=bearer(relay.hall_token))
    assert hall.status_code == 403
    bad = await relay.http.get("/lectures/waves/repair?copy=%2F", headers=relay.lecturer)
    assert (bad.status_code, bad.json()["error"]["id"]) == (400, "repair_query_malformed")


async def test_a_relay_killed_in_the_middle_is_repaired_to_the_end_from_the_laptop(tmp_path: Path) -> None:
    """And what it had confirmed is not asked for again. `hallcast repair` is all that is left to do."""
    data, own = tmp_path / "data", tmp_path / "own.lecture"
    times = CopyTime()
    times.begin(0)
    times.learn(100, 180)  # as wrong as a bad line makes it; the sound tells where it belongs
    with LectureFile.create(own, {"lecture": "waves", "role": "lecturer", "copy": "laptop"}) as file:
        chunks = Chunker(Kind.VOICE, file.add_track(OWN).track_id)
        for frame in FRAMES:
            for entry in chunks.push(frame):
                file.append(entry)
        for entry in chunks.flush():
            file.append(entry)
        file.set_meta(COPY_TIME_KEY, times.to_meta())
    recorded(data)
    async with relay_process(data) as (process, ready):
        words = ("lectures", "show", "waves", "--relay", ready["url"])
        code, out, err = await run(*words, "--data", data, "--json")
        assert code == 0, err
        token = json.loads(out)["lecturer_token"]
        body = segment(2_000, 2_600)
        async with httpx.AsyncClient(base_url=ready["url"], trust_env=False) as http:
            answer = await http.put(
                f"/lectures/waves/repair/{hashlib.sha256(body).hexdigest()}",
                content=body,
                headers={"Content-Type": CONTENT_TYPE, **bearer(token)},
            )
            assert answer.json()["added_ms"] == 600, answer.text
        process.send_signal(signal.SIGKILL)
        await process.wait()
    async with relay_process(data) as (_, ready):
        async with httpx.AsyncClient(base_url=ready["url"], trust_env=False) as http:
            facts = (await http.get("/lectures/waves/repair", headers=bearer(token))).json()
        assert (facts["missing_ms"], facts["repaired_ms"]) == (1_400, 600)
        repair = ("repair", "--relay", ready["url"], "--token", token, own, "--json")
        async with hallcast(*repair) as process:
            out, err = (text.decode() for text in await asyncio.wait_for(process.communicate(), 60))
        assert process.returncode == 0, err
        assert json.loads(out.splitlines()[-1]) == {"event": "repair", "missing_ms": 0, "repaired_ms": 2_000}
    with LectureFile.open(data / "lectures" / "waves.lecture", readonly=True) as file:
        assert file.verify().ok
        source = next(track for track in file.tracks() if track.rung == "source" and track.language == "en")
        assert file.gaps([source.track_id], Span(0, LENGTH_MS)) == []
