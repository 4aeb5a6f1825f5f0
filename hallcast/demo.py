"""``hallcast demo`` (``make run``): a relay, a lecturer and a hall on this machine, each a process of its own.

The three talk over real sockets as they would over a thin link; nothing here takes a shorter way.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import av
import httpx
import pypdfium2

from hallcast.demo_telling import Teller
from hallcast.processes import events, running
from lecture.errors import HallcastError, first_of

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
_MIN_PAGE_MS = 2000
"""Pages of own slides are shown at least so long: nobody could read them faster, and they must be rendered first."""
_LEFT_EARLY = 1  # the hall's exit status when somebody closed its window


class DemoError(HallcastError):
    """The demonstration cannot go on; the text says why."""


@dataclass(frozen=True, slots=True)
class Material:
    """What is streamed, under which title; None for ``camera`` where there is none.

    :param language: of the voice; of one's own voice ``und`` (RFC 5646: undetermined) unless it was said.
    """

    title: str
    language: str
    slides: Path
    voice: Path
    turns: Path
    camera: Path | None


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``demo`` to the ``hallcast`` command."""
    parser = subparsers.add_parser("demo", help="a relay, a lecturer and a hall on this machine, for a first look")
    parser.add_argument("--slides", type=Path, help="a PDF of your own (default: the sample lecture)")
    parser.add_argument("--voice", type=Path, help="a sound file of your own (default: the sample lecture)")
    parser.add_argument("--language", default="", help="of your own voice, as en or ko (default: not told)")
    parser.add_argument("--camera", type=Path, help="a film of your own (default: the sample's camera)")
    parser.add_argument("--turns", type=Path, help="when pages turn, as JSON (default: evenly over your own voice)")
    parser.add_argument("--data", type=Path, default=Path("run"), help="where everything is kept (default: run)")
    parser.add_argument("--port", type=int, default=8400, help="the relay's TCP port, 0 for any (default: 8400)")
    parser.add_argument("--headless", action="store_true", help="no hall window even where there is a display")
    parser.add_argument("--exit", action="store_true", help="stop after the receipt instead of staying up for replay")
    parser.add_argument("--json", action="store_true", help="print everything as JSON lines")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demonstration; returns the exit status."""
    try:
        return asyncio.run(_demo(args))
    except (KeyboardInterrupt, asyncio.CancelledError):
        Teller(as_json=args.json).say("hallcast", "Everything is stopped. Recordings are kept in " + str(args.data))
        return 0


def _stop_by_signal() -> None:
    """Let SIGTERM and a closed terminal end the parts as Ctrl-C does: they are in sessions of their own."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            with contextlib.suppress(NotImplementedError):  # Windows
                loop.add_signal_handler(number, task.cancel)


def _material(args: argparse.Namespace, teller: Teller) -> Material:
    """What the user gave, else the sample lecture.

    :raises DemoError: ``file_missing``, ``voice_unreadable``, ``deck_not_pdf``.
    """
    for path in (args.slides, args.voice, args.camera, args.turns):
        if path is not None and not path.is_file():
            raise DemoError("file_missing", f"There is no file {path}. Give the path of one that exists.")
    own = args.slides is not None or args.voice is not None
    slides, voice = args.slides or SAMPLES / "deck.pdf", args.voice or SAMPLES / "voice.opus"
    turns = args.turns or (
        _even_turns(slides, voice, args.data / "turns.json", teller) if own else SAMPLES / "turns.json"
    )
    title = args.slides.stem if args.slides else "Sample lecture"
    language = args.language or ("und" if args.voice else "en")
    return Material(title, language, slides, voice, turns, args.camera or (None if own else SAMPLES / "camera.webm"))


def _has_display() -> bool:
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


