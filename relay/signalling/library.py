"""The library: its list. What is in a recording is served by :mod:`relay.signalling.replay`."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from relay import pages
from relay.app import Relay
from relay.signalling.http import PathRoute, accepts, bearer_token
from relay.signalling.pages import LIBRARY, page


def routes(relay: Relay) -> list[PathRoute]:
    """The route of the list."""
    handlers = _Handlers(relay)
    return [
        PathRoute(LIBRARY, handlers.list),
    ]


class _Handlers:
    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._library = relay.library
        self._list_page = page(pages.ROUTES[LIBRARY])
        # Reading every recording is work for the disk: done once at a time.
        self._scanning = asyncio.Lock()

    async def list(self, request: Request) -> Response:
        """The page for people, the list for programs."""
        if not _wants_json(request):
            return await self._list_page(request)
        if not self._relay.config.access.library_open:
            self._relay.access.require_staff(bearer_token(request))
        async with self._scanning:
            summaries, _ = await asyncio.to_thread(self._library.summaries)
        return JSONResponse({"lectures": [facts for facts in summaries if self._is_ended(facts)]})

    def _is_ended(self, facts: dict[str, Any]) -> bool:
        record = self._relay.catalogue.get(str(facts["id"]))
        return (record.state if record else facts["state"]) == "ended"


def _wants_json(request: Request) -> bool:
    if request.query_params.get("format") == "json":
        return True
    return accepts(request, "application/json") and not accepts(request, "text/html")
