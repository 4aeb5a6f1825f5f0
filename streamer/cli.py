"""``hallcast stream``: give a lecture from this machine."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.live import Live

from lecture.json_line import print_json
from streamer.engine import Streamer
from streamer.errors import StreamError
from streamer.events import Event, PageTurned, Said, StreamReceipt, StreamStatus
from streamer.keyboard import keyboard
from streamer.keys import Action, KeyReader
from streamer.options import CAMERA_BPS, StreamOptions
from streamer.repair_cli import add_repair_command
from streamer.turns import read_turns
from streamer.view import View, in_words, minutes
from streamer.voice_pump import BITRATE_BPS

log = logging.getLogger("hallcast.streamer")

DRAW_EVERY_S = 0.2
_INTERRUPTED = 130
"""Exit status of a program that Ctrl-C has ended at once."""

_EPILOG = """\
keys: space, page down or n: next page; b or page up: back; g12 Enter: page 12; s: share the screen, or stop it;
q: end the lecture (asks first); Ctrl-C: stop, and leave the lecture open.
The token may also stand in the environment as HALLCAST_TOKEN.
"""


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``stream`` and ``repair`` to the ``hallcast`` command."""
    add_repair_command(subparsers)
    parser = subparsers.add_parser(
        "stream",
        help="give a lecture from this machine: voice, slides, camera",
        description="Publish a lecture to a relay, keep a full-quality copy of it here, reconnect for ever.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--relay", required=True, metavar="URL", help="the relay's address")
    parser.add_argument("--lecture", required=True, metavar="ID", help="the lecture's id")
    parser.add_argument("--token", help="the lecturer's or an interpreter's token")
    parser.add_argument("--slides", type=Path, metavar="DECK.PDF", help="the deck")
    voice = "a sound file, mic (default), mic:NAME, alsa:NAME, …, or - for raw s16le mono 48 kHz on standard input"
    parser.add_argument("--voice", default="mic", metavar="SOURCE", help=voice)
    camera = "a film (looped), /dev/video0, camera, camera:NAME, or none (default)"
    parser.add_argument("--camera", default="none", metavar="SOURCE", help=camera)
    screen = "share a screen: a film of one, display, an X11 display as :0.0, gdigrab:title=NAME, or none (default)"
    parser.add_argument("--screen", default="none", metavar="SOURCE", help=screen)
    turns = 'page turns by the voice\'s time: [{"at_ms": 19715, "page": 2}, …]'
    parser.add_argument("--turns", type=Path, metavar="FILE", help=turns)
    keep = "folder of your own copy (default: hallcast-lectures)"
    parser.add_argument("--keep", type=Path, default=Path("hallcast-lectures"), metavar="FOLDER", help=keep)
    parser.add_argument("--language", default="", help="of the voice, as en or ko (default: the lecture's first)")
    parser.add_argument("--title", default="", help="of the slides (default: the PDF's own)")
    end = "end the lecture for everybody after the last word (default unless a microphone speaks)"
    parser.add_argument("--end", action=argparse.BooleanOptionalAction, default=None, help=end)
    parser.add_argument("--voice-kbps", type=_kbps, default=BITRATE_BPS, metavar="N", help="voice sent (default: 32)")
    parser.add_argument("--camera-kbps", type=_kbps, default=CAMERA_BPS, metavar="N", help="camera sent (default: 250)")
    parser.add_argument("--json", action="store_true", help="say everything as JSON lines")
    parser.set_defaults(run=run)


def _kbps(text: str) -> int:
    value = round(float(text) * 1000)
    if not 6_000 <= value <= 5_000_000:
        raise argparse.ArgumentTypeError("between 6 and 5000")
    return value


def run(args: argparse.Namespace) -> int:
    """Give the lecture; returns the exit status."""
    options = _options(args)
    try:
        return asyncio.run(_stream(options, as_json=args.json))
    except asyncio.CancelledError:
        return _INTERRUPTED


def _options(args: argparse.Namespace) -> StreamOptions:
    token = args.token or os.environ.get("HALLCAST_TOKEN", "")
    if not token:
        raise StreamError("unauthorised", "A token is needed: --token, or HALLCAST_TOKEN in the environment.")
    return StreamOptions(
        relay=args.relay,
        lecture=args.lecture,
        token=token,
        voice=args.voice,
        slides=args.slides,
        camera=args.camera,
        screen=args.screen,
        turns=tuple(read_turns(args.turns)) if args.turns else (),
        keep=args.keep,
        language=args.language,
        title=args.title,
        end=args.end,
        voice_bps=args.voice_kbps,
        camera_bps=args.camera_kbps,
    )


