"""The ``hallcast`` command: finds the part that a command belongs to and hands over to it.

Each part has a ``cli.py`` with ``add_commands(subparsers)``, which adds its commands and sets ``run`` on each
(``set_defaults(run=...)``): a function that takes the parsed arguments and returns the exit status. Only the part
that is asked for is imported, so that a hall needs no relay installed and ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import importlib.resources
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lecture.errors import HallcastError
from lecture.json_line import print_json
from transport.version import version

OUR_PACKAGES = frozenset({"lecture", "transport", "streamer", "relay", "classroom_client", "recordings", "hallcast"})


@dataclass(frozen=True, slots=True)
class Command:
    """One top-level command.

    :param module: whose ``add_commands`` knows it.
    :param extra: what ``pip install hallcast[...]`` must name for it, empty for none.
    """

    module: str
    help: str
    extra: str = ""


COMMANDS = {
    "relay": Command("relay.cli", "run the relay that lecturers and halls connect to", "relay"),
    "lectures": Command("relay.cli", "plan, list, show and end lectures on a relay", "relay"),
    "stream": Command("streamer.cli", "give a lecture from this machine: voice, slides, camera"),
    "repair": Command("streamer.cli", "fill the holes of a relay's recording from your own copy"),
    "join": Command("classroom_client.cli", "receive a lecture in this hall", "hall"),
    "recordings": Command("recordings.cli", "list, search, check, repair and export recorded lectures", "relay"),
    "demo": Command("hallcast.demo", "a relay, a lecturer and a hall on this machine, for a first look", "relay,hall"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the ``hallcast`` command; returns the exit status (0 good, 2 failed or wrong usage, 130 interrupted)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = next((word for word in words if not word.startswith("-")), None)
    try:
        parser = _build_parser(name)
        parsed = parser.parse_args(words)
    except MissingExtra as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        return int(parsed.run(parsed) or 0)
    except MissingExtra as error:
        print(f"error: {error}", file=sys.stderr)
    except HallcastError as error:
        _tell(parsed, error)
    except ModuleNotFoundError as error:
        missing = _missing_extra(str(name), error)
        if missing is None:
            raise
        print(f"error: {missing}", file=sys.stderr)
    except BrokenPipeError:
        # The reader of our output (`| head`) has gone; what is left to flush must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # a disk that is full or read-only, a file that nobody may read
        _tell(parsed, HallcastError("system_refused", f"{error.filename or 'The system'}: {error.strerror or error}."))
    except KeyboardInterrupt:
        return 130
    return 2


def _tell(parsed: argparse.Namespace, error: HallcastError) -> None:
    if getattr(parsed, "json", False):
        print_json({"error": {"id": error.error_id, "text": error.text}})
    print(f"error: {error.text} ({error.error_id})", file=sys.stderr)


class MissingExtra(Exception):
    """A command of a part that is not installed; the text says how to install it."""


def _build_parser(name: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hallcast",
        description="Live lectures into projector halls over thin links.",
        epilog="`hallcast COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"hallcast {version() or '(not installed)'}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    if name in COMMANDS:
        _import_part(name).add_commands(subparsers)
        # A pack for USB sticks holds the replay page; `recordings` may not know where the relay keeps it.
        parser.set_defaults(page_sources=importlib.resources.files("relay.pages"))
    else:
        for other, command in COMMANDS.items():
            subparsers.add_parser(other, help=command.help)
    return parser


def _import_part(name: str) -> Any:
    try:
        return importlib.import_module(COMMANDS[name].module)
    except ModuleNotFoundError as error:
        missing = _missing_extra(name, error)
        if missing is None:
            raise
        raise missing from error


def _missing_extra(name: str, error: ModuleNotFoundError) -> MissingExtra | None:
    """What to tell the user about a module that was not found; None if it is one of our own (a bug)."""
    module = (error.name or "").partition(".")[0]
    if module in OUR_PACKAGES or not module:
        return None
    extra = COMMANDS[name].extra
    package = f"hallcast[{extra}]" if extra else "hallcast"
    return MissingExtra(
        f"`hallcast {name}` needs the Python module {module!r}, which is not installed. "
        f"Install it with: pip install '{package}'"
    )
