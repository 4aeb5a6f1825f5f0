"""``make bench``: whole lectures over twelve thin links, the figures beside the bars.

    python -m benchmarks.thin_links [--links A,C,K] [--not-prefetched] [--quick] [--jobs 4]

As root on Linux the link lies between two network namespaces, else in the hall's process (``--in-process``). Raw
results, ``result.json`` and ``timeline.png`` of each lecture are left under ``--out``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.thin_links.judge import Result, judge
from benchmarks.thin_links.lecture import until_told
from benchmarks.thin_links.links import LINKS
from benchmarks.thin_links.material import Sources, prepare
from benchmarks.thin_links.planned import planned_lecture
from benchmarks.thin_links.report import print_table, write_document, write_json
from benchmarks.thin_links.timeline import draw

ALL = "A,B,C,D,E,F,G,H,I,J,K,L,S"
_BEGIN_APART_S = 7.0
"""Lectures at the same time do not start, turn pages and render decks in step."""


@dataclass(frozen=True, slots=True)
class Run:
    """One lecture to be held."""

    link: str
    prefetched: bool
    folder: Path


def main() -> int:
    """Returns 0 when every bar was met, 1 when one was missed, 2 when a lecture could not be held or none was to be."""
    args = arguments()
    console = Console(highlight=False, soft_wrap=True)
    if not args.in_process and (sys.platform != "linux" or os.geteuid() != 0):
        console.print("Not root on Linux: the link is emulated in the hall's own process, less exactly.")
        args.in_process = True
    runs, left_out = planned_runs(args)
    if not runs:
        console.print(f"There is nothing to hold: {' '.join(left_out)}")
        return 2
    if not args.judge_only:
        try:
            asyncio.run(until_told(_hold_all(runs, args, console)))
        except (asyncio.CancelledError, KeyboardInterrupt):
            console.print("Stopped.")
            return 2
    held = [run for run in runs if (run.folder / "facts.json").exists()]
    results = _judge_all(held, args, console)
    print_table(console, results, left_out)
    write_json(results, args.out / "results.json")
    if args.document:
        write_document(results, args.document, " ".join(["make bench", *_make_words(args)]), left_out)
    missing = [f"{run.link}{'' if not run.prefetched else ' prefetched'}" for run in runs if run not in held]
    if missing:
        console.print(f"Not held: {', '.join(missing)}; see log.txt in their folders under {args.out}")
        return 2
    return 1 if any(result.missed for result in results) else 0


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command's words, those of the process by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--links", default=ALL, help=f"which, of {','.join(LINKS)} (default: {ALL})")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--prefetched", action="store_true", help="only with the deck fetched before the lecture")
    ways.add_argument("--not-prefetched", action="store_true", help="only without (default: both)")
    parser.add_argument("--quick", action="store_true", help="shorter lectures")
    parser.add_argument("--jobs", type=int, default=1, help="lectures at the same time (default: 1)")
    parser.add_argument("--seed", type=int, default=1, help="of the losses")
    parser.add_argument("--out", type=Path, default=Path("bench-results/thin-links"), help="folder of the results")
    parser.add_argument("--material", type=Path, help="folder of voice, slides, camera (default: HALLCAST_MATERIAL)")
    parser.add_argument("--no-camera", action="store_true", help="the lecturer has none")
    parser.add_argument("--in-process", action="store_true", help="emulate the link in the hall's process (no rights)")
    parser.add_argument("--judge-only", action="store_true", help="judge what is under --out again")
    parser.add_argument("--document", type=Path, help="write the results into this document, e.g. docs/benchmarks.md")
    parser.add_argument("--join", action="append", default=[], metavar="WORD", help="further words of `hallcast join`")
    parser.add_argument("--stream", action="append", default=[], metavar="WORD", help="the same of `hallcast stream`")
    args = parser.parse_args(words)
    args.out = args.out.resolve()
    unknown = [name for name in args.links.split(",") if name not in LINKS]
    if unknown:
        parser.error(f"there is no link {', '.join(unknown)}")
    return args


def planned_runs(args: argparse.Namespace) -> tuple[list[Run], list[str]]:
    """What is to be held, and in words what was asked for and cannot be."""
    ways = [True] if args.prefetched else [False] if args.not_prefetched else [False, True]
    names = args.links.split(",")
    left_out = []
    if Sources.find(args.material).screen is None:
        left_out = [f"{name}: there is no film of a screen in the material." for name in names if LINKS[name].screen]
        names = [name for name in names if not LINKS[name].screen]
    # The longest first, so that the others fill the time beside them.
    names.sort(key=lambda name: -LINKS[name].length_s)
    runs = [Run(name, way, args.out / f"{name}{'-prefetched' if way else ''}") for name in names for way in ways]
    # Where a screen is shared there are no pages to come late: once is enough.
    return [run for run in runs if not LINKS[run.link].screen or run.prefetched or ways == [False]], left_out


def _make_words(args: argparse.Namespace) -> list[str]:
    words = [] if args.links == ALL else ["--links", args.links]
    words += ["--prefetched"] if args.prefetched else ["--not-prefetched"] if args.not_prefetched else []
    words += ["--quick"] if args.quick else []
    words += ["--no-camera"] if args.no_camera else []
    words += ["--in-process"] if args.in_process else []
    words += ["--jobs", str(args.jobs)] if args.jobs > 1 else []
    words += ["--seed", str(args.seed)] if args.seed != 1 else []
    return [f'ARGS="{" ".join(words)}"'] if words else []


async def _hold_all(runs: list[Run], args: argparse.Namespace, console: Console) -> None:
    console.print("Planning the lectures, rendering their decks …")
    for name in dict.fromkeys(run.link for run in runs):
        link = LINKS[name].shortened() if args.quick else LINKS[name]
        folder = args.out / "material"
        material = await asyncio.to_thread(prepare, Sources.find(args.material), link, folder)
        await planned_lecture(material, folder)
    free = asyncio.Semaphore(args.jobs)

    async def one(number: int, run: Run) -> None:
        async with free:
            if number < args.jobs:
                await asyncio.sleep(number * _BEGIN_APART_S)
            await _hold(run, args, console)

    async with asyncio.TaskGroup() as group:
        for number, run in enumerate(runs):
            group.create_task(one(number, run))


async def _hold(run: Run, args: argparse.Namespace, console: Console) -> None:
    await asyncio.to_thread(shutil.rmtree, run.folder, ignore_errors=True)
    words = [sys.executable, "-m", "benchmarks.thin_links.lecture", "--link", run.link, "--out", str(run.folder)]
    words += ["--prefetched"] if run.prefetched else []
    words += ["--quick"] if args.quick else []
    words += ["--no-camera"] if args.no_camera else []
    words += ["--in-process"] if args.in_process else []
    words += ["--seed", str(args.seed)]
    words += ["--material", str(args.material)] if args.material else []
    for option in ("join", "stream"):
        words += [f"--{option}={word}" for word in getattr(args, option)]
    way = "prefetched" if run.prefetched else "not prefetched"
    console.print(f"{run.link} ({way}): {LINKS[run.link].text} …")
    process = await asyncio.create_subprocess_exec(*words)
    try:
        status = await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    console.print(f"{run.link} ({way}): {'held' if status == 0 else 'could not be held'}")


def _judge_all(runs: list[Run], args: argparse.Namespace, console: Console) -> list[Result]:
    console.print(f"Judging {len(runs)} lectures …")
    with ProcessPoolExecutor(max_workers=min(2, max(1, len(runs))), initializer=os.nice, initargs=(10,)) as pool:
        work = [pool.submit(_judge, run.folder, args.out / "material" / "words") for run in runs]
        results = [one.result() for one in work]
    return sorted(results, key=lambda result: (list(LINKS).index(result.link), result.prefetched))


def _judge(folder: Path, cache: Path) -> Result:
    result = judge(folder, cache)
    draw(result, folder)
    return result


if __name__ == "__main__":
    sys.exit(main())
