"""Repair of a recording from the publishers' copies: ``/lectures/{lecture}/repair`` (docs/protocol.md, section 14)."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lecture.checksum import SHA256_HEX
from lecture.errors import RefusedError
from lecture.segment import CONTENT_TYPE, COPY_ID, SEGMENT_BYTES
from relay.access import PUBLISHERS, publisher_role
from relay.app import Relay
from relay.media.live import Role
from relay.signalling.http import PathRoute, Resource, bearer_token, moment_of, require_content_type


def routes(relay: Relay) -> list[PathRoute]:
    """The routes of repair."""
    handlers, origins = _Handlers(relay), relay.config.server.cors_origins
    return [
        PathRoute("/lectures/{lecture}/repair", Resource({"GET": handlers.wanted}, origins)),
        PathRoute("/lectures/{lecture}/repair/{sha256}", Resource({"PUT": handlers.take}, origins)),
    ]


class _Handlers:
    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    async def wanted(self, request: Request) -> Response:
        """What the recording lacks."""
        lecture_id, role = await self._admit(request)
        copy = request.query_params.get("copy", "")
        if copy and not COPY_ID.fullmatch(copy):
            raise RefusedError("repair_query_malformed", "A copy's id has 1 to 64 letters, digits, - and _.", 400)
        lecture = await self._relay.open_lecture(lecture_id)
        return JSONResponse(await lecture.wanted(role, copy, request.query_params.get("language", "")))

    async def take(self, request: Request) -> Response:
        """Take a segment."""
        lecture_id, role = await self._admit(request)
        require_content_type(request, CONTENT_TYPE)
        sha256 = request.path_params["sha256"]
        if not SHA256_HEX.fullmatch(sha256):
            raise RefusedError("segment_hash_wrong", "The address has no SHA-256 in lower-case hex.", 422)
        try:
            body = await request.body()
        except HTTPException as error:
            if error.status_code == 413:
                text = f"A segment has at most {SEGMENT_BYTES} bytes."
                raise RefusedError("segment_too_large", text, 413) from error
            raise
        lecture = await self._relay.open_lecture(lecture_id)
        return JSONResponse(await lecture.repair(role, body, sha256))

    async def _admit(self, request: Request) -> tuple[str, Role]:
        lecture_id = str(request.path_params["lecture"])
        role = await self._relay.access.require(lecture_id, bearer_token(request), PUBLISHERS, moment_of(request))
        return lecture_id, publisher_role(role)
