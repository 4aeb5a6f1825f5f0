"""The library: its list. What is in a recording is served by :mod:`relay.signalling.replay`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from recordings.errors import SearchError
from recordings.retention import DAY_S
from recordings.search import Query, facets, found_facts, search
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


SEARCHES_AT_ONCE = 2
"""Each takes some tens of milliseconds of a core that lectures need; more wait."""


class _Handlers:
    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._list_page = page(pages.ROUTES[LIBRARY])
        self._searching = asyncio.Semaphore(SEARCHES_AT_ONCE)

    async def list(self, request: Request) -> Response:
        """The page for people; the list, searched and filtered, for programs."""
        if not _wants_json(request):
            return await self._list_page(request)
        token = bearer_token(request)
        if token or not self._relay.config.access.library_open:
            self._relay.access.require_staff(token)
        query = query_of(request.query_params)
        async with self._searching:
            facts = await asyncio.to_thread(self._search, query, staff=bool(token))
        return JSONResponse(facts, headers={"Cache-Control": "no-store"})

    def _search(self, query: Query, *, staff: bool) -> dict[str, Any]:
        catalogue = self._relay.catalogue
        results = search(catalogue, query, whole_only=not staff)
        facts: dict[str, Any] = {
            "lectures": [found_facts(found, staff=staff) for found in results.lectures],
            "total": results.total,
            "page": results.page,
            "pages": results.pages,
            "facets": asdict(facets(catalogue)),
        }
        if staff and self._relay.librarian.storage is not None:
            facts["storage"] = asdict(self._relay.librarian.storage)
        keeper = self._relay.librarian.keeper
        if staff and keeper is not None:
            facts["remote"] = {"waiting": keeper.waiting, "trouble": keeper.trouble}
        return facts


def query_of(asked: Mapping[str, str]) -> Query:
    """What the parameters of an address ask for.

    :raises SearchError: ``query_invalid``.
    """
    since, until = _day(asked.get("from", "")), _day(asked.get("until", ""))
    return Query(
        text=asked.get("q", ""),
        course=asked.get("course", ""),
        series=asked.get("series", ""),
        tag=asked.get("tag", ""),
        language=asked.get("language", ""),
        since=since,
        until=None if until is None else until + DAY_S,
        page=_number(asked.get("page") or "1"),
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 9):
        raise SearchError("query_invalid", "page must be a number.")
    return int(text)


def _day(text: str) -> float | None:
    """The beginning of a day (2026-03-01, UTC) in seconds since 1970, None for an empty text."""
    try:
        return datetime.combine(date.fromisoformat(text), time.min, UTC).timestamp() if text else None
    except (ValueError, OverflowError):
        raise SearchError("query_invalid", "from and until must be days such as 2026-03-01.") from None


def _wants_json(request: Request) -> bool:
    if request.query_params.get("format") == "json":
        return True
    return accepts(request, "application/json") and not accepts(request, "text/html")
