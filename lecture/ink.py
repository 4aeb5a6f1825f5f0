"""Pen and pointer: what the log says of them, typed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lecture.entries import Kind
from lecture.fields import from_json, to_json
from lecture.lecturer_messages import Erase, Ink, Pointer

DECIMALS = 4
"""Places on a page are kept to a ten-thousandth of its width: a fifth of a pixel on a projector."""
MAX_SPANS = 64


@dataclass(frozen=True, slots=True)
class InkEvent:
    """An ``INK`` entry.

    :param number: 1 for a lecture's first one, then 2, 3, …: what comes later has the higher one. A relay that is
        started again leaves many out, so that none stands for two.
    """

    number: int
    what: Ink | Erase


@dataclass(frozen=True, slots=True)
class _Numbered:
    number: int
    erase: bool = False


def write_ink(number: int, what: Ink | Erase) -> tuple[Kind, dict[str, Any]]:
    """Kind and fields of the entry for a part of a stroke, or for taking strokes back; its time is the entry's.

    :param what: of ink, ``first`` only where points before it are missing.
    """
    fields = {name: value for name, value in to_json(what).items() if name != "at_ms"}
    if fields.get("first") is None:
        fields.pop("first", None)
    if isinstance(what, Erase):
        return Kind.INK, {"number": number, **fields, "erase": True}
    return Kind.INK, {"number": number, **fields, "points": [_rounded(point) for point in what.points]}


def write_pointer(what: Pointer) -> tuple[Kind, dict[str, Any]]:
    """Kind and fields of the entry for a place of the pointer."""
    x, y = _rounded((what.x, what.y))
    return Kind.POINTER, {**to_json(what), "x": x, "y": y}


def read_ink_event(kind: int, fields: dict[str, Any]) -> InkEvent | Pointer | None:
    """What an entry says; None for other kinds and for fields that make no sense."""
    try:
        if kind == Kind.POINTER:
            pointer: Pointer = from_json(Pointer, fields)
            return pointer
        if kind != Kind.INK:
            return None
        numbered: _Numbered = from_json(_Numbered, fields)
        return InkEvent(numbered.number, from_json(Erase if numbered.erase else Ink, fields))
    except ValueError:
        return None


def spans_of(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """The first :data:`MAX_SPANS` runs of these numbers, each as its first and last."""
    spans: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if spans and number <= spans[-1][1] + 1:
            spans[-1] = spans[-1][0], number
        elif len(spans) == MAX_SPANS:
            break
        else:
            spans.append((number, number))
    return tuple(spans)


def _rounded(point: tuple[float, float]) -> list[float]:
    return [round(point[0], DECIMALS), round(point[1], DECIMALS)]
