"""The web application of a relay."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from lecture.errors import HallcastError
from recordings.catalogue import CatalogueError
from relay.app import Relay
from relay.catalogue_reading import read
from relay.signalling import (
    console,
    decks,
    exports,
    health,
    imports,
    join,
    library,
    library_staff,
    pages,
    repair,
    replay,
    staff,
    whip,
)
from relay.signalling.errors import error_response
from relay.signalling.gate import Gate
from relay.signalling.metrics import RelayMetrics
from relay.signalling.sockets import Sockets


def create_app(relay: Relay) -> ASGIApp:
    """The ASGI application that serves ``relay``, which must have been entered."""
    app = FastAPI(
        title="Hallcast relay",
        summary="Staff API. Publishing (WHIP), playing (WHEP) and the sockets: docs/protocol.md.",
        docs_url=None,  # both would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    for kind in (HallcastError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _answer)
    sockets = Sockets(relay)
    app.include_router(staff.router(relay))
    app.include_router(library_staff.router(relay))
    app.include_router(imports.router(relay))
    app.include_router(console.router(relay))
    app.include_router(join.router(relay))
    app.include_router(exports.router(relay))
    app.router.routes.extend(
        [
            *whip.routes(relay),
            *decks.routes(relay),
            *repair.routes(relay),
            *sockets.routes(),
            *library.routes(relay),
            *replay.routes(relay),
            *health.routes(relay, RelayMetrics(relay, sockets)),
            *pages.routes(),
        ]
    )

    async def knows(lecture_id: str) -> bool:
        try:
            return await read(relay.catalogue, relay.catalogue.get, lecture_id) is not None
        except CatalogueError:
            return False

    return Gate(app, relay.config, knows)


async def _answer(request: Request, error: Exception) -> Response:
    response = error_response(error)
    if response.status_code == 405 and isinstance(request.app, FastAPI):
        # FastAPI has one route per method, and names only that of the first.
        methods = request.app.openapi()["paths"].get(getattr(request.scope.get("route"), "path", ""))
        if methods:
            response.headers["Allow"] = ", ".join(sorted(method.upper() for method in methods))
    return response
