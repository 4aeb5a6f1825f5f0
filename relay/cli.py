"""``hallcast relay`` and ``hallcast lectures create|list|show|end``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_commands(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the relay's commands to the ``hallcast`` command."""
    relay = subparsers.add_parser("relay", help="run the relay that lecturers and halls connect to")
    relay.add_argument("--config", type=Path, help="configuration file; configs/relay.toml explains every setting")
    relay.add_argument("--host", help="address to listen on (server.host)")
    relay.add_argument("--port", type=int, help="port to listen on, 0 for any (server.port)")
    relay.add_argument("--data", help="data folder (data.folder)")
    relay.add_argument("--public-url", help="how others reach the relay (server.public_url)")
    relay.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="(log.level)")
    relay.add_argument("--json", action="store_true", help="print one line of JSON when the relay serves")
    relay.set_defaults(run=_relay)

    lectures = subparsers.add_parser("lectures", help="plan, list, show and end lectures on a relay")
    actions = lectures.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="plan a lecture; prints the addresses and codes to hand out")
    create.add_argument("title")
    create.add_argument("--id", help="its name in addresses (default: made from the title)")
    create.add_argument("--course", default="")
    create.add_argument(
        "--languages", default="en", help="voices, the lecturer's first, for example en,ko (default: %(default)s)"
    )
    create.add_argument("--planned", metavar="TIME", help="2026-03-02T10:00, in this machine's time unless it says")
    create.add_argument("--deck", type=Path, help="PDF of the slides, so that halls can fetch them before class")
    listing = actions.add_parser("list", help="list lectures, newest first")
    listing.add_argument("--state", choices=("planned", "live", "ended"))
    show = actions.add_parser("show", help="show a lecture, its addresses and codes, and how it is going")
    end = actions.add_parser("end", help="end a lecture")
    for action in (show, end):
        action.add_argument("lecture", help="the lecture's id")
    for action in (create, listing, show, end):
        action.add_argument(
            "--relay", metavar="URL", help="the relay (default: $HALLCAST_RELAY, http://127.0.0.1:8080)"
        )
        action.add_argument("--staff-token", help="(default: $HALLCAST_STAFF_TOKEN, else the data folder's)")
        action.add_argument("--data", type=Path, default=Path("data"), help="the relay's data folder (default: data)")
        action.add_argument("--json", action="store_true", help="print facts as JSON")
        action.set_defaults(run=_lectures)


# What the commands need is imported only when they run: `--help` must not wait for it, nor need it installed.


def _relay(args: argparse.Namespace) -> int:
    from relay.serve import run

    return run(args)


def _lectures(args: argparse.Namespace) -> int:
    from relay.lectures_cli import run

    return run(args)
