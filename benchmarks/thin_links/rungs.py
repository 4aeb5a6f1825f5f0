"""Which rung the voice came in, and when: read from what the hall said of itself every two seconds."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from benchmarks.thin_links import wire
from benchmarks.thin_links.wire import Tick

TEXT, SOCKET, NOTHING = "text", "socket", "nothing"
"""Live voice is not sent; it comes as chunks, in no rung of RTP; nothing has come yet."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Between two of the hall's looks at itself; ``rung`` is the later one's, ``steady`` if both said the same."""

    start_s: float
    end_s: float
    rung: str
    steady: bool


def stretches(progress: list[dict[str, Any]], length_s: float) -> list[Stretch]:
    """Those of the lecture."""
    looks = [(float(item["at_s"]), _rung(item)) for item in progress]
    found = []
    for (start_s, before), (end_s, after) in pairwise(looks):
        if end_s > 0 and start_s < length_s:
            found.append(Stretch(max(start_s, 0.0), min(end_s, length_s), after, before == after))
    return found


def shares(some: list[Stretch]) -> dict[str, float]:
    """Share of the time on each rung, the lowest rung first, what is no rung last."""
    total_s = sum(one.end_s - one.start_s for one in some)
    rungs = sorted({one.rung for one in some}, key=lambda rung: (not rung.isdigit(), rung.zfill(3)))
    return {rung: sum(one.end_s - one.start_s for one in some if one.rung == rung) / total_s for rung in rungs}


def ticks_on(ticks: list[Tick], some: list[Stretch], rung: str) -> list[Tick]:
    """The link's ticks while the voice came in a rung. Where it changed, it is not known when: these are left out."""
    times = [one for one in some if one.rung == rung and one.steady]
    return [tick for one in times for tick in wire.between(ticks, one.start_s, one.end_s)]


def _rung(item: dict[str, Any]) -> str:
    if item.get("text_rung"):
        return TEXT
    if item.get("carrier") == SOCKET:
        return SOCKET
    return str(item.get("rung") or NOTHING)
