"""One lecture over one link: relay and streamer in one network namespace, the hall in another, the link between them.

    python -m benchmarks.thin_links.lecture --link C --out folder [--prefetched] …

All three are started as users start them. What they said and did is left in the folder, to be judged afterwards
(:mod:`benchmarks.thin_links.judge`): a lecture is not disturbed by judging another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import sys
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx

from benchmarks.thin_links.forwarder import RELAY_ADDRESS, new_network_namespace
from benchmarks.thin_links.links import LINKS, Link
from benchmarks.thin_links.machine import Watch
from benchmarks.thin_links.material import Material, Sources, prepare
from benchmarks.thin_links.planned import planned_lecture, staff
from benchmarks.thin_links.process import START_S, BenchError, Part, part
from benchmarks.thin_links.voice import boot_minus_monotonic_s
from lecture.errors import LectureFileError
from lecture.file import LectureFile

_FETCH_S = 300.0
_SETTLE_S = 4.0
"""Between the moment the link becomes thin and the first word."""
_END_S = 90.0
"""After the lecturer has gone a hall gets so long to hear and keep the rest, and what an outage cost it beside."""
_LOOK_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be held.

    :param in_process: the link is emulated in the hall's process instead of between namespaces; needs no rights.
    :param hall_words: further words of ``hallcast join``; ``stream_words`` of ``hallcast stream``.
    """

    link: Link
    prefetched: bool
    short: bool
    seed: int
    folder: Path
    sources: Sources
    camera: bool = True
    in_process: bool = False
    hall_words: tuple[str, ...] = ()
    stream_words: tuple[str, ...] = ()


