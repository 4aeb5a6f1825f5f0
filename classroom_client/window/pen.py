"""What all drawing in the window shares: colours, texts that are rendered once, panels."""

from __future__ import annotations

import pygame

from classroom_client.texts import Texts
from classroom_client.window.fonts import Fonts
from classroom_client.window.layout import Box

Colour = tuple[int, int, int]

BLACK = (0, 0, 0)
STRIP = (16, 18, 22)
TEXT = (226, 229, 234)
QUIET = (148, 154, 164)
GOOD = (82, 196, 120)
WARN = (240, 178, 60)
BAD = (236, 92, 80)
_PANEL = (18, 21, 27, 246)
_KEPT_TEXTS = 200


class Pen:
    """Writes in one language; a text is rendered once and kept while it is shown.

    :ivar say: the sentences.
    """

    def __init__(self, fonts: Fonts, texts: Texts) -> None:
        self.say = texts
        self._fonts = fonts
        self._rendered: dict[tuple[str, int, Colour, bool], pygame.Surface] = {}

    def fresh(self) -> None:
        """Forget texts once there are many; call between two pictures."""
        if len(self._rendered) > _KEPT_TEXTS:
            self._rendered.clear()

    def text(self, text: str, size: int, colour: Colour, *, bold: bool = False) -> pygame.Surface:
        """A line of text, ``size`` pixels high."""
        key = (text, size, colour, bold)
        if key not in self._rendered:
            self._rendered[key] = self._fonts.get(size, bold=bold).render(text, True, colour)
        return self._rendered[key]

    def width(self, text: str, size: int) -> int:
        """How wide a line of text would be, in pixels."""
        return self._fonts.get(size).size(text)[0]

    def panel(self, surface: pygame.Surface, box: Box) -> None:
        """A dark ground for words that lie on a page."""
        panel = pygame.Surface((box.width, box.height), pygame.SRCALPHA)
        pygame.draw.rect(panel, _PANEL, panel.get_rect(), border_radius=max(4, min(box.height // 12, 16)))
        surface.blit(panel, (box.x, box.y))


def within(surface: pygame.Surface, width: int) -> pygame.Surface:
    """The surface, made smaller if it is wider than that."""
    if surface.get_width() <= width:
        return surface
    return pygame.transform.smoothscale_by(surface, width / surface.get_width())
