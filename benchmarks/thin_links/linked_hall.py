"""A headless hall with the emulated link in its own process: for machines where no network namespace can be made.

    python -m benchmarks.thin_links.linked_hall --link C --log link.jsonl --relay URL --code … (as `hallcast join`)

The link is the tests' :class:`tests.network.link.LossyLink`. Orders and log are those of
:mod:`benchmarks.thin_links.forwarder`; what TCP carries is told apart from UDP only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from benchmarks.thin_links.forwarder import TICK_S, kind_of_udp
from benchmarks.thin_links.links import LINKS, Change, Link, Schedule
from classroom_client.engine import Hall
from classroom_client.settings import HallSettings
from classroom_client.sinks import WavSink
from classroom_client.telling import Teller
from classroom_client.texts import Texts
from tests.network.link import LinkDirection, LossyLink
from transport.network import NetworkConfig
from transport.tasks import until_first


class _Counted(LinkDirection):
    """Counts what it is given."""

    offered_bytes = 0

    def carry(self, now: float, size_bytes: int) -> float | None:
        self.offered_bytes += size_bytes
        return super().carry(now, size_bytes)


class _Watched(LossyLink):
    """Knows what passes."""

    def __init__(self, *, seed: int) -> None:
        super().__init__(seed=seed)
        self.down, self.up = _Counted(self.down.spec, f"{seed} down"), _Counted(self.up.spec, f"{seed} up")
        self.kinds: dict[LinkDirection, Counter[str]] = {self.down: Counter(), self.up: Counter()}

    def seen(self, direction: LinkDirection, data: bytes) -> None:
        self.kinds[direction][kind_of_udp(data)] += len(data) + 28

    def apply(self, link: Link) -> None:
        """The open link becomes the thin one."""
        self.down.spec, self.up.spec = link.down, link.up

    def change(self, change: Change) -> None:
        """Something happens on it."""
        for direction in (self.down, self.up):
            if change.rate_kbps is not None:
                direction.spec = replace(direction.spec, rate_kbps=change.rate_kbps)
            if change.broken is not None:
                direction.broken = change.broken
        if change.udp_blocked is not None:
            self.udp_blocked = change.udp_blocked


async def _orders(link: _Watched, wanted: Link) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        match json.loads(line):
            case {"do": "apply"}:
                link.apply(wanted)
            case {"do": "begin", "at": float(at)}:
                for change in Schedule.of(wanted).changes:
                    link.at(at + change.at_s - loop.time(), lambda change=change: link.change(change))  # type: ignore[misc]
    await asyncio.Event().wait()


async def _write_log(link: _Watched, log: IO[str]) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due += TICK_S
        await asyncio.sleep(due - loop.time())
        now = loop.time()
        ways = {"down": _line(link, link.down, now), "up": _line(link, link.up, now)}
        facts = {"t": round(now, 4), **ways, "late_ms": round((now - due) * 1000, 2)}
        log.write(json.dumps(facts, separators=(",", ":")) + "\n")


def _line(link: _Watched, direction: LinkDirection, now: float) -> dict[str, object]:
    assert isinstance(direction, _Counted)
    kinds, counters = link.kinds[direction], direction.counters
    offered = dict(kinds)
    if (tcp := direction.offered_bytes - kinds.total()) > 0:
        offered["tcp"] = tcp
    facts: dict[str, object] = {
        "offered": offered,
        "arrived": counters.bytes,
        "queue_ms": round(direction.queue_ms(now), 1),
        "max_queue_ms": round(counters.max_queue_ms, 1),
        "lost": counters.lost,
        "dropped": counters.dropped,
        "blocked": counters.blocked,
        "rate_kbps": direction.spec.rate_kbps,
    }
    kinds.clear()
    direction.offered_bytes = counters.bytes = counters.lost = counters.dropped = counters.blocked = 0
    counters.max_queue_ms = 0.0
    return facts


async def _run(args: argparse.Namespace) -> int:
    link = LINKS[args.link].shortened() if args.short else LINKS[args.link]
    async with _Watched(seed=args.seed) as between:
        between.down.spec, between.up.spec = link.before_class()
        between.udp_blocked = link.udp_blocked_from_s == 0
        relay = urlsplit(args.relay)
        port = await between.tcp(str(relay.hostname), int(relay.port or 80))
        settings = HallSettings(
            relay_url=f"http://127.0.0.1:{port}",
            code=args.code,
            keep=args.keep,
            name=args.name,
            network=between.near(NetworkConfig(addresses=("127.0.0.1",))),
        )
        hall = Hall(settings, sink=WavSink(args.dump_voice), dump_pages=args.dump_pages)
        teller = Teller(Texts("en"), as_json=True)
        print(json.dumps({"event": "ready", "realtime": False}), flush=True)
        with args.log.open("w", encoding="ascii") as log:
            received = []

            async def receive() -> None:
                received.append(await hall.run())

            await until_first(receive(), teller.follow(hall), _orders(between, link), _write_log(between, log))
        teller.receipt(received[0])
    return 0 if received[0].complete else 1


def main() -> int:
    """Take the words of ``hallcast join`` that the benchmark uses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--link", required=True, choices=LINKS)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--relay", required=True)
    parser.add_argument("--code", required=True)
    parser.add_argument("--name", default="")
    parser.add_argument("--json", action="store_true")
    for name in ("keep", "dump-voice", "dump-pages"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    return asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
