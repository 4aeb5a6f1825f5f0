"""``hallcast repair``: bring the relay what its recording lacks, from a copy that lies on this machine."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import Progress, TextColumn

from lecture.errors import HallcastError, LectureFileError
from lecture.file import LectureFile
from lecture.json_line import print_json
from streamer.address import RelayAddress
from streamer.copy_source import CopySource
from streamer.errors import StreamError
from streamer.repair import Recording, RepairClient
from streamer.spare_rate import SpareRate
from transport.http_client import http_client
from transport.tasks import until_first
from transport.trust import untrusted

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


class _Trouble:
    """What keeps the repair from going on: told once for each kind, or the end of it.

    :param base: the relay's address.
    """

    def __init__(self, base: str, say: Callable[[str], None]) -> None:
        self._base = base
        self._say = say
        self._told: set[str] = set()
        self._final: asyncio.Future[HallcastError] = asyncio.get_running_loop().create_future()

    def met(self, error: Exception) -> None:
        """The client will try again."""
        if reason := untrusted(error):
            self._end(HallcastError("certificate_untrusted", reason))
        elif isinstance(error, LectureFileError):
            self._end(error)
        elif isinstance(error, HallcastError):
            self._tell(error.error_id, f"The relay cannot take it yet: {error.text}")
        elif isinstance(error, httpx.HTTPError):
            reason = str(error) or type(error).__name__
            self._tell(type(error).__name__, f"No answer from the relay at {self._base}: {reason}.")
        else:
            self._tell("strange", f"What answers at {self._base} makes no sense. Is it a relay?")

    async def beyond_help(self) -> None:
        """
        :raises HallcastError: trying again does not help.
        """
        raise await self._final

    def _end(self, error: HallcastError) -> None:
        if not self._final.done():
            self._final.set_result(error)

    def _tell(self, kind: str, text: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            self._say(f"{text} Trying again until it does; Ctrl-C stops.")


async def _set(event: asyncio.Event) -> None:
    await event.wait()


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
                print_json({"event": "repair", **facts})

        def say(text: str) -> None:
            if as_json:
                print_json({"event": "say", "text": text})
            else:
                progress.console.print(text, markup=False)

        async with http_client(address.base, timeout=30.0) as http:
            rate, trouble = SpareRate(LIVE_KBPS), _Trouble(address.base, say)
            client = RepairClient(
                address, token, CopySource(file), http=http, rate=rate, on_recording=told, on_trouble=trouble.met
            )
            await until_first(client.run(), _set(client.rested), trouble.beyond_help())
    if client.unavailable:
        raise StreamError("repair_refused", f"The relay does not take it: {client.unavailable}")
    missing_ms = client.recording.missing_ms
    if not as_json:
        text = f"{missing_ms / 1000:.0f} s are still missing." if missing_ms else "The recording is whole."
        if client.lacks_pictures and not missing_ms:
            text = "The recorded voice is whole; pictures are brought once the lecture has ended."
        console.print(text)
    return 1 if missing_ms or client.lacks_pictures else 0
