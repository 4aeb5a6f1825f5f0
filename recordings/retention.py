"""Which lectures a retention rule deletes, and when. Pure: it only says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from recordings.catalogue import LectureRecord

DAY_S = 86_400.0

Action = Literal["recycle", "purge"]


@dataclass(frozen=True, slots=True)
class LibrarySettings:
    """``[library]``: how long recordings are kept, how they are watched, and what may be imported.

    :param keep_days: a lecture that ended so long ago goes into the recycle bin, unless staff said otherwise of it;
        0: never.
    :param recycle_days: what has been in the recycle bin for so long is deleted for good; 0: at the next round.
    :param scan_days: every recording is checked byte by byte at least so often; 0: never.
    :param storage_url: ``s3://bucket/prefix``, where finished lecture files lie too; empty: on the local disk alone.
    :param storage_endpoint: address of the S3 server; empty: Amazon's for the region.
    :param storage_allow_http: whether the endpoint may be without TLS.
    :param local_mb: local files beyond so many megabytes are dropped once they lie in the storage; 0: none is.
    :param import_mb: staff may upload a recording of at most so many megabytes; 0: none.
    """

    keep_days: float = 0.0
    recycle_days: float = 30.0
    scan_days: float = 30.0
    storage_url: str = ""
    storage_endpoint: str = ""
    storage_region: str = ""
    storage_allow_http: bool = False
    local_mb: float = 0.0
    import_mb: int = 20_000


@dataclass(frozen=True, slots=True)
class Due:
    """A lecture that a rule applies to.

    :param action: ``recycle``: into the bin; ``purge``: out of it, for good.
    :param since: from when on that was due, seconds since 1970.
    """

    lecture_id: str
    title: str
    action: Action
    since: float


def due(records: Iterable[LectureRecord], settings: LibrarySettings, now: float) -> list[Due]:
    """What is to be done now, longest due first.

    :param records: all lectures, those in the recycle bin included.
    :param now: seconds since 1970.
    """
    found = []
    for record in records:
        until = kept_until(record, settings)
        if until is not None and until <= now:
            action: Action = "recycle" if record.deleted_at is None else "purge"
            found.append(Due(record.lecture_id, record.title, action, until))
    return sorted(found, key=lambda one: (one.since, one.lecture_id))


def kept_until(record: LectureRecord, settings: LibrarySettings) -> float | None:
    """When a lecture is due for the recycle bin, or one in the bin for its end, seconds since 1970; None: never.

    Only what has ended is ever put into the bin by a rule.
    """
    if record.deleted_at is not None:
        return record.deleted_at + settings.recycle_days * DAY_S
    if record.state != "ended" or record.keep_forever:
        return None
    if record.keep_until is not None:
        return record.keep_until
    ended_at = record.ended_at or record.started_at or record.created_at
    return ended_at + settings.keep_days * DAY_S if settings.keep_days else None
