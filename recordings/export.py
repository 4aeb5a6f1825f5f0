"""Export a recording: as a film, as sound, as a PDF of its pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from recordings.chapters import describe
from recordings.errors import RecordingError
from recordings.recording import Recording
from recordings.voice import write_ogg

KINDS = {"mp4": ".mp4", "webm": ".webm", "opus": ".opus", "pdf": ".pdf"}
"""What a recording can be exported to, and how the file's name ends."""

MAX_DURATION_MS = 24 * 3_600_000
"""No lecture is longer: a recording that claims so is damaged or hostile, and would fill the disk with silence."""


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What is wanted.

    :param kind: one of :data:`KINDS`.
    :param language: which voice; empty: the lecturer's.
    :param with_camera: whether the camera is shown, if there is one.
    """

    kind: str
    language: str = ""
    with_camera: bool = True


def file_name(recording_id: str, order: ExportOrder) -> str:
    """What the exported file is called: letters, digits and dashes, whatever a recording from elsewhere says."""
    words = [recording_id, order.language] if order.language else [recording_id]
    return re.sub(r"[^A-Za-z0-9_-]+", "_", "-".join(words))[:100] + KINDS[order.kind]


def export(
    recording: Recording, order: ExportOrder, path: Path, *, progress: Callable[[int], None] | None = None
) -> None:
    """Write what is wanted to ``path``; it appears there whole or not at all.

    :param progress: called with the lecture time (ms) that has been written; what it raises ends the export.
    :raises RecordingError: ``export_kind_unknown``, ``recording_empty``, ``recording_too_long``, ``voice_missing``,
        ``pages_missing``.
    """
    if order.kind not in KINDS:
        raise RecordingError("export_kind_unknown", f"A recording can be exported to {', '.join(KINDS)}.")
    if recording.duration_ms > MAX_DURATION_MS:
        raise RecordingError("recording_too_long", "This recording claims to last longer than a day; it is damaged.")
    if order.kind == "pdf":
        from recordings.page_pdf import write_pdf

        write_pdf(recording, path, progress=progress)
        return
    languages = recording.languages()
    if not languages:
        raise RecordingError("recording_empty", "Nothing was said in this lecture, so there is nothing to export.")
    language = order.language or languages[0]
    if order.kind == "opus":
        write_ogg(recording, language, path, describe=partial(describe, recording=recording), progress=progress)
        return
    from recordings.film import write_film

    write_film(recording, path, order.kind, language, with_camera=order.with_camera, progress=progress)
