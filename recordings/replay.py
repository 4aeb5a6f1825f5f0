"""What the replay page needs to know of a recording, as JSON (``/library/{lecture}/replay.json``)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from recordings.recording import Page, Recording, Turn


def chapters(turns: list[Turn], pages: list[Page]) -> list[dict[str, Any]]:
    """A chapter for each page turn to a page other than the one shown; lecture times in ms."""
    titles = {(page.deck, page.page): page.title for page in pages}
    found: list[dict[str, Any]] = []
    shown: tuple[str, int] | None = None
    for turn in turns:
        if (turn.deck, turn.page) == shown:
            continue
        shown = (turn.deck, turn.page)
        found.append({"t_ms": turn.t_ms, "deck": turn.deck, "page": turn.page, "title": titles.get(shown, "")})
    return found


def replay_manifest(recording: Recording) -> dict[str, Any]:
    """The replay page's facts; lecture times in ms, URLs relative to the origin."""
    base = f"/library/{quote(recording.lecture_id, safe='')}"
    pages, turns = recording.pages(), recording.turns()
    voices = []
    for language in recording.languages():
        track = recording.voice_track(language)
        if track is not None:
            url = f"{base}/voice/{quote(language, safe='')}.ogg?v={recording.revision}"
            voices.append({"language": language, "rung": track.rung, "url": url})
    camera = recording.camera_track()
    first = next(iter(recording.frames(camera)), None) if camera is not None else None
    return {
        "lecture": recording.lecture_id,
        "title": recording.title,
        "course": recording.course,
        "state": recording.state,
        "duration_ms": recording.duration_ms,
        "languages": recording.languages(),
        "turns": [{"t_ms": turn.t_ms, "deck": turn.deck, "page": turn.page} for turn in turns],
        "pages": [
            {
                "deck": page.deck,
                "page": page.page,
                "title": page.title,
                "tiers": [
                    {"tier": image.tier, "url": f"{base}/blob/{image.digest}", "w": image.width, "h": image.height}
                    for image in page.images
                ],
            }
            for page in pages
        ],
        "voice": voices,
        "camera": None
        if first is None
        else {"url": f"{base}/camera.webm?v={recording.revision}", "offset_ms": first.t_ms},
        "chapters": chapters(turns, pages),
    }
