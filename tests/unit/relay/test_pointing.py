"""A lecturer's pen and pointer on their way into the log, and from there to halls."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecture.entries import Kind
from lecture.file import LectureFile
from lecture.ink import InkEvent, read_ink_event, write_ink, write_pointer
from lecture.lecturer_messages import Erase, Ink, Ping, Pointer
from lecture.message_parts import MAX_INK_POINTS, Have
from lecture.messages import EntryMessage, HallHello
from lecture.wire import EntryFrame, parse_frame
from relay.adaptation.pacer import Class
from relay.media.hall_outbox import HallOutbox, Item
from relay.media.pointing import INK_EVERY_S, POINTER_EVERY_S, Pointing
from relay.media.settings import HallSettings, LectureInfo, MediaSettings
from relay.media.stage import Stage
from tests.unit.relay.test_hall_outbox import Hall, drained
from transport.network import NetworkConfig


def ink(stroke: str, *points: tuple[float, float], more: bool = True, page: int = 1) -> Ink:
    return Ink("d", page, stroke, points, more=more)


def test_the_pointer_is_written_ten_times_a_second_the_newest_place_each_time() -> None:
    pointing = Pointing()
    written = [
        item
        for tick in range(60)
        for item in pointing.take(Pointer("d", 1, tick / 60, 0.5), tick / 60)
        if isinstance(item, Pointer)
    ]
    assert 9 <= len(written) <= 11
    assert pointing.due_at() <= 1 + POINTER_EVERY_S
    assert list(pointing.due(2.0)) == [Pointer("d", 1, 59 / 60, 0.5)]
    away = list(pointing.take(Pointer("d", 1, shown=False), 2.01))
    assert away == [Pointer("d", 1, shown=False)], "that it is gone is never late"
    assert not list(pointing.gone(3.0))


def test_a_ping_is_given_after_the_ink_that_came_before_it_and_cuts_no_stroke() -> None:
    pointing = Pointing()
    assert list(pointing.take(Ping(1), 0.0)) == [Ping(1)]
    assert list(pointing.take(ink("a", (0, 0)), 0.0)) == [ink("a", (0, 0))]
    waiting = [
        item for one in (ink("a", (0.1, 0)), Ping(2), ink("a", (0.2, 0)), Ping(3)) for item in pointing.take(one, 0.1)
    ]
    assert waiting == []
    assert list(pointing.due(INK_EVERY_S)) == [ink("a", (0.1, 0), (0.2, 0)), Ping(2), Ping(3)]


def test_parts_are_joined_where_they_follow_each_other_in_place_and_time() -> None:
    pointing = Pointing()

    def part(first: int, at_ms: int) -> Ink:
        return replace(ink("a", (first / 10, 0)), first=first, at_ms=at_ms)

    assert list(pointing.take(part(0, 1000), 0.0)) == [part(0, 1000)]
    parts = [part(1, 1100), part(2, 1250), part(3, 1400), part(3, 1400), part(5, 1500)]
    written = [item for one in parts for item in pointing.take(one, 0.1)]
    written += pointing.due(1.0)
    joined = replace(part(1, 1100), points=((0.1, 0), (0.2, 0)))
    assert written == [joined, part(3, 1400), part(3, 1400), part(5, 1500)], "what an outage kept is not one moment"


def test_a_line_that_breaks_leaves_its_ink_and_no_pointer() -> None:
    pointing = Pointing()
    place = Pointer("d", 1, 0.2, 0.2)
    assert list(pointing.take(place, 0.0)) == [place]
    assert list(pointing.take(ink("a", (0, 0)), 0.0)) == [ink("a", (0, 0))]
    assert not list(pointing.take(ink("a", (0.5, 0)), 0.1))
    assert list(pointing.gone(0.2)) == [ink("a", (0.5, 0)), replace(place, shown=False)]


parts = st.tuples(st.sampled_from("ab"), st.integers(1, MAX_INK_POINTS), st.booleans(), st.integers(0, 400))


@given(st.lists(st.one_of(parts, st.sampled_from(["a", ""])), max_size=30))
def test_no_point_is_lost_or_moved_over_an_erasing(items: list[tuple[str, int, bool, int] | str]) -> None:
    """Joined or not, the log says of each stroke what the lecturer's program said, in the same order."""
    pointing, now, count = Pointing(), 0.0, 0
    said: list[tuple[str, float] | str] = []
    written: list[Pointer | Ink | Erase] = []
    for item in items:
        if isinstance(item, str):
            said.append(item)
            written += pointing.take(Erase("d", 1, item), now)
            continue
        stroke, points, more, wait_ms = item
        now += wait_ms / 1000
        places = tuple(((count + index) / 4000, 0.0) for index in range(points))
        count += points
        said += [(stroke, x) for x, _ in places]
        written += pointing.take(ink(stroke, *places, more=more), now)
    due_at = pointing.due_at()
    assert due_at <= now + INK_EVERY_S or due_at == float("inf")
    written += pointing.due(now + INK_EVERY_S)
    got: list[tuple[str, float] | str] = []
    for one in written:
        if isinstance(one, Ink):
            assert len(one.points) <= MAX_INK_POINTS
            got += [(one.stroke, x) for x, _ in one.points]
        elif isinstance(one, Erase):
            got.append(one.stroke)
    assert got == said


