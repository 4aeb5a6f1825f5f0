"""The hall's sentences, in the languages of ``texts.json``."""

from __future__ import annotations

import json
import locale
from functools import cache
from importlib import resources

DEFAULT_LANGUAGE = "en"


@cache
def _catalogue() -> dict[str, dict[str, str]]:
    text = resources.files("classroom_client").joinpath("texts.json").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, str]] = json.loads(text)
    return loaded


def languages() -> list[str]:
    """Languages that there are texts in."""
    return list(_catalogue())


def system_language() -> str:
    """The language this machine is set to, if there are texts in it, else English."""
    tag = (locale.getlocale()[0] or "").replace("_", "-").split("-")[0].lower()
    tag = {"korean": "ko", "english": "en"}.get(tag, tag)
    return tag if tag in _catalogue() else DEFAULT_LANGUAGE


class Texts:
    """The sentences in one language.

    :raises ValueError: for a language without texts.
    """

    def __init__(self, language: str = DEFAULT_LANGUAGE) -> None:
        if language not in _catalogue():
            raise ValueError(f"no texts in {language!r}")
        self.language = language
        self._texts = _catalogue()[language]

    def __call__(self, text_id: str, **values: int | float | str) -> str:
        """A sentence with its values filled in.

        :raises KeyError: for an id that is not in the catalogue: a bug.
        """
        return self._texts[text_id].format(**values)
