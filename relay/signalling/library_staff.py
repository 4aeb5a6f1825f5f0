"""The staff API of the library: storage, the recycle bin, the rules. Described at ``/openapi.json``."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel

from recordings.catalogue import LectureRecord
from recordings.retention import kept_until
from relay.app import Relay
from relay.signalling.http import bearer_token
from relay.signalling.staff import LectureId


class StorageFacts(BaseModel):
    """What the recordings take, and ids of those that need somebody. ``remote…``: in object storage."""

    recordings: int
    file_bytes: int
    recycled: int
    recycled_bytes: int
    remote: int
    remote_only: int
    remote_bytes: int
    free_bytes: int
    damaged: list[str]
    missing: list[str]


class RemoteFacts(BaseModel):
    """``waiting``: files that are still to be uploaded. ``trouble``: why it cannot be used now, empty if it can."""

    waiting: int
    trouble: str


class LibraryFacts(BaseModel):
    """The library as a whole. ``behind``: recordings that the index does not know yet. ``remote``: the object storage;
    null if there is none."""

    storage: StorageFacts | None
    behind: int
    remote: RemoteFacts | None


class Recycled(BaseModel):
    """A lecture in the recycle bin, and from when on it is deleted for good."""

    lecture: str
    title: str
    deleted_at: datetime
    purged_from: datetime


class RecycleBin(BaseModel):
    """Newest first."""

    lectures: list[Recycled]


class DueLecture(BaseModel):
    """A lecture that a rule applies to: it goes into the bin, or out of it for good."""

    lecture: str
    title: str
    action: Literal["recycle", "purge"]
    since: datetime


class DueLectures(BaseModel):
    """What the rules would delete now, longest due first."""

    lectures: list[DueLecture]


def router(relay: Relay) -> APIRouter:
    """The API's routes."""

    def require_staff(
        request: Request, _: Annotated[object, Security(HTTPBearer(auto_error=False, description="staff token"))]
    ) -> None:
        relay.access.require_staff(bearer_token(request))

    def recycled(record: LectureRecord) -> Recycled:
        return Recycled(
            lecture=record.lecture_id,
            title=record.title,
            deleted_at=_time(record.deleted_at or 0.0),
            purged_from=_time(kept_until(record, relay.config.library) or 0.0),
        )

    api = APIRouter(prefix="/api/library", tags=["library"], dependencies=[Depends(require_staff)])

    @api.get("", summary="Storage used, and recordings that need somebody")
    async def library() -> LibraryFacts:
        librarian = relay.librarian
        storage = StorageFacts(**asdict(librarian.storage)) if librarian.storage else None
        keeper = librarian.keeper
        remote = RemoteFacts(waiting=keeper.waiting, trouble=keeper.trouble) if keeper is not None else None
        return LibraryFacts(storage=storage, behind=librarian.behind, remote=remote)

    @api.get("/due", summary="What the retention rules would delete now")
    async def due() -> DueLectures:
        return DueLectures(
            lectures=[
                DueLecture(lecture=one.lecture_id, title=one.title, action=one.action, since=_time(one.since))
                for one in await relay.librarian.due()
            ]
        )

    @api.get("/bin", summary="The recycle bin")
    async def bin_() -> RecycleBin:
        records = await asyncio.to_thread(relay.catalogue.recycled)
        return RecycleBin(lectures=[recycled(record) for record in records])

    @api.delete("/lectures/{lecture}", summary="Put a lecture into the recycle bin")
    async def delete(lecture: LectureId) -> Recycled:
        return recycled(await relay.librarian.delete(lecture))

    @api.post("/bin/{lecture}/restore", status_code=204, summary="Take a lecture out of the recycle bin")
    async def restore(lecture: LectureId) -> None:
        await relay.librarian.restore(lecture)

    @api.delete("/bin/{lecture}", status_code=204, summary="Delete a lecture of the recycle bin for good")
    async def purge(lecture: LectureId) -> None:
        await relay.librarian.purge(lecture)

    return api


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
