"""A disk that is really full, or cannot be written at all: a relay on a small file system of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from lecture.file import LectureFile
from tests.network.disks import on_a_disk_of

pytestmark = pytest.mark.timeout(180)

FILL = """
def fill(ballast, but_bytes=0):
    with ballast.open("ab", buffering=0) as file:
        for piece in (1 << 20, 65536, 4096, 1):
            try:
                while file.write(bytes(piece)) == piece:
                    pass
            except OSError:
                pass
        file.truncate(file.tell() - but_bytes)
"""

RELAY = (
    FILL
    + """
import asyncio, shutil, sys
from pathlib import Path
from relay.media.settings import LectureInfo
from tests.network.media_kit import VoicePublisher, until
from tests.network.relays import served

data, out = Path(sys.argv[1]), Path(sys.argv[2])
ballast = data / "ballast"

async def main():
    async with served(data) as server:
        lecture = await server.relay.directory.open("waves", LectureInfo("Waves", "", ("en", "ko")))

        async def seen_by_staff():
            facts = (await server.http.get("/api/lectures/waves", headers=server.staff)).text
            figures = (await server.http.get("/metrics", headers=server.staff)).text
            failing = [line for line in figures.splitlines() if "recorder_failing" in line and not line.startswith("#")]
            assert failing, figures
            return facts, failing[0].endswith(" 1") or failing[0].endswith(" 1.0")

        def end_ms():
            return lecture.snapshot()["voices"].get("en", {}).get("recorded_end_ms", 0)

        async with VoicePublisher.publishing(lecture):
            await until(lambda: end_ms() > 1000, "voice")
            fill(ballast)
            await until(lambda: lecture.snapshot()["recorder"]["trouble"], "the warning")
            print("trouble", lecture.snapshot()["recorder"]["trouble"])
            deck = await server.http.put(
                "/lectures/waves/deck",
                content=b"%PDF-1.7" + bytes(100_000),
                headers={**server.lecturer, "Content-Type": "application/pdf"},
            )
            assert (deck.status_code, deck.json()["error"]["id"]) == (507, "disk_full"), deck.text
            assert not list((data / "cache").rglob("*.p*")), "half a deck is left"
            facts, failing = await seen_by_staff()
            assert failing and '"disk_full"' in facts, facts
            told_ms = end_ms()
            await until(lambda: end_ms() > told_ms + 2000, "the lecture goes on")
            ballast.unlink()
            await until(lambda: not lecture.snapshot()["recorder"]["trouble"], "recording again")
            assert not (await seen_by_staff())[1]
        fill(ballast)
        await lecture.end()
        assert lecture.snapshot()["recorder"]["trouble"] == "disk_full"
        assert lecture.idle_for(1e9) == 0, "it stays in memory until the disk has taken it"
        ballast.unlink()
        await until(lambda: not lecture.snapshot()["recorder"]["trouble"], "the rest is written")
        assert lecture.log.finished
    shutil.copytree(data / "lectures", out)

asyncio.run(main())
"""
)


UPLOAD = (
    FILL
    + """
import asyncio, hashlib, random, sys
from pathlib import Path
from lecture.file import LectureFile
from relay import imports
from tests import recorded
from tests.network.relays import served

data, out = Path(sys.argv[1]), Path(sys.argv[2])
ballast, url = data / "ballast", "/api/library/imports"
imports.RETRY_S = 0.1
path = recorded.write(out)
with LectureFile.open(path) as file:
    file.put_blob(random.Random(1).randbytes(2_000_000), "image/png")
body = path.read_bytes()

