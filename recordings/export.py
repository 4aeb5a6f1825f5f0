"""Export a recording: as a film, as sound, as a PDF of its pages, as a pack for a USB stick."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from recordings.chapters import describe
from recordings.errors import RecordingError
from recordings.export_order import ExportOrder
from recordings.recording import Recording
from recordings.voice import write_ogg


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
