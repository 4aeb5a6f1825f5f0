"""The web pages and their static files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from relay import pages
from relay.signalling.http import PathRoute, file_response

Page = Callable[[Request], Awaitable[Response]]

LIBRARY = "/library"
"""The one page whose address also has a JSON face; :mod:`relay.signalling.library` serves it."""


def routes() -> list[PathRoute]:
    """The routes of the pages, the library's list apart."""
    served = [PathRoute(path, page(file)) for path, file in pages.ROUTES.items() if path != LIBRARY]
    # The same answer whether or not there is such a lecture: pages hold nothing of it.
    if "/hall/{lecture}" not in pages.ROUTES:
        served.append(PathRoute("/hall/{lecture}", page(pages.ROUTES["/hall"])))
    return [*served, PathRoute(f"{pages.STATIC_URL}/{{path:path}}", _static), PathRoute("/", _front)]


def page(file: str) -> Page:
    """A handler that serves one page."""

    async def serve(request: Request) -> Response:
        return _serve(request, file)

    return serve


async def _static(request: Request) -> Response:
    return _serve(request, request.path_params["path"])


def _serve(request: Request, name: str) -> Response:
    try:
        found = pages.static_file(name)
    except (ValueError, OSError):  # a NUL byte or a name that is too long
        found = None
    if found is None:
        raise HTTPException(404)
    path, media_type = found
    return file_response(request, path, media_type, pages.HEADERS)


async def _front(request: Request) -> Response:
    return RedirectResponse(LIBRARY, 307)
