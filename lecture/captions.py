"""Captions: what was said as text, which somebody lays into the log once the lecture has ended. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from lecture.entries import Entry, Kind, pack_event
from lecture.fields import MAX_INT, Form, Limit, from_json, to_json
from lecture.tracks import LANGUAGE_FORM

MAX_CAPTION_CHARS = 1000
MAX_CAPTION_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Caption:
    """A ``CAPTION`` entry: words to be read from the entry's time on.

    :param edition: rises each time that a language's captions are laid in; those of its highest one count alone, since
        nothing is ever taken out of a log.
    """

    language: Annotated[str, Form(LANGUAGE_FORM)]
    text: Annotated[str, Limit(1, MAX_CAPTION_CHARS)]
    duration_ms: Annotated[int, Limit(1, MAX_CAPTION_MS)]
    edition: Annotated[int, Limit(1, MAX_INT)]


def read_caption(fields: dict[str, Any]) -> Caption | None:
    """What the fields of a ``CAPTION`` entry say; None if they make no sense."""
    try:
        caption: Caption = from_json(Caption, fields)
    except ValueError:
        return None
    return caption


def caption_entry(t_ms: int, caption: Caption) -> Entry:
    """The entry of a caption that is to be read from ``t_ms`` on."""
    return Entry(Kind.CAPTION, t_ms, pack_event(to_json(caption)))
