"""What a lecture file says of its lecture, as the catalogue keeps it, and the other way round. Blocking."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from recordings.catalogue import LectureRecord, LectureState, as_list
from recordings.passages import clean
from recordings.recording import Recording

FOREVER = "forever"
LAST_TIME = 7_258_118_400.0
"""The year 2200: a file that tells a later time was not written by a clock."""

_TITLE_CHARS = 200


def told_facts(record: LectureRecord) -> dict[str, str]:
    """What staff say of a lecture, as keys of its file's ``meta``."""
    return {
        "title": record.title,
        "course": record.course,
        "series": record.series,
        "tags": as_list(record.tags),
        "keep": FOREVER if record.keep_forever else iso(record.keep_until) or "",
    }


def file_facts(recording: Recording) -> dict[str, Any]:
    """What the catalogue keeps of a file."""
    return {
        "trouble": "",
        "revision": recording.revision,
        "file_bytes": recording.path.stat().st_size,
        "duration_ms": recording.duration_ms,
        "languages": as_list(tuple(recording.languages())),
        "page_count": len(recording.pages()),
        "has_camera": int(recording.camera_track() is not None),
        "missing_ms": recording.missing_ms(),
    }


def record_from_file(lecture_id: str, recording: Recording) -> LectureRecord:
    """A record for a lecture that is known from its file only; without a hall code."""
    states: dict[str, LectureState] = {"planned": "planned", "live": "live", "ended": "ended"}
    started_at = _seconds(recording.started_at)
    duration_ms = recording.duration_ms
    state = states.get(recording.state, "ended")
    languages = recording.planned_languages() or recording.languages() or ["en"]
    return LectureRecord(
        lecture_id=lecture_id,
        title=clean(recording.title)[:_TITLE_CHARS] or lecture_id,
        course=clean(recording.course)[:_TITLE_CHARS],
        series=clean(recording.series)[:_TITLE_CHARS],
        tags=tuple(dict.fromkeys(clean(tag.replace(",", " "))[:_TITLE_CHARS] for tag in recording.tags)),
        languages=tuple(clean(language) for language in languages),
        hall_code="",
        hall_code_key="",
        code_expires_at=0.0,
        created_at=started_at or recording.path.stat().st_mtime,
        state=state,
        started_at=started_at,
        ended_at=min(started_at + duration_ms / 1000, LAST_TIME) if started_at and state == "ended" else None,
        duration_ms=duration_ms if state == "ended" else 0,
        keep_forever=recording.keep == FOREVER,
        keep_until=_seconds(recording.keep),
    )


def iso(seconds: float | None) -> str | None:
    """A time (seconds since 1970) as ISO 8601 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")[:-6] + "Z"


def _seconds(text: str | None) -> float | None:
    """A time as a file tells it; None for none, and for one that no calendar of ours has."""
    try:
        seconds = datetime.fromisoformat(text or "").timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return seconds if 0 <= seconds < LAST_TIME else None
