"""What may be wanted of an export, and what its file is called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["mp4", "webm", "opus", "pdf", "usb"]
"""What a recording can be exported to."""
Rung = Literal["light", "full"]
"""Of a pack: voice of 12 or 16 kbit/s."""
KINDS: dict[Kind, str] = {"mp4": ".mp4", "webm": ".webm", "opus": ".opus", "pdf": ".pdf", "usb": ".zip"}
"""How the file's name ends, by kind."""


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What is wanted.

    :param language: which voice; empty: the lecturer's, of a pack all.
    :param with_camera: whether the camera is shown, if there is one.
    :param rung: of a pack: which voice.
    :param with_lecture_file: of a pack: whether the recording itself lies in it too.
    :param zipped: of a pack: a zip, not a folder.
    :param page_sources: of a pack: the folder with the web pages' files, which it is made from.
    """

    kind: Kind
    language: str = ""
    with_camera: bool = True
    rung: Rung = "light"
    with_lecture_file: bool = True
    zipped: bool = True
    page_sources: str = ""


def file_name(recording_id: str, order: ExportOrder) -> str:
    """What the exported file is called: letters, digits and dashes, whatever a recording from elsewhere says."""
    words = [recording_id, order.language] if order.language else [recording_id]
    ending = KINDS[order.kind] if order.zipped else ""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", "-".join(words))[:100] + ending
