"""What is drawn on a page at a moment, whatever order it came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lecture.entries import Kind
from lecture.ink import MAX_SPANS, read_ink_event, spans_of, write_ink, write_pointer
from lecture.ink_book import NOTHING, Drawing, InkBook
from lecture.lecturer_messages import Erase, Ink, Pointer

END_MS = 1000


@dataclass(frozen=True)
class Told:
    """One entry as a hall gets it."""

    kind: int
    t_ms: int
    seq: int
    fields: dict[str, Any]


@st.composite
def lectures(draw: st.DrawFn) -> list[Told]:
    """What a lecturer draws, erases and points at, in order of time."""
    points = st.tuples(st.integers(0, 10), st.integers(0, 10)).map(lambda at: (at[0] / 10, at[1] / 10))
    pages, strokes = st.integers(1, 2), st.sampled_from("abc")
    what = st.one_of(
        st.builds(Ink, st.just("d"), pages, strokes, st.lists(points, min_size=1, max_size=3).map(tuple)),
        st.builds(Erase, st.just("d"), pages, st.sampled_from(["", "a", "b", "c"])),
        st.builds(
            lambda page, point, shown: Pointer("d", page, point[0], point[1], shown), pages, points, st.booleans()
        ),
    )
    told, number, t_ms = [], 0, 0
    for seq, item in enumerate(draw(st.lists(what, max_size=25)), 1):
        t_ms += draw(st.integers(0, 60))
        number += not isinstance(item, Pointer)
        kind, fields = write_pointer(item) if isinstance(item, Pointer) else write_ink(number, item)
        told.append(Told(int(kind), t_ms, seq, fields))
    return told


def book_of(told: list[Told]) -> InkBook:
    book = InkBook()
    for one in told:
        book.take(one.kind, one.t_ms, one.seq, one.fields)
    return book


def drawn_by_hand(told: list[Told], heard_ms: int, page: int) -> tuple[list[tuple[tuple[float, float], ...]], Any]:
    """The same picture, step by step as the lecturer sees it."""
    lines: dict[str, list[tuple[float, float]]] = {}
    pointer = None
    for one in told:
        if one.t_ms > heard_ms:
            break
        fields = one.fields
        if one.kind == Kind.POINTER:
            pointer = (fields["x"], fields["y"]) if fields["shown"] and fields["page"] == page else None
        elif fields["page"] != page:
            continue
        elif fields.get("erase"):
            for stroke in [fields["stroke"]] if fields["stroke"] else list(lines):
                lines.pop(stroke, None)
        else:
            lines.setdefault(fields["stroke"], []).extend(tuple(point) for point in fields["points"])
    return [tuple(line) for line in lines.values()], pointer


@given(lectures(), st.integers(0, END_MS * 2), st.integers(1, 2), st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_the_picture_of_the_moment(
    told: list[Told], heard_ms: int, page: int, random: Any
) -> None:
    shuffled = [*told, *random.sample(told, len(told) // 2)]
    random.shuffle(shuffled)
    drawing = book_of(shuffled).at(heard_ms, "d", page)
    lines, pointer = drawn_by_hand(told, heard_ms, page)
    assert [stroke.points for stroke in drawing.strokes] == lines
    assert drawing.pointer == pointer


@given(lectures(), st.data())
def test_what_comes_late_ends_with_the_same_picture(told: list[Told], data: st.DataObject) -> None:
    """A hall that looked all the time, with half of it still on its way, sees in the end what another one sees."""
    late = data.draw(st.sets(st.integers(0, max(0, len(told) - 1))))
    book = book_of([one for index, one in enumerate(told) if index not in late])
    for heard_ms in range(0, 2 * END_MS, 100):
        book.at(heard_ms, "d", 1)
    for index in sorted(late):
        if index < len(told):
            book.take(told[index].kind, told[index].t_ms, told[index].seq, told[index].fields)
            book.at(2 * END_MS, "d", 1)
    assert book.at(2 * END_MS, "d", 1) == book_of(told).at(2 * END_MS, "d", 1)


def test_a_drawing_is_the_same_object_until_it_changes() -> None:
    book = InkBook()
    assert book.at(0, "d", 1) is NOTHING
    kind, fields = write_ink(1, Ink("d", 1, "a", ((0.1, 0.2), (0.3, 0.4)), width=0.01, colour="#112233"))
    book.take(kind, 100, 5, fields)
    assert book.at(99, "d", 1) is NOTHING
    drawing = book.at(100, "d", 1)
    assert drawing.strokes[0].points == ((0.1, 0.2), (0.3, 0.4))
    assert (drawing.strokes[0].colour, drawing.strokes[0].width) == ("#112233", 0.01)
    assert book.at(5000, "d", 1) is drawing
    assert book.at(100, "d", 2) == Drawing()
    assert book.spans == ((1, 1),)


@given(st.sets(st.integers(1, 300)))
def test_spans_name_exactly_the_numbers_that_are_here(numbers: set[int]) -> None:
    spans = spans_of(numbers)
    named = {number for first, last in spans for number in range(first, last + 1)}
    assert named <= numbers
    assert named == numbers or len(spans) == MAX_SPANS


def test_nonsense_is_left_out() -> None:
    nonsense: list[tuple[Kind, dict[str, Any]]] = [
        (Kind.INK, {}),
        (Kind.INK, {"number": 1, "deck": "d", "page": 1, "stroke": "a", "points": [[2, 0]]}),
        (Kind.INK, {"number": "one", "deck": "d", "page": 1, "erase": True}),
        (Kind.POINTER, {"x": "left"}),
        (Kind.TURN, {"deck": "d", "page": 1}),
    ]
    for kind, fields in nonsense:
        assert read_ink_event(kind, fields) is None
