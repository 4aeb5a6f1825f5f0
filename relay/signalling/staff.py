"""The staff API: plan, list, change and end lectures. Described at ``/openapi.json``."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import Response

from lecture.errors import RefusedError
from relay.app import LectureHandout, Relay
from relay.lecture_change import LectureChange
from relay.signalling.http import base_url
from relay.signalling.staff_api import staff_only
from relay.tokens import group_code


class NewLecture(BaseModel):
    """What staff say of a lecture to come."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(examples=["Fluid dynamics 3"])
    lecture: str | None = Field(None, description="its id in addresses; made from the title if left out")
    course: str = ""
    languages: list[str] = Field(["en"], description="BCP 47 tags of the voices, the lecturer's first")
    planned_at: AwareDatetime | None = Field(None, description="when it is to begin, with time zone")


class Change(BaseModel):
    """Facts to change; those left out stay."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = None
    course: str | None = None
    series: str | None = None
    tags: list[str] | None = None
    keep: Literal["by_rule", "for_ever"] | AwareDatetime | None = Field(
        None, description="how long the recording is kept: by the relay's rule, for ever, or until a time"
    )
    planned_at: AwareDatetime | None = None


class Urls(BaseModel):
    """Addresses to hand out. The studio's and the hall's carry the token and the code behind the ``#``."""

    studio: str
    interpreter: str
    hall: str
    library: str
    whip: str
    whep: str
    deck: str


class Lecture(BaseModel):
    """A lecture with everything to hand out for it: keep it to yourself."""

    lecture: str
    title: str
    course: str
    series: str
    tags: list[str]
    languages: list[str]
    state: Literal["planned", "live", "ended"]
    planned_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    duration_ms: int
    hall_code: str
    hall_code_expires_at: datetime
    lecturer_token: str
    interpreter_token: str
    urls: Urls


class LectureDetails(Lecture):
    """A lecture, and how it is going if it is open on the relay now (else null)."""

    live: dict[str, object] | None


class Lectures(BaseModel):
    """Newest first."""

    lectures: list[Lecture]


LectureId = Annotated[str, Path(max_length=64)]


def router(relay: Relay) -> APIRouter:
    """The API's routes."""

    api = APIRouter(prefix="/api/lectures", tags=["lectures"], dependencies=[staff_only(relay)])

    def show(request: Request, handout: LectureHandout) -> Lecture:
        return _to_lecture(handout, base_url(request, relay.config.server.public_url))

    @api.post("", status_code=201, summary="Plan a lecture")
    async def create(request: Request, new: NewLecture) -> Lecture:
        handout = await relay.create_lecture(
            new.title,
            lecture_id=new.lecture,
            course=new.course,
            languages=tuple(new.languages),
            planned_at=new.planned_at.timestamp() if new.planned_at else None,
        )
        return show(request, handout)

    @api.get("", summary="All lectures", response_model=Lectures)
    async def list_lectures(request: Request, state: Literal["planned", "live", "ended"] | None = None) -> Response:
        def encoded() -> bytes:
            records = relay.catalogue.list(state)
            lectures = Lectures(lectures=[show(request, relay.handout(record)) for record in records])
            return lectures.model_dump_json().encode()

        # In a thread: thousands of lectures would hold up live voice for tenths of a second.
        return Response(await asyncio.to_thread(encoded), media_type="application/json")

    @api.get("/{lecture}", summary="One lecture, and how it is going")
    async def get(request: Request, lecture: LectureId) -> LectureDetails:
        found = show(request, relay.handout(await relay.record(lecture)))
        opened = relay.directory.get(lecture)
        return LectureDetails(**found.model_dump(), live=opened.snapshot() if opened else None)

    @api.patch("/{lecture}", summary="Change what was said of a lecture")
    async def change(request: Request, lecture: LectureId, change: Change) -> Lecture:
        if not change.model_fields_set:
            raise RefusedError("request_invalid", "There is nothing to change.", 422)
        wanted = LectureChange(
            title=change.title,
            course=change.course,
            series=change.series,
            tags=None if change.tags is None else tuple(change.tags),
            planned_at=change.planned_at.timestamp() if change.planned_at else None,
            keep=change.keep.timestamp() if isinstance(change.keep, datetime) else change.keep,
        )
        return show(request, await relay.change_lecture(lecture, wanted))

    @api.post("/{lecture}/end", summary="End a lecture")
    async def end(request: Request, lecture: LectureId) -> Lecture:
        return show(request, await relay.end_lecture(lecture))

    @api.post("/{lecture}/code", summary="Make a new hall code; the old one is void")
    async def renew_code(request: Request, lecture: LectureId) -> Lecture:
        return show(request, await relay.renew_hall_code(lecture))

    return api


def _to_lecture(handout: LectureHandout, base: str) -> Lecture:
    record = handout.record
    code = group_code(record.hall_code) if record.hall_code else ""
    name = record.lecture_id
    return Lecture(
        lecture=name,
        title=record.title,
        course=record.course,
        series=record.series,
        tags=list(record.tags),
        languages=list(record.languages),
        state=record.state,
        planned_at=_time(record.planned_at),
        started_at=_time(record.started_at),
        ended_at=_time(record.ended_at),
        duration_ms=record.duration_ms,
        hall_code=code,
        hall_code_expires_at=datetime.fromtimestamp(record.code_expires_at, UTC),
        lecturer_token=handout.lecturer_token,
        interpreter_token=handout.interpreter_token,
        urls=Urls(
            studio=f"{base}/studio/{name}#token={handout.lecturer_token}",
            interpreter=f"{base}/studio/{name}#token={handout.interpreter_token}&role=interpreter",
            hall=f"{base}/hall#code={code}",
            library=f"{base}/library/{name}",
            whip=f"{base}/whip/{name}",
            whep=f"{base}/whep/{name}",
            deck=f"{base}/lectures/{name}/deck",
        ),
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
