from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from lecture.entries import EncodedFrame, Entry, Kind, pack_event, pack_frames
from lecture.tracks import Track
from relay import pages
from tests.network.relays import Served, bearer, served

PAGE = b"\0\0\0\x1cftypavif" + b"page" * 100
SILENT_OPUS = bytes([0x58, 0xFF, 0xFE])  # one SILK frame of 60 ms, mono


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


async def record(relay: Served, *, end: bool = True) -> str:
    """Put two seconds of voice and a page into the lecture; returns the page's digest."""
    lecture = await relay.relay.open_lecture("waves")
    log = lecture.log
    track = log.add_track(Track("voice", "opus", 48_000, language="en", rung="16", channels=1))
    for t_ms in range(0, 2040, 60):
        frame = pack_frames(t_ms, [EncodedFrame(t_ms, 60, SILENT_OPUS)])
        log.append(Entry(Kind.VOICE, t_ms, frame, track.track_id, 60))
    digest = log.put_blob(PAGE, "image/avif")
    fields = {"deck": "d", "page": 1, "tier": 1, "digest": digest, "media_type": "image/avif"}
    log.append(Entry(Kind.DECK, 0, pack_event({"deck": "d", "title": "D", "page_count": 1, "pages": []})))
    log.append(Entry(Kind.PAGE, 0, pack_event({**fields, "width": 4, "height": 3, "size_bytes": len(PAGE)})))
    log.append(Entry(Kind.TURN, 500, pack_event({"deck": "d", "page": 1})))
    if end:
        await relay.relay.end_lecture("waves")
    else:
        await asyncio.to_thread(log.commit)
    return digest


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recorded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One relay with a recording."""
    async with served(tmp_path_factory.mktemp("recorded") / "data") as running:
        await record(running)
        yield running


@pytest.mark.parametrize(
    "path", ["/hall", "/hall/waves", "/console", "/library", "/library/waves", "/studio/waves", "/studio/x"]
)
async def test_pages_are_served_to_everyone_under_a_strict_policy(shared: Served, path: str) -> None:
    page = await shared.http.get(path, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for name in ("x-content-type-options", "referrer-policy", "permissions-policy"):
        assert page.headers[name] == pages.HEADERS[{n.lower(): n for n in pages.HEADERS}[name]]
    again = await shared.http.get(path, headers={"Accept": "text/html", "If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "<" in page.text
    assert "waves" not in page.text


async def test_every_static_file_has_its_right_type(shared: Served) -> None:
    files = [path for path in pages.FOLDER.rglob("*") if path.suffix in {".js", ".css", ".json", ".html"}]
    assert files
    for path in files:
        served_file = await shared.http.get(f"{pages.STATIC_URL}/{path.relative_to(pages.FOLDER).as_posix()}")
        assert served_file.status_code == 200
        assert served_file.content == path.read_bytes()
        assert served_file.headers["content-type"] == pages.SERVED_SUFFIXES[path.suffix]


@pytest.mark.parametrize(
    "path",
    [
        "__init__.py",
        "..%2f__init__.py",
        "%2e%2e/%2e%2e/%2e%2e/pyproject.toml",
        "..%2f..%2f..%2fetc%2fpasswd",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "css",
        "",
        "%00",
        "a" * 5000,
        "..\\..\\pyproject.toml",
    ],
)
async def test_nothing_but_the_pages_own_files_is_served(shared: Served, path: str) -> None:
    request = shared.http.build_request("GET", "/")
    request.url = request.url.copy_with(raw_path=f"{pages.STATIC_URL}/{path}".encode())
    refused = await shared.http.send(request)
    assert (refused.status_code, refused.json()["error"]["id"]) == (404, "not_found")


async def test_the_front_door_leads_to_the_library(shared: Served) -> None:
    front = await shared.http.get("/")
    assert (front.status_code, front.headers["location"]) == (307, "/library")


async def test_a_lecture_that_has_ended_is_in_the_library_at_once(relay: Served) -> None:
    assert (await relay.http.get("/library?format=json")).json()["lectures"] == []
    digest = await record(relay)
    for request in ({"params": {"format": "json"}}, {"headers": {"Accept": "application/json"}}):
        listed = (await relay.http.get("/library", **request)).json()["lectures"]
        assert [(found["id"], found["title"], found["state"]) for found in listed] == [("waves", "Waves", "ended")]
    manifest = (await relay.http.get("/library/waves/replay.json")).json()
    assert manifest["turns"] == [[500, 0]]
    assert manifest["pages"][0]["images"] == [digest[:16]]

    page = await relay.http.get(f"/library/waves/blob/{digest[:16]}")
    assert (page.status_code, page.content) == (200, PAGE)
    assert page.headers["content-type"] == "image/avif"
    assert page.headers["cache-control"] == "private, max-age=31536000, immutable"
    again = await relay.http.get(f"/library/waves/blob/{digest}", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304

    url = "/library/waves/voice/en.ogg"
    whole, *others = await asyncio.gather(*(relay.http.get(url) for _ in range(8)))
    assert [other.content for other in others] == [whole.content] * 7
    assert whole.headers["content-type"] == "audio/ogg"
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.content.startswith(b"OggS")
    part = await relay.http.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    beyond = await relay.http.get(url, headers={"Range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{len(whole.content)}"
    # All of it from the end, and ranges that are none: an answer of at most the file, or a refusal.
    for nonsense in ("bytes=-99999999999", "bytes=9-3", "bytes=x-y", "bytes=-", "pages=1-2", "bytes=0-1," * 500):
        answer = await relay.http.get(url, headers={"Range": nonsense})
        assert answer.status_code in (200, 206, 400, 416), nonsense
        assert len(answer.content) <= 2 * len(whole.content)


async def test_a_piece_of_a_voice_is_kept_for_ever_by_those_who_name_the_recordings_revision(recorded: Served) -> None:
    manifest = (await recorded.http.get("/library/waves/replay.json")).json()
    revision = manifest["revision"]
    path = "/library/waves/voice/en/light/0.webm"
    asked, named = await recorded.http.get(path), await recorded.http.get(path, params={"v": revision})
    assert asked.content == named.content
    assert asked.content[:4] == bytes.fromhex("1a45dfa3")
    assert asked.headers["content-type"] == "audio/webm"
    assert asked.headers["cache-control"] == "private, no-cache"
    assert "immutable" in named.headers["cache-control"]
    assert "hallcast-pages" not in named.headers
    again = await recorded.http.get(path, headers={"If-None-Match": asked.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    first = await recorded.http.get("/library/waves/voice/-/light/0.webm")
    assert (first.headers["content-language"], first.headers["etag"]) == ("en", f'"{revision}"')
    # Who knows nothing yet learns from the voice which page to show.
    image = manifest["pages"][0]["images"][0]
    assert first.headers["hallcast-pages"] == f"0 {image}"
    assert (await recorded.http.get(f"/library/waves/blob/{image}")).content == PAGE
    part = await recorded.http.get(path, params={"from": "300"})
    assert 0 < len(part.content) < len(asked.content)
    old = await recorded.http.get(path, params={"v": "older"})
    assert old.headers["cache-control"] == "private, no-cache"


async def test_texts_are_small_for_those_who_take_gzip_and_whole_for_others(recorded: Served) -> None:
    for path in ("/library/waves", "/library/waves/replay.json", "/pages/replay.js", "/pages/css/hallcast.css"):
        small = await recorded.http.get(path, headers={"Accept-Encoding": "gzip, deflate"})
        whole = await recorded.http.get(path, headers={"Accept-Encoding": "gzip;q=0, identity"})
        assert "content-encoding" not in whole.headers
        assert small.content == whole.content
        assert small.headers["vary"] == "Accept-Encoding"
        if len(whole.content) > 1000:
            assert small.headers["content-encoding"] == "gzip"
            assert int(small.headers["content-length"]) < len(whole.content) / 2


async def test_the_replay_page_carries_the_script_that_starts_it(recorded: Served) -> None:
    page = await recorded.http.get("/library/waves")
    script = page.text.partition('<script type="module" async>')[2].partition("</script>")[0]
    mark = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{mark}';" in page.headers["content-security-policy"]
    assert "import " not in script.partition("await import(")[0]
    for address in re.findall(r'"(/pages/[^"]+\?v=[^"]+)"', page.text):
        assert "immutable" in (await recorded.http.get(address)).headers["cache-control"]
    rest = re.search(r"/pages/replay\.js\?v=\w+", page.text)
    assert rest is not None
    assert "error_exports_full" in (await recorded.http.get(rest[0])).text, "what a relay refuses is told in words"
    worker = await recorded.http.get("/library/worker.js")
    assert worker.headers["content-type"].startswith("text/javascript")
    assert not re.search(r"^(import|export) ", worker.text, re.MULTILINE)


@pytest.mark.parametrize(
    ("path", "error_id"),
    [
        ("/library/waves/voice/en/light/9.webm", "segment_missing"),
        ("/library/waves/voice/en/light/-1.webm", "segment_missing"),
        ("/library/waves/voice/en/light/0.webm?from=6000", "segment_missing"),
        ("/library/waves/voice/en/light/0.webm?from=-60", "segment_missing"),
        ("/library/waves/voice/en/heavy/0.webm", "voice_missing"),
        ("/library/waves/voice/de/light/0.webm", "voice_missing"),
        ("/library/waves/drawing/1.json", "page_missing"),
        ("/library/waves/screen/99999999999999999999", "segment_missing"),
        ("/library/waves/screen/9", "segment_missing"),
        ("/library/waves/waveform/de", "voice_missing"),
        ("/library/waves/waveform/..%2f..%2fsecret", None),
        ("/library/waves/blob/" + "0" * 16, "page_missing"),
        ("/library/waves/voice/de.ogg", "voice_missing"),
        ("/library/waves/voice/en.mp3", "voice_missing"),
        ("/library/waves/voice/..%2f..%2fsecret.ogg", None),
        ("/library/waves/camera.webm", "camera_missing"),
        ("/library/waves/blob/" + "0" * 64, "page_missing"),
        ("/library/waves/blob/nonsense", "page_missing"),
    ],
)
async def test_what_a_recording_lacks_is_said_so(recorded: Served, path: str, error_id: str | None) -> None:
    refused = await recorded.http.get(path)
    assert refused.status_code == 404
    assert error_id is None or refused.json()["error"]["id"] == error_id


async def test_blobs_that_a_browser_would_run_are_not_served(relay: Served) -> None:
    lecture = await relay.relay.open_lecture("waves")
    digest = lecture.log.put_blob(b"<script>alert(1)</script>", "text/html")
    await record(relay)
    refused = await relay.http.get(f"/library/waves/blob/{digest}")
    assert (refused.status_code, refused.json()["error"]["id"]) == (404, "page_missing")


async def test_before_its_end_a_lecture_is_for_those_with_a_token(relay: Served) -> None:
    digest = await record(relay, end=False)
    assert (await relay.http.get("/library?format=json")).json()["lectures"] == []
    for path in ("replay.json", f"blob/{digest}", "voice/en.ogg", "voice/-/light/0.webm", "drawing/0.json", "screen/0"):
        assert (await relay.http.get(f"/library/waves/{path}")).status_code == 401
        assert (await relay.http.get(f"/library/waves/{path}", headers=bearer("wrong"))).status_code == 401
    page = await relay.http.get(f"/library/waves/blob/{digest}", headers=relay.lecturer)
    assert (page.status_code, page.content) == (200, PAGE)


async def test_a_closed_library_asks_for_a_token_also_after_the_end(tmp_path: Path) -> None:
    async with served(tmp_path / "data", access={"library_open": False}) as relay:
        await record(relay)
        assert (await relay.http.get("/library", headers={"Accept": "text/html"})).status_code == 200
        for path, token in (("/library?format=json", "staff_token"), ("/library/waves/replay.json", "hall_token")):
            assert (await relay.http.get(path)).status_code == 401
            assert (await relay.http.get(path, headers=bearer(getattr(relay, token)))).status_code == 200