async def main():
    async with served(data) as server:
        facts = {"name": "a.lecture", "size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}

        async def begin():
            return await server.http.post(url, json=facts, headers=server.staff)

        async def send(at, end):
            headers = {**server.staff, "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(at)}
            return await server.http.patch(here, content=body[at:end], headers=headers)

        async def shown():
            return (await server.http.get(here, headers=server.staff)).json()

        def refused(answer):
            return answer.status_code == 507 and answer.json()["error"]["id"] == "disk_full"

        fill(ballast)
        assert refused(await begin())
        assert not list((data / "imports").iterdir()), "a refused upload leaves nothing"
        ballast.unlink()
        upload = (await begin()).json()
        here = f"{url}/{upload['upload']}"
        half = len(body) // 2
        assert (await send(0, half)).status_code == 200
        fill(ballast)
        assert refused(await send(half, len(body)))
        kept = await shown()
        assert kept["state"] == "receiving" and half <= kept["received_bytes"] < len(body), kept
        # Room for what is missing, and none for the import.
        ballast.unlink()
        fill(ballast, len(body) - kept["received_bytes"] + 100_000)
        answer = await send(kept["received_bytes"], len(body))
        assert answer.status_code == 200, answer.text
        while (found := await shown())["error"] is None:
            await asyncio.sleep(0.05)
        assert (found["state"], found["error"]["id"]) == ("waiting", "disk_full"), found
        ballast.unlink()
        while (found := await shown())["state"] not in ("done", "failed"):
            await asyncio.sleep(0.05)
        assert found["state"] == "done" and found["lectures"][0]["result"] == "new", found
        replay = f"/library/{recorded.LECTURE}/replay.json"
        fill(ballast)
        assert refused(await server.http.get(replay)), "what must be prepared for replay has no room"
        ballast.unlink()
        assert (await server.http.get(replay)).status_code == 200
        fill(ballast)
        assert (await server.http.get(replay)).status_code == 200, "what is prepared needs none"
    assert not list((data / "imports").iterdir())

asyncio.run(main())
"""
)

HALL = (
    FILL
    + """
import sys
from pathlib import Path
from classroom_client.copy import HallCopy
from lecture.entries import EncodedFrame
from lecture.errors import LectureFileError

folder = Path(sys.argv[1])
fill(folder / "ballast")
for keep in (folder, folder / "new"):
    copy = HallCopy.open(keep, "waves", "Waves")
    assert not copy.kept and folder not in copy.path.parents, copy.path
    copy.keep_voice("en", [EncodedFrame(0, 60, b"voice")])
    copy.commit()
    assert [frame.data for frame in copy.frames("en", copy.voice_spans("en")[0])] == [b"voice"]
    copy.close(finished=True)
    assert not copy.path.parent.exists(), "nothing is left of what is not kept"
(folder / "ballast").unlink()
copy = HallCopy.open(folder, "waves", "Waves")
assert copy.kept and copy.path.parent == folder
copy.close(finished=True)
# What was begun before the disk was full goes on in its own file.
fill(folder / "ballast")
copy = HallCopy.open(folder, "waves", "Waves")
copy.keep_voice("en", [EncodedFrame(0, 60, b"voice")])
if copy.kept:
    try:
        copy.commit()
    except LectureFileError as error:
        assert error.error_id == "disk_full", error
    (folder / "ballast").unlink()
    copy.commit()
copy.close(finished=True)
"""
)

READ_ONLY = """
import contextlib, io, json, subprocess, sys
from pathlib import Path
from hallcast.cli import main
from tests import recorded

data, out = Path(sys.argv[1]), Path(sys.argv[2])
(data / "lectures").mkdir()
path = recorded.write(data / "lectures")
copy = recorded.write(out)
main(["recordings", "rebuild", "--data", str(data)])
subprocess.run(["mount", "-o", "remount,ro", str(data)], check=True)
before = path.read_bytes()
for words, expected in (
    (["info", recorded.LECTURE], 0),
    (["verify", recorded.LECTURE], 0),
    (["export", recorded.LECTURE, "--to", "opus", "--out", str(out / "out.opus")], 1),
    (["list"], "catalogue_unusable"),
    (["rebuild"], "catalogue_unusable"),
    (["repair", recorded.LECTURE, "--from", str(copy)], "file_unwritable"),
    (["import", str(copy)], "catalogue_unusable"),
    (["delete", recorded.LECTURE], "catalogue_unusable"),
):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = main(["recordings", *words, "--data", str(data), "--json"])
    error_id = json.loads(said.getvalue()).get("error", {}).get("id", "")
    assert (error_id if code == 2 else code) == expected, (words, code, said.getvalue())
with contextlib.redirect_stdout(said := io.StringIO()):
    code = main(["relay", "--data", str(data), "--host", "127.0.0.1", "--port", "0", "--json"])
assert (code, json.loads(said.getvalue())["error"]["id"]) == (2, "data_folder_unusable"), said.getvalue()
assert path.read_bytes() == before
"""


def test_a_full_disk_is_seen_by_staff_and_costs_no_word(tmp_path: Path) -> None:
    said, out = on_a_disk_of(1500, RELAY, tmp_path)
    assert "trouble disk_full" in said
    with LectureFile.open(out / "waves.lecture", readonly=True) as file:
        report = file.verify()
        assert report.ok, report.problems
        assert report.gaps["en"] == []
        assert file.finished


def test_an_upload_that_meets_a_full_disk_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """At each step: announced, on its way, and when it is imported."""
    (tmp_path / "out").mkdir()
    on_a_disk_of(140_000, UPLOAD, tmp_path)


def test_a_disk_that_cannot_be_written_can_be_read_and_says_so_else(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    on_a_disk_of(20_000, READ_ONLY, tmp_path)


def test_a_hall_whose_disk_is_full_shows_the_lecture_and_keeps_nothing(tmp_path: Path) -> None:
    on_a_disk_of(1500, HALL, tmp_path)
