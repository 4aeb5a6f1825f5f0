"""What the staff console polls: every open lecture at this moment, halls and their links included."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from relay.app import Relay
from relay.signalling.compressed import compressed_response
from relay.signalling.staff_api import staff_only

LIVE = "/api/live"
POLL_S = 2.0
"""How often a console asks; it is told so in each answer."""


def router(relay: Relay) -> APIRouter:
    """The console's route. Poll it: an answer says everything, so that a console whose line broke has nothing to catch
    up, and no proxy on the way needs to let a stream through."""
    api = APIRouter(tags=["console"], dependencies=[staff_only(relay)])

    @api.get(LIVE, summary="All open lectures, their halls and links, now")
    async def live(request: Request) -> Response:
        lectures = [_shown(one.snapshot()) for one in relay.directory.lectures()]
        facts = {"poll_s": POLL_S, "lectures": lectures, "library": _library(relay)}
        data = await asyncio.to_thread(_encode, facts)
        # Staff may sit behind a thin link too: thirty halls are 25 kB, 3 kB when packed.
        return await compressed_response(request, data, "application/json", {"Cache-Control": "no-store"})

    return api


def _library(relay: Relay) -> dict[str, int | str]:
    """How many recordings need somebody, and what is wrong with the object storage."""
    storage = relay.librarian.storage
    keeper = relay.librarian.keeper
    facts: dict[str, int | str] = {"storage_trouble": keeper.trouble} if keeper is not None else {}
    if storage is not None:
        facts |= {"damaged": len(storage.damaged), "missing": len(storage.missing)}
    return facts


def _shown(snapshot: dict[str, Any]) -> dict[str, Any]:
    """A snapshot as consoles need it: of hundreds of players their number."""
    return {**snapshot, "players": len(snapshot["players"])}


def _encode(facts: dict[str, Any]) -> bytes:
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()
