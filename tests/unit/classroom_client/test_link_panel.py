"""The link panel of the hall's window (key L): the words and figures that it is given, and that they are drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom_client.texts import Texts, languages
from classroom_client.view import Link, Sound, View
from classroom_client.window.fonts import Fonts
from classroom_client.window.layout import Box
from classroom_client.window.link_history import KEPT_SAMPLES, LinkSample
from classroom_client.window.link_panel import LinkPanel, runs
from classroom_client.window.painting import Overlay, Painter
from classroom_client.window.pen import BAD, GOOD, TEXT, WARN, Pen
from tests.unit.classroom_client.window_kit import WELL

pygame = pytest.importorskip("pygame")

KNOWN = replace(
    WELL,
    budget_kbps=52.4,
    in_kbps=38.2,
    out_kbps=3.6,
    rung="12",
    rtt_ms=640,
    fraction_lost=0.034,
    carrier="rtp",
)
IN_ORDER = {
    "Used of what it carries": "38 of 52 kbit/s",
    "Lost on the way": "3.4 %",
    "Round trip": "640 ms",
    "Voice": "12 kbit/s",
    "Way": "RTP",
    "Sent back": "4 kbit/s",
    "Behind the lecturer": "2.1 s",
    "Playout delay": "2.0 s",
    "Gaps to be filled": "0",
    "Reconnected": "0",
}
DOWN = dict.fromkeys(("Used of what it carries", "Lost on the way", "Round trip", "Voice", "Way", "Sent back"), "–")


@pytest.mark.parametrize(
    ("change", "title", "differs"),
    [
        ({}, "The line is up", {}),
        ({"budget_kbps": 0.0}, "The line is up", {"Used of what it carries": "38 kbit/s"}),
        ({"rung": "", "rtt_ms": 0, "heard_ms": None}, "The line is up",
         {"Voice": "–", "Round trip": "–", "Behind the lecturer": "–"}),
        ({"carrier": "socket"}, "The line is up", {"Way": "web socket (UDP is blocked)"}),
        ({"text_rung": True}, "Too thin for the voice", {"Voice": "comes later"}),
        ({"sound": Sound.CATCHING_UP, "behind_ms": 34_400, "gaps": 2, "gap_ms": 1400}, "Catching up",
         {"Behind the lecturer": "34 s", "Gaps to be filled": "2 (1.4 s)"}),
        ({"link": Link.DOWN, "link_down_s": 75.0, "reconnects": 3}, "The line is down: 1:15",
         {**DOWN, "Reconnected": "3"}),
    ],
    ids=["up", "budget unknown", "nothing yet", "socket", "text rung", "catching up", "down"],
)  # fmt: skip
def test_the_panel_is_given_the_figures_of_the_link(
    fonts: Fonts, change: dict[str, Any], title: str, differs: dict[str, str]
) -> None:
    view = replace(KNOWN, **change)
    panel = LinkPanel(Pen(fonts, Texts("en")))
    upper, lower = panel.rows(view)
    assert {name: figure for name, figure, _ in upper + lower} == {**IN_ORDER, **differs}
    assert panel.title(view)[0] == title


def test_colours_of_the_panel_warn_where_the_figures_are_bad(fonts: Fonts) -> None:
    panel = LinkPanel(Pen(fonts, Texts("en")))

    def warned(view: View) -> set[str]:
        upper, lower = panel.rows(view)
        return {name for name, _, colour in upper + lower if colour != TEXT}

    assert warned(KNOWN) == set()
    bad = replace(KNOWN, fraction_lost=0.1, carrier="socket", text_rung=True, behind_ms=4001)
    assert warned(bad) == {"Lost on the way", "Way", "Voice", "Behind the lecturer"}
    assert [panel.title(view)[1] for view in (KNOWN, bad, replace(KNOWN, link=Link.DOWN))] == [GOOD, WARN, BAD]


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("size", [(1366, 768), (640, 360)])
def test_link_panel_says_each_state_of_the_link_differently(fonts: Fonts, size: tuple[int, int], language: str) -> None:
    states = [
        KNOWN,
        replace(KNOWN, carrier="socket"),
        replace(KNOWN, text_rung=True),
        replace(KNOWN, sound=Sound.CATCHING_UP, behind_ms=34_000, gaps=2, gap_ms=1400),
        replace(KNOWN, link=Link.DOWN, link_down_s=34.0),
        replace(KNOWN, link=Link.DOWN, link_down_s=75.0),
    ]
    history = (
        [LinkSample(52.0, 38.0, 3.1)] * 90 + [LinkSample(None, None, 4.0)] * 10 + [LinkSample(50.0, 48.0, 14.0)] * 80
    )
    drawn = set()
    for view in states:
        surface = pygame.Surface(size)
        Painter(Pen(fonts, Texts(language))).paint(surface, view, None, None, Overlay(link_shown=True), history)
        upper_right = surface.subsurface((size[0] // 2, 0, size[0] // 2, round(size[1] * 0.8)))
        drawn.add(pygame.image.tobytes(upper_right, "RGB"))
    assert len(drawn) == len(states)


@given(st.lists(st.none() | st.floats(-5, 200), max_size=KEPT_SAMPLES))
def test_curves_stay_in_their_box_and_break_where_nothing_is_known(values: list[float | None]) -> None:
    box = Box(10, 20, 300, 40)
    pieces = runs(values, box, 100.0)
    assert sum(len(piece) for piece in pieces) == sum(value is not None for value in values)
    for x, y in (point for piece in pieces for point in piece):
        assert box.x <= x <= box.x + box.width
        assert box.y <= y <= box.y + box.height
