"""What the staff console polls: every open lecture at this moment, halls and their links included."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Annotated, Any

from fastapi import APIRouter, Request, Security
from fastapi.security import HTTPBearer
from starlette.responses import Response

from relay.app import Relay
from relay.signalling.http import bearer_token

LIVE = "/api/live"
POLL_S = 2.0
"""How often a console asks; it is told so in each answer."""

_GZIP_FROM_BYTES = 500
_BEARER = HTTPBearer(auto_error=False, description="staff token")


def router(relay: Relay) -> APIRouter:
    """The console's route. Poll it: an answer says everything, so that a console whose line broke has nothing to catch
    up, and no proxy on the way needs to let a stream through."""
    api = APIRouter(tags=["console"])

    @api.get(LIVE, summary="All open lectures, their halls and links, now")
    async def live(request: Request, _: Annotated[object, Security(_BEARER)]) -> Response:
        relay.access.require_staff(bearer_token(request))
        lectures = [_shown(one.snapshot()) for one in relay.directory.lectures()]
        facts = {"poll_s": POLL_S, "lectures": lectures, "library": _library(relay)}
        packed = "gzip" in request.headers.get("accept-encoding", "")
        body, encoding = await asyncio.to_thread(_encode, facts, packed)
        return Response(body, media_type="application/json", headers={"Cache-Control": "no-store", **encoding})

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


def _encode(facts: dict[str, Any], packed: bool) -> tuple[bytes, dict[str, str]]:
    """Staff may sit behind a thin link too: thirty halls are 25 kB, 3 kB when packed."""
    body = json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()
    if not packed or len(body) < _GZIP_FROM_BYTES:
        return body, {"Vary": "Accept-Encoding"}
    return gzip.compress(body, 5), {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
