"""The staff API of the library: storage, the recycle bin, the rules. Described at ``/openapi.json``."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from recordings.catalogue import LectureRecord
from recordings.retention import kept_until
from recordings.shelf import Storage
from relay.app import Relay
from relay.signalling.staff import LectureId
from relay.signalling.staff_api import staff_only


class RemoteFacts(BaseModel):
    """``waiting``: files that are still to be uploaded. ``trouble``: why it cannot be used now, empty if it can."""

    waiting: int
    trouble: str


class LibraryFacts(BaseModel):
    """The library as a whole. ``behind``: recordings that the index does not know yet. ``remote``: the object storage;
    null if there is none."""

    storage: Storage | None
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

    def recycled(record: LectureRecord) -> Recycled:
        return Recycled(
            lecture=record.lecture_id,
            title=record.title,
            deleted_at=_time(record.deleted_at or 0.0),
            purged_from=_time(kept_until(record, relay.config.library) or 0.0),
        )

    api = APIRouter(prefix="/api/library", tags=["library"], dependencies=[staff_only(relay)])

    @api.get("", summary="Storage used, and recordings that need somebody")
    async def library() -> LibraryFacts:
        librarian = relay.librarian
        keeper = librarian.keeper
        remote = RemoteFacts(waiting=keeper.waiting, trouble=keeper.trouble) if keeper is not None else None
        return LibraryFacts(storage=librarian.storage, behind=librarian.behind, remote=remote)

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
