"""What a lecture file says of its lecture, as the catalogue keeps it, and the other way round. Blocking."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from recordings.catalogue import LectureRecord, LectureState, as_list
from recordings.passages import clean
from recordings.recording import Recording

_TITLE_CHARS = 200


def told_facts(record: LectureRecord) -> dict[str, str]:
    """What staff say of a lecture, as keys of its file's ``meta``."""
    return {
        "title": record.title,
        "course": record.course,
        "series": record.series,
        "tags": as_list(record.tags),
        "keep": "forever" if record.keep_forever else "",
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
        ended_at=started_at + duration_ms / 1000 if started_at is not None and state == "ended" else None,
        duration_ms=duration_ms if state == "ended" else 0,
        keep_forever=recording.keep_forever,
    )


def _seconds(iso: str | None) -> float | None:
    try:
        return datetime.fromisoformat(iso).timestamp() if iso else None
    except ValueError:
        return None
