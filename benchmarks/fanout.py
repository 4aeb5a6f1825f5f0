"""One lecture to many players over loopback: the relay's CPU per outgoing packet, and how many a core can serve.

    python -m benchmarks.fanout [--players 25 100 400] [--seconds 10] [--profile] [--json]

The relay's media part runs in this process, the publisher (voice 32 kbit/s, camera about 200 kbit/s) and the players
in a child process, so that only the relay's CPU is counted. Each player gets voice in 60-ms packets and the camera.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import pstats
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from relay.media.directory import LectureDirectory
from relay.media.live import LiveLecture
from relay.media.settings import LectureInfo, MediaSettings
from transport import rtcp
from transport.network import NetworkConfig
from transport.opus import Encoder
from transport.peer import Peer
from transport.sdp import hall_media, make_offer, parse_answer, publisher_media
from transport.send import SendStream

LOOPBACK = NetworkConfig(addresses=("127.0.0.1",))
CAMERA_PACKETS_PER_FRAME = 3
CAMERA_FPS = 10
Ask = Callable[[str, str], Awaitable[str]]


async def publish(ask: Ask) -> None:
    """Send voice and something that looks like VP8, for ever."""
    import numpy as np

    spec = publisher_media("VP8")
    async with await Peer.create(LOOPBACK, controlling=True) as peer:
        remote, media = parse_answer(spec, await ask("publish", make_offer(spec, peer.local)))
        await peer.connect(remote)
        voice, camera = (SendStream(m.ssrc, m.codec.payload_type, m.codec.clock_rate) for m in media)
        peer.on_rtcp = lambda data, now: [peer.send_rtp(p) for s in (voice, camera) for p in s.handle_rtcp(data, now)][
            :0
        ]
        encoder = Encoder(1, bitrate_bps=32_000, frame_ms=20)
        noise = np.random.default_rng(1).normal(0, 3000, 48_000).astype(np.int16)
        packets = [encoder.encode(noise[n * 960 : n * 960 + 960]) for n in range(50)]
        # A VP8 keyframe of one partition: payload descriptor, frame tag, start code, size; the rest is never decoded.
        first = b"\x10" + b"\x10\x02\x00\x9d\x01\x2a\x40\x01\xf0\x00" + bytes(800)
        rest = b"\x00" + bytes(800)
        loop = asyncio.get_running_loop()
        start = loop.time()
        for n in range(1 << 40):
            await asyncio.sleep(max(0.0, start + n * 0.02 - loop.time()))
            peer.send_rtp(voice.send(packets[n % 50], n * 960, False, loop.time()))
            if n % (50 // CAMERA_FPS) == 0:
                for part in range(CAMERA_PACKETS_PER_FRAME):
                    last = part == CAMERA_PACKETS_PER_FRAME - 1
                    peer.send_rtp(camera.send(rest if part else first, n * 1800, last, loop.time()))


async def play(ask: Ask) -> None:
    """One player: connect, report, throw away."""
    spec = hall_media(voice=("opus",))
    async with await Peer.create(LOOPBACK, controlling=True) as peer:
        remote, media = parse_answer(spec, await ask("play", make_offer(spec, peer.local)))
        await peer.connect(remote)
        while True:
            await asyncio.sleep(2.0)
            reports = tuple(rtcp.ReportBlock(m.remote_ssrcs[0], 0.0, 0, 0, 0) for m in media)
            peer.send_rtcp(rtcp.build(rtcp.ReceiverReport(media[0].ssrc, reports)))


async def be_the_others() -> None:
    """The child: requests go out as lines on stdout, answers come as lines on stdin."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    waiting: dict[int, asyncio.Future[str]] = {}

    async def ask(what: str, offer: str) -> str:
        number = len(waiting)
        waiting[number] = loop.create_future()
        print(json.dumps([number, what, offer]), flush=True)
        return await waiting[number]

    async with asyncio.TaskGroup() as tasks:
        while line := await reader.readline():
            number, text = json.loads(line)
            if number >= 0:
                waiting[number].set_result(text)
            elif text == "publish":
                tasks.create_task(publish(ask))
            else:
                for _ in range(int(text)):
                    tasks.create_task(play(ask))
    raise SystemExit


async def answer(lecture: LiveLecture, child: asyncio.subprocess.Process) -> None:
    """Answer the child's offers."""
    assert child.stdout is not None
    while line := await child.stdout.readline():
        number, what, offer = json.loads(line)
        endpoint = await (lecture.publish(offer, role="lecturer") if what == "publish" else lecture.play(offer))
        tell(child, number, endpoint.answer_sdp)


def tell(child: asyncio.subprocess.Process, number: int, text: str) -> None:
    assert child.stdin is not None
    child.stdin.write(json.dumps([number, text]).encode() + b"\n")


async def measured(lecture: LiveLecture, seconds: float) -> dict[str, float]:
    """CPU and packets of the relay over some seconds."""

    def sent() -> int:
        return sum(player["packets"] + player["resent_packets"] for player in lecture.snapshot()["players"])

    packets, cpu, wall = sent(), time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    wall = time.monotonic() - wall
    return {"cpu": (time.process_time() - cpu) / wall, "packets_per_s": (sent() - packets) / wall}


async def bench(counts: list[int], seconds: float, profile: bool) -> list[dict[str, Any]]:
    """Measure with each number of players."""
    results: list[dict[str, Any]] = []
    command = (sys.executable, "-m", "benchmarks.fanout", "--others")
    pipe = asyncio.subprocess.PIPE
    with tempfile.TemporaryDirectory() as folder:
        settings = MediaSettings(max_players=10_000)
        async with LectureDirectory(Path(folder), LOOPBACK, settings) as directory:
            lecture = await directory.open("bench", LectureInfo("Bench"))
            child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=1 << 20)
            answering = asyncio.create_task(answer(lecture, child))
            tell(child, -1, "publish")
            await asyncio.sleep(3)
            alone = await measured(lecture, seconds)
            there = 0
            for count in counts:
                tell(child, -1, str(count - there))
                there = count
                async with asyncio.timeout(120):
                    while sum(player["connected"] for player in lecture.snapshot()["players"]) < count:  # noqa: ASYNC110
                        await asyncio.sleep(0.2)
                await asyncio.sleep(3)
                profiler = cProfile.Profile() if profile else None
                if profiler:
                    profiler.enable()
                figures = await measured(lecture, seconds)
                if profiler:
                    profiler.disable()
                    pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(15)
                extra = figures["cpu"] - alone["cpu"]
                results.append(
                    {
                        "players": count,
                        "cpu_percent": round(100 * figures["cpu"], 1),
                        "cpu_percent_without_players": round(100 * alone["cpu"], 1),
                        "packets_per_s": round(figures["packets_per_s"]),
                        "us_per_packet": round(1e6 * extra / max(1.0, figures["packets_per_s"]), 1),
                        "players_per_core": round(count / max(1e-9, extra)),
                    }
                )
            child.kill()
            await child.wait()
            answering.cancel()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--players", type=int, nargs="+", default=[25, 100, 400])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--profile", action="store_true", help="print where the time goes (slows everything down)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--others", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.others:
        uvloop.run(be_the_others())
        return
    results = uvloop.run(bench(sorted(arguments.players), arguments.seconds, arguments.profile))
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    for row in results:
        print(
            f"{row['players']:4} players: {row['packets_per_s']:6} packets/s, {row['us_per_packet']:5} us each, "
            f"{row['cpu_percent']:5} % of a core, {row['players_per_core']} players per core"
        )


if __name__ == "__main__":
    main()
