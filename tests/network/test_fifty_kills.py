"""Relays that die by ``kill -9`` at fifty random moments of their lectures, each lecture going on in the same file."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import signal
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from lecture.entries import Kind, unpack_frames
from lecture.file import LectureFile
from recordings.recording import Recording
from recordings.replay import replay_manifest
from recordings.voice import write_ogg
from relay.media.live import LiveLecture
from tests import sound
from tests.network import parts
from tests.network.media_kit import VoicePublisher
from transport.whip import WhipClient

pytestmark = pytest.mark.timeout(300)

LECTURES, KILLS_EACH = 5, 10
SEED = 20261128
MOST_SPOKEN_S = 2.0
LOST_MOST_S = 1.0

# Starts relays without importing them anew each time: every relay is a process of its own, as the command makes it.
STARTER = """
import json, os, sys
from hallcast.cli import main
import relay.serve, relay.app, relay.signalling.server

for line in sys.stdin:
    pid = os.fork()
    if not pid:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os._exit(main(json.loads(line)))
    print(json.dumps({"pid": pid}), flush=True)
    os.waitpid(pid, 0)
    print(json.dumps({"gone": pid}), flush=True)
"""


class Relays:
    """Relays on one data folder, one after the other."""

    def __init__(self, process: asyncio.subprocess.Process, data: Path) -> None:
        self._process = process
        self.data = data
        self._pid = 0
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def on(cls, data: Path) -> AsyncIterator[Relays]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", STARTER, stdin=pipe, stdout=pipe, cwd=Path(__file__).parents[2]
        )
        relays = cls(process, data)
        try:
            yield relays
        finally:
            if relays._pid:
                await relays.stop(signal.SIGKILL)
            process.kill()
            await process.wait()

    async def start(self) -> None:
        words = ["relay", "--host", "127.0.0.1", "--port", "0", "--data", str(self.data), "--log-level", "error"]
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([*words, "--json"]).encode() + b"\n")
        self._pid = int((await self._said("pid"))["pid"])
        self.url = str((await self._said("url"))["url"])

    async def stop(self, number: signal.Signals) -> None:
        os.kill(self._pid, number)
        await self._said("gone")
        self._pid = 0

    async def _said(self, key: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            while line := await self._process.stdout.readline():
                said = json.loads(line)
                if key in said:
                    return dict(said)
        raise AssertionError("the starter died")


class ByWhip:
    """What a :class:`VoicePublisher` needs of a lecture, over the relay's real HTTP."""

    def __init__(self, whip: WhipClient) -> None:
        self._whip = whip

    async def publish(self, offer_sdp: str, **_: object) -> object:
        return await self._whip.publish(offer_sdp)


@dataclass
class Kill:
    """What one death cost."""

    sent: int
    kept: int
    lost_s: float
    allowed_s: float


async def speak_and_kill(relays: Relays, handout: dict[str, Any], path: Path, rng: random.Random) -> Kill:
    await relays.start()
    before_seq = await asyncio.to_thread(last_source_seq, path)
    whip_url = f"{relays.url}/whip/{handout['lecture']}"
    async with (
        WhipClient(whip_url, str(handout["lecturer_token"])) as whip,
        VoicePublisher.publishing(cast(LiveLecture, ByWhip(whip))) as publisher,
    ):
        await asyncio.sleep(rng.uniform(0, MOST_SPOKEN_S))
        killed_at = asyncio.get_running_loop().time()
        sent = list(publisher.sent)
        await relays.stop(signal.SIGKILL)
    kept = await asyncio.to_thread(check, path, before_seq)
    packets = [packet for _, packet in sent]
    assert kept == packets[: len(kept)], "what is kept is what was said, without a hole"
    lost_s = killed_at - sent[len(kept)][0] if len(kept) < len(sent) else 0.0
    # Where this process was kept waiting by others, so was the relay, before it could take or write anything.
    times = [at for at, _ in sent] + [killed_at]
    stalled_s = max((later - at for at, later in itertools.pairwise(times)), default=0.0)
    return Kill(len(sent), len(kept), lost_s, LOST_MOST_S + 2 * max(0.0, stalled_s - 0.02))


def last_source_seq(path: Path) -> int:
    if not path.exists():
        return 0
    with LectureFile.open(path, readonly=True) as file:
        return max((entry.seq for entry in file.read(limit=1 << 20)), default=0)


def check(path: Path, before_seq: int) -> list[bytes]:
    """Verify and replay the file as the death left it; returns the publisher's packets since ``before_seq``."""
    with Recording.open(path) as recording:
        report = recording.verify()
        assert report.ok, report.problems
        manifest = replay_manifest(recording, ())
        assert manifest["duration_ms"] == report.duration_ms
        # What one rung lacks at the end another may have, and the replay plays it.
        frames = [frame for track in recording.voice_tracks("en") for frame in recording.frames(track)]
        if frames:
            ogg = path.parent / f"{path.name}.ogg"
            write_ogg(recording, "en", ogg)
            end_ms = max(frame.t_ms + frame.duration_ms for frame in frames)
            assert abs(len(sound.load(ogg)) * 1000 / sound.RATE - end_ms) < 100
            ogg.unlink()
    with LectureFile.open(path, readonly=True) as file:
        source = {track.track_id for track in file.tracks() if track.rung == "source"}
        entries = [
            entry for entry in file.read(before_seq, kinds=[Kind.VOICE], limit=1 << 20) if entry.track_id in source
        ]
    entries.sort(key=lambda entry: entry.t_ms)
    return [frame.data for entry in entries for frame in unpack_frames(entry)]


async def one_lecture(folder: Path, number: int) -> list[Kill]:
    rng = random.Random(SEED + number)
    async with Relays.on(folder / "data") as relays:
        await relays.start()
        handout = await parts.create_lecture(relays.url, relays.data)
        path = relays.data / "lectures" / f"{handout['lecture']}.lecture"
        await relays.stop(signal.SIGKILL)
        kills = [await speak_and_kill(relays, handout, path, rng) for _ in range(KILLS_EACH)]
        await relays.start()
        token = (relays.data / "staff.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=relays.url, trust_env=False, headers=headers, timeout=30) as http:
            answer = await http.post(f"/api/lectures/{handout['lecture']}/end")
            assert answer.is_success, answer.text
        await relays.stop(signal.SIGTERM)
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name], "one lecture, one file"
    with Recording.open(path) as recording:
        assert recording.verify().ok
        assert recording.state == "ended"
    return kills


async def test_fifty_kills_of_the_relay_cost_no_file_and_a_second_each_at_most(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        lectures = [group.create_task(one_lecture(tmp_path / str(number), number)) for number in range(LECTURES)]
    kills = [kill for lecture in lectures for kill in lecture.result()]
    assert len(kills) == 50
    assert sum(kill.kept for kill in kills) > 0.3 * sum(kill.sent for kill in kills)
    assert [kill for kill in kills if kill.lost_s > kill.allowed_s] == []
    assert statistics.median(kill.lost_s for kill in kills) <= LOST_MOST_S