@pytest.fixture
async def hall(tmp_path: Path) -> AsyncIterator[Hall]:
    hall = Hall(tmp_path, age_s=60.0)
    yield hall
    hall.log.close()


def draw(hall: Hall, page: int, t_ms: int | None = None) -> None:
    event = write_ink(hall.stage.ink.next_number, ink("s", (0.1, 0.1), page=page))
    hall.stage.append_event(*event, t_ms)


def point(hall: Hall, x: float, *, shown: bool = True) -> None:
    hall.stage.append_event(*write_pointer(Pointer("d", 1, x, 0.0, shown=shown)))


def outbox(hall: Hall, have: Have | None = None) -> HallOutbox:
    hello = HallHello("1.0", token="t", frames=(3, 4, 7), have=have or Have())
    return HallOutbox(hall.stage, hello)


def numbers(items: list[Item]) -> list[int]:
    """Of the ink among these items."""
    found = []
    for item in items:
        message = item
        if isinstance(item, bytes):
            frame = parse_frame(item)
            assert isinstance(frame, EntryFrame)
            message = EntryMessage.of(frame.entry)
        if isinstance(message, EntryMessage) and message.entry_kind == Kind.INK:
            event = read_ink_event(message.entry_kind, message.fields)
            assert isinstance(event, InkEvent)
            found.append(event.number)
    return found


def places(items: list[Item]) -> list[tuple[float, bool]]:
    return [
        (item.fields["x"], item.fields["shown"])
        for item in items
        if isinstance(item, EntryMessage) and item.entry_kind == Kind.POINTER
    ]


async def test_live_strokes_go_first_and_history_waits_for_room(hall: Hall) -> None:
    hall.turn(1)
    draw(hall, 1, t_ms=1000)
    draw(hall, 2, t_ms=2000)
    draw(hall, 1)
    draw(hall, 2)
    box = outbox(hall)
    assert numbers(drained(box, Class.CONTROL)) == [3]
    assert numbers(drained(box, Class.PAGE)) == [1]
    draw(hall, 1)
    assert numbers(drained(box, Class.CONTROL)) == [5]
    assert numbers(drained(box, Class.BULK)) == [2, 4]
    assert not any(drained(box, class_) for class_ in Class)


async def test_ink_of_a_page_that_is_turned_to_is_urgent_at_once(hall: Hall) -> None:
    hall.turn(1)
    draw(hall, 2, t_ms=2000)
    box = outbox(hall)
    drained(box, Class.CONTROL)
    assert not drained(box, Class.PAGE)
    hall.turn(2)
    assert numbers(drained(box, Class.PAGE)) == [1]


