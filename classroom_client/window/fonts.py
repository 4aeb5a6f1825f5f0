"""A font that can write what we have to say, Korean included where this machine has one."""

from __future__ import annotations

import pygame

# In order of liking; names as pygame knows them (lower case, without spaces). Each writes Latin and Hangul.
_FAMILIES = (
    "notosanscjkkr",
    "notosanskr",
    "pretendard",
    "malgungothic",
    "applesdgothicneo",
    "nanumbarungothic",
    "nanumgothic",
    "nanumsquare",
    "applegothic",
    "sourcehansanskr",
    "sourcehansans",
    "notosanscjksc",
    "notosanscjkjp",
    "baekmukdotum",
    "undotum",
    "droidsansfallback",
    "wenquanyizenhei",
    "unifont",
)
_LATIN = ("segoeui", "helveticaneue", "notosans", "dejavusans", "liberationsans", "arial")
_PROBE = "강"


class Fonts:
    """Fonts of one family in any size.

    :ivar writes_korean: whether Hangul can be written.
    """

    def __init__(self) -> None:
        self._paths: dict[bool, str | None] = {}
        found = self._find(_FAMILIES, korean=True)
        self.writes_korean = found is not None
        path = found or self._find(_LATIN, korean=False)
        self._path = path
        self._bold_path = self._bold(path)
        self._fonts: dict[tuple[int, bool], pygame.font.Font] = {}

    def get(self, size: int, *, bold: bool = False) -> pygame.font.Font:
        """The font in this height."""
        key = (size, bold)
        if key not in self._fonts:
            path = self._bold_path if bold and self._bold_path else self._path
            font = pygame.font.Font(path, size)  # None is pygame's own font
            font.set_bold(bold and path == self._path)
            self._fonts[key] = font
        return self._fonts[key]

    def _find(self, families: tuple[str, ...], *, korean: bool) -> str | None:
        for family in families:
            path = pygame.font.match_font(family)
            if path is None:
                continue
            try:
                font = pygame.font.Font(path, 20)
            except (pygame.error, OSError):
                continue
            if not korean or font.metrics(_PROBE)[0] is not None:
                self._family = family
                return path
        return None

    def _bold(self, path: str | None) -> str | None:
        if path is None:
            return None
        bold = pygame.font.match_font(self._family, bold=True)
        return bold if bold and bold != path else None
