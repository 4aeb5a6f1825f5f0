"""The lecture file as a log: append, read, follow, gaps, facts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecture.coverage import Coverage
from lecture.entries import EVENT_KINDS, MAX_DURATION_MS, Entry, Kind, pack_event
from lecture.file import SEQ_BLOCK, LectureFile
from lecture.log import LectureLog, Span
from lecture.tracks import Track
from tests.unit.lecture.file_kit import VOICE, turn, voice

CAMERA = Track("camera", "vp8", 90000)


def test_it_is_a_lecture_log(file: LectureFile) -> None:
    log: LectureLog = file
    assert log.last_t_ms() == 0
    assert log.read() == []


def test_reading_sees_what_is_committed_and_what_is_not(file: LectureFile) -> None:
    kept = [file.append(turn(t_ms, 1)) for t_ms in (0, 10, 20)]
    file.commit()
    kept += [file.append(turn(t_ms, 2)) for t_ms in (30, 40)]
    assert file.read() == kept
    assert file.read(kept[1].seq) == kept[2:]
    assert file.read(kept[3].seq) == kept[4:]
    assert file.read(limit=4) == kept[:4]
    assert file.read(kept[4].seq) == []
    assert [entry.seq for entry in kept] == [1, 2, 3, 4, 5]


def test_reading_by_kind(file: LectureFile) -> None:
    kept = []
    for n in range(6):
        kept.append(file.append(voice(n * 1000)))
        kept.append(file.append(turn(n * 1000, n + 1)))
        kept.append(file.append(Entry(Kind.MARK, n * 1000, pack_event({"text": "x"}))))
        if n == 3:
            file.commit()
    events = [entry for entry in kept if entry.kind != Kind.VOICE]
    assert file.read(kinds=EVENT_KINDS) == events
    assert file.read(kinds={Kind.TURN}) == [entry for entry in kept if entry.kind == Kind.TURN]
    assert file.read(events[2].seq, kinds=EVENT_KINDS, limit=7) == events[3:10]
    assert file.read(kinds=()) == []


def test_a_kind_of_the_future_is_kept(file: LectureFile) -> None:
    file.append(Entry(200, 0, b"{}"))
    file.commit()
    assert file.read()[0].kind == 200


@pytest.mark.parametrize(
    "entry",
    [
        Entry(Kind.VOICE, 0, b"", track_id=2),
        Entry(Kind.VOICE, -1, b"", track_id=1),
        Entry(Kind.VOICE, 0, b"", track_id=1, duration_ms=MAX_DURATION_MS + 1),
        Entry(Kind.VOICE, 0, b"", track_id=1, duration_ms=-1),
        Entry(256, 0, b""),
        Entry(Kind.TURN, 0, b"{}", flags=256),
        Entry(Kind.TURN, 2**53, b"{}"),
    ],
)
def test_an_entry_that_could_not_be_kept_is_refused_at_once(file: LectureFile, entry: Entry) -> None:
    with pytest.raises(ValueError, match=r"track 2|out of range"):
        file.append(entry)
    assert file.read() == []


def test_tracks_keep_their_ids(path: Path) -> None:
    with LectureFile.create(path) as file:
        assert file.add_track(VOICE).track_id == 1
        assert file.add_track(CAMERA).track_id == 2
        assert file.add_track(replace(VOICE, track_id=9)).track_id == 1
    with LectureFile.open(path) as file:
        assert [track.track_id for track in file.tracks()] == [1, 2]
        assert file.add_track(CAMERA).track_id == 2
        assert file.add_track(Track("voice", "opus", 48000, "ko", "16", 1)).track_id == 3
        assert file.append(voice(0, track_id=3)).track_id == 3


@pytest.mark.parametrize("committed", [0, 3, 6])
def test_a_span_has_all_that_overlaps_it(file: LectureFile, committed: int) -> None:
    file.add_track(CAMERA)
    entries = [
        voice(0, 1000),
        voice(3000, 1000),
        voice(1000, 1000),
        Entry(Kind.CAMERA, 1500, b"", 2, 0),
        voice(2000, 500),
        voice(2500, 0),
    ]
    for index, entry in enumerate(entries):
        if index == committed:
            file.commit()
        file.append(entry)
    if committed == len(entries):
        file.commit()

    def starts(track_id: int, start_ms: int, end_ms: int) -> list[int]:
        return [entry.t_ms for entry in file.read_span(track_id, Span(start_ms, end_ms))]

    assert starts(1, 0, 10_000) == [0, 1000, 2000, 2500, 3000]
    assert starts(1, 999, 1000) == [0]
    assert starts(1, 1000, 1001) == [1000]
    assert starts(1, 1999, 2001) == [1000, 2000]
    assert starts(1, 2500, 2501) == [2500]
    assert starts(1, 2501, 3000) == []
    assert starts(2, 1500, 1501) == [1500]
    assert starts(2, 1501, 9000) == []


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 60), st.integers(1, 2)), max_size=25),
    st.integers(0, 25),
    st.sets(st.integers(1, 3)),
    st.integers(0, 300),
    st.integers(0, 400),
)
def test_gaps_are_what_no_entry_of_the_tracks_covers(
    tmp_path_factory: pytest.TempPathFactory,
    media: list[tuple[int, int, int]],
    commit_at: int,
    track_ids: set[int],
    start_ms: int,
    end_ms: int,
) -> None:
    span = Span(start_ms, end_ms)
    with LectureFile.create(tmp_path_factory.mktemp("gaps") / "x.lecture") as file:
        for rung in ("16", "12"):
            file.add_track(Track("voice", "opus", 48000, "en", rung, 1))
        for index, (t_ms, duration_ms, track_id) in enumerate(media):
            if index == commit_at:
                file.commit()
            file.append(voice(t_ms, duration_ms, track_id))
        known = Coverage(Span(t_ms, t_ms + length) for t_ms, length, track_id in media if track_id in track_ids)
        assert file.gaps(track_ids, span) == known.missing(span)
        assert file.covered(track_ids, span) == known.known(span)
        assert file.last_t_ms() == max((t_ms + length for t_ms, length, _ in media), default=0)


def test_the_end_of_the_log_is_found_again(path: Path) -> None:
    with LectureFile.create(path) as file:
        file.add_track(VOICE)
        file.add_track(CAMERA)
        file.append(voice(0, 60_000))
        file.append(voice(50_000, 1000))
        file.append(Entry(Kind.CAMERA, 55_000, b"", 2, 0))
        assert file.last_t_ms() == 60_000
    with LectureFile.open(path) as file, LectureFile.open(path, readonly=True) as reader:
        assert file.last_t_ms() == reader.last_t_ms() == 60_000
        file.append(turn(70_000, 1))
        assert file.last_t_ms() == 70_000
        file.commit()
        assert reader.last_t_ms() == 70_000


def test_followers_are_told_in_order_even_when_they_append(file: LectureFile) -> None:
    first: list[int] = []
    second: list[int] = []

    def appends(entry: Entry) -> None:
        first.append(entry.seq)
        if entry.kind == Kind.TURN and entry.t_ms < 3:
            file.append(turn(entry.t_ms + 1, 1))

    file.follow(appends)
    stop = file.follow(lambda entry: second.append(entry.seq))
    file.append(turn(0, 1))
    assert first == second == [1, 2, 3, 4]
    stop()
    stop()
    file.append(turn(9, 1))
    assert first == [1, 2, 3, 4, 5]
    assert second == [1, 2, 3, 4]


def test_a_follower_may_leave_while_it_is_told(file: LectureFile) -> None:
    told: list[str] = []
    stops: list[Callable[[], None]] = []

    def leaves(entry: Entry) -> None:
        told.append("first")
        for stop in stops:
            stop()

    stops.append(file.follow(leaves))
    stops.append(file.follow(lambda entry: told.append("second")))
    file.append(turn(0, 1))
    assert told == ["first"]


def test_threads_may_append_commit_and_read_together(file: LectureFile) -> None:
    told: list[int] = []
    file.follow(lambda entry: told.append(entry.seq))
    done = threading.Event()
    seen: list[list[int]] = []

    def append(first_ms: int) -> None:
        for t_ms in range(first_ms, first_ms + 300):
            file.append(turn(t_ms, 1))

    def commit() -> None:
        while not done.is_set():
            file.commit()

    def read() -> None:
        while not done.is_set():
            seen.append([entry.seq for entry in file.read(limit=10_000)])

    helpers = [threading.Thread(target=commit), threading.Thread(target=read)]
    writers = [threading.Thread(target=append, args=(n * 1000,)) for n in range(3)]
    for thread in helpers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in helpers:
        thread.join()
    assert told == list(range(1, 901))
    assert [entry.seq for entry in file.read(limit=10_000)] == told
    # No reader ever saw a hole or a double: each reading is a beginning of the log.
    assert all(seqs == told[: len(seqs)] for seqs in seen)


def test_facts(path: Path) -> None:
    with LectureFile.create(path, {"title": "Physics"}) as file:
        assert file.get_meta("title") == "Physics"
        assert file.get_meta("state") is None
        file.set_meta("title", "Physik")
        assert file.get_meta("title") == "Physik"
        file.commit()
        file.set_meta("state", "live")
    with LectureFile.open(path, readonly=True) as file:
        assert (file.get_meta("title"), file.get_meta("state")) == ("Physik", "live")


def test_each_opening_numbers_from_a_new_block_so_that_no_number_is_given_twice(path: Path) -> None:
    with LectureFile.create(path) as file:
        assert file.append(turn(0, 1)).seq == 1
    given = [1]
    for opening in (1, 2, 3):
        with LectureFile.open(path) as file:
            if opening != 2:  # in the second one nothing is ever appended
                given.append(file.append(turn(opening, 1)).seq)
    assert given == [1, SEQ_BLOCK + 1, 3 * SEQ_BLOCK + 1]


def test_what_a_former_file_had_keeps_its_number_and_nothing_is_numbered_below(tmp_path: Path) -> None:
    with LectureFile.create(tmp_path / "a.lecture") as former:
        former.append(turn(1000))
        entries = [former.append(turn(2000)), former.append(turn(3000))]
    with LectureFile.create(tmp_path / "b.lecture") as file:
        for entry in entries:
            file.adopt(entry)
        for refused in (entries[1], replace(entries[1], seq=1), replace(entries[1], seq=-5)):
            with pytest.raises(ValueError, match="given out already"):
                file.adopt(refused)
        later = file.append(turn(4000))
        assert later.seq > entries[1].seq
    with LectureFile.open(tmp_path / "b.lecture") as file:
        assert file.read() == [*entries, later]
        assert file.last_t_ms() == 4000