async def test_a_hall_that_comes_back_gets_what_it_lacks_and_no_more(hall: Hall) -> None:
    hall.turn(1)
    for t_ms in range(6):
        draw(hall, 1 + t_ms % 2, t_ms=t_ms)
    box = outbox(hall, Have(after_seq=hall.stage.tail.last_seq, ink=((1, 2), (4, 4))))
    every = [item for class_ in Class for item in drained(box, class_)]
    assert sorted(numbers(every)) == [3, 5, 6]


async def test_a_hall_that_does_not_take_such_frames_gets_no_ink(hall: Hall) -> None:
    hall.turn(1)
    draw(hall, 1)
    box = hall.outbox(frames=(3, 4))
    assert not numbers([item for class_ in Class for item in drained(box, class_) if not isinstance(item, bytes)])
    assert not drained(box, Class.BULK)


async def test_the_pointer_moves_in_steps_that_the_link_can_carry(hall: Hall) -> None:
    hall.turn(1)
    fat, thin = outbox(hall), outbox(hall)
    fat.budget_kbps, thin.budget_kbps = 1000.0, 32.0
    seen: dict[str, list[tuple[float, bool]]] = {"fat": [], "thin": []}
    for step in range(30):
        point(hall, step / 100)
        for name, box in (("fat", fat), ("thin", thin)):
            seen[name] += places(drained(box, Class.CONTROL, now=step * POINTER_EVERY_S * 1.01))
    assert len(seen["fat"]) == 30
    assert 4 <= len(seen["thin"]) <= 6
    point(hall, 0.9, shown=False)
    assert places(drained(thin, Class.CONTROL, now=9.0)) == [(0.9, False)]


async def test_who_comes_late_is_told_the_pointers_newest_place_alone(hall: Hall) -> None:
    for step in range(5):
        point(hall, step / 10)
    assert places(drained(outbox(hall), Class.CONTROL)) == [(0.4, True)]
    point(hall, 0.5, shown=False)
    assert places(drained(outbox(hall), Class.CONTROL)) == []


async def test_points_that_are_in_the_log_are_not_written_again(hall: Hall) -> None:
    index = hall.stage.ink
    whole = replace(ink("s", (0.1, 0.1), (0.2, 0.1), (0.3, 0.1)), first=0)
    assert index.unwritten(whole) == replace(whole, first=None)
    draw(hall, 1)
    assert index.unwritten(whole) == replace(whole, points=whole.points[1:], first=None)
    assert index.unwritten(replace(whole, points=whole.points[:1])) is None
    assert index.unwritten(replace(whole, stroke="t")) == replace(whole, stroke="t", first=None)
    assert index.unwritten(replace(whole, first=None)) == replace(whole, first=None), "who does not say it draws anew"


async def test_a_part_that_comes_after_a_hole_is_written_once_too(hall: Hall) -> None:
    index = hall.stage.ink
    part = replace(ink("s", (0.1, 0.1), (0.2, 0.1)), first=10)
    written = index.unwritten(part)
    assert written == part, "the hole is known, also to a relay that reads the log again"
    hall.stage.append_event(*write_ink(index.next_number, written))
    assert index.unwritten(part) is None
    longer = replace(part, points=(*part.points, (0.3, 0.1)))
    assert index.unwritten(longer) == replace(longer, points=((0.3, 0.1),), first=None)


async def test_no_number_is_given_out_twice_though_a_kill_lost_it(tmp_path: Path) -> None:
    (tmp_path / "killed").mkdir()
    first = Hall(tmp_path / "killed")
    draw(first, 1)
    first.log.commit()
    shutil.copytree(tmp_path / "killed", tmp_path / "restarted")
    draw(first, 2)
    drawn = [place.number for place in first.stage.ink.places]
    first.log.close()
    log = LectureFile.open(tmp_path / "restarted" / "x.lecture")
    stage = Stage("x", LectureInfo("X"), log, NetworkConfig(), MediaSettings(), HallSettings())
    assert drawn == [1, 2]
    assert [place.number for place in stage.ink.places] == [1]
    assert stage.ink.next_number > 2
    log.close()
