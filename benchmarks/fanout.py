"""One lecture to many halls and players over loopback: the relay's CPU per outgoing packet, and how many a core serves.

    python -m benchmarks.fanout [--halls 25 100 400] [--players 25 100 400] [--seconds 10] [--profile] [--json]
                                [--write docs/benchmarks-fanout.md]

The whole relay (HTTP, sockets, media, recorder) runs in this process, publisher and clients in a child process, so that
only the relay's CPU is counted; what the relay needs without clients is measured first and subtracted. The publisher
sends the sample's voice (32 kbit/s) and camera. A hall gets four 60-ms frames of voice to a packet and its events by
RTP, and sends transport-wide feedback four times a second; a player gets 60-ms voice packets and the camera, and sends
feedback ten times a second, as browsers do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.sampler import Sampler, Share
from relay.app import Relay
from relay.config import RelayConfig
from relay.media.live import LiveLecture
from relay.signalling.server import RelayServer

LECTURE = "bench"
SETTLE_S = 14.0
"""The camera of a player begins after some seconds of calm."""
JOIN_TIMEOUT_S = 180.0
TOP_ENTRIES = 14
READING = (
    "**Reading it.** A hall of ours gets four or five packets a second; it answers with four feedbacks a second and a",
    "report every two. What counts is halls per core. A player with the camera gets several times the packets, and",
    "what one packet costs begins to count. Both fall as the relay has more to do: a packet that goes out alone, after",
    "milliseconds of idling, finds cold caches (on two shared cores of an EPYC `sendto` alone took 10 µs so, and",
    "3.4 µs in a tight loop).",
)
TARGET_US = 20
"""What sending a packet may take of the CPU."""
SENDING = ("VoiceSender._send", "CameraSender.pump", "RtpOutlet.send")
"""What sends a packet, from its payload to the socket."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the relay did in a second."""

    cpu: float
    packets: float
    kbps: float


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement.

    :ivar cpu_percent: of one core, all of the relay; ``cpu_percent_alone`` without clients.
    :ivar us_per_packet: CPU that the clients cost, divided by RTP packets sent: feedback, reports, choices and the
        socket are in it.
    :ivar clients_per_core: how many of them one core serves.
    """

    kind: str
    clients: int
    packets_per_s: int
    mbps: float
    cpu_percent: float
    cpu_percent_alone: float
    us_per_packet: float
    clients_per_core: int


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the relay's CPU time goes.

    :ivar sending_us: of each packet, of which feedback, estimate and choices are no part.
    """

    kind: str
    clients: int
    sending_us: float
    top: list[Share]


class Bench:
    """A relay with one lecture, and the child that is everybody else."""

    def __init__(self, lecture: LiveLecture, child: asyncio.subprocess.Process) -> None:
        self._lecture = lecture
        self._child = child
        self._there = {"players": 0, "halls": 0}

    def _links(self) -> list[dict[str, Any]]:
        snapshot = self._lecture.snapshot()
        return [*snapshot["players"], *(hall["link"] for hall in snapshot["halls"] if hall["link"])]

    async def bring(self, kind: str, number: int) -> None:
        """Have so many clients of that kind connected."""
        assert self._child.stdin is not None
        self._child.stdin.write(f"{kind} {number - self._there[kind]}\n".encode())
        self._there[kind] = number
        async with asyncio.timeout(JOIN_TIMEOUT_S):
            while sum(link["connected"] for link in self._links()) < sum(self._there.values()):
                if self._child.returncode is not None:
                    raise SystemExit("the clients' process has ended: see above")
                await asyncio.sleep(0.3)
        await asyncio.sleep(SETTLE_S)

    async def measure(self, seconds: float) -> Usage:
        """CPU and packets over some seconds."""

        def sent() -> tuple[int, int]:
            links = [link for link in self._links() if link["connected"]]
            packets = sum(link["packets"] + link["resent_packets"] for link in links)
            return packets, sum(link["sent_bytes"] for link in links)

        (packets, sent_bytes), cpu, wall = sent(), time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        packets_after, bytes_after = sent()
        return Usage(cpu / wall, (packets_after - packets) / wall, (bytes_after - sent_bytes) * 8 / 1000 / wall)


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """Serve a relay, and let the publisher begin."""
    with tempfile.TemporaryDirectory() as folder:
        plain = RelayConfig()
        config = replace(
            plain,
            server=replace(plain.server, host="127.0.0.1", port=0),
            network=replace(plain.network, addresses=("127.0.0.1",), udp_ports=()),
            data=replace(plain.data, folder=folder),
            media=replace(plain.media, max_players=10_000, max_halls=10_000),
            limits=replace(plain.limits, sockets=10_000),
        )
        async with Relay(config) as relay, RelayServer(relay) as server:
            made = await relay.create_lecture("Bench", lecture_id=LECTURE)
            lecture = await relay.open_lecture(LECTURE)
            hall_token = relay.tokens.hall(LECTURE, made.record.hall_code)
            words = ("-m", "benchmarks.fanout_clients", server.local_url, LECTURE, made.lecturer_token, hall_token)
            child = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=asyncio.subprocess.PIPE)
            try:
                async with asyncio.timeout(60):
                    while lecture.state != "live":  # noqa: ASYNC110
                        await asyncio.sleep(0.1)
                await asyncio.sleep(SETTLE_S)
                yield Bench(lecture, child)
            finally:
                if child.returncode is None:
                    child.kill()
                await child.wait()


