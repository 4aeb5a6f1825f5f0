"""Files that take a relay seconds to make for a replay."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from lecture.entries import EncodedFrame, Entry, Kind, pack_frames
from lecture.file import LectureFile
from lecture.tracks import Track
from tests.network.relays import served

SILENT_OPUS = bytes([0x58, 0xFF, 0xFE])  # one SILK frame of 60 ms, mono
HOUR_MS = 3_600_000
NAMES = ("one", "two", "three")


def write(folder: Path) -> None:
    """Three recordings of an hour each."""
    folder.mkdir(parents=True)
    path = folder / f"{NAMES[0]}.lecture"
    with LectureFile.create(path, {"lecture": "an-hour", "state": "ended"}) as file:
        track = file.add_track(Track("voice", "opus", 48_000, "en", "12", 1))
        for t_ms in range(0, HOUR_MS, 6_000):
            frames = [EncodedFrame(t_ms + at_ms, 60, SILENT_OPUS) for at_ms in range(0, 6_000, 60)]
            file.append(Entry(Kind.VOICE, t_ms, pack_frames(t_ms, frames), track.track_id, 6_000))
        file.finish()
    for name in NAMES[1:]:
        shutil.copy(path, folder / f"{name}.lecture")


async def test_one_is_made_at_a_time_since_live_voice_needs_the_processor(tmp_path: Path) -> None:
    write(tmp_path / "data" / "lectures")
    async with served(tmp_path / "data") as relay:

        async def fetch(name: str) -> int:
            return (await relay.http.get(f"/library/{name}/voice/en.ogg")).status_code

        asked = asyncio.gather(*map(fetch, NAMES))
        at_once: set[int] = set()
        while not asked.done():
            at_once.add(len(list((tmp_path / "data" / "cache").glob("*/*.part"))))
            await asyncio.sleep(0.002)
        assert asked.result() == [200] * len(NAMES)
        assert max(at_once) == 1
