"""Imports of recordings, for staff: announce a file, send it in pieces, see what came of it (``/openapi.json``)."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Request, Response, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from relay.app import Relay
from relay.signalling.gate import IMPORTS
from relay.signalling.http import bearer_token, require_content_type
from relay.uploads import Upload

UPLOAD = f"{IMPORTS}/{{upload}}"


class NewImport(BaseModel):
    """A file that is going to be uploaded: a lecture file, or a zip with lecture files."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("", max_length=1000, description="for people")
    size_bytes: int
    sha256: str = Field(max_length=64, description="of the whole file, lower-case hex")
    damaged: bool = Field(False, description="take the sound parts of a damaged recording")


class ImportedLecture(BaseModel):
    """What has become of one lecture file."""

    lecture: str
    title: str
    result: Literal["new", "merged", "unchanged"]
    voice_gained_ms: dict[str, int] = Field(description="by language, if it was merged")
    problems: list[str] = Field(description="damage that was left out")


class ImportFault(BaseModel):
    """Why the import, or a part of it, could not be done; while it waits, what for: it is tried again by itself."""

    id: str
    text: str


class Import(BaseModel):
    """An upload, how far it is, and what came of it."""

    upload: str
    name: str
    size_bytes: int
    received_bytes: int = Field(description="from the start of the file: go on from there")
    state: Literal["receiving", "waiting", "importing", "done", "failed"]
    progress: float = Field(description="of the import itself, 0 to 1")
    lectures: list[ImportedLecture]
    error: ImportFault | None


class ImportList(BaseModel):
    """Newest first."""

    imports: list[Import]


def router(relay: Relay) -> APIRouter:
    """The routes."""

    def require_staff(
        request: Request, _: Annotated[object, Security(HTTPBearer(auto_error=False, description="staff token"))]
    ) -> None:
        relay.access.require_staff(bearer_token(request))

    api = APIRouter(tags=["imports"], dependencies=[Depends(require_staff)])

    def show(response: Response, upload: Upload) -> Import:
        response.headers["Upload-Offset"] = str(upload.received_bytes)
        response.headers["Upload-Length"] = str(upload.size_bytes)
        return _to_import(upload)

    @api.post(IMPORTS, status_code=201, summary="Announce a file, or find one that was begun again")
    async def begin(response: Response, new: NewImport) -> Import:
        upload = await relay.imports.begin(new.name, new.size_bytes, new.sha256, damaged=new.damaged)
        response.headers["Location"] = UPLOAD.format(upload=upload.upload_id)
        return show(response, upload)

    @api.get(IMPORTS, summary="Uploads and what came of them")
    async def list_imports() -> ImportList:
        return ImportList(imports=[_to_import(upload) for upload in relay.imports.uploads()])

    @api.head(UPLOAD, summary="How far an upload is, in headers alone")
    @api.get(UPLOAD, summary="How far an upload is")
    async def get(response: Response, upload: str) -> Import:
        return show(response, relay.imports.get(upload))

    @api.patch(UPLOAD, summary="Send a piece, from the offset on that the upload is at")
    async def receive(
        request: Request, response: Response, upload: str, upload_offset: Annotated[int, Header(ge=0)]
    ) -> Import:
        found = relay.imports.get(upload)
        require_content_type(request, "application/offset+octet-stream", "application/octet-stream")
        await relay.imports.receive(found, upload_offset, request.stream())
        return show(response, found)

    @api.delete(UPLOAD, status_code=204, summary="Give an upload up, or forget what came of it")
    async def remove(upload: str) -> None:
        await relay.imports.remove(relay.imports.get(upload))

    return api


def _to_import(upload: Upload) -> Import:
    progress = 1.0 if upload.state == "done" else upload.done_ms / upload.of_ms if upload.of_ms else 0.0
    return Import(
        upload=upload.upload_id,
        name=upload.name,
        size_bytes=upload.size_bytes,
        received_bytes=upload.received_bytes,
        state=upload.state,
        progress=round(progress, 3),
        lectures=[
            ImportedLecture(
                lecture=one.lecture_id,
                title=one.title,
                result=one.result,
                voice_gained_ms=one.merged.voice_ms,
                problems=list(one.problems),
            )
            for one in upload.imported
        ],
        error=None if upload.error is None else ImportFault(id=upload.error.error_id, text=upload.error.text),
    )
