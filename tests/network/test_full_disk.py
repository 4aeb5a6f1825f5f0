"""A disk that is really full: a relay on a file system of its own, of a megabyte."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lecture.file import LectureFile

pytestmark = pytest.mark.timeout(180)

MOUNT = 'mount -t tmpfs -o size=1500k,mode=700 tmpfs "$0" && exec "$@"'

RELAY = """
import asyncio, shutil, sys
from pathlib import Path
from relay.media.settings import LectureInfo
from tests.network.media_kit import VoicePublisher, until
from tests.network.relays import served

data, out = Path(sys.argv[1]), Path(sys.argv[2])
ballast = data / "ballast"

def fill():
    with ballast.open("ab", buffering=0) as file:
        for piece in (65536, 4096, 1):
            try:
                while file.write(bytes(piece)) == piece:
                    pass
            except OSError:
                pass

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
            fill()
            await until(lambda: lecture.snapshot()["recorder"]["trouble"], "the warning")
            print("trouble", lecture.snapshot()["recorder"]["trouble"])
            facts, failing = await seen_by_staff()
            assert failing and '"disk_full"' in facts, facts
            told_ms = end_ms()
            await until(lambda: end_ms() > told_ms + 2000, "the lecture goes on")
            ballast.unlink()
            await until(lambda: not lecture.snapshot()["recorder"]["trouble"], "recording again")
            assert not (await seen_by_staff())[1]
        fill()
        await lecture.end()
        assert lecture.snapshot()["recorder"]["trouble"] == "disk_full"
        assert lecture.idle_for(1e9) == 0, "it stays in memory until the disk has taken it"
        ballast.unlink()
        await until(lambda: not lecture.snapshot()["recorder"]["trouble"], "the rest is written")
        assert lecture.log.finished
    shutil.copytree(data / "lectures", out)

asyncio.run(main())
"""


def test_a_full_disk_is_seen_by_staff_and_costs_no_word(tmp_path: Path) -> None:
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT]
    disk, out = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    if not shutil.which("unshare") or subprocess.run([*namespace, disk, "true"], check=False).returncode:
        pytest.skip("this system lets nobody mount a file system of one's own")
    words = [*namespace, str(disk), sys.executable, "-c", RELAY, str(disk), str(out)]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trouble disk_full" in done.stdout
    with LectureFile.open(out / "waves.lecture", readonly=True) as file:
        report = file.verify()
        assert report.ok, report.problems
        assert report.gaps["en"] == []
        assert file.finished