async def measure(kind: str, numbers: list[int], seconds: float, sampler: Sampler | None) -> list[Row]:
    """Measure with each number of clients of one kind."""
    rows = []
    async with bench() as here:
        alone = await here.measure(seconds)
        for number in sorted(numbers):
            await here.bring(kind, number)
            with sampler or nullcontext():
                usage = await here.measure(seconds)
            extra = max(1e-9, usage.cpu - alone.cpu)
            rows.append(
                Row(
                    kind=kind,
                    clients=number,
                    packets_per_s=round(usage.packets),
                    mbps=round(usage.kbps / 1000, 2),
                    cpu_percent=round(100 * usage.cpu, 1),
                    cpu_percent_alone=round(100 * alone.cpu, 1),
                    us_per_packet=round(1e6 * extra / max(1.0, usage.packets), 1),
                    clients_per_core=round(number / extra),
                )
            )
            print(_sentence(rows[-1]), file=sys.stderr)
    return rows


def profile_of(row: Row, sampler: Sampler) -> Profile:
    """What the samples say."""
    share = sampler.watched_samples / max(1, sampler.samples)
    sending_us = share * row.cpu_percent / 100 * 1e6 / max(1, row.packets_per_s)
    return Profile(row.kind, row.clients, round(sending_us, 1), sampler.top(TOP_ENTRIES))


def _sentence(row: Row) -> str:
    return (
        f"{row.clients:4} {row.kind}: {row.packets_per_s:6} packets/s, {row.us_per_packet:5} us each, "
        f"{row.cpu_percent:5} % of a core, {row.clients_per_core} {row.kind} per core"
    )


def report(rows: list[Row], profiles: list[Profile], command: str) -> str:
    """The page of docs."""
    lines = [
        "# Fan-out: what a hall costs the relay",
        "",
        f"`make bench-fanout` ({command}), on {machine()}. What is measured, and how: [benchmarks/fanout.py]"
        "(../benchmarks/fanout.py).",
        "The cost of a packet holds all that its receiver causes: the packet itself (header, number, SRTP, send), its",
        "feedback, the estimate and the choice of rungs, reports and the socket.",
        "",
        "| | packets/s | Mbit/s | relay, % of a core | without clients | µs per packet | per core |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.clients} {row.kind} | {row.packets_per_s:,} | {row.mbps} | {row.cpu_percent} | "
        f"{row.cpu_percent_alone} | {row.us_per_packet} | {row.clients_per_core:,} |"
        for row in rows
    ]
    for profile in profiles:
        lines += [
            "",
            f"Where the relay's CPU goes with {profile.clients} {profile.kind}. Of a packet {_beside_target(profile)}",
            "are its sending itself (header, number, account, SRTP, send); the rest is what its receiver says and what",
            "comes of it.",
            "",
            "| function | own | with what it calls |",
            "|---|---:|---:|",
        ]
        lines += [f"| `{share.function}` | {share.own:.1%} | {share.whole:.1%} |" for share in profile.top]
    return "\n".join([*lines, "", *READING]) + "\n"


def _beside_target(profile: Profile) -> str:
    if profile.sending_us < TARGET_US:
        return f"{profile.sending_us} µs (target: below {TARGET_US})"
    return f"**{profile.sending_us} µs** (target: below {TARGET_US}, missed)"


def machine() -> str:
    """The machine, in a few words."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        found = [line.partition(":")[2].strip() for line in lines if "model name" in line]
        model = found[0] if found else model
    except OSError:
        pass
    return f"{os.cpu_count()} x {model}, Python {platform.python_version()}, uvloop"


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--halls", type=int, nargs="*", default=[25, 100, 400])
    parser.add_argument("--players", type=int, nargs="*", default=[25, 100, 400])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--profile", type=int, nargs="?", const=100, help="also profile with so many clients of a kind")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path, help="write the results into this page")
    arguments = parser.parse_args()
    rows: list[Row] = []
    profiles: list[Profile] = []
    for kind, numbers in (("halls", arguments.halls), ("players", arguments.players)):
        if not numbers:
            continue
        rows += uvloop.run(measure(kind, numbers, arguments.seconds, None))
        if arguments.profile:
            sampler = Sampler(SENDING)
            (row,) = uvloop.run(measure(kind, [arguments.profile], 2 * arguments.seconds, sampler))
            profiles.append(profile_of(row, sampler))
    page = report(rows, profiles, "python -m benchmarks.fanout " + " ".join(sys.argv[1:]))
    if arguments.write is not None:
        arguments.write.write_text(page)
    facts = {"rows": [asdict(row) for row in rows], "profiles": [asdict(profile) for profile in profiles]}
    print(json.dumps(facts, indent=2) if arguments.json else page)


if __name__ == "__main__":
    main()