async def _follow(
    part: str, process: asyncio.subprocess.Process, teller: Teller, *, may_leave: bool = False
) -> dict[str, Any]:
    """Tell what a part does until it ends; returns its receipt.

    :param may_leave: somebody may close it before the end.
    :raises DemoError: ``part_failed``.
    """
    receipt: dict[str, Any] | None = None
    async for event in events(process.stdout):
        teller.event(part, event)
        if event.get("event") == "receipt":
            receipt = event
    status = await process.wait()
    if may_leave and status == _LEFT_EARLY and receipt is not None:
        teller.say(part, "The hall was left before it had everything. The lecture goes on.")
    elif status or receipt is None:
        raise DemoError("part_failed", f"The {part} stopped early (exit status {status}).")
    return receipt


async def _demo(args: argparse.Namespace) -> int:
    _stop_by_signal()
    teller = Teller(as_json=args.json)
    material = _material(args, teller)
    log = args.data / "log.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as diagnostics:
        failed: BaseException | None = None
        try:
            await _relay_and_lecture(args, teller, material, diagnostics)
        except* DemoError as errors:
            failed = first_of(errors)
    if isinstance(failed, DemoError):
        raise DemoError(failed.error_id, f"{failed.text} What the parts said is in {log}.")
    return 0


async def _relay_and_lecture(
    args: argparse.Namespace, teller: Teller, material: Material, diagnostics: IO[bytes]
) -> None:
    data = args.data / "relay"
    relay_words = ("relay", "--host", "127.0.0.1", "--port", str(args.port), "--data", data, "--json")
    async with running(*relay_words, log=diagnostics) as relay:
        ready = await anext(events(relay.stdout), None)
        if ready is None or ready.get("event") != "ready":
            raise _not_started(ready or {}, args.port)
        url = str(ready["url"])
        async with asyncio.TaskGroup() as group:
            told = group.create_task(_tell_rest(relay, teller))
            handout = await _create_lecture(url, _read_token(ready), material)
            _tell_addresses(teller, url, handout, str(ready["staff_token_file"]))
            await _lecture(args, teller, material, url, handout, diagnostics)
            _tell_replay(teller, handout, data)
            if not args.exit:
                teller.say("hallcast", "Staying up for replay. Ctrl-C ends everything.")
                await relay.wait()
            told.cancel()


def _not_started(said: dict[str, Any], port: int) -> DemoError:
    error = said.get("error") or {}
    advice = {
        "data_folder_in_use": "Is another `make run` still up? Stop it there with Ctrl-C.",
        "address_unusable": f"Try another port: make run PORT={port + 1}",
    }
    words = ("The relay did not start.", error.get("text", ""), advice.get(error.get("id", ""), ""))
    return DemoError("part_failed", " ".join(filter(None, words)))


async def _tell_rest(relay: asyncio.subprocess.Process, teller: Teller) -> None:
    async for event in events(relay.stdout):
        teller.event("relay", event)


def _read_token(ready: dict[str, Any]) -> str:
    return Path(str(ready["staff_token_file"])).read_text().strip()


async def _create_lecture(url: str, token: str, material: Material) -> dict[str, Any]:
    lecture = {"title": material.title, "course": "Hallcast", "languages": [material.language]}
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as http:
        answer = await http.post("/api/lectures", json=lecture)
        if answer.status_code != 201:
            raise DemoError("lecture_refused", f"The relay did not create the lecture: {answer.text}")
        return dict(answer.json())


def _tell_addresses(teller: Teller, url: str, handout: dict[str, Any], staff_token_file: str) -> None:
    pages = {name: handout["urls"][name] for name in ("studio", "hall", "library")}
    lines = [f"is up at {url} and keeps one lecture, “{handout['title']}”. Open in a browser:"]
    lines += [f"  {name:8} {address}" for name, address in pages.items()]
    lines.append(f"  console  {url}/console  (the staff token is in {staff_token_file})")
    lines.append(f"  the hall's code, to read out over the phone: {handout['hall_code']}")
    facts = {name: handout[name] for name in ("lecture", "title", "hall_code")}
    facts |= {"relay": url, **pages, "console": f"{url}/console", "staff_token_file": staff_token_file}
    teller.tell("addresses", facts, "relay", lines)


