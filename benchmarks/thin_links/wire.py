"""What the link carried: read from the forwarder's log."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

VOICE_KINDS = frozenset({"rtp 111", "rtp 112"})
CAMERA_KINDS = frozenset(f"rtp {number}" for number in range(96, 104))
DATA_KINDS = frozenset({"rtp 120"})
"""Payload types of our hall's offer (``transport/sdp_offer.py``). Retransmitted voice has the voice's own."""
_SHOWN_S = 2.0


@dataclass(frozen=True, slots=True)
class Tick:
    """100 ms of the link; ``at_s`` counts from the first word."""

    at_s: float
    down: dict[str, Any]
    up: dict[str, Any]
    late_ms: float


def ticks(log: Path, first_word_s: float) -> list[Tick]:
    """The forwarder's log."""
    found = []
    for line in log.read_text(encoding="ascii").splitlines():
        item = json.loads(line)
        found.append(Tick(item["t"] - first_word_s, item["down"], item["up"], item["late_ms"]))
    return found


def between(all_ticks: list[Tick], start_s: float, end_s: float) -> list[Tick]:
    """Those of a time."""
    return [tick for tick in all_ticks if start_s <= tick.at_s < end_s]


def kbps(some: list[Tick], wanted: Callable[[str], bool] = lambda kind: True, way: str = "down") -> float:
    """Mean of what was sent into the link, with IP headers."""
    if not some:
        return 0.0
    total = sum(size for tick in some for kind, size in getattr(tick, way)["offered"].items() if wanted(kind))
    return float(total * 8 / 1000 / (len(some) * 0.1))


def class_kbps(sent: list[tuple[float, dict[str, float]]], start_s: float, end_s: float) -> dict[str, float]:
    """Mean of each class of sending over a time, as the relay counts (wire bytes since the hall joined, with the
    monotonic second of each look)."""
    looks = [(at_s, counts) for at_s, counts in sent if start_s <= at_s <= end_s]
    if len(looks) < 2:
        return {}
    (first_s, before), (last_s, after) = looks[0], looks[-1]
    grown = {name: count - before.get(name, 0.0) for name, count in after.items()}
    return {name: round(count * 8 / 1000 / (last_s - first_s), 2) for name, count in grown.items()}


def queue_p95_ms(some: list[Tick], way: str = "down") -> float:
    """95th percentile of a direction's queue, looked at every 100 ms."""
    return float(np.percentile([getattr(tick, way)["queue_ms"] for tick in some], 95)) if some else 0.0


def camera_share(some: list[Tick]) -> float:
    """Share of stretches of two seconds in which the camera's packets came."""
    size = round(_SHOWN_S / 0.1)
    stretches = [some[at : at + size] for at in range(0, len(some) - size + 1, size)]
    if not stretches:
        return 0.0
    seen = [any(CAMERA_KINDS & tick.down["offered"].keys() for tick in stretch) for stretch in stretches]
    return sum(seen) / len(seen)


def late_ms(some: list[Tick]) -> tuple[float, float]:
    """How late the forwarder itself was with its packets: 99th percentile of the worst of each tick, and the worst."""
    values = [tick.late_ms for tick in some]
    return (float(np.percentile(values, 99)), max(values)) if values else (0.0, 0.0)
