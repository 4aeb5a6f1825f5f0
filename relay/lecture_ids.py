"""What staff may say of a lecture: ids, titles, language tags and times."""

from __future__ import annotations

import re
import secrets
import unicodedata

from lecture.errors import RefusedError
from lecture.tracks import LANGUAGE_FORM

MAX_TITLE_CHARS = 200
MAX_LANGUAGES = 8
MAX_TAGS = 20
MAX_TAG_CHARS = 50

LAST_PLANNED_AT = 7_258_118_400.0
"""The year 2200: calendars of programs end with the year 9999, and a hall code expires later still."""

_LECTURE_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def is_lecture_id(text: str) -> bool:
    """Whether a lecture may be called so: it is part of addresses and file names."""
    return _LECTURE_ID.fullmatch(text) is not None


def new_lecture_id(title: str) -> str:
    """An id made from the words of the title that ASCII can write, with a random end."""
    ascii_title = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", ascii_title).strip("-")[:40].strip("-") or "lecture"
    return f"{words}-{''.join(secrets.choice(_ID_ALPHABET) for _ in range(5))}"


def check_lecture_id(text: str) -> None:
    """:raises RefusedError: ``lecture_id_invalid`` (422)."""
    if not is_lecture_id(text):
        raise RefusedError(
            "lecture_id_invalid", "A lecture's id has 1 to 63 characters of a-z, 0-9 and dashes within.", 422
        )


def check_text(name: str, text: str, *, required: bool = False) -> None:
    """Check a title, course or series.

    :raises RefusedError: ``title_invalid``, ``course_invalid`` or ``series_invalid`` (422).
    """
    if (required and not text.strip()) or len(text) > MAX_TITLE_CHARS or not all(map(_is_writing, text)):
        low = 1 if required else 0
        raise RefusedError(
            f"{name}_invalid", f"The {name} must be one line of {low} to {MAX_TITLE_CHARS} characters.", 422
        )


def check_tags(tags: tuple[str, ...]) -> None:
    """:raises RefusedError: ``tags_invalid`` (422)."""
    good = all(tag == tag.strip() and 1 <= len(tag) <= MAX_TAG_CHARS and "," not in tag for tag in tags)
    if not good or len(set(tags)) != len(tags) or len(tags) > MAX_TAGS or not all(map(_is_writing, "".join(tags))):
        raise RefusedError(
            "tags_invalid",
            f"A lecture has up to {MAX_TAGS} different tags of 1 to {MAX_TAG_CHARS} characters, without commas.",
            422,
        )


def check_language(languages: tuple[str, ...]) -> None:
    """Check the languages of a lecture.

    :raises RefusedError: ``language_invalid`` (422).
    """
    good = all(re.fullmatch(LANGUAGE_FORM, language) for language in languages)
    different = {language.lower() for language in languages}  # RFC 5646 section 2.1.1: en and EN are one
    if not good or not 1 <= len(different) == len(languages) <= MAX_LANGUAGES:
        raise RefusedError(
            "language_invalid", f"Languages are 1 to {MAX_LANGUAGES} different tags such as en, ko or pt-BR.", 422
        )


def check_planned_at(seconds: float | None) -> None:
    """Check a planned time.

    :param seconds: since 1970, None for none.
    :raises RefusedError: ``planned_at_invalid`` (422).
    """
    if seconds is not None and not 0 <= seconds < LAST_PLANNED_AT:
        raise RefusedError("planned_at_invalid", "A lecture is planned for a time between 1970 and 2200.", 422)


def _is_writing(character: str) -> bool:
    """Neither a control character, a line break of any kind, nor half a surrogate pair."""
    return unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
