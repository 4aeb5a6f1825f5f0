"""Export a recording: as a film, as sound, as a PDF of its pages, as a pack for a USB stick."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from recordings.chapters import describe
from recordings.errors import RecordingError
from recordings.recording import Recording
from recordings.voice import write_ogg

Kind = Literal["mp4", "webm", "opus", "pdf", "usb"]
"""What a recording can be exported to."""
KINDS: dict[Kind, str] = {"mp4": ".mp4", "webm": ".webm", "opus": ".opus", "pdf": ".pdf", "usb": ".zip"}
"""How the file's name ends, by kind."""


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What is wanted.

    :param language: which voice; empty: the lecturer's, of a pack all.
    :param with_camera: whether the camera is shown, if there is one.
    :param rung: of a pack: ``light`` (12 kbit/s) or ``full`` (24 kbit/s) voice.
    :param with_lecture_file: of a pack: whether the recording itself lies in it too.
    :param zipped: of a pack: a zip, not a folder.
    :param page_sources: of a pack: the folder with the web pages' files, which it is made from.
    """

    kind: Kind
    language: str = ""
    with_camera: bool = True
    rung: Literal["light", "full"] = "light"
    with_lecture_file: bool = True
    zipped: bool = True
    page_sources: str = ""


def file_name(recording_id: str, order: ExportOrder) -> str:
    """What the exported file is called: letters, digits and dashes, whatever a recording from elsewhere says."""
    words = [recording_id, order.language] if order.language else [recording_id]
    ending = KINDS[order.kind] if order.zipped else ""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", "-".join(words))[:100] + ending


def export(
    recording: Recording, order: ExportOrder, path: Path, *, progress: Callable[[int], None] | None = None
) -> None:
    """Write what is wanted to ``path``; it appears there whole or not at all.

    :param progress: called with the lecture time (ms) that has been written; what it raises ends the export.
    :raises RecordingError: ``recording_empty``, ``recording_too_long``, ``voice_missing``,
        ``pages_missing``.
    """
    recording.check_length()
    if order.kind == "pdf":
        from recordings.page_pdf import write_pdf

        write_pdf(recording, path, progress=progress)
        return
    languages = recording.languages()
    if not languages:
        raise RecordingError("recording_empty", "Nothing was said in this lecture, so there is nothing to export.")
    language = order.language or languages[0]
    if order.kind == "usb":
        from recordings.usb_pack import write_pack, write_zipped_pack

        write = write_zipped_pack if order.zipped else write_pack
        write(recording, path, order, progress=progress)
        return
    if order.kind == "opus":
        write_ogg(recording, language, path, describe=partial(describe, recording=recording), progress=progress)
        return
    from recordings.film import write_film

    write_film(recording, path, order.kind, language, with_camera=order.with_camera, progress=progress)
