"""WHIP (RFC 9725), by which lecturers and interpreters publish, and WHEP, its mirror image for standard players."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from lecture.errors import RefusedError
from relay.access import EVERYONE, PUBLISHERS, publisher_role
from relay.app import Relay
from relay.media.endpoint import Endpoint
from relay.media.live import LiveLecture
from relay.signalling.http import (
    PathRoute,
    Resource,
    base_url,
    bearer_token,
    moment_of,
    read_text,
    require_acceptance,
    require_content_type,
)
from relay.tokens import Role

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"

Answer = Callable[[LiveLecture, str, Role, str | None], Awaitable[Endpoint]]
Find = Callable[[LiveLecture, str], Endpoint | None]


async def _publish(lecture: LiveLecture, offer: str, role: Role, language: str | None) -> Endpoint:
    return await lecture.publish(offer, role=publisher_role(role), language=language)


async def _play(lecture: LiveLecture, offer: str, role: Role, language: str | None) -> Endpoint:
    return await lecture.play(offer, language=language)


def routes(relay: Relay) -> list[PathRoute]:
    """The routes of both protocols."""
    return [
        *_protocol_routes(relay, "/whip", PUBLISHERS, _publish, LiveLecture.publication),
        *_protocol_routes(relay, "/whep", EVERYONE, _play, LiveLecture.playing),
    ]


def _protocol_routes(
    relay: Relay, prefix: str, allowed: Collection[Role], answer: Answer, find: Find
) -> list[PathRoute]:
    origins = relay.config.server.cors_origins
    handlers = _Handlers(relay, prefix, allowed, answer, find)
    # Section 4.1: GET gets a 2XX without content, on endpoints and sessions alike; all that is not listed gets 405.
    looked_at = {"GET": _nothing_to_see, "HEAD": _nothing_to_see}
    endpoint = Resource({"POST": handlers.post, "OPTIONS": handlers.options, **looked_at}, origins)
    session = Resource({"PATCH": handlers.patch, "DELETE": handlers.delete, **looked_at}, origins)
    return [
        PathRoute(f"{prefix}/{{lecture}}", endpoint),
        PathRoute(f"{prefix}/{{lecture}}/{{session}}", session),
    ]


async def _nothing_to_see(request: Request) -> Response:
    """The same for everybody and every path, so that it tells nobody which lectures and sessions there are, nor
    whether a token is good."""
    return Response(status_code=204)


class _Handlers:
    def __init__(self, relay: Relay, prefix: str, allowed: Collection[Role], answer: Answer, find: Find) -> None:
        self._relay = relay
        self._prefix = prefix
        self._allowed = allowed
        self._answer = answer
        self._session = find
        self._links = [link for server in relay.config.network.ice_servers for link in server.link_headers()]

    async def post(self, request: Request) -> Response:
        """Section 4.2: an offer makes a session."""
        role = await self._require(request)
        require_content_type(request, SDP)
        require_acceptance(request, SDP)
        offer = await read_text(request)
        lecture = await self._relay.open_lecture(request.path_params["lecture"])
        endpoint = await self._answer(lecture, offer, role, request.query_params.get("language"))
        path = f"{self._prefix}/{quote(lecture.lecture_id)}/{quote(endpoint.session_id)}"
        public_url = self._relay.config.server.public_url
        # Relative unless the operator has told our address: behind a proxy that is not trusted we would guess wrong.
        location = base_url(request, public_url) + path if public_url else path
        response = Response(endpoint.answer_sdp, 201, media_type=SDP)
        response.headers["Location"] = location
        response.headers["ETag"] = endpoint.etag
        response.headers["Accept-Patch"] = FRAGMENT
        self._add_links(response)
        return response

    async def options(self, request: Request) -> Response:
        """CORS preflight, and the ICE servers (section 4.6) for whoever shows a token: they come with credentials."""
        response = Response(status_code=200, headers={"Allow": "GET, HEAD, OPTIONS, POST", "Accept-Post": SDP})
        if bearer_token(request):
            await self._require(request)
            self._add_links(response)
        return response

    async def patch(self, request: Request) -> Response:
        """Section 4.3.2: trickled candidates. Our answer holds all of ours; 204 must carry no ETag."""
        endpoint = await self._find(request)
        require_content_type(request, FRAGMENT)
        await endpoint.patch(await read_text(request), request.headers.get("if-match"))
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        """Section 4.2: the client ends its session."""
        await (await self._find(request)).close()
        return Response(status_code=200)

    async def _require(self, request: Request) -> Role:
        lecture_id = request.path_params["lecture"]
        return await self._relay.access.require(lecture_id, bearer_token(request), self._allowed, moment_of(request))

    async def _find(self, request: Request) -> Endpoint:
        await self._require(request)
        lecture = self._relay.directory.get(request.path_params["lecture"])
        endpoint = self._session(lecture, request.path_params["session"]) if lecture else None
        if endpoint is None or endpoint.closed:
            raise RefusedError("session_unknown", "There is no such session; it may have ended.", 404)
        return endpoint

    def _add_links(self, response: Response) -> None:
        for link in self._links:
            response.headers.append("Link", link)
