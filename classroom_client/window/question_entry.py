"""Typing a question in the hall's window (key A): what was typed, and its picture."""

from __future__ import annotations

import pygame

from classroom_client.questions import MAX_CHARS, MAX_WAITING
from classroom_client.view import Link, View
from classroom_client.window.layout import Box, Layout
from classroom_client.window.pen import QUIET, TEXT, WARN, Pen

KEYS = ("a", "A", "ㅁ")
"""What the key that opens it writes, on a Korean keyboard too."""
_LINES_SHOWN = 5
_CARET = "|"


class QuestionEntry:
    """A line of text that people type, also with an input method. What was typed stays until it is taken.

    :ivar shown: whether people are typing.
    """

    def __init__(self) -> None:
        self.shown = False
        self._text = ""
        self._composing = ""
        self._opened_by = ""

    @property
    def text(self) -> str:
        """What was typed, with what an input method has not settled yet."""
        return self._text + self._composing

    def open(self, character: str) -> None:
        """Begin, or go on with what was typed before.

        :param character: what the key that opened it writes: it comes once more as text, and is no part of it.
        """
        self.shown, self._opened_by = True, character

    def close(self) -> None:
        """Stop typing; the text stays."""
        self.shown, self._composing = False, ""

    def take(self) -> str:
        """Close, and begin anew the next time; returns what was typed."""
        text, self._text = self.text.strip(), ""
        self.close()
        return text

    def typed(self, text: str) -> None:
        """Text has come."""
        opened_by, self._opened_by, self._composing = self._opened_by, "", ""
        if text != opened_by:
            self._text = (self._text + text)[:MAX_CHARS]

    def composes(self, text: str) -> None:
        """An input method is at work on this."""
        self._composing = text[: MAX_CHARS - len(self._text)]

    def erase(self) -> None:
        """Take the last character away."""
        self._text = self._text[:-1]


def paint_question(pen: Pen, surface: pygame.Surface, layout: Layout, view: View, typed: str) -> int:
    """Draw the entry, with what was typed so far, above the strip; returns its top."""
    unit = layout.unit
    size, step = round(unit * 1.4), round(unit * 2.1)
    width = round(layout.width * 0.8)
    lines = wrapped(pen, typed + _CARET, size, width - unit * 3)[-_LINES_SHOWN:]
    height = step * len(lines) + round(unit * 4.6)
    box = Box((layout.width - width) // 2, layout.stage.height - height - unit, width, height)
    pen.panel(surface, box)
    left, y = box.x + round(unit * 1.5), box.y + round(unit * 0.9)
    surface.blit(pen.text(pen.say("ask_title"), unit, QUIET), (left, y))
    y += round(unit * 1.6)
    for line in lines:
        surface.blit(pen.text(line, size, TEXT), (left, y))
        y += step
    hint, colour = hint_of(view)
    surface.blit(pen.text(pen.say(hint), unit, colour), (left, y))
    return box.y


def hint_of(view: View) -> tuple[str, tuple[int, int, int]]:
    """The key of the sentence below what is typed, and its colour."""
    if view.questions_waiting >= MAX_WAITING:
        return "ask_full", WARN
    return ("ask_hint", QUIET) if view.link is Link.UP else ("ask_hint_down", WARN)


def wrapped(pen: Pen, text: str, size: int, width: int) -> list[str]:
    """The text in lines that fit, broken between words where there are any."""
    lines = [""]
    for word in text.replace("\n", " ").split(" "):
        line = f"{lines[-1]} {word}" if lines[-1] else word
        if pen.width(line, size) <= width:
            lines[-1] = line
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if lines[-1] and pen.width(lines[-1] + character, size) > width:
                lines.append("")
            lines[-1] += character
    return lines