async def _stream(options: StreamOptions, *, as_json: bool) -> int:
    console = Console(highlight=False, soft_wrap=True)
    if as_json:
        show = _Json()
    elif sys.stdin.isatty() and console.is_terminal and options.voice != "-":
        return await _interactive(options, console)
    else:
        show = _Plain(console)
    streamer = Streamer(options, on_event=show.event)
    with _signals(streamer):
        progress = asyncio.create_task(repeat(show.progress_every_s, lambda: _tell_progress(show, streamer)))
        try:
            await streamer.run()
        finally:
            progress.cancel()
            await asyncio.gather(progress, return_exceptions=True)
    return 0


async def repeat(every_s: float, show: Callable[[], None]) -> None:
    """Show until cancelled how it is going. What is wrong with that is logged, and stops nothing."""
    trouble = ""
    while True:
        await asyncio.sleep(every_s)
        try:
            show()
        except Exception as error:
            if repr(error) != trouble:
                trouble = repr(error)
                log.exception("how it is going cannot be shown")


def _tell_progress(show: _Json, streamer: Streamer) -> None:
    status = streamer.status()
    if status is not None:
        show.progress(status)


class _Json:
    """One JSON object a line."""

    progress_every_s = 2.0

    def event(self, event: Event) -> None:
        """Print it."""
        print_json(event.as_json())

    def progress(self, status: StreamStatus) -> None:
        """Print how it is going."""
        print_json(status.as_json())


class _Plain(_Json):
    """One sentence a line."""

    progress_every_s = 10.0

    def __init__(self, console: Console) -> None:
        self._console = console

    def event(self, event: Event) -> None:
        for line in sentences(event):
            self._console.print(line, markup=False)

    def progress(self, status: StreamStatus) -> None:
        self._console.print(in_words(status), markup=False)


def sentences(event: Event) -> list[str]:
    """An event in plain words."""
    if isinstance(event, Said):
        return [event.text]
    if isinstance(event, PageTurned):
        return [f"Page {event.page}" + (f": {event.title}" if event.title else "")]
    return _summary(event)


def _summary(receipt: StreamReceipt) -> list[str]:
    lines = [
        f"Voice: {minutes(receipt.voice_sent_ms)} sent of {minutes(receipt.voice_given_ms)} given,"
        f" {receipt.voice_kbps} kbit/s.",
        f"Pages: turned to {receipt.pages_turned}, of {receipt.pages} in the deck.",
        f"Line: {receipt.link_kbps} kbit/s with all headers, {receipt.resent_packets} packets sent again.",
        f"Your own copy: {receipt.own_copy}",
    ]
    if receipt.screen_updates:
        lines.insert(2, f"Screen: {receipt.screen_updates} stills, {receipt.screen_kbps} kbit/s.")
    if receipt.outages:
        times = "once" if receipt.outages == 1 else f"{receipt.outages} times"
        lines.insert(3, f"The line was down {times}, {receipt.outage_s:.0f} s together.")
    if not receipt.ended:
        lines.append("The lecture was left open: stream again to go on with it.")
    return lines


@contextmanager
def _signals(streamer: Streamer) -> Iterator[None]:
    """SIGINT and SIGTERM stop the streamer politely; a second one ends the program at once."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    told = False

    def stop() -> None:
        nonlocal told
        if told and task is not None:
            task.cancel()
        told = True
        streamer.finish(end=False)

    numbers = []
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: KeyboardInterrupt it is
            loop.add_signal_handler(number, stop)
            numbers.append(number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _interactive(options: StreamOptions, console: Console) -> int:
    """With a picture that is drawn anew, and keys."""
    keys = KeyReader()
    receipts: list[StreamReceipt] = []

    def on_event(event: Event) -> None:
        if isinstance(event, StreamReceipt):
            receipts.append(event)
        elif isinstance(event, Said):
            view.say(event.text)

    def on_keys(data: bytes) -> None:
        for action in keys.feed(data):
            _do(streamer, action)
        view.prompt = keys.prompt

    streamer = Streamer(options, on_event=on_event)
    view = View(options.lecture, streamer.address.base)
    with Live(console=console, auto_refresh=False, transient=True) as live, _signals(streamer):
        async with keyboard(on_keys):
            drawing = asyncio.create_task(repeat(DRAW_EVERY_S, lambda: _draw(live, view, streamer)))
            try:
                await streamer.run()
            finally:
                drawing.cancel()
                await asyncio.gather(drawing, return_exceptions=True)
    for receipt in receipts:
        for line in sentences(receipt):
            console.print(line, markup=False)
    return 0


def _draw(live: Live, view: View, streamer: Streamer) -> None:
    live.update(view.draw(streamer.status()), refresh=True)


def _do(streamer: Streamer, action: Action) -> None:
    match action.kind:
        case "next":
            streamer.turn_by(1)
        case "previous":
            streamer.turn_by(-1)
        case "go":
            streamer.turn_to(action.page)
        case "share":
            streamer.toggle_screen()
        case "quit":
            streamer.finish(end=True)
