"""The relay's side of a shared screen: what is taken, kept and passed on, and to a hall that is behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lecture.entries import Flag, Kind, unpack_frames
from lecture.errors import HallcastError, ProtocolError, RefusedError
from lecture.file import LectureFile
from lecture.message_parts import Have
from lecture.screen import MAX_UPDATE_BYTES, ScreenUpdate, pack_update, parse_timed, parse_update
from lecture.screen_canvas import Pixels, ScreenCanvas
from lecture.screen_mosaic import mosaic_of
from lecture.wire import ScreenPartFrame, parse_frame
from relay.media.screen_line import HISTORY_BYTES, MAX_WAITING, ORPHANED_S, ScreenLine
from relay.media.screen_push import IN_ORDER_BYTES, ScreenPush
from transport import webp

ROWS, COLUMNS = 12, 20
SHARE = 77


@pytest.fixture
def file(tmp_path: Path) -> Iterator[LectureFile]:
    with LectureFile.create(tmp_path / "a.lecture") as file:
        yield file


def noise(seed: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (ROWS * 16, COLUMNS * 16, 3)).astype(np.uint8)


def update(number: int, since: int, tiles: int = 1, share: int = SHARE, *, stop: bool = False) -> ScreenUpdate:
    """An update of some tiles; each tile of noise has some 800 bytes."""
    mask = np.zeros((ROWS, COLUMNS), np.bool_)
    first = number * 7 % (ROWS * COLUMNS - tiles + 1)
    mask.reshape(-1)[first : first + tiles] = True
    mosaics = (mosaic_of(noise(number), mask, webp.encode),) if tiles else ()
    return ScreenUpdate(share, number, since, COLUMNS * 16, ROWS * 16, (), mosaics, stop)


class Desk:
    """A line with its task, a lecturer and lecture time."""

    def __init__(self, file: LectureFile) -> None:
        self.now_ms = 1000
        self.line = ScreenLine(file, lambda: self.now_ms)
        self.refusals: list[str] = []
        self.truth = ScreenCanvas(webp.decode)
        self._changed = asyncio.Event()
        self.line.on_change = self._changed.set

    async def send(self, made: ScreenUpdate, t_ms: int | None = None) -> None:
        """Give the line an update and wait until it has been dealt with."""
        before = self.line.number, len(self.refusals)
        self.line.take(pack_update(made), t_ms, self.now_ms / 1000, self._refused)
        async with asyncio.timeout(10):
            while (self.line.number, len(self.refusals)) == before:
                await self.changed()
        if self.truth.position.takes(made) and self.line.number == made.number:
            self.truth.apply(made)

    async def changed(self) -> None:
        async with asyncio.timeout(10):
            await self._changed.wait()
        self._changed.clear()

    def _refused(self, error: HallcastError) -> None:
        self.refusals.append(error.error_id)
        self._changed.set()


@asynccontextmanager
async def desk_at(file: LectureFile) -> AsyncIterator[Desk]:
    desk = Desk(file)
    running = asyncio.create_task(desk.line.run())
    try:
        yield desk
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class Hall:
    """A hall that puts parts together and applies what is complete."""

    def __init__(self, line: ScreenLine, have: Have | None = None, canvas: ScreenCanvas | None = None) -> None:
        self.push = ScreenPush(line, have or Have(), taken=True)
        self.canvas = canvas or ScreenCanvas(webp.decode)
        self.numbers: list[int] = []
        self.bytes = 0
        self._data = bytearray()

    def pull(self, frames: int = 10_000, size_bytes: int = 900) -> int:
        """Take so many frames, if there are; returns how many there were."""
        for taken in range(frames):
            frame = self.push.next(size_bytes)
            if frame is None:
                return taken
            self._take(frame)
        return frames

    def _take(self, data: bytes) -> None:
        frame = parse_frame(data)
        assert isinstance(frame, ScreenPartFrame)
        assert len(frame.data) <= 900
        if frame.offset == 0:
            self._data.clear()
        assert frame.offset == len(self._data)
        self._data += frame.data
        self.bytes += len(data)
        if len(self._data) == frame.total:
            made = parse_update(parse_timed(bytes(self._data))[1])
            assert self.canvas.position.takes(made)
            self.canvas.apply(made)
            self.numbers.append(made.number)


def same(hall: Hall, desk: Desk) -> bool:
    return np.array_equal(hall.canvas.padded, desk.truth.padded)


async def test_updates_reach_a_hall_in_order_and_are_kept(file: LectureFile) -> None:
    async with desk_at(file) as desk:
        hall = Hall(desk.line)
        assert hall.pull() == 0
        await desk.send(update(1, 0, 20), t_ms=900)
        assert hall.push.waiting
        assert hall.push.late
        hall.pull()
        desk.now_ms = 2000
        await desk.send(update(2, 1), t_ms=5000)
        assert hall.push.waiting
        assert not hall.push.late
        hall.pull()
        assert hall.numbers == [1, 2]
        assert same(hall, desk)
        assert hall.pull() == 0
        assert not hall.push.waiting
    (track,) = file.tracks()
    assert (track.kind, track.codec) == ("screen", "hallcast-screen")
    entries = file.read(kinds=[Kind.SCREEN])
    assert [(entry.t_ms, entry.flags, entry.track_id) for entry in entries] == [
        (900, Flag.KEYFRAME, track.track_id),
        (2000, Flag.NONE, track.track_id),  # the future counts as now
    ]
    kept = [parse_update(frame.data) for entry in entries for frame in unpack_frames(entry)]
    assert kept == [update(1, 0, 20), update(2, 1)]


async def test_a_hall_that_comes_late_gets_one_update_that_needs_nothing(file: LectureFile) -> None:
    async with desk_at(file) as desk:
        await desk.send(update(1, 0, 30))
        for number in range(2, 9):
            await desk.send(update(number, number - 1, 10))
        hall = Hall(desk.line)
        assert hall.pull() == 0  # it is being made
        await desk.changed()
        hall.pull()
        assert len(hall.numbers) == 1
        assert hall.numbers == [8]
        assert np.abs(hall.canvas.padded.astype(int) - desk.truth.padded).max() <= 43


async def test_a_hall_that_is_far_behind_gets_the_sum_if_it_is_smaller(file: LectureFile) -> None:
    async with desk_at(file) as desk:
        await desk.send(update(1, 0, 2))
        hall = Hall(desk.line)
        hall.pull()
        same_place = [update(number, number - 1, 0) for number in range(2, 10)]
        for number, made in enumerate(same_place, 2):
            mask = np.zeros((ROWS, COLUMNS), np.bool_)
            mask[3, 3:6] = True
            mosaic = mosaic_of(noise(number), mask, webp.encode)
            await desk.send(ScreenUpdate(SHARE, number, made.since, made.width, made.height, (), (mosaic,)))
        assert hall.pull() == 0
        await desk.changed()
        hall.pull()
        assert hall.numbers == [1, 9]
        assert same(hall, desk)
        assert hall.bytes < IN_ORDER_BYTES


async def test_a_hall_that_comes_back_gets_what_it_missed_in_order(file: LectureFile) -> None:
    async with desk_at(file) as desk:
        await desk.send(update(1, 0, 20))
        hall = Hall(desk.line)
        hall.pull()
        for number in range(2, 12):
            await desk.send(update(number, number - 1, 2))
        back = Hall(desk.line, Have(screen_share=SHARE, screen_number=1), hall.canvas)
        back.pull()
        assert back.numbers == list(range(2, 12))
        assert back.bytes > IN_ORDER_BYTES
        assert same(back, desk)


async def test_stopping_overtakes_what_is_being_sent(file: LectureFile) -> None:
    async with desk_at(file) as desk:
        await desk.send(update(1, 0, 2))
        hall, other = Hall(desk.line), Hall(desk.line)
        hall.pull()
        await desk.send(update(2, 1, 40))
        hall.pull(frames=2)
        await desk.send(update(3, 0, 0, stop=True))
        hall.pull()
        assert hall.numbers == [1, 3]
        assert hall.canvas.position.stopped
        assert other.pull() == 0  # it never saw the screen
        await desk.send(update(9, 0, 2, share=SHARE + 1))
        hall.pull()
        other.pull()
        assert hall.numbers == [1, 3, 9]
        assert other.numbers == [9]
        assert not hall.canvas.position.stopped


async def test_a_screen_shared_before_the_relay_was_restarted_is_ended_in_the_hall(file: LectureFile) -> None:
    async with desk_at(file) as desk:
        canvas = ScreenCanvas(webp.decode)
        canvas.apply(update(5, 0, 1))
        hall = Hall(desk.line, Have(screen_share=SHARE, screen_number=5), canvas)
        hall.pull()
        assert canvas.position.stopped
        assert hall.pull() == 0
        await desk.send(update(7, 0, 1))  # the lecturer is back, and begins anew
        hall.pull()
        assert hall.numbers == [6, 7]
        assert not canvas.position.stopped


async def test_a_lecturer_who_does_not_come_back_gives_way_to_the_page(file: LectureFile) -> None:
    async with desk_at(file) as desk:
        await desk.send(update(1, 0))
        hall = Hall(desk.line)
        hall.pull()
        desk.line.gone(print, 100.0)  # somebody else
        desk.line.tick(1000.0)
        assert desk.line.active
        desk.line.gone(desk._refused, 100.0)
        desk.line.tick(100.0 + ORPHANED_S)
        assert desk.line.active
        desk.line.tick(100.1 + ORPHANED_S)
        assert not desk.line.active
        hall.pull()
        assert hall.canvas.position.stopped
        await desk.send(update(3, 0, 5))  # a coder that begins anew leaves out a number
        hall.pull()
        assert hall.numbers == [1, 2, 3]
        assert not hall.canvas.position.stopped


async def test_a_gap_is_told_once_and_mended_by_a_new_beginning(file: LectureFile) -> None:
    async with desk_at(file) as desk:
        await desk.send(update(4, 3))
        assert desk.refusals == ["screen_gap"]
        desk.line.take(pack_update(update(5, 4)), None, 1.0, desk._refused)
        await desk.send(update(6, 0))
        assert desk.refusals == ["screen_gap"]
        assert desk.line.number == 6


async def test_a_damaged_update_is_refused_and_harms_nothing(file: LectureFile) -> None:
    async with desk_at(file) as desk:
        await desk.send(update(1, 0, 3))
        good = pack_update(update(2, 1))
        with pytest.raises(ProtocolError, match="screen_malformed"):
            desk.line.take(good[:-1], None, 1.0, desk._refused)
        await desk.send(parse_update(good[:-20] + bytes(20)))
        assert desk.refusals in (["screen_malformed"], [])  # the last bytes of an image need not matter
        await desk.send(update(3, 0))
        assert desk.line.number == 3


async def test_more_than_is_reasonable_is_refused(file: LectureFile) -> None:
    async with desk_at(file) as desk:
        made = [pack_update(update(number, number - 1, 0)) for number in range(1, MAX_WAITING + 2)]
        for data in made[:-1]:
            desk.line.take(data, None, 1.0, desk._refused)
        with pytest.raises(RefusedError, match="screen_too_much"):
            desk.line.take(made[-1], None, 1.0, desk._refused)
    async with desk_at(file) as desk:
        with suppress(RefusedError):
            for number in range(1, 60):
                await desk.send(update(number, number - 1, 60))
        assert 15 < desk.line.number < 40


async def test_memory_is_bounded_and_an_old_hall_still_gets_the_picture(file: LectureFile) -> None:
    async with desk_at(file) as desk:
        await desk.send(update(1, 0, 2))
        hall = Hall(desk.line)
        hall.pull()
        for number in range(2, 20):
            desk.now_ms += 2000
            await desk.send(update(number, number - 1, 30))
        steps = desk.line.after(18)
        assert steps is not None
        assert [step.number for step in steps] == [19]
        assert desk.line.after(1) is None
        assert sum(len(step.data) for step in desk.line._history) <= HISTORY_BYTES
        assert hall.pull() == 0
        await desk.changed()
        hall.pull()
        assert hall.numbers == [1, 19]
        assert hall.bytes < MAX_UPDATE_BYTES


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 25), st.booleans()), min_size=1, max_size=12))
def test_however_slowly_a_hall_takes_it_ends_with_the_picture(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, bool]]
) -> None:
    async def run() -> None:
        with LectureFile.create(tmp_path_factory.mktemp("screen") / "a.lecture") as file:
            async with desk_at(file) as desk:
                hall = Hall(desk.line)
                for number, (tiles, frames, anew) in enumerate(steps, 1):
                    desk.now_ms += 2000
                    since = 0 if anew or number == 1 else number - 1
                    await desk.send(update(number, since, tiles))
                    hall.pull(frames)
                while hall.push.waiting or hall.canvas.position.number < desk.line.number:
                    if hall.pull() == 0:
                        await desk.changed()
                assert hall.canvas.position.number == desk.line.number
                assert np.abs(hall.canvas.padded.astype(int) - desk.truth.padded).max() <= 43

    asyncio.run(run())