async def hold(plan: Plan) -> None:
    """Hold the lecture; raw results are in the plan's folder afterwards.

    :raises BenchError: it could not be held.
    """
    folder, link = plan.folder, plan.link
    folder.mkdir(parents=True, exist_ok=True)
    material = await asyncio.to_thread(prepare, plan.sources, link, folder.parent / "material")
    planned = await planned_lecture(material, folder.parent / "material")
    handout = planned.handout
    lecture_file = folder / "relay" / "lectures" / f"{handout['lecture']}.lecture"
    await asyncio.to_thread(shutil.copytree, planned.data, folder / "relay")
    async with AsyncExitStack() as stack:
        log = stack.enter_context((folder / "log.txt").open("wb"))
        network = await _network(plan, stack, log)
        relay = await stack.enter_async_context(part("relay", _relay_words(plan), folder, log))
        up = await relay.named("ready", START_S)
        port = int(up["port"])
        http = await stack.enter_async_context(staff(up))
        if network is not None and not plan.prefetched:
            network.order(do="apply")
        hall_words = _hall_words(plan, network, port, str(handout["hall_code"]))
        hall = await stack.enter_async_context(part("hall", hall_words, folder, log))
        network = network or hall
        if network is hall and not plan.prefetched:
            network.order(do="apply")
        await hall.heard(lambda event: event.get("link") == "up", START_S)
        if plan.prefetched:
            await _fetched(folder / "hall", planned.digests)
            network.order(do="apply")
        await asyncio.sleep(_SETTLE_S)
        stream_words = _stream_words(plan, port, handout, material)
        lecturer = await stack.enter_async_context(part("lecturer", stream_words, folder, log))
        first_word = await lecturer.named("page", START_S)
        network.order(do="begin", at=first_word["at_s"])
        watch = Watch({"relay": relay.process.pid, "hall": hall.process.pid, "lecturer": lecturer.process.pid})
        watching = asyncio.create_task(watch.run(http))
        try:
            await lecturer.named("receipt", link.length_s + START_S)
            rest_s = _END_S + sum(outage.length_s * 4 for outage in link.outages)
            complete = await _until_done(hall, rest_s)
        finally:
            watching.cancel()
        ready = await network.named("ready", START_S)
        facts = {
            "link": link.name,
            "prefetched": plan.prefetched,
            "short": plan.short,
            "seed": plan.seed,
            "camera": plan.camera and not link.screen,
            "screen": str(material.screen) if link.screen else "",
            "lecture_file": str(lecture_file.relative_to(folder)),
            "deck": f"../material/{material.deck.name}",
            "voice": f"../material/{material.voice.name}",
            "first_word_s": first_word["at_s"],
            "boot_minus_monotonic_s": boot_minus_monotonic_s(),
            "hall_done": complete,
            "in_process": plan.in_process,
            "forwarder_realtime": ready["realtime"],
            "machine": watch.facts(),
        }
    (folder / "facts.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


async def _network(plan: Plan, stack: AsyncExitStack, log: IO[bytes]) -> Part | None:
    """The forwarder between two namespaces; None where the link lives in the hall's process."""
    if plan.in_process:
        return None
    forwarder = await stack.enter_async_context(part("forwarder", _link_words(plan, "forwarder"), plan.folder, log))
    await forwarder.named("ready", START_S)
    return forwarder


def _link_words(plan: Plan, module: str) -> list[str]:
    words = [sys.executable, "-m", f"benchmarks.thin_links.{module}", "--link", plan.link.name]
    words += ["--seed", str(plan.seed), "--log", str(plan.folder / "link.jsonl")]
    return [*words, "--short"] if plan.short else words


def _relay_words(plan: Plan) -> list[str]:
    config = plan.folder / "relay.toml"
    # Not prefetched: the relay holds back what is not on the projector.
    lines = ["[halls]", f"prefetch = {'true' if plan.prefetched else 'false'}"]
    if plan.in_process:
        lines += ["[network]", 'addresses = ["127.0.0.1"]']
    config.write_text("\n".join(lines) + "\n", encoding="ascii")
    host = "127.0.0.1" if plan.in_process else "0.0.0.0"
    words = [sys.executable, "-m", "hallcast", "relay", "--host", host, "--port", "0", "--json"]
    return [*words, "--config", str(config), "--data", str(plan.folder / "relay")]


def _hall_words(plan: Plan, forwarder: Part | None, port: int, code: str) -> list[str]:
    if forwarder is None:
        words = [*_link_words(plan, "linked_hall"), "--relay", f"http://127.0.0.1:{port}"]
    else:
        words = ["nsenter", f"--net=/proc/{forwarder.process.pid}/ns/net", sys.executable, "-m", "hallcast", "join"]
        words += ["--relay", f"http://{RELAY_ADDRESS}:{port}", "--headless"]
    words += ["--code", code, "--name", "Hall 1", "--json", "--keep", str(plan.folder / "hall")]
    words += ["--dump-voice", str(plan.folder / "heard.wav"), "--dump-pages", str(plan.folder / "pages")]
    return [*words, *plan.hall_words]


def _stream_words(plan: Plan, port: int, handout: dict[str, Any], material: Material) -> list[str]:
    words = [sys.executable, "-m", "hallcast", "stream", "--relay", f"http://127.0.0.1:{port}"]
    words += ["--lecture", str(handout["lecture"]), "--token", str(handout["lecturer_token"])]
    words += ["--slides", str(material.deck), "--voice", str(material.voice), "--turns", str(material.turns)]
    if plan.link.screen:
        words += ["--screen", str(material.screen)]
    elif plan.camera and material.camera:
        words += ["--camera", str(material.camera)]
    return [*words, "--keep", str(plan.folder / "lecturer"), "--end", "--json", *plan.stream_words]


async def _fetched(keep: Path, digests: set[str]) -> None:
    """Wait until the hall's copy holds all these pictures."""

    def held() -> set[str]:
        try:
            with LectureFile.open(next(keep.glob("*.lecture")), readonly=True) as file:
                return {digest for digest, _ in file.blob_sizes()}
        except (LectureFileError, StopIteration):
            return set()

    deadline = time.monotonic() + _FETCH_S
    while time.monotonic() < deadline:
        if digests <= await asyncio.to_thread(held):
            return
        await asyncio.sleep(_LOOK_EVERY_S)
    raise BenchError("the hall did not fetch the deck before the lecture")


async def _until_done(hall: Part, timeout_s: float) -> bool:
    """Wait for the hall's receipt; a hall that does not end by itself is asked to."""
    try:
        async with asyncio.timeout(timeout_s):
            await hall.process.wait()
    except TimeoutError:
        hall.process.terminate()
        await hall.named("receipt", 30)
        return False
    return True


async def until_told(work: Coroutine[Any, Any, None]) -> None:
    """Do some work; SIGTERM ends it as Ctrl-C does, with all its processes."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await task


def main() -> int:
    """Hold one lecture in a network namespace of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--link", required=True, choices=LINKS)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--prefetched", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-camera", action="store_true")
    parser.add_argument("--in-process", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--material", type=Path)
    parser.add_argument("--join", action="append", default=[], metavar="WORD", help="further words of `hallcast join`")
    parser.add_argument("--stream", action="append", default=[], metavar="WORD", help="the same of `hallcast stream`")
    args = parser.parse_args()
    link = LINKS[args.link].shortened() if args.quick else LINKS[args.link]
    plan = Plan(
        link,
        args.prefetched,
        args.quick,
        args.seed,
        args.out.resolve(),
        Sources.find(args.material),
        not args.no_camera,
        args.in_process,
        tuple(args.join),
        tuple(args.stream),
    )
    if not plan.in_process:
        new_network_namespace()
    try:
        asyncio.run(until_told(hold(plan)))
    except (BenchError, httpx.HTTPError) as error:
        print(f"{args.link}: {error}", file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
