"""What halls read from the log: events in order, and the voice they ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lecture.entries import EncodedFrame, Entry, Kind, pack_event, pack_frames
from lecture.errors import ProtocolError, RefusedError
from lecture.file import LectureFile
from lecture.log import Span
from lecture.messages import Filled, Want
from lecture.tracks import Track
from relay.media.backfill import GIVEN_S, MAX_WANTS, READ_MS, Backfill
from relay.media.event_tail import HALL_KINDS, TAIL_ENTRIES, EventCursor, EventTail, read_events


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LectureFile]:
    with LectureFile.create(tmp_path / "x.lecture") as file:
        yield file


class Recording:
    """A log with 480-ms voice entries in two rungs and a live edge."""

    def __init__(self, log: LectureFile) -> None:
        self.log = log
        self.tracks = {
            kbps: log.add_track(Track("voice", "opus", 48_000, "en", str(kbps), 1)).track_id for kbps in (16, 12)
        }
        self.edge_ms = 0
        self.recorded_ms = 0
        self.final = False
        self.now = 0.0
        self.backfill = Backfill(
            log,
            lambda lang: self.tracks if lang == "en" else None,
            lambda _: self.edge_ms,
            lambda _: self.recorded_ms,
            lambda: self.final,
        )

    def record(self, start_ms: int, end_ms: int, *, rungs: tuple[int, ...] = (16, 12)) -> None:
        for t_ms in range(start_ms, end_ms, 480):
            frames = [EncodedFrame(t_ms + n * 60, 60, b"x") for n in range(8)]
            for kbps in rungs:
                self.log.append(Entry(Kind.VOICE, t_ms, pack_frames(t_ms, frames), self.tracks[kbps], 480))
        self.recorded_ms = end_ms
        self.edge_ms = max(self.edge_ms, end_ms)

    def late(self, start_ms: int, end_ms: int) -> bool:
        """Voice comes that the uplink had held back."""
        self.record(start_ms, end_ms)
        return self.backfill.recorded("en", Span(start_ms, end_ms))

    def entries(self, *, from_ms: int = 0) -> tuple[list[Entry], list[Filled]]:
        entries, filled = [], []
        while (item := self.backfill.next(self.now, from_ms=from_ms)) is not None:
            if isinstance(item, Filled):
                filled.append(item)
            else:
                entries.append(item)
        return entries, filled

    def drain(self) -> tuple[list[int], list[Filled]]:
        entries, filled = self.entries()
        return [entry.t_ms for entry in entries], filled

    def rungs(self) -> set[int]:
        return {kbps for entry in self.entries()[0] for kbps, track in self.tracks.items() if track == entry.track_id}


def test_a_want_gets_every_entry_that_overlaps_once(log: LectureFile) -> None:
    recording = Recording(log)
    recording.record(0, 48_000 * 2)
    recording.backfill.add(Want("en", 1000, 60_000))
    times, filled = recording.drain()
    assert times == list(range(960, 60_000, 480))
    assert filled == [Filled("en", 1000, 60_000)]
    assert not recording.backfill


def test_a_hole_is_filled_with_nothing(log: LectureFile) -> None:
    recording = Recording(log)
    recording.record(0, 960)
    recording.record(960 + 3 * READ_MS, 960 + 3 * READ_MS + 480)
    recording.backfill.add(Want("en", 480, 4 * READ_MS))
    recording.edge_ms = 4 * READ_MS
    assert recording.drain() == ([480, 960 + 3 * READ_MS], [Filled("en", 480, 4 * READ_MS)])


def test_a_want_beyond_the_edge_is_served_as_voice_comes(log: LectureFile) -> None:
    recording = Recording(log)
    recording.record(0, 960)
    recording.backfill.add(Want("en", 480, 2400))
    assert recording.drain() == ([480], [])
    recording.record(960, 1440)
    assert recording.drain() == ([960], [])
    recording.record(1440, 2880)
    assert recording.drain() == ([1440, 1920], [Filled("en", 480, 2400)])


def test_voice_that_comes_late_is_given_to_who_follows(log: LectureFile) -> None:
    recording = Recording(log)
    recording.record(0, 960)
    recording.backfill.follow("en", 0)
    recording.backfill.add(Want("en", 480, 4_800))
    assert recording.drain() == ([0, 480], [])
    recording.edge_ms = 2_880  # the uplink stands still, and nobody knows of it
    assert not recording.backfill.waiting
    assert recording.drain() == ([], [])
    assert not recording.late(960, 2_880), "nobody was told that there is none"
    assert recording.drain() == (list(range(960, 2_880, 480)), [])


def test_voice_that_comes_after_its_want_was_answered_is_told_of(log: LectureFile) -> None:
    recording = Recording(log)
    recording.record(0, 960)
    recording.backfill.add(Want("en", 0, 1_920))
    recording.edge_ms = 2_400
    assert recording.drain() == ([0, 480], [Filled("en", 0, 1_920)])
    assert recording.late(960, 1_440)
    assert recording.late(1_440, 1_920)
    assert not recording.late(1_920, 2_400)


def test_voice_that_comes_while_a_want_is_being_answered_goes_before_its_end(log: LectureFile) -> None:
    recording = Recording(log)
    recording.record(0, 960)
    recording.backfill.add(Want("en", 0, 1_920))
    recording.edge_ms = 2_400
    first = recording.backfill.next(recording.now)
    assert isinstance(first, Entry)
    assert not recording.late(960, 1_440)
    assert not recording.late(1_440, 1_920)
    assert not recording.late(1_920, 2_400)
    times, filled = recording.drain()
    assert sorted(times) == [480, 960, 1_440]
    assert filled == [Filled("en", 0, 1_920)]
    assert not recording.backfill


def test_what_is_late_is_given_even_if_what_was_owed_has_arrived(log: LectureFile) -> None:
    recording = Recording(log)
    recording.record(0, 960)
    recording.backfill.add(Want("en", 0, 1_920))
    recording.edge_ms = 2_400
    recording.backfill.next(recording.now)
    recording.late(960, 1_440)
    recording.backfill.drop_owed()
    assert recording.drain() == ([960, 480], [Filled("en", 0, 1_920)])


def test_after_the_end_an_endless_want_is_filled_at_once(log: LectureFile) -> None:
    recording = Recording(log)
    recording.record(0, 960)
    recording.final = True
    recording.backfill.add(Want("en", 0, 1 << 50))
    assert recording.drain() == ([0, 480], [Filled("en", 0, 1 << 50)])


def test_a_want_that_waits_does_not_hold_up_others(log: LectureFile) -> None:
    recording = Recording(log)
    recording.record(0, 960)
    recording.backfill.add(Want("en", 5000, 6000))
    recording.backfill.add(Want("en", 0, 480))
    assert recording.drain() == ([0], [Filled("en", 0, 480)])


def test_empty_and_backward_wants_are_filled(log: LectureFile) -> None:
    recording = Recording(log)
    recording.backfill.add(Want("en", 500, 500))
    recording.backfill.add(Want("en", 900, 100))
    assert len(recording.drain()[1]) == 2


def test_the_light_rung_is_given_unless_the_link_is_wide_or_the_hall_says_which(log: LectureFile) -> None:
    recording = Recording(log)
    recording.record(0, 1440)
    recording.backfill.add(Want("en", 0, 480))
    assert recording.rungs() == {12}
    recording.backfill.light = False
    recording.backfill.add(Want("en", 480, 960))
    assert recording.rungs() == {16}
    recording.backfill.add(Want("en", 960, 1440, "12"))
    assert recording.rungs() == {12}
    recording.backfill.add(Want("en", 960, 1440, "99"))
    recording.now = 60.0
    assert recording.rungs() == {16}


def test_where_the_light_rung_was_not_recorded_the_other_one_is_given(log: LectureFile) -> None:
    recording = Recording(log)
    recording.record(0, 4800, rungs=(16,))
    recording.record(4800, 9600)
    recording.backfill.add(Want("en", 0, 9600))
    assert recording.drain()[0] == list(range(0, 9600, 480))


def test_what_is_on_its_way_is_not_given_twice(log: LectureFile) -> None:
    recording = Recording(log)
    recording.record(0, 2400)
    recording.backfill.owe("en", Span(480, 1440))
    assert recording.drain() == ([480, 960], [])
    recording.backfill.add(Want("en", 0, 1920))
    assert recording.drain() == ([0, 1440], [Filled("en", 0, 1920)])
    recording.now = GIVEN_S
    recording.backfill.add(Want("en", 480, 960))
    assert recording.drain() == ([480], [Filled("en", 480, 960)])


def test_what_is_owed_goes_first_and_recent_voice_can_be_asked_for_alone(log: LectureFile) -> None:
    recording = Recording(log)
    recording.record(0, 48_000)
    recording.backfill.add(Want("en", 0, 960))
    recording.backfill.owe("en", Span(46_080, 47_040))
    assert [entry.t_ms for entry in recording.entries(from_ms=40_000)[0]] == [46_080, 46_560]
    assert recording.backfill.waiting
    assert recording.drain() == ([0, 480], [Filled("en", 0, 960)])
    assert not recording.backfill.waiting


def test_following_ends_where_voice_comes_another_way(log: LectureFile) -> None:
    recording = Recording(log)
    recording.record(0, 960)
    recording.backfill.follow("en", 480, announced=True)
    assert recording.drain() == ([480], [])
    recording.record(960, 3840)
    assert recording.backfill.next(0.0) is not None
    recording.backfill.unfollow(1920)
    assert recording.drain() == ([1440], [Filled("en", 480, 1920)])
    recording.backfill.follow("en", 1920)
    recording.backfill.unfollow(1000)
    assert recording.drain() == ([], [])
    assert not recording.backfill


def test_what_is_owed_can_be_dropped_what_was_asked_for_stays(log: LectureFile) -> None:
    recording = Recording(log)
    recording.record(0, 9600)
    recording.backfill.owe("en", Span(4800, 9600))
    recording.backfill.follow("en", 9600)
    recording.backfill.add(Want("en", 0, 960))
    recording.backfill.drop_owed()
    assert recording.drain() == ([0, 480], [Filled("en", 0, 960)])
    recording.backfill.follow("en", 9600)
    recording.record(9600, 10_080)
    assert recording.drain() == ([9600], [])


def test_following_ends_with_the_lecture(log: LectureFile) -> None:
    recording = Recording(log)
    recording.record(0, 960)
    recording.backfill.follow("en", 0, announced=True)
    recording.backfill.follow("fr", 0)
    recording.final = True
    times, filled = recording.drain()
    assert (times, len(filled)) == ([0, 480], 1)
    assert filled[0].end_ms >= 960


def test_too_much_is_refused(log: LectureFile) -> None:
    recording = Recording(log)
    with pytest.raises(RefusedError, match="language_unknown"):
        recording.backfill.add(Want("fr", 0, 1))
    for _ in range(MAX_WANTS):
        recording.backfill.add(Want("en", 0, 1000))
    with pytest.raises(ProtocolError, match="too_many_wants"):
        recording.backfill.add(Want("en", 0, 1000))


def mark(log: LectureFile, tail: EventTail, kind: Kind = Kind.MARK, **fields: object) -> int:
    entry = log.append(Entry(kind, 0, pack_event(dict(fields))))
    tail.push(entry)
    return entry.seq


def all_of(cursor: EventCursor) -> list[int]:
    out = []
    while (message := cursor.next()) is not None:
        out.append(message.seq)
    return out


def test_history_comes_from_the_log_and_goes_on_live(log: LectureFile) -> None:
    tail = EventTail(log)
    seqs = [mark(log, tail, text=str(n)) for n in range(TAIL_ENTRIES + 700)]
    cursor = EventCursor(tail, 0, for_hall=True)
    assert all_of(cursor) == seqs
    later = mark(log, tail, text="later")
    assert all_of(cursor) == [later]
    assert all_of(EventCursor(tail, seqs[-2], for_hall=True)) == [seqs[-1], later]
    assert all_of(EventCursor(tail, seqs[300], for_hall=True)) == [*seqs[301:], later]
    assert [entry.seq for entry in read_events(log)] == [*seqs, later]


def test_a_reader_can_go_back(log: LectureFile) -> None:
    tail = EventTail(log)
    seqs = [mark(log, tail, text=str(n)) for n in range(5)]
    cursor = EventCursor(tail, 0, for_hall=True)
    assert all_of(cursor) == seqs
    assert cursor.after_seq == seqs[-1]
    cursor.rewind(seqs[2])
    assert all_of(cursor) == seqs[3:]
    cursor.rewind(seqs[-1] + 9)
    assert all_of(cursor) == []


def test_halls_get_neither_receipts_nor_questions_nor_captions_nor_page_texts(log: LectureFile) -> None:
    tail = EventTail(log)
    mark(log, tail, Kind.RECEIPT, hall="A")
    mark(log, tail, Kind.CAPTION, language="ko", text="가격", duration_ms=1000, edition=1)
    mark(log, tail, Kind.QUESTION, text="Why?")
    mark(log, tail, Kind.DECK, deck="d", page_count=1, pages=[{"page": 1, "title": "T", "text": "long"}])
    hall, lecturer = EventCursor(tail, 0, for_hall=True), EventCursor(tail, 0, for_hall=False)
    message = hall.next()
    assert message is not None
    assert message.fields["pages"] == [{"page": 1, "title": "T"}]
    assert hall.next() is None
    assert len(all_of(lecturer)) == 2, "receipts and captions are for who reads the recording"


def test_a_lecturer_who_comes_back_is_not_told_where_the_pointer_was(log: LectureFile) -> None:
    tail = EventTail(log)
    for _ in range(3):
        mark(log, tail, Kind.POINTER, deck="d", page=1, x=0.5, y=0.5)
    seq = mark(log, tail, text="a note")
    lecturer = EventCursor(tail, 0, for_hall=False)
    assert all_of(lecturer) == [seq]
    now = mark(log, tail, Kind.POINTER, deck="d", page=1, x=0.6, y=0.5)
    assert all_of(lecturer) == [now]


def test_a_hall_that_joins_late_reads_only_what_halls_get(log: LectureFile) -> None:
    tail = EventTail(log)
    turns = []
    for number in range(TAIL_ENTRIES):
        turns.append(mark(log, tail, text=str(number)))
        for _ in range(3):
            mark(log, tail, Kind.INK, number=number)
    kinds = {message.entry_kind for message in tail.after(0, HALL_KINDS)}
    assert kinds == {Kind.MARK}
    assert all_of(EventCursor(tail, 0, for_hall=True)) == turns


def test_an_unreadable_event_is_passed_over(log: LectureFile) -> None:
    tail = EventTail(log)
    tail.push(log.append(Entry(Kind.MARK, 0, b"[no object]")))
    seq = mark(log, tail, text="x")
    assert all_of(EventCursor(tail, 0, for_hall=True)) == [seq]
    tail.push(log.append(Entry(Kind.MARK, 0, b"no json")))
    cursor = EventCursor(tail, seq, for_hall=True)
    assert all_of(cursor) == []
