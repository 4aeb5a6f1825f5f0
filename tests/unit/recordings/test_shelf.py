"""The lecture files of a folder and what the catalogue knows of them, on both databases."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hallcast.cli import main
from lecture.entries import EncodedFrame, Entry, Flag, Kind, pack_event, pack_frames
from lecture.errors import LectureFileError
from lecture.file import LectureFile
from lecture.tracks import Track
from recordings.catalogue import Catalogue, LectureRecord
from recordings.errors import RecordingError
from recordings.recording import Recording
from recordings.recycle_bin import RecycleBin, held
from recordings.repair_book import REPAIR_KEY
from recordings.retention import DAY_S, LibrarySettings, due
from recordings.scan import problems_of
from recordings.search import Query, found_facts, search
from recordings.shelf import Shelf
from tests.recorded import HOLE_MS, LECTURE


@pytest.fixture
def shelf(catalogue: Catalogue, data: Path) -> Iterator[Shelf]:
    return Shelf(catalogue, data)


def names(shelf: Shelf, text: str = "") -> list[str]:
    return [found.record.lecture_id for found in search(shelf.catalogue, Query(text)).lectures]


def test_a_lost_catalogue_is_made_again_from_the_files(shelf: Shelf) -> None:
    assert shelf.sync() == [LECTURE]
    (found,) = search(shelf.catalogue, Query("질문")).lectures
    record = found.record
    assert (record.title, record.course, record.state, record.hall_code) == ("Pricing", "Business 1", "ended", "")
    assert (found.languages, found.page_count, found.has_camera, found.duration_ms) == (("en",), 3, True, 6000)
    assert [(hit.page, hit.moments) for hit in found.hits] == [(2, (1500,))]
    assert shelf.sync() == []


def test_voice_that_copies_may_still_bring_is_known_of_a_closed_lecture(shelf: Shelf) -> None:
    shelf.sync()
    (found,) = search(shelf.catalogue, Query()).lectures
    assert found.missing_ms == HOLE_MS[1] - HOLE_MS[0]
    assert "missing_ms" in found_facts(found, staff=True).keys() - found_facts(found, staff=False).keys()
    assert shelf.storage().incomplete == (LECTURE,)
    with LectureFile.open(shelf.path_of(LECTURE)) as file:
        file.set_meta(REPAIR_KEY, json.dumps({"none": {"en": {"laptop": [[0, 3000]]}}}))
    shelf.sync()
    (found,) = search(shelf.catalogue, Query()).lectures
    assert found.missing_ms == 600, "of the rest the only copy has nothing either"
    assert shelf.storage().incomplete == ()


def test_what_was_made_up_for_lost_packets_may_still_come(tmp_path: Path) -> None:
    with LectureFile.create(tmp_path / "lost.lecture", {"lecture": "lost", "languages": '["en"]'}) as file:
        sent = file.add_track(Track("voice", "opus", 48_000, "en", "source", 1)).track_id
        made = file.add_track(Track("voice", "opus", 48_000, "en", "12", 1)).track_id
        for t_ms in (5000, 5060, 5240):
            file.append(Entry(Kind.VOICE, t_ms, pack_frames(t_ms, [EncodedFrame(t_ms, 60, b"x")]), sent, 60))
        frame = EncodedFrame(5120, 60, b"x", Flag.CONCEALED)
        file.append(Entry(Kind.VOICE, 5120, pack_frames(5120, [frame]), made, 60, Flag.CONCEALED))
        file.append(Entry(Kind.TURN, 90_000, pack_event({"deck": "d", "page": 1})))
    with Recording.open(tmp_path / "lost.lecture") as recording:
        assert recording.missing_ms() == 120


def test_what_staff_said_is_in_the_file_and_comes_back_with_it(shelf: Shelf, data: Path) -> None:
    shelf.sync()
    told = {"title": "값", "series": "Term 1", "tags": ("시장", "intro"), "keep_until": 2_000_000_000.0}
    shelf.catalogue.update(LECTURE, lambda record: replace(record, **told))
    shelf.remember(LECTURE)
    assert shelf.outdated() == []
    with Catalogue(data / "another.db") as lost:
        again = Shelf(lost, data)
        again.sync()
        record = lost.get(LECTURE)
        assert record is not None
        assert {name: getattr(record, name) for name in told} == told


@pytest.mark.parametrize("started_at", ["9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00", "no time", "\0"])
def test_no_time_that_a_file_tells_hides_the_library(shelf: Shelf, started_at: str) -> None:
    with LectureFile.open(shelf.path_of(LECTURE)) as file:
        file.set_meta("started_at", started_at)
    shelf.sync()
    (found,) = search(shelf.catalogue, Query()).lectures
    assert found_facts(found, staff=True)["started_at"] is None


def test_a_file_that_changes_is_read_again_with_its_notes_and_questions(shelf: Shelf) -> None:
    shelf.sync()
    with LectureFile.open(shelf.path_of(LECTURE)) as file:
        file.append(Entry(Kind.MARK, 2000, pack_event({"text": "시험에 나옵니다"})))
        file.append(Entry(Kind.QUESTION, 3000, pack_event({"hall": "Busan", "text": "Why is that?"})))
    assert shelf.outdated() == [LECTURE]
    shelf.sync()
    hits = [search(shelf.catalogue, Query(text)).lectures[0].hits[0] for text in ("시험", "why is")]
    assert [(hit.kind, hit.moments) for hit in hits] == [("mark", (2000,)), ("question", (3000,))]


def test_files_that_vanish_or_are_damaged_are_told_and_hide_no_other(shelf: Shelf) -> None:
    (shelf.lectures_dir / "broken.lecture").write_bytes(b"no database")
    shutil.copy(shelf.path_of(LECTURE), shelf.path_of("second"))
    shelf.sync()
    assert names(shelf) == [LECTURE, "second"]
    assert [text.partition(":")[0] for text in shelf.unreadable()] == ["broken.lecture"]
    shelf.path_of(LECTURE).unlink()
    assert shelf.sync() == [LECTURE]
    assert names(shelf) == ["second"]
    storage = shelf.storage()
    assert (storage.missing, storage.damaged, storage.recordings) == ((LECTURE,), ("broken",), 1)
    shutil.copy(shelf.path_of("second"), shelf.path_of(LECTURE))
    (shelf.lectures_dir / "broken.lecture").unlink()
    shelf.sync()
    assert (shelf.storage().missing, shelf.storage().damaged, shelf.unreadable()) == ((), (), [])


def test_deleting_moves_the_file_restoring_brings_it_back_purging_ends_it(shelf: Shelf) -> None:
    bin_ = RecycleBin(shelf)
    shelf.sync()
    with pytest.raises(RecordingError, match="not in the recycle bin"):
        bin_.purge(LECTURE)
    bin_.delete(LECTURE, 1000.0)
    assert bin_.unsettled() == [LECTURE]
    with pytest.raises(RecordingError) as caught:  # as long as somebody may have it open
        bin_.purge(LECTURE)
    assert caught.value.error_id == "lecture_open"
    bin_.settle(LECTURE)
    assert (names(shelf), bin_.unsettled(), shelf.outdated()) == ([], [], [])
    assert not shelf.path_of(LECTURE).exists()
    assert shelf.storage().recycled == 1
    bin_.restore(LECTURE, 2000.0, LibrarySettings())
    bin_.settle(LECTURE)
    assert names(shelf, "질문") == [LECTURE]
    assert not problems_of(shelf.path_of(LECTURE))
    aside = (f"{LECTURE}.damaged-1.lecture", f"{LECTURE}.damaged-1.lecture-wal", f"{LECTURE}.lecture-wal.left-over")
    for name in (*aside, "other.damaged-1.lecture"):
        (shelf.lectures_dir / name).write_bytes(b"was set aside")
    begun = shelf.data_dir / "cache" / "fetch"
    begun.mkdir(parents=True)
    for name in (f"{LECTURE}-00ff", f"{LECTURE}-2-00ff"):
        (begun / name).write_bytes(b"half of it")
    bin_.delete(LECTURE, 1000.0)
    bin_.settle(LECTURE)
    bin_.purge(LECTURE)
    assert list(shelf.recycle_dir.iterdir()) == []
    assert [path.name for path in shelf.lectures_dir.iterdir()] == ["other.damaged-1.lecture"], "nothing of it is left"
    assert [path.name for path in begun.iterdir()] == [f"{LECTURE}-2-00ff"], "of a lecture of another name"
    assert shelf.catalogue.get(LECTURE, in_bin=True) is None
    assert shelf.outdated() == []


def test_a_recycle_bin_outlives_the_catalogue(shelf: Shelf, data: Path) -> None:
    bin_ = RecycleBin(shelf)
    shelf.sync()
    bin_.delete(LECTURE, 1000.0)
    bin_.settle(LECTURE)
    with Catalogue(data / "another.db") as lost:
        again = Shelf(lost, data)
        again.sync()
        assert [record.lecture_id for record in lost.recycled()] == [LECTURE]
        assert lost.list() == []


def test_a_live_lecture_cannot_be_deleted(shelf: Shelf) -> None:
    shelf.sync()
    shelf.catalogue.update(LECTURE, lambda record: replace(record, state="live"))
    with pytest.raises(RecordingError, match="end it first"):
        RecycleBin(shelf).delete(LECTURE, 1000.0)
    assert shelf.catalogue.recycled() == []


def test_the_file_checked_longest_ago_is_next_and_what_was_found_stays(shelf: Shelf) -> None:
    shutil.copy(shelf.path_of(LECTURE), shelf.path_of("second"))
    shelf.sync()
    assert shelf.next_scan(before=100.0) == LECTURE
    assert shelf.next_scan(before=100.0, passed_over={LECTURE}) == "second"
    shelf.note_scan(LECTURE, [], 200.0)
    assert shelf.next_scan(before=100.0) == "second"
    with sqlite3.connect(shelf.path_of("second")) as db:
        db.execute("UPDATE entries SET payload = x'00' WHERE kind = 5")
    db.close()
    problems = problems_of(shelf.path_of("second"))
    assert problems
    shelf.note_scan("second", problems, 300.0)
    assert shelf.next_scan(before=100.0) is None
    assert shelf.next_scan(before=250.0) == LECTURE
    assert shelf.storage().damaged == ("second",)
    shutil.copy(shelf.path_of(LECTURE), shelf.path_of("second"))  # as a repair does
    shelf.sync()
    assert shelf.storage().damaged == ()
    assert shelf.next_scan(before=100.0) == "second"


def test_a_file_that_somebody_writes_stays_where_it_is_until_he_has_done(shelf: Shelf) -> None:
    bin_ = RecycleBin(shelf)
    shelf.sync()
    bin_.delete(LECTURE, 1000.0)
    with LectureFile.open(shelf.path_of(LECTURE)):
        with pytest.raises(LectureFileError) as caught:
            bin_.settle(LECTURE)
        assert caught.value.error_id == "file_busy"
    bin_.settle(LECTURE)
    assert [path.name for path in shelf.recycle_dir.iterdir()] == [f"{LECTURE}.lecture"]
    assert list(shelf.lectures_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("keep_days", "told", "until"),
    [(30.0, {}, 1030 * DAY_S), (30.0, {"keep_forever": True}, None), (0.0, {"keep_until": 20 * DAY_S}, None)],
)
def test_what_staff_restore_no_rule_takes_again_at_once(
    shelf: Shelf, keep_days: float, told: dict[str, object], until: float | None
) -> None:
    settings = LibrarySettings(keep_days=keep_days)
    shelf.sync()
    shelf.catalogue.update(LECTURE, lambda record: replace(record, ended_at=10 * DAY_S, **told))
    bin_ = RecycleBin(shelf)
    bin_.delete(LECTURE, 999 * DAY_S)
    assert bin_.restore(LECTURE, 1000 * DAY_S, settings).keep_until == until
    assert due(shelf.all_records(), settings, 1000 * DAY_S) == []


def lecture(name: str, **facts: object) -> LectureRecord:
    record = LectureRecord(name, name, "", ("en",), "", "", 0.0, 0.0, state="ended", ended_at=10 * DAY_S)
    return replace(record, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("record", "at_day", "action"),
    [
        (lecture("a"), 39, None),
        (lecture("a"), 40, "recycle"),
        (lecture("a", keep_forever=True), 4000, None),
        (lecture("a", keep_until=50 * DAY_S), 49, None),
        (lecture("a", keep_until=20 * DAY_S), 21, "recycle"),
        (lecture("a", state="live"), 4000, None),
        (lecture("a", state="planned"), 4000, None),
        (lecture("a", deleted_at=41 * DAY_S), 47, None),
        (lecture("a", deleted_at=41 * DAY_S, keep_forever=True), 48, "purge"),
    ],
)
def test_rules(record: LectureRecord, at_day: int, action: str | None) -> None:
    settings = LibrarySettings(keep_days=30, recycle_days=7)
    assert [one.action for one in due([record], settings, at_day * DAY_S)] == ([action] if action else [])
    assert due([lecture("a")], LibrarySettings(), 4000 * DAY_S) == []


def command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, object]]:
    code = main(["recordings", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_command_finds_deletes_and_restores(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = ("--data", str(data))
    code, facts = command(capsys, "search", "세 가지", *here)
    assert (code, facts["total"]) == (0, 1)
    code, facts = command(capsys, "retention", "--dry-run", "--keep-days", "1", *here)
    assert (code, [one["lecture"] if "lecture" in one else one["lecture_id"] for one in facts["due"]]) == (1, [LECTURE])  # type: ignore[attr-defined]
    assert command(capsys, "delete", LECTURE, *here)[0] == 0
    assert (data / "recycle" / f"{LECTURE}.lecture").is_file()
    assert command(capsys, "list", *here)[1]["total"] == 0
    assert command(capsys, "restore", LECTURE, *here)[0] == 0
    assert command(capsys, "list", *here)[1]["total"] == 1
    (data / "lectures" / f"{LECTURE}.lecture").unlink()
    assert command(capsys, "list", *here)[0] == 1
    code, facts = command(capsys, "delete", "nobody", *here)
    assert (code, facts["error"]["id"]) == (2, "lecture_unknown")  # type: ignore[index]


def test_beside_a_relay_the_command_leaves_files_where_they_are(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = ("--data", str(data))
    command(capsys, "list", *here)
    with held(data) as alone:
        assert alone
        assert command(capsys, "delete", LECTURE, *here)[0] == 0
        assert (data / "lectures" / f"{LECTURE}.lecture").is_file()
        assert command(capsys, "delete", "--purge", LECTURE, *here)[1]["error"]["id"] == "lecture_open"  # type: ignore[index]


def test_one_that_cannot_be_deleted_leaves_no_other_half_way(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = ("--data", str(data))
    shutil.copy(data / "lectures" / f"{LECTURE}.lecture", data / "lectures" / "second.lecture")
    code, facts = command(capsys, "delete", "nobody", LECTURE, *here)
    assert (code, facts["error"]["id"]) == (2, "lecture_unknown")  # type: ignore[index]
    assert (data / "recycle" / f"{LECTURE}.lecture").is_file()
    with held(data):  # a relay that is gone before it has moved the file
        assert command(capsys, "delete", "second", *here)[0] == 0
    code, facts = command(capsys, "retention", "--recycle-days", "0", *here)
    assert (code, facts["failed"]) == (1, [])
    assert list((data / "recycle").iterdir()) == []
    assert list((data / "lectures").iterdir()) == []


def test_of_several_that_are_due_one_that_cannot_be_deleted_stops_no_other(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = ("--data", str(data))
    shutil.copy(data / "lectures" / f"{LECTURE}.lecture", data / "lectures" / "another.lecture")
    assert command(capsys, "delete", "another", LECTURE, *here)[0] == 0
    # A file that came to lie at both places.
    shutil.copy(data / "recycle" / "another.lecture", data / "lectures")
    code, facts = command(capsys, "retention", "--recycle-days", "0", *here)
    assert (code, [one["id"] for one in facts["failed"]]) == (2, ["lecture_open"])  # type: ignore[attr-defined]
    assert [path.name for path in (data / "recycle").iterdir()] == ["another.lecture"]
