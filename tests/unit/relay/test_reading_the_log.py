"""What halls read from the log: events in order, and the voice they ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lecture.entries import EncodedFrame, Entry, Kind, pack_event, pack_frames
from lecture.errors import ProtocolError, RefusedError
from lecture.file import LectureFile
from lecture.messages import Filled, Want
from lecture.tracks import Track
from relay.media.backfill import MAX_WANTS, READ_MS, Backfill
from relay.media.event_tail import TAIL_ENTRIES, EventCursor, EventTail, read_events


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LectureFile]:
    with LectureFile.create(tmp_path / "x.lecture") as file:
        yield file


class Recording:
    """A log with 480-ms voice entries and a live edge."""

    def __init__(self, log: LectureFile) -> None:
        self.log = log
        self.track_id = log.add_track(Track("voice", "opus", 48_000, "en", "24", 1)).track_id
        self.edge_ms = 0
        self.final = False
        self.backfill = Backfill(
            log, lambda lang: self.track_id if lang == "en" else None, lambda _: self.edge_ms, lambda: self.final
        )

    def record(self, start_ms: int, end_ms: int) -> None:
        for t_ms in range(start_ms, end_ms, 480):
            frames = [EncodedFrame(t_ms + n * 60, 60, b"x") for n in range(8)]
            self.log.append(Entry(Kind.VOICE, t_ms, pack_frames(t_ms, frames), self.track_id, 480))
        self.edge_ms = end_ms

    def drain(self) -> tuple[list[int], list[Filled]]:
        times, filled = [], []
        while (item := self.backfill.next()) is not None:
            if isinstance(item, Filled):
                filled.append(item)
            else:
                times.append(item.t_ms)
        return times, filled


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


def test_halls_get_neither_receipts_nor_questions_nor_page_texts(log: LectureFile) -> None:
    tail = EventTail(log)
    mark(log, tail, Kind.RECEIPT, hall="A")
    mark(log, tail, Kind.QUESTION, text="Why?")
    mark(log, tail, Kind.DECK, deck="d", page_count=1, pages=[{"page": 1, "title": "T", "text": "long"}])
    hall, lecturer = EventCursor(tail, 0, for_hall=True), EventCursor(tail, 0, for_hall=False)
    message = hall.next()
    assert message is not None
    assert message.fields["pages"] == [{"page": 1, "title": "T"}]
    assert hall.next() is None
    assert len(all_of(lecturer)) == 3


def test_an_unreadable_event_is_passed_over(log: LectureFile) -> None:
    tail = EventTail(log)
    tail.push(log.append(Entry(Kind.MARK, 0, b"[no object]")))
    seq = mark(log, tail, text="x")
    assert all_of(EventCursor(tail, 0, for_hall=True)) == [seq]
    tail.push(log.append(Entry(Kind.MARK, 0, b"no json")))
    cursor = EventCursor(tail, seq, for_hall=True)
    assert all_of(cursor) == []
