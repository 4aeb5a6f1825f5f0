"""Drawing the hall's window. Knows nothing of the engine but the view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pygame

from classroom_client.view import Link, Sign, Sound, View, sign_of
from classroom_client.window.drawing import paint_drawing
from classroom_client.window.layout import Box, Layout
from classroom_client.window.link_history import LinkSample
from classroom_client.window.link_panel import WIDTH_UNITS, LinkPanel, clock, seconds, used_text
from classroom_client.window.note import paint_note
from classroom_client.window.pen import BAD, BLACK, GOOD, QUIET, STRIP, TEXT, WARN, Colour, Pen, within
from classroom_client.window.question_entry import paint_question
from lecture.inset import Inset, place_inset


@dataclass(frozen=True, slots=True)
class Overlay:
    """What the window itself adds to the view.

    :param question: what people are typing, None while they are not.
    """

    camera_off: bool = False
    help_shown: bool = False
    link_shown: bool = False
    quit_asked: bool = False
    silent: bool = False
    question: str | None = None


_Drawn = tuple[pygame.Surface | None, bool]
"""The page below the camera, and whether the link's panel lies beside it."""


class Painter:
    """Draws onto one surface."""

    def __init__(self, pen: Pen) -> None:
        self._pen = pen
        self._text = pen.text
        self._texts = pen.say
        self._link_panel = LinkPanel(pen)
        # Where the camera lies is worked out once for each page and size, not for each picture.
        self._placed: tuple[tuple[_Drawn, tuple[int, int], tuple[int, int]], Inset | None] | None = None

    def paint(
        self,
        surface: pygame.Surface,
        view: View,
        page: pygame.Surface | None,
        camera: pygame.Surface | None,
        overlay: Overlay,
        history: Sequence[LinkSample] = (),
    ) -> None:
        """Draw everything.

        :param history: of the link, for its panel.
        """
        layout = Layout(*surface.get_size())
        self._pen.fresh()
        surface.fill(BLACK)
        sign = sign_of(view)
        if page is not None:
            box = layout.page(*page.get_size())
            if overlay.link_shown:
                box = layout.page_beside(*page.get_size(), WIDTH_UNITS) or box
            if page.get_size() != (box.width, box.height):  # decoded for the size before; the right one comes soon
                page = pygame.transform.smoothscale(page, (box.width, box.height))
            surface.blit(page, (box.x, box.y))
            paint_drawing(surface, box, view.drawing)
        else:
            self._cover(surface, layout, view)
        if overlay.link_shown:
            self._link_panel.paint(surface, layout, view, history)
        inset: Inset | None = None
        if camera is not None and not overlay.camera_off:
            inset = self._camera(surface, layout, camera, (page, overlay.link_shown))
        self._strip(surface, layout, view, overlay)
        low = layout.stage.height
        if sign is not None and overlay.question is None:
            low = self._sign(surface, layout, sign)
        if overlay.question is not None:
            low = paint_question(self._pen, surface, layout, view, overlay.question)
        if view.note is not None:
            paint_note(self._pen, surface, layout, view.note.text, low, inset)
        if overlay.help_shown:
            self._help(surface, layout)
        if overlay.quit_asked:
            self._leaving(surface, layout)

    def _cover(self, surface: pygame.Surface, layout: Layout, view: View) -> None:
        """Before the first page: what this is going to be."""
        unit, middle = layout.unit, layout.stage.height // 2
        title = self._text(view.title or self._texts("waiting_title"), round(unit * 3.2), TEXT, bold=True)
        title = within(title, round(layout.width * 0.9))
        surface.blit(title, ((layout.width - title.get_width()) // 2, middle - title.get_height()))
        if view.course:
            course = within(self._text(view.course, round(unit * 1.6), QUIET), round(layout.width * 0.9))
            surface.blit(course, ((layout.width - course.get_width()) // 2, middle + unit // 2))

    def _camera(self, surface: pygame.Surface, layout: Layout, camera: pygame.Surface, drawn: _Drawn) -> Inset | None:
        """The camera, where it hides no word of what has just been drawn, or nowhere; returns where."""
        wanted = layout.camera(*camera.get_size())
        shown = (drawn, surface.get_size(), camera.get_size())
        if self._placed is None or self._placed[0] != shown:
            stage = layout.stage
            pixels = pygame.surfarray.array3d(surface.subsurface((stage.x, stage.y, stage.width, stage.height)))
            inset = place_inset(pixels.transpose(1, 0, 2), wanted.width, wanted.height, layout.unit)
            self._placed = shown, inset
        inset = self._placed[1]
        if inset is None:
            return None
        if camera.get_size() != (inset.width, inset.height):
            camera = pygame.transform.smoothscale(camera, (inset.width, inset.height))
        frame = pygame.Rect(inset.left, inset.top, inset.width, inset.height).inflate(4, 4)
        pygame.draw.rect(surface, (60, 66, 76), frame, border_radius=4)
        surface.blit(camera, (inset.left, inset.top))
        return inset

    def _strip(self, surface: pygame.Surface, layout: Layout, view: View, overlay: Overlay) -> None:
        box, unit = layout.strip, layout.unit
        pygame.draw.rect(surface, STRIP, (box.x, box.y, box.width, box.height))
        middle = box.y + box.height // 2
        pygame.draw.aacircle(surface, _lamp(view), (box.x + unit, middle), max(4, round(unit * 0.32)))
        x = box.x + round(unit * 1.8)
        number = self._text(self._page_number(view), unit, TEXT)
        end = box.width - number.get_width() - unit
        surface.blit(number, (end, middle - number.get_height() // 2))
        gap = round(unit * 1.4)
        for text, colour in self._facts(view, overlay):  # in order of weight: a narrow window leaves out the last ones
            drawn = self._text(text, unit, colour)
            if x + drawn.get_width() + gap > end:
                break
            surface.blit(drawn, (x, middle - drawn.get_height() // 2))
            x += drawn.get_width() + gap
        title = self._text(view.title, unit, QUIET)
        if view.title and end - title.get_width() - gap > x:
            surface.blit(title, (end - title.get_width() - gap, middle - title.get_height() // 2))

    def _page_number(self, view: View) -> str:
        if view.page and view.page_count:
            return self._texts("strip_page", page=view.page, pages=view.page_count)
        return self._texts("strip_page_alone", page=view.page) if view.page else ""

    def _facts(self, view: View, overlay: Overlay) -> list[tuple[str, Colour]]:
        """What the strip says, left to right."""
        say = self._texts
        facts: list[tuple[str, Colour]] = [
            {
                Link.UP: (say("strip_link_up"), TEXT),
                Link.DOWN: (say("strip_link_down", time=clock(view.link_down_s)), BAD),
                Link.JOINING: (say("strip_joining"), WARN),
            }[view.link]
        ]
        if overlay.silent:
            facts.append((say("no_sound"), BAD))
        if view.heard_ms is not None and view.sound is not Sound.FINISHED:
            late = view.behind_ms > view.delay_ms + 2000
            facts.append((say("strip_delay", seconds=seconds(view.behind_ms)), WARN if late else QUIET))
        if view.link is Link.UP:
            if view.text_rung:
                facts.append((say("strip_text_rung"), WARN))
            facts.append((used_text(self._pen, view), QUIET))
            if view.fraction_lost >= 0.01:
                facts.append((say("strip_loss", percent=round(view.fraction_lost * 100)), QUIET))
            if view.carrier == "socket":
                facts.append((say("strip_by_socket"), WARN))
        if view.questions_waiting:
            facts.append((say("strip_asking", count=view.questions_waiting), WARN))
        elif view.question_error:
            facts.append((say("strip_ask_refused"), BAD))
        elif view.questions_asked:
            facts.append((say("strip_asked", count=view.questions_asked), QUIET))
        if overlay.camera_off:
            facts.append((say("strip_camera_off"), QUIET))
        return facts

    def _sign(self, surface: pygame.Surface, layout: Layout, sign: Sign) -> int:
        """A sentence that can be read from the last row, low where slides have least to say; returns its top."""
        unit = layout.unit
        colour = BAD if sign.urgent else WARN if sign.text_id in ("catching_up", "page_coming", "text_rung") else GOOD
        text = self._text(self._texts(sign.text_id, **sign.values), round(unit * 1.5), TEXT)
        text = within(text, round(layout.width * 0.86))
        width, height = text.get_width() + unit * 3, text.get_height() + round(unit * 1.3)
        box = Box((layout.width - width) // 2, layout.stage.height - height - unit, width, height)
        self._pen.panel(surface, box)
        pygame.draw.rect(surface, colour, (box.x, box.y, max(5, unit // 3), height), border_radius=unit // 4)
        surface.blit(text, (box.x + round(unit * 1.6), box.y + (height - text.get_height()) // 2))
        return box.y

    def _help(self, surface: pygame.Surface, layout: Layout) -> None:
        unit = layout.unit
        keys = ("ask", "fullscreen", "escape", "camera", "link", "help", "quit")
        title = self._text(self._texts("help_title"), round(unit * 1.6), TEXT, bold=True)
        lines = [
            (
                self._text(self._texts(f"help_{key}"), round(unit * 1.2), WARN),
                self._text(self._texts(f"help_{key}_text"), round(unit * 1.2), TEXT),
            )
            for key in keys
        ]
        key_width = max(key.get_width() for key, _ in lines)
        width = key_width + max(text.get_width() for _, text in lines) + unit * 6
        step = round(unit * 2.1)
        height = title.get_height() + step * len(lines) + unit * 3
        box = Box((layout.width - width) // 2, (layout.stage.height - height) // 2, width, height)
        self._pen.panel(surface, box)
        surface.blit(title, (box.x + unit * 2, box.y + unit))
        y = box.y + unit * 2 + title.get_height()
        for key, text in lines:
            surface.blit(key, (box.x + unit * 2, y))
            surface.blit(text, (box.x + unit * 4 + key_width, y))
            y += step

    def _leaving(self, surface: pygame.Surface, layout: Layout) -> None:
        unit = layout.unit
        question = self._text(self._texts("quit_question"), round(unit * 2), TEXT, bold=True)
        answer = self._text(self._texts("quit_answer"), round(unit * 1.2), QUIET)
        width = max(question.get_width(), answer.get_width()) + unit * 5
        height = question.get_height() + answer.get_height() + unit * 4
        box = Box((layout.width - width) // 2, (layout.stage.height - height) // 2, width, height)
        self._pen.panel(surface, box)
        surface.blit(question, ((layout.width - question.get_width()) // 2, box.y + round(unit * 1.4)))
        surface.blit(
            answer, ((layout.width - answer.get_width()) // 2, box.y + question.get_height() + round(unit * 2.4))
        )


def _lamp(view: View) -> Colour:
    if view.link is Link.DOWN:
        return BAD
    well = view.link is Link.UP and view.sound is not Sound.STALLED and not view.text_rung
    return GOOD if well else WARN
