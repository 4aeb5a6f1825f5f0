"""The library: its list, and the data of each recording (voice and camera with ranges, pages by digest)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lecture.errors import HallcastError, RefusedError
from lecture.log import Blob
from recordings.errors import SearchError
from recordings.retention import DAY_S
from recordings.search import Query, facets, found_facts, search
from relay import pages
from relay.access import EVERYONE, unauthorised
from relay.app import Relay
from relay.signalling.http import PathRoute, accepts, bearer_token, file_response, moment_of
from relay.signalling.pages import LIBRARY, page

_DIGEST = re.compile(r"[0-9a-f]{64}")
_FOREVER = "private, max-age=31536000, immutable"


def routes(relay: Relay) -> list[PathRoute]:
    """The routes below ``/library``."""
    handlers = _Handlers(relay)
    return [
        PathRoute(LIBRARY, handlers.list),
        PathRoute(f"{LIBRARY}/{{lecture}}/replay.json", handlers.manifest),
        PathRoute(f"{LIBRARY}/{{lecture}}/voice/{{file}}", handlers.voice),
        PathRoute(f"{LIBRARY}/{{lecture}}/camera.webm", handlers.camera),
        PathRoute(f"{LIBRARY}/{{lecture}}/blob/{{digest}}", handlers.blob),
    ]


IMAGE_TYPES = frozenset({"image/avif", "image/png", "image/webp", "image/jpeg"})
"""What a blob may be sent as: nothing that a browser would run."""

DERIVING_AT_ONCE = 16
SEARCHES_AT_ONCE = 2
"""Each takes some tens of milliseconds of a core that lectures need; more wait."""

FILE_HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class _Handlers:
    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._library = relay.library
        self._list_page = page(pages.ROUTES[LIBRARY])
        self._searching = asyncio.Semaphore(SEARCHES_AT_ONCE)
        # Making a film of a recording is work for the disk: done once at a time per recording.
        self._deriving = [asyncio.Lock() for _ in range(DERIVING_AT_ONCE)]

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
        return facts

    async def manifest(self, request: Request) -> Response:
        """What the replay page needs to know."""
        lecture_id = await self._admit(request)
        return JSONResponse(await asyncio.to_thread(self._library.manifest, lecture_id))

    async def voice(self, request: Request) -> Response:
        """A voice as Ogg Opus."""
        lecture_id = await self._admit(request)
        language, dot, suffix = request.path_params["file"].rpartition(".")
        if (dot, suffix) != (".", "ogg"):
            raise RefusedError("voice_missing", "There is no such voice.", 404)
        async with self._lock_of(lecture_id):
            path = await asyncio.to_thread(self._library.voice_file, lecture_id, language)
        return file_response(request, path, "audio/ogg", FILE_HEADERS)

    async def camera(self, request: Request) -> Response:
        """The camera as a film."""
        lecture_id = await self._admit(request)
        async with self._lock_of(lecture_id):
            path, media_type = await asyncio.to_thread(self._library.camera_file, lecture_id)
        return file_response(request, path, media_type, FILE_HEADERS)

    async def blob(self, request: Request) -> Response:
        """A page's image; for the lecturer's studio also before and during the lecture."""
        lecture_id = await self._admit(request)
        digest = request.path_params["digest"]
        blob = await asyncio.to_thread(self._read_blob, lecture_id, digest) if _DIGEST.fullmatch(digest) else None
        if blob is None or blob.media_type not in IMAGE_TYPES:
            raise RefusedError("page_missing", "There is no such page.", 404)
        headers = {**FILE_HEADERS, "Cache-Control": _FOREVER, "ETag": f'"{digest}"'}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(blob.data, media_type=blob.media_type, headers=headers)

    def _lock_of(self, lecture_id: str) -> asyncio.Lock:
        return self._deriving[hash(lecture_id) % len(self._deriving)]

    def _read_blob(self, lecture_id: str, digest: str) -> Blob | None:
        opened = self._relay.directory.get(lecture_id)
        if opened is not None:
            return opened.log.get_blob(digest)
        with self._library.open(lecture_id) as recording:
            return recording.blob(digest)

    async def _admit(self, request: Request) -> str:
        """Recordings of lectures that have ended are open to all if so configured; everything else needs a token.

        Without a token a lecture to come and one that never was get the same answer. A token that is shown must be
        good, so that a mistyped one is told and not silently ignored.
        """
        lecture_id = str(request.path_params["lecture"])
        token = bearer_token(request)
        if token or not self._relay.config.access.library_open:
            self._relay.access.require(lecture_id, token, EVERYONE, moment_of(request))
        elif not await asyncio.to_thread(self._has_ended, lecture_id):
            raise unauthorised()
        return lecture_id

    def _has_ended(self, lecture_id: str) -> bool:
        record = self._relay.catalogue.get(lecture_id)
        if record is not None:
            return record.state == "ended"
        try:
            # A recording that was brought here from elsewhere is not in the catalogue.
            with self._library.open(lecture_id) as recording:
                return recording.state == "ended"
        except HallcastError:
            return False


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
