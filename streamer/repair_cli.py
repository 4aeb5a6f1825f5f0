"""``hallcast repair``: bring the relay what its recording lacks, from a copy that lies on this machine."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import Progress, TextColumn

from lecture.file import LectureFile
from streamer.address import RelayAddress
from streamer.copy_source import CopySource
from streamer.errors import StreamError
from streamer.repair import Recording, RepairClient
from streamer.spare_rate import SpareRate
from transport.trust import trusted

LIVE_KBPS = 64.0
"""While the lecture is live somebody may be speaking over this line, whose feedback we do not have."""


def add_repair_command(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``repair`` to the ``hallcast`` command."""
    parser = subparsers.add_parser(
        "repair",
        help="fill the holes of a relay's recording from your own copy",
        description="Send a relay what its recording of a lecture lacks, from the copy that hallcast stream has kept. "
        "Stop it with Ctrl-C at any time; run it again and it goes on.",
        epilog="exit codes: 0 nothing is missing now, 1 something still is, 2 it could not be done",
    )
    parser.add_argument("--relay", required=True, metavar="URL", help="the relay's address")
    parser.add_argument("--token", help="the lecturer's or an interpreter's token; or HALLCAST_TOKEN")
    parser.add_argument("copy", type=Path, metavar="COPY.lecture", help="your own copy")
    parser.add_argument("--json", action="store_true", help="say everything as JSON lines")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Repair; returns the exit status."""
    token = args.token or os.environ.get("HALLCAST_TOKEN", "")
    if not token:
        raise StreamError("unauthorised", "A token is needed: --token, or HALLCAST_TOKEN in the environment.")
    with LectureFile.open(args.copy, readonly=True) as file:
        lecture = file.get_meta("lecture") or ""
        if not lecture:
            raise StreamError("copy_unknown", f"{args.copy} does not say of which lecture it is.")
        address = RelayAddress.parse(args.relay, lecture)
        return asyncio.run(_repair(address, token, file, as_json=args.json))


async def _repair(address: RelayAddress, token: str, file: LectureFile, *, as_json: bool) -> int:
    console = Console(highlight=False, soft_wrap=True)
    columns = ("{task.description}", "{task.completed:.0f} of {task.total:.0f} s")
    with Progress(*map(TextColumn, columns), console=console, disable=as_json) as progress:
        bar = progress.add_task("repaired", total=0)

        def told(recording: Recording) -> None:
            all_ms = recording.missing_ms + recording.repaired_ms
            progress.update(bar, completed=recording.repaired_ms / 1000, total=all_ms / 1000)
            if as_json:
                facts = {"missing_ms": recording.missing_ms, "repaired_ms": recording.repaired_ms}
                print(json.dumps({"event": "repair", **facts}), flush=True)

        async with httpx.AsyncClient(trust_env=not address.is_loopback, verify=trusted(), timeout=30.0) as http:
            rate = SpareRate(LIVE_KBPS)
            client = RepairClient(address, token, CopySource(file), http=http, rate=rate, on_recording=told)
            running = asyncio.create_task(client.run())
            try:
                await client.rested.wait()
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
    if client.unavailable:
        raise StreamError("repair_refused", f"The relay does not take it: {client.unavailable}")
    missing_ms = client.recording.missing_ms
    if not as_json:
        console.print("The recording is whole." if not missing_ms else f"{missing_ms / 1000:.0f} s are still missing.")
    return 1 if missing_ms else 0
