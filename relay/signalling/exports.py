"""Exports of recordings, for staff: ask for one, watch it, fetch its file. Described at ``/openapi.json``."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from lecture.errors import RefusedError
from recordings.export_order import ExportOrder, Kind, Rung
from relay import pages
from relay.access import unauthorised
from relay.app import Relay
from relay.exports import ExportJob
from relay.signalling.http import bearer_token, file_response
from relay.signalling.pages import LIBRARY
from relay.signalling.replay import FILE_HEADERS
from relay.signalling.staff_api import Fault, fault_of, staff_only

EXPORTS = f"{LIBRARY}/{{lecture}}/exports"
JOB = f"{EXPORTS}/{{job}}"

_TICKET = "hallcast_export"
"""Cookie that lets the browser of whoever may see an export fetch its file: a link cannot carry a token, and a token
has no place in an address. It goes to the file's address alone."""
_TICKET_S = 86_400

_MEDIA_TYPES = {
    "mp4": "video/mp4",
    "webm": "video/webm",
    "opus": "audio/ogg",
    "pdf": "application/pdf",
    "usb": "application/zip",
}


class NewExport(BaseModel):
    """What is wanted."""

    model_config = ConfigDict(extra="forbid")

    to: Kind
    language: str = Field("", max_length=64, description="which voice; empty: the lecturer's, of a USB pack all")
    camera: bool | None = Field(None, description="whether the camera is shown; null: in films, not in a USB pack")
    voice: Rung = Field("light", description="of a USB pack: 12 or 16 kbit/s")
    lecture_file: bool = Field(
        True, description="of a USB pack: with the recording itself, so that another relay can take it in"
    )


class Export(BaseModel):
    """An export and how far it is."""

    job: str
    lecture: str
    to: str
    language: str
    camera: bool
    voice: Rung
    lecture_file: bool
    state: Literal["waiting", "running", "done", "failed"]
    progress: float = Field(description="0 to 1")
    file_name: str
    size_bytes: int = Field(description="0 until it is done")
    file: str = Field(description="its address; open to this browser and with the staff token")
    error: Fault | None


class ExportList(BaseModel):
    """Newest first."""

    exports: list[Export]


LectureId = Annotated[str, Path(max_length=64)]
JobId = Annotated[str, Path(max_length=64)]


def router(relay: Relay) -> APIRouter:
    """The routes."""

    api = APIRouter(tags=["exports"])
    for_staff = [staff_only(relay)]

    def show(request: Request, response: Response, job: ExportJob) -> Export:
        found = _to_export(job)
        response.set_cookie(
            _TICKET,
            job.ticket,
            max_age=_TICKET_S,
            path=found.file,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return found

    @api.post(EXPORTS, status_code=202, summary="Ask for an export", dependencies=for_staff)
    async def start(request: Request, response: Response, lecture: LectureId, new: NewExport) -> Export:
        with_camera = new.to != "usb" if new.camera is None else new.camera
        order = ExportOrder(new.to, new.language, with_camera, page_sources=str(pages.FOLDER))
        if new.to == "usb":  # of all others it makes no difference, and what is there is not made again
            order = replace(order, rung=new.voice, with_lecture_file=new.lecture_file)
        return show(request, response, await relay.exports.start(lecture, order))

    @api.get(EXPORTS, summary="The exports of a lecture", dependencies=for_staff)
    async def list_exports(lecture: LectureId) -> ExportList:
        return ExportList(exports=[_to_export(job) for job in relay.exports.jobs(lecture)])

    @api.get(JOB, summary="How far an export is", dependencies=for_staff)
    async def get(request: Request, response: Response, lecture: LectureId, job: JobId) -> Export:
        return show(request, response, relay.exports.get(lecture, job))

    @api.delete(JOB, status_code=204, summary="Cancel an export, or remove its file", dependencies=for_staff)
    async def remove(lecture: LectureId, job: JobId) -> None:
        await relay.exports.remove(relay.exports.get(lecture, job))

    @api.get(f"{JOB}/file", summary="The file, in ranges if asked for", response_class=Response)
    async def file(request: Request, lecture: LectureId, job: JobId) -> Response:
        token = bearer_token(request)
        if token:
            relay.access.require_staff(token)
            found = relay.exports.get(lecture, job)
        else:
            found = _of_ticket(relay, lecture, job, request.cookies.get(_TICKET, ""))
        if found.state != "done":
            raise RefusedError("export_unfinished", "This export is not finished.", 409)
        # The name has only letters, digits and dashes, whatever the recording says: recordings.export.file_name.
        headers = {**FILE_HEADERS, "Content-Disposition": f'attachment; filename="{found.path.name}"'}
        return file_response(request, found.path, _MEDIA_TYPES[found.order.kind], headers)

    return api


def _of_ticket(relay: Relay, lecture: str, job_id: str, ticket: str) -> ExportJob:
    """The export that this ticket is for; whoever has none learns nothing, not even whether there is such an export."""
    try:
        job = relay.exports.get(lecture, job_id)
    except RefusedError:
        raise unauthorised() from None
    if not secrets.compare_digest(job.ticket.encode(), ticket.encode()):
        raise unauthorised()
    return job


def _to_export(job: ExportJob) -> Export:
    progress = 1.0 if job.state == "done" else job.done_ms / job.of_ms if job.of_ms else 0.0
    return Export(
        job=job.job_id,
        lecture=job.lecture_id,
        to=job.order.kind,
        language=job.order.language,
        camera=job.order.with_camera,
        voice=job.order.rung,
        lecture_file=job.order.with_lecture_file,
        state=job.state,
        progress=round(progress, 3),
        file_name=job.path.name,
        size_bytes=job.size_bytes,
        file=f"{JOB}/file".format(lecture=job.lecture_id, job=job.job_id),
        error=fault_of(job.error),
    )