async def _lecture(
    args: argparse.Namespace,
    teller: Teller,
    material: Material,
    url: str,
    handout: dict[str, Any],
    diagnostics: IO[bytes],
) -> None:
    """Stream the lecture to a hall until it has ended there, and tell the receipt."""
    hall_words: list[str | Path] = [
        "join",
        "--relay",
        url,
        "--code",
        handout["hall_code"],
        "--name",
        "Hall 1",
        "--json",
    ]
    hall_words += ["--keep", args.data / "hall"]
    headless = args.headless or not _has_display()
    if headless:
        why = "" if args.headless else "There is no display here, so "
        teller.say("hall", f"{why}the hall runs without a window.")
        hall_words += ["--headless", "--dump-voice", args.data / "hall" / "heard.wav"]
        hall_words += ["--dump-pages", args.data / "hall" / "pages"]
    else:
        hall_words.append("--windowed")  # the addresses in the terminal are to be seen too
    stream_words: list[str | Path] = ["stream", "--relay", url, "--lecture", handout["lecture"]]
    stream_words += ["--token", handout["lecturer_token"], "--slides", material.slides, "--voice", material.voice]
    stream_words += ["--camera", material.camera or "none", "--keep", args.data / "lecturer", "--end", "--json"]
    stream_words += ["--turns", material.turns]
    (args.data / "hall").mkdir(parents=True, exist_ok=True)
    async with (
        running(*hall_words, log=diagnostics) as hall,
        running(*stream_words, log=diagnostics) as lecturer,
        asyncio.TaskGroup() as group,
    ):
        heard = group.create_task(_follow("hall", hall, teller, may_leave=not headless))
        sent = group.create_task(_follow("lecturer", lecturer, teller))
    _tell_receipt(teller, heard.result(), sent.result())


def _tell_receipt(teller: Teller, heard: dict[str, Any], sent: dict[str, Any]) -> None:
    facts = {name: heard[name] for name in ("voice_heard_ms", "voice_sent_ms", "pages_shown", "link_kbps_mean")}
    # The lecturer's own count, or the hall's, where the studio page turned pages too.
    facts["pages_turned"] = max(sent["pages_turned"], heard["pages_turned"])
    lines = [
        "The lecture has ended. Receipt:",
        f"  voice   {facts['voice_heard_ms'] / 1000:.1f} s heard of {facts['voice_sent_ms'] / 1000:.1f} s sent",
        f"  pages   {facts['pages_shown']} shown of {facts['pages_turned']} turned to",
        f"  link    {facts['link_kbps_mean']:.1f} kbit/s used on the hall's link (mean)",
    ]
    teller.tell("receipt", facts, "hallcast", lines)


def _even_turns(slides: Path, voice: Path, path: Path, teller: Teller) -> Path:
    """Write a timing file that spreads the deck's pages evenly over the voice; returns its path."""
    try:
        with av.open(str(voice)) as container:
            duration_ms = (container.duration or 0) // 1000
    except av.FFmpegError as error:
        raise DemoError("voice_unreadable", f"{voice} is not a sound file that can be read: {error}") from error
    try:
        count = len(pypdfium2.PdfDocument(slides))
    except pypdfium2.PdfiumError as error:
        raise DemoError("deck_not_pdf", f"{slides} is not a PDF that can be read: {error}") from error
    pages = max(1, min(count, duration_ms // _MIN_PAGE_MS))
    if pages < count:
        teller.say("hallcast", f"The voice lasts {duration_ms // 1000} s: the first {pages} of {count} pages are shown")
    turns = [{"at_ms": number * duration_ms // pages, "page": number + 1} for number in range(pages)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(turns))
    return path


def _tell_replay(teller: Teller, handout: dict[str, Any], data: Path) -> None:
    lines = [
        f"The recording is in the library: {handout['urls']['library']}",
        f"As a film: .venv/bin/hallcast recordings export {handout['lecture']} --data {data} --to mp4",
    ]
    facts = {"lecture": handout["lecture"], "library": handout["urls"]["library"], "data": str(data)}
    teller.tell("recording", facts, "relay", lines)
