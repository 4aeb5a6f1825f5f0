"""A disk that takes nothing in the middle of a lecture, though there is room on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lecture.file import LectureFile
from lecture.verify import VerifyReport
from tests.network.disks import EXT4, on_a_disk_of

pytestmark = pytest.mark.timeout(180)

LIVE = """
import asyncio, resource, subprocess, sys
from contextlib import asynccontextmanager
from pathlib import Path
from recordings.files import copy_lecture_file
from relay.media.settings import LectureInfo
from tests.network.media_kit import VoicePublisher, until
from tests.network.relays import served

data, out = Path(sys.argv[1]), Path(sys.argv[2])

@asynccontextmanager
async def lecture_on(server):
    lecture = await server.relay.directory.open("waves", LectureInfo("Waves", "", ("en",)))
    async with VoicePublisher.publishing(lecture):
        yield lecture

def keep():
    out.mkdir()
    # What the catalogue knows of the lecture may be written into its file just now.
    copy_lecture_file(data / "lectures/waves.lecture", out / "waves.lecture")

def end_ms(lecture):
    return lecture.snapshot()["voices"].get("en", {}).get("recorded_end_ms", 0)

def recorder(lecture):
    return lecture.snapshot()["recorder"]

async def seen_by_staff(server, lecture):
    facts = (await server.http.get("/api/lectures/waves", headers=server.staff)).text
    figures = (await server.http.get("/metrics", headers=server.staff)).text
    failing = [line for line in figures.splitlines() if line.startswith("hallcast_recorder_failing{")]
    assert failing, figures
    told = recorder(lecture)["trouble"]
    assert not told or f'"{told}"' in facts, facts
    return float(failing[0].rpartition(" ")[2])

async def goes_on_without_a_disk(server, lecture):
    await until(lambda: recorder(lecture)["trouble"], "the warning")
    print("trouble", recorder(lecture)["trouble"])
    assert await seen_by_staff(server, lecture)
    told_ms = end_ms(lecture)
    await until(lambda: end_ms(lecture) > told_ms + 1500, "the lecture goes on")
"""

REFUSING = (
    LIVE
    + """
def let_write(size_bytes):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))

async def main():
    async with served(data) as server, lecture_on(server) as lecture:
        await until(lambda: recorder(lecture)["committed_ms"] > 500, "voice on the disk")
        let_write(1)
        await goes_on_without_a_disk(server, lecture)
        let_write(resource.RLIM_INFINITY)
        await until(lambda: not recorder(lecture)["trouble"], "recording again")
        assert not await seen_by_staff(server, lecture)
        await lecture.end()
    keep()

asyncio.run(main())
"""
)

READ_ONLY = (
    LIVE
    + """
def device():
    words = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return next(Path(word[0]).name for word in words if word[1] == str(data))

async def main():
    async with served(data) as server, lecture_on(server) as lecture:
        await until(lambda: recorder(lecture)["committed_ms"] > 500, "voice on the disk")
        Path(f"/sys/fs/ext4/{device()}/trigger_fs_error").write_text("test")
        await goes_on_without_a_disk(server, lecture)
        lost_ms = end_ms(lecture)
    # Linux lets nobody write again before the disk is unmounted, for which the relay has to stop.
    subprocess.run(["umount", data], check=True)
    subprocess.run(["e2fsck", "-fp", f"{data}.image"], stdout=sys.stderr)
    subprocess.run(["mount", "-o", "loop", f"{data}.image", data], check=True)
    async with served(data) as server, lecture_on(server) as lecture:
        await until(lambda: recorder(lecture)["committed_ms"] > lost_ms + 500, "recording again")
        assert not await seen_by_staff(server, lecture)
        await lecture.end()
    keep()

asyncio.run(main())
"""
)


def verified(out: Path) -> VerifyReport:
    with LectureFile.open(out / "waves.lecture", readonly=True) as file:
        report = file.verify()
        assert report.ok, report.problems
        assert file.get_meta("state") == "ended"
        return report


def test_what_a_disk_refuses_for_a_while_is_written_when_it_takes_it(tmp_path: Path) -> None:
    """No file may become longer, whoever has it open: for the recorder a disk that fails."""
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    words = [sys.executable, "-c", REFUSING, data, out]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trouble disk_failed" in done.stdout
    assert verified(out).gaps["en"] == []


def test_a_disk_that_goes_read_only_costs_what_was_said_until_it_is_mounted_again(tmp_path: Path) -> None:
    said, out = on_a_disk_of(32_000, READ_ONLY, tmp_path, EXT4)
    assert "trouble disk_failed" in said
    (gap,) = verified(out).gaps["en"]
    assert gap.start_ms > 500
    assert gap.end_ms - gap.start_ms > 1500
