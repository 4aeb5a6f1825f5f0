"""``POST /join``: a hall's code for the lecture's address and a token."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from relay.app import Relay
from relay.signalling.http import moment_of


class JoinRequest(BaseModel):
    """What the hall's operator typed."""

    code: str = Field(max_length=64, examples=["ACDE-2345"])


class Joined(BaseModel):
    """Where to go with which token. ``ws`` is relative to this relay."""

    lecture: str
    title: str
    course: str
    languages: list[str]
    state: str
    ws: str
    whep: str
    token: str


def router(relay: Relay) -> APIRouter:
    """The route of halls that join."""
    api = APIRouter(tags=["halls"])

    @api.post("/join", summary="Exchange a hall code for a lecture and a token")
    async def join(request: Request, wanted: JoinRequest) -> Joined:
        record, token = await relay.access.join(wanted.code, moment_of(request))
        name = quote(record.lecture_id)
        return Joined(
            lecture=record.lecture_id,
            title=record.title,
            course=record.course,
            languages=list(record.languages),
            state=record.state,
            ws=f"/ws/hall/{name}",
            whep=f"/whep/{name}",
            token=token,
        )

    return api
