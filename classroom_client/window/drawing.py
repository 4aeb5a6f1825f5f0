"""Draws the lecturer's strokes and pointer over a page."""

from __future__ import annotations

import itertools

import pygame

from classroom_client.window.layout import Box
from lecture.ink_book import Drawing, Stroke

_POINTER = (255, 40, 40)
_RIM = (255, 255, 255)
_POINTER_SIZE = 0.011
"""Radius, as a share of the page's width: seen from the last row, hiding no more than a word."""


def paint_drawing(surface: pygame.Surface, box: Box, drawing: Drawing) -> None:
    """Draw over the page that lies in ``box``, and nowhere beside it."""
    if not drawing.strokes and drawing.pointer is None:
        return
    before = surface.get_clip()
    surface.set_clip(pygame.Rect(box.x, box.y, box.width, box.height).clip(before))
    for stroke in drawing.strokes:
        _stroke(surface, box, stroke)
    if drawing.pointer is not None:
        place = _place(box, drawing.pointer)
        radius = max(5, round(_POINTER_SIZE * box.width))
        pygame.draw.aacircle(surface, _RIM, place, radius + max(2, radius // 5))
        pygame.draw.aacircle(surface, _POINTER, place, radius)
    surface.set_clip(before)


def _stroke(surface: pygame.Surface, box: Box, stroke: Stroke) -> None:
    colour = pygame.Color(stroke.colour)
    width = max(2, round(stroke.width * box.width))
    places = [_place(box, point) for point in stroke.points]
    for place in places:  # round joints and ends
        pygame.draw.aacircle(surface, colour, place, width / 2)
    for start, end in itertools.pairwise(places):
        pygame.draw.aaline(surface, colour, start, end, width)


def _place(box: Box, point: tuple[float, float]) -> tuple[float, float]:
    return box.x + point[0] * box.width, box.y + point[1] * box.height
