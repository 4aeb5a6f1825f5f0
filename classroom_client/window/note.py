"""The lecturer's note in the hall's window: low at the side that the camera leaves free."""

from __future__ import annotations

import pygame

from classroom_client.window.layout import Box, Layout
from classroom_client.window.pen import GOOD, QUIET, TEXT, Pen
from classroom_client.window.question_entry import wrapped
from lecture.inset import Inset

MAX_LINES = 4
_MAX_CHARS = 400  # more than four lines hold: what is longer is not measured word by word
_WIDEST = 0.6


def paint_note(pen: Pen, surface: pygame.Surface, layout: Layout, text: str, bottom: int, camera: Inset | None) -> None:
    """Draw the note.

    :param bottom: what else lies low on the page begins here.
    :param camera: where the camera is.
    """
    unit = layout.unit
    size, step = round(unit * 1.35), round(unit * 1.9)
    room_left, room = _beside(layout.width, camera)
    padding = round(unit * 1.3)
    lines = clipped(pen, text, size, min(round(layout.width * _WIDEST), room - unit * 2) - padding * 2)
    title = pen.text(pen.say("note_title"), unit, QUIET)
    width = max(title.get_width(), *(pen.width(line, size) for line in lines)) + padding * 2
    height = step * len(lines) + round(unit * 2.8)
    box = Box(room_left + unit, bottom - height - unit, width, height)
    pen.panel(surface, box)
    pygame.draw.rect(surface, GOOD, (box.x, box.y, max(4, unit // 4), height), border_radius=unit // 4)
    y = box.y + round(unit * 0.6)
    surface.blit(title, (box.x + padding, y))
    y += round(unit * 1.5)
    for line in lines:
        surface.blit(pen.text(line, size, TEXT), (box.x + padding, y))
        y += step


def clipped(pen: Pen, text: str, size: int, width: int) -> list[str]:
    """The text in at most :data:`MAX_LINES` lines; an ellipsis says that there is more."""
    lines = wrapped(pen, text[:_MAX_CHARS], size, width)
    if len(lines) <= MAX_LINES and len(text) <= _MAX_CHARS:
        return lines
    *lines, last = lines[:MAX_LINES]
    while last and pen.width(last + "…", size) > width:
        last = last[:-1]
    return [*lines, last.rstrip() + "…"]


def _beside(width: int, camera: Inset | None) -> tuple[int, int]:
    """Left edge and width of what the camera leaves free, to its left or to its right."""
    if camera is None:
        return 0, width
    right = camera.left + camera.width
    return (0, camera.left) if camera.left >= width - right else (right, width - right)
