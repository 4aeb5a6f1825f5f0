"""The link in figures and curves, for an operator who wants to know (key L)."""

from __future__ import annotations

from collections.abc import Sequence

import pygame

from classroom_client.view import Link, Sound, View
from classroom_client.window.layout import Box, Layout
from classroom_client.window.link_history import KEPT_SAMPLES, LinkSample
from classroom_client.window.pen import BAD, GOOD, QUIET, TEXT, WARN, Colour, Pen

_USED = (70, 120, 160)
_GROUND = (44, 50, 60)
_MUCH_LOST = 0.1
_LATE_MS = 2000
_MIN_TOP_KBPS = 20.0
_MIN_TOP_S = 10.0

WIDTH_UNITS = 26
"""Its width, in units of the layout: room for all that it says, so that it stays the same from look to look."""

Row = tuple[str, str, Colour]


class LinkPanel:
    """Draws the panel in the upper right corner; the page makes room for it where there is enough."""

    def __init__(self, pen: Pen) -> None:
        self._pen = pen

    def paint(self, surface: pygame.Surface, layout: Layout, view: View, history: Sequence[LinkSample]) -> None:
        """Draw the panel over what is there."""
        pen, unit = self._pen, layout.unit
        size, step = round(unit * 1.15), round(unit * 1.75)
        upper, lower = self.rows(view)
        texts = [(pen.text(name, size, QUIET), pen.text(value, size, colour)) for name, value, colour in upper + lower]
        wanted = max(name.get_width() + value.get_width() for name, value in texts) + unit * 4
        width = min(max(wanted, unit * WIDTH_UNITS), layout.width - unit * 2)
        curve_height = round(unit * 3.2)
        height = step * len(texts) + curve_height * 2 + unit * 5 + step
        box = Box(layout.width - width - unit, unit, width, height)
        pen.panel(surface, box)
        left, right, y = box.x + round(unit * 1.4), box.x + width - round(unit * 1.4), box.y + unit

        title, lamp = self.title(view)
        pygame.draw.aacircle(surface, lamp, (left + unit // 3, y + round(unit * 0.75)), max(4, round(unit * 0.34)))
        surface.blit(pen.text(title, round(unit * 1.3), TEXT, bold=True), (left + unit + unit // 4, y))
        y += step + unit // 2

        for number, (name, value) in enumerate(texts):
            if number in (0, len(upper)):
                curve = Box(left, y, right - left, curve_height)
                if number == 0:
                    self._rates(surface, curve, history)
                else:
                    self._behind(surface, curve, history)
                y += curve_height + unit // 2
            surface.blit(name, (left, y))
            surface.blit(value, (right - value.get_width(), y))
            y += step
        span = pen.text(pen.say("link_span", minutes=KEPT_SAMPLES // 60), round(unit * 0.85), QUIET)
        surface.blit(span, (right - span.get_width(), y))

    def title(self, view: View) -> tuple[str, Colour]:
        """The state of the line in words, and the colour of its lamp."""
        say = self._pen.say
        if view.link is Link.DOWN:
            return say("link_title_down", time=clock(view.link_down_s)), BAD
        if view.link is Link.JOINING:
            return say("strip_joining"), WARN
        if view.text_rung:
            return say("link_title_text"), WARN
        if view.sound is Sound.CATCHING_UP:
            return say("link_title_catching_up"), WARN
        return say("link_title_up"), GOOD

    def rows(self, view: View) -> tuple[list[Row], list[Row]]:
        """Name, figure and its colour: what stands under the curve of the rates, and under that of the delay."""
        say = self._pen.say
        up = view.link is Link.UP
        none = say("link_nothing")
        lost = view.fraction_lost
        voice = say("link_voice_later") if view.text_rung else say("link_kbps", kbps=view.rung) if view.rung else none
        ways = {"rtp": (say("link_way_rtp"), TEXT), "socket": (say("link_way_socket"), WARN)}
        way, way_colour = ways.get(view.carrier if up else "", (none, QUIET))
        late = view.behind_ms > view.delay_ms + _LATE_MS
        gaps = say("link_gaps", gaps=view.gaps, seconds=f"{view.gap_ms / 1000:.1f}") if view.gaps else "0"
        upper = [
            (say("link_used"), used_text(self._pen, view) if up else none, TEXT),
            (say("link_lost"), f"{lost * 100:.1f} %" if up else none, WARN if lost >= _MUCH_LOST else TEXT),
            (say("link_rtt"), f"{view.rtt_ms} ms" if up and view.rtt_ms else none, TEXT),
            (say("link_voice"), voice if up else none, WARN if view.text_rung else TEXT),
            (say("link_way"), way, way_colour),
            (say("link_back"), say("link_kbps", kbps=round(view.out_kbps)) if up else none, TEXT),
        ]
        heard = view.heard_ms is not None
        lower = [
            (say("link_behind"), say("link_seconds", seconds=seconds(view.behind_ms)) if heard else none,
             WARN if late else TEXT),
            (say("link_delay"), say("link_seconds", seconds=seconds(view.delay_ms)), TEXT),
            (say("link_gaps_title"), gaps, TEXT),
            (say("link_reconnects"), str(view.reconnects), TEXT),
        ]  # fmt: skip
        return upper, lower

    def _rates(self, surface: pygame.Surface, box: Box, history: Sequence[LinkSample]) -> None:
        """The budget as a line over what is used."""
        rates = [rate for sample in history for rate in (sample.budget_kbps, sample.used_kbps) if rate is not None]
        top = max(_MIN_TOP_KBPS, *rates) * 1.1 if rates else _MIN_TOP_KBPS
        for points in runs([sample.used_kbps for sample in history], box, top):
            foot = box.y + box.height
            area = [(points[0][0], foot), *points, (points[-1][0], foot)]
            pygame.draw.polygon(surface, _USED, area)
        self._line(surface, box, [sample.budget_kbps for sample in history], top, GOOD)

    def _behind(self, surface: pygame.Surface, box: Box, history: Sequence[LinkSample]) -> None:
        values = [sample.behind_s for sample in history]
        top = max([_MIN_TOP_S, *(value * 1.1 for value in values if value is not None)])
        self._line(surface, box, values, top, WARN)

    def _line(
        self, surface: pygame.Surface, box: Box, values: Sequence[float | None], top: float, colour: Colour
    ) -> None:
        foot = box.y + box.height
        pygame.draw.line(surface, _GROUND, (box.x, foot), (box.x + box.width, foot))
        for points in runs(values, box, top):
            if len(points) > 1:
                pygame.draw.lines(surface, colour, False, points, 2)
        scale = self._pen.text(f"{top / 1.1:.0f}", max(10, box.height // 4), QUIET)
        surface.blit(scale, (box.x, box.y))


def runs(values: Sequence[float | None], box: Box, top: float) -> list[list[tuple[int, int]]]:
    """The curve's pieces as points in ``box``, the newest at its right edge; what is missing breaks it."""
    step = box.width / (KEPT_SAMPLES - 1)
    left = box.x + box.width - (len(values) - 1) * step
    pieces: list[list[tuple[int, int]]] = [[]]
    for number, value in enumerate(values):
        if value is None:
            pieces.append([])
            continue
        y = box.y + box.height - round(min(max(value / top, 0.0), 1.0) * box.height)
        pieces[-1].append((round(left + number * step), y))
    return [piece for piece in pieces if piece]


def used_text(pen: Pen, view: View) -> str:
    """What is used of the budget, or what is used where no budget is known."""
    if view.budget_kbps > 0:
        return pen.say("link_of_budget", kbps=round(view.in_kbps), budget=round(view.budget_kbps))
    return pen.say("link_kbps", kbps=round(view.in_kbps))


def seconds(ms: int) -> str:
    """A stretch of time as the strip and the panel say it."""
    return f"{ms / 1000:.1f}" if ms < 20_000 else str(round(ms / 1000))


def clock(seconds_: float) -> str:
    """A stretch of time as 0:34 or 12:05."""
    return f"{int(seconds_) // 60}:{int(seconds_) % 60:02d}"
