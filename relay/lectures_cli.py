"""``hallcast lectures``: a client of the staff API."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from rich.console import Console
from rich.table import Column, Table

from lecture.errors import HallcastError
from lecture.json_line import print_json
from transport.address import relay_url
from transport.http_client import blocking_http_client
from transport.refusal import read_refusal
from transport.trust import untrusted

DEFAULT_RELAY = "http://127.0.0.1:8080"
TIMEOUT_S = 30.0
PIECE_BYTES = 65_536


def run(args: argparse.Namespace) -> int:
    """Run one of ``create``, ``list``, ``show``, ``end``; returns 0.

    :raises HallcastError: the relay's own error, ``relay_unreachable``, ``staff_token_missing``, ``time_malformed``,
        ``deck_unreadable``, ``deck_not_pdf``.
    """
    with StaffClient(_relay_url(args), _staff_token(args)) as client:
        facts = _ACTIONS[args.action](client, args)
    if args.json:
        print_json(facts)
    elif args.action == "list":
        _print_list(facts["lectures"])
    else:
        _print_lecture(facts)
    return 0


class StaffClient:
    """Speaks to a relay's staff API. Use it within ``with``."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._http = blocking_http_client(url, base_url=url, headers=headers, timeout=TIMEOUT_S)

    def __enter__(self) -> StaffClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Ask, and return the answer's JSON object.

        :raises HallcastError: the relay's own error, ``relay_unreachable``, ``certificate_untrusted``.
        """
        try:
            response = self._http.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if reason := untrusted(error):
                raise HallcastError("certificate_untrusted", reason) from error
            text = f"No answer from the relay at {self._http.base_url}: {error or type(error).__name__}."
            raise HallcastError("relay_unreachable", text) from error
        if not response.is_success:
            refusal = read_refusal(response)
            if refusal.error_id:
                raise HallcastError(refusal.error_id, refusal.text)
        else:
            with contextlib.suppress(ValueError):
                facts = response.json()
                if isinstance(facts, dict):
                    return facts
        raise HallcastError("relay_unreachable", f"{self._http.base_url} answered {response.status_code}: no relay?")


def _create(client: StaffClient, args: argparse.Namespace) -> dict[str, Any]:
    if args.deck is not None and not args.deck.is_file():
        raise HallcastError("deck_unreadable", f"There is no file {args.deck}.")
    if args.deck is not None and b"%PDF-" not in next(_pieces(args.deck), b"")[:1024]:
        # Found out here, it leaves no lecture behind that nobody wanted.
        raise HallcastError("deck_not_pdf", f"{args.deck} is not a PDF. Export the slides as PDF and try again.")
    wanted = {
        "title": args.title,
        "lecture": args.id,
        "course": args.course,
        "languages": [language.strip() for language in args.languages.split(",")],
        "planned_at": _time(args.planned),
    }
    facts = client.call("POST", "/api/lectures", json=wanted)
    if args.deck is not None:
        answer = client.call(
            "PUT",
            f"/lectures/{quote(facts['lecture'], safe='')}/deck",
            params={"title": args.deck.stem},
            content=_pieces(args.deck),
            headers={"Content-Type": "application/pdf", "Content-Length": str(args.deck.stat().st_size)},
        )
        facts["deck"] = answer["deck"]
    return facts


def _list(client: StaffClient, args: argparse.Namespace) -> dict[str, Any]:
    return client.call("GET", "/api/lectures", params={"state": args.state} if args.state else {})


def _show(client: StaffClient, args: argparse.Namespace) -> dict[str, Any]:
    return client.call("GET", f"/api/lectures/{quote(args.lecture, safe='')}")


def _end(client: StaffClient, args: argparse.Namespace) -> dict[str, Any]:
    return client.call("POST", f"/api/lectures/{quote(args.lecture, safe='')}/end")


_ACTIONS = {"create": _create, "list": _list, "show": _show, "end": _end}


def _relay_url(args: argparse.Namespace) -> str:
    return relay_url(str(args.relay or os.environ.get("HALLCAST_RELAY") or DEFAULT_RELAY))


def _staff_token(args: argparse.Namespace) -> str:
    token = args.staff_token or os.environ.get("HALLCAST_STAFF_TOKEN")
    if token:
        return str(token)
    path = Path(args.data, "staff.token")
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        text = f"Give --staff-token, or --data with the relay's data folder ({path} cannot be read)."
        raise HallcastError("staff_token_missing", text) from None


def _time(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except ValueError:
        raise HallcastError("time_malformed", f"{text!r} is no time such as 2026-03-02T10:00.") from None


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _print_list(lectures: list[dict[str, Any]]) -> None:
    if not lectures:
        print("No lectures.")
        return
    table = Table(Column("lecture", no_wrap=True), "title", "state", "planned", "hall code")
    for facts in lectures:
        table.add_row(facts["lecture"], facts["title"], facts["state"], _local(facts["planned_at"]), facts["hall_code"])
    Console().print(table)


def _print_lecture(facts: dict[str, Any]) -> None:
    urls = facts["urls"]
    rows = [
        ("lecture", f"{facts['lecture']} ({facts['state']})"),
        ("title", facts["title"]),
        ("course", facts["course"]),
        ("languages", ", ".join(facts["languages"])),
        ("planned", _local(facts["planned_at"])),
        ("", ""),
        ("hall code", f"{facts['hall_code']} (until {_local(facts['hall_code_expires_at'])})"),
        ("hall", urls["hall"]),
        ("studio", urls["studio"]),
        ("interpreter", urls["interpreter"] if len(facts["languages"]) > 1 else ""),
        ("WHIP", urls["whip"]),
        ("lecturer token", facts["lecturer_token"]),
        ("interpreter token", facts["interpreter_token"]),
        ("WHEP", f"{urls['whep']} (the hall code is the token)"),
        ("library", urls["library"]),
        ("deck", facts.get("deck", "")),
    ]
    for name, value in [*rows, *_live_rows(facts.get("live"))]:
        if value or not name:
            print(f"{name:18}{value}".rstrip())


def _live_rows(live: dict[str, Any] | None) -> list[tuple[str, str]]:
    """How it is going, of a lecture that is open on the relay."""
    if live is None:
        return []
    halls = [hall for hall in live["halls"] if hall["connected"]]
    speakers = [f"{one['role']} ({one['language']})" for one in live["publishers"] if one["connected"]]
    minutes, seconds = divmod(live["lecture"]["t_ms"] // 1000, 60)
    deck, trouble = live["deck"], live["recorder"]["trouble"]
    return [
        ("", ""),
        ("lecture time", f"{minutes}:{seconds:02}"),
        ("speaking", ", ".join(speakers) or "nobody"),
        ("page", f"{deck['page']} of {deck['page_count']}" if deck["page"] else ""),
        ("recording", f"cannot be written: {trouble}" if trouble else ""),
        ("halls", f"{len(halls)}, with {sum(hall['heads'] for hall in halls)} people"),
        *((f"  {hall['name']}", _hall(hall)) for hall in halls),
    ]


def _hall(hall: dict[str, Any]) -> str:
    facts = [f"page {hall['page']}", f"{max(0, hall['behind_ms']) / 1000:.1f} s behind"]
    if hall["gaps"]:
        facts.append(f"{hall['gaps']} gaps to be filled")
    return ", ".join([*facts, f"{hall['fraction_lost']:.0%} lost", hall["carrier"]]).rstrip(", ")


def _local(time: str | None) -> str:
    return "" if time is None else datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M")
