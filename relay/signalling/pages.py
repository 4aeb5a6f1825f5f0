"""The web pages and their static files."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from relay import pages
from relay.signalling.compressed import compressed_response, squeezed
from relay.signalling.http import PathRoute

Page = Callable[[Request], Awaitable[Response]]

LIBRARY = "/library"
"""The one page whose address also has a JSON face; :mod:`relay.signalling.library` serves it."""

REPLAY = "/library/{lecture}"
"""The one page that is put together from several files; :mod:`relay.signalling.replay` serves it."""

FOR_EVER = "private, max-age=31536000, immutable"
"""Cache-Control of what its address names by what it holds."""


def routes() -> list[PathRoute]:
    """The routes of the pages, the library's list and the replay apart."""
    served = [PathRoute(path, page(file)) for path, file in pages.ROUTES.items() if path not in (LIBRARY, REPLAY)]
    # The same answer whether or not there is such a lecture: pages hold nothing of it.
    if "/hall/{lecture}" not in pages.ROUTES:
        served.append(PathRoute("/hall/{lecture}", page(pages.ROUTES["/hall"])))
    return [*served, PathRoute(f"{pages.STATIC_URL}/{{path:path}}", _static), PathRoute("/", _front)]


def page(file: str) -> Page:
    """A handler that serves one page."""

    async def serve(request: Request) -> Response:
        return await _serve(request, file)

    return serve


async def _static(request: Request) -> Response:
    return await _serve(request, request.path_params["path"])


async def _serve(request: Request, name: str) -> Response:
    try:
        found = pages.static_file(name)
    except (ValueError, OSError):  # a NUL byte or a name that is too long
        found = None
    if found is None:
        raise HTTPException(404)
    path, media_type = found
    data, zipped = await asyncio.to_thread(_read, path, path.stat().st_mtime_ns)
    return await compressed_response(request, data, media_type, pages.HEADERS, zipped=zipped)


@functools.lru_cache(maxsize=200)
def _read(path: Path, _changed_ns: int) -> tuple[bytes, bytes]:
    """A file, and the file as gzip."""
    data = path.read_bytes()
    return data, squeezed(data)


async def _front(request: Request) -> Response:
    return RedirectResponse(LIBRARY, 307)
