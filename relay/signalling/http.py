"""Small things that every HTTP resource needs: who asks, what they send and take, methods and CORS."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from lecture.errors import RefusedError
from relay.access import Moment
from relay.signalling.errors import error_response

Handler = Callable[[Request], Awaitable[Response]]

EXPOSED_HEADERS = "Location, ETag, Link, Accept-Patch, Retry-After, WWW-Authenticate"
ALLOWED_HEADERS = "Authorization, Content-Type, If-Match"
PREFLIGHT_S = 86_400
ROUTE_KEY = "hallcast.route"


def bearer_token(connection: HTTPConnection) -> str:
    """The bearer token (RFC 6750 section 2.1), empty if there is none."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def moment_of(connection: HTTPConnection) -> Moment:
    """Now, and the client's address (a trusted proxy's word counts)."""
    client = connection.client
    return Moment(client.host if client else "", time.monotonic(), time.time())


def require_content_type(request: Request, *allowed: str) -> None:
    """:raises RefusedError: ``content_type_unsupported`` (415)."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in allowed:
        raise RefusedError("content_type_unsupported", f"Send this as {' or '.join(allowed)}.", 415)


def require_acceptance(request: Request, media_type: str) -> None:
    """:raises RefusedError: ``not_acceptable`` (406) if the client says that it does not take ``media_type``."""
    if not accepts(request, media_type):
        raise RefusedError("not_acceptable", f"The answer is {media_type}, which the request does not accept.", 406)


def accepts(request: Request, media_type: str) -> bool:
    """Whether the Accept header allows ``media_type`` (RFC 9110 section 12.5.1); the most specific range decides."""
    header = request.headers.get("accept", "")
    if not header.strip():
        return True
    wanted = {media_type: 3, f"{media_type.partition('/')[0]}/*": 2, "*/*": 1}
    best, allowed = 0, False
    for part in header.split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if wanted.get(media_range, 0) > best:
            best = wanted[media_range]
            allowed = not any(_is_zero_weight(parameter) for parameter in parameters)
    return allowed


async def read_text(request: Request) -> str:
    """The body as UTF-8 text; its size was limited on the way.

    :raises RefusedError: ``body_not_text`` (400).
    """
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError:
        raise RefusedError("body_not_text", "The body is not UTF-8 text.", 400) from None


def base_url(request: Request, public_url: str) -> str:
    """The relay's address as the client may use it, without a slash at the end."""
    return public_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"


def file_response(request: Request, path: Path, media_type: str, headers: Mapping[str, str]) -> Response:
    """A file, in ranges if asked for, or 304 if the client has it (RFC 9110 section 13.1.2).

    :raises RefusedError: ``not_found`` (404) if it has just been removed.
    """
    try:
        response = FileResponse(path, media_type=media_type, headers=headers, stat_result=path.stat())
    except FileNotFoundError:
        raise RefusedError("not_found", "That file has just been removed. Ask again.", 404) from None
    if request.headers.get("if-none-match") == response.headers["etag"]:
        return Response(status_code=304, headers={**headers, "ETag": response.headers["etag"]})
    return response


class PathRoute(Route):
    """A route that leaves its pattern in the scope, for the access log."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        return match, {**child_scope, ROUTE_KEY: self.path} if match is not Match.NONE else child_scope


class Resource:
    """An HTTP resource for other people's web pages: its methods, 405 with Allow for all others, CORS on every answer.

    :param methods: handler of each method; OPTIONS is answered here unless it is among them.
    :param origins: web origins whose pages may use it, ``*`` for all.
    """

    def __init__(self, methods: Mapping[str, Handler], origins: tuple[str, ...]) -> None:
        self._methods = {"OPTIONS": self._options, **methods}
        self._origins = origins

    @property
    def allow(self) -> str:
        """The methods, as headers list them."""
        return ", ".join(sorted(self._methods))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            handler = self._methods.get(request.method)
            if handler is None:
                raise HTTPException(405, headers={"Allow": self.allow})
            response = await handler(request)
        except Exception as error:
            response = error_response(error)
        self._add_cors(request, response)
        await response(scope, receive, send)

    async def _options(self, request: Request) -> Response:
        return Response(status_code=200, headers={"Allow": self.allow})

    def _add_cors(self, request: Request, response: Response) -> None:
        origin = request.headers.get("origin")
        if "*" in self._origins:
            allowed = "*"
        else:
            response.headers["Vary"] = "Origin"
            if origin is None or origin not in self._origins:
                return
            allowed = origin
        response.headers["Access-Control-Allow-Origin"] = allowed
        response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = self.allow
            response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
            response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_S)


def _is_zero_weight(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return False
    try:
        return float(value) == 0
    except ValueError:
        return False
