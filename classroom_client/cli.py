"""``hallcast join``: receive a lecture in this hall, in a window or without."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

from classroom_client.delay import DelaySettings
from classroom_client.engine import Hall
from classroom_client.receipt import HallReceipt
from classroom_client.settings import HallSettings
from classroom_client.sinks import ClockSink, WavSink
from classroom_client.telling import Teller
from classroom_client.texts import Texts, languages, system_language
from classroom_client.timeline import PlayoutSettings, Policy
from transport.tasks import until_first

_LEFT_EARLY = 1


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``join`` to the ``hallcast`` command."""
    parser = subparsers.add_parser("join", help="receive a lecture in this hall")
    parser.add_argument("--relay", required=True, metavar="URL", help="address of the relay")
    parser.add_argument("--code", required=True, help="the hall code, as the lecturer or staff gave it")
    parser.add_argument("--name", default="", help="what the lecturer sees, e.g. 'Hall 3'")
    parser.add_argument("--keep", type=Path, default=Path.home() / "Hallcast", help="folder for the hall's own copy")
    parser.add_argument("--language", default="", help="of the voice, e.g. ko (default: the lecture's first)")
    parser.add_argument("--heads", type=_count, default=0, help="how many people are in the hall")
    parser.add_argument("--delay-ms", type=_delay, help="playout delay, 300 to 20000 (default: as the line needs it)")
    parser.add_argument(
        "--policy",
        choices=[str(policy) for policy in Policy],
        default=str(Policy.CATCH_UP),
        help="after an outage: play everything a little faster, or go on live (default: catch-up)",
    )
    parser.add_argument("--no-camera", action="store_true", help="do not take the camera")
    parser.add_argument("--no-udp", action="store_true", help="do not try WebRTC: everything over the web socket")
    parser.add_argument("--json", action="store_true", help="print facts as JSON lines")
    window = parser.add_argument_group("window")
    window.add_argument("--windowed", action="store_true", help="begin in a window instead of full screen")
    window.add_argument("--texts", choices=languages(), default=system_language(), help="language of the window")
    headless = parser.add_argument_group("without a window")
    headless.add_argument("--headless", action="store_true", help="no window and no sound device")
    headless.add_argument("--dump-voice", type=Path, metavar="WAV", help="write what would have been heard")
    headless.add_argument("--dump-pages", type=Path, metavar="FOLDER", help="keep every page that came on the screen")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Join; returns 0 when the lecture ended and was received, 1 when the hall was left before."""
    settings = HallSettings(
        relay_url=args.relay,
        code=args.code,
        keep=args.keep,
        name=args.name,
        language=args.language,
        camera=not args.no_camera,
        heads=args.heads,
        udp=not args.no_udp,
        playout=PlayoutSettings(policy=Policy(args.policy)),
        delay=DelaySettings(fixed_ms=args.delay_ms),
    )
    texts = Texts(args.texts)
    teller = Teller(texts, as_json=args.json)
    if args.headless:
        receipt = asyncio.run(_headless(settings, teller, args.dump_voice, args.dump_pages))
    else:
        # Only here: a hall without a window needs no window library.
        from classroom_client.window.app import run_window

        receipt = run_window(settings, teller, texts=texts, windowed=args.windowed, dump_pages=args.dump_pages)
    return 0 if receipt.ended and receipt.complete else _LEFT_EARLY


async def _headless(
    settings: HallSettings, teller: Teller, dump_voice: Path | None, dump_pages: Path | None
) -> HallReceipt:
    sink = WavSink(dump_voice) if dump_voice is not None else ClockSink()
    hall = Hall(settings, sink=sink, dump_pages=dump_pages)
    with _leaving_by_signal(hall):
        received: list[HallReceipt] = []

        async def receive() -> None:
            received.append(await hall.run())

        await until_first(receive(), teller.follow(hall))
    teller.receipt(received[0])
    return received[0]


@contextlib.contextmanager
def _leaving_by_signal(hall: Hall) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the hall politely: its copy closed, its receipt sent."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    try:
        for number in signals:
            loop.add_signal_handler(number, hall.leave)
    except NotImplementedError:
        yield  # Windows: Ctrl-C is a KeyboardInterrupt there
        return
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _count(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 100_000:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


def _delay(text: str) -> int:
    value = int(text)
    if not 300 <= value <= 20_000:
        raise argparse.ArgumentTypeError("must be 300 to 20000")
    return value
