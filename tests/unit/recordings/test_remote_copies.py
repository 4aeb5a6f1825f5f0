"""Lecture files in object storage, against a server of its API."""

from __future__ import annotations

import fcntl
import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest

from hallcast.cli import main
from recordings.catalogue import Catalogue
from recordings.errors import RecordingError
from recordings.files import sha256_of
from recordings.library import Library
from recordings.recycle_bin import RecycleBin
from recordings.remote_copies import RemoteCopies, key_of
from recordings.retention import LibrarySettings
from recordings.scan import problems_of
from recordings.search import Query, search
from recordings.shelf import Shelf
from recordings.store_remote import RemoteFile, RemoteStore
from tests import s3
from tests.recorded import LECTURE, VOICE_MS

IN_BUCKET = f"hallcast/lectures/{LECTURE}.lecture"


def quietly(done: int, total: int) -> None:
    assert 0 <= done < total


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3Server]:
    with s3.served(tmp_path_factory.mktemp("s3") / "log") as running:
        yield running


@pytest.fixture
def store(server: s3.S3Server, monkeypatch: pytest.MonkeyPatch) -> RemoteStore:
    for name, value in s3.KEYS.items():
        monkeypatch.setenv(name, value)
    for key in server.listed():
        obstore.delete(server.bucket, key)
    return RemoteStore(LibrarySettings(**server.settings))  # type: ignore[arg-type]


@pytest.fixture
def shelf(tmp_path: Path, lectures_dir: Path, store: RemoteStore, catalogue: Catalogue) -> Shelf:
    shutil.copytree(lectures_dir, tmp_path / "data" / "lectures")
    (tmp_path / "data" / "recycle").mkdir()
    shelf = Shelf(catalogue, tmp_path / "data", store)
    shelf.sync()
    return shelf


@pytest.fixture
def copies(shelf: Shelf, store: RemoteStore) -> RemoteCopies:
    return RemoteCopies(shelf, store)


def drop_all(copies: RemoteCopies) -> None:
    for lecture_id in copies.droppable(0):
        assert copies.is_safe(lecture_id)
        copies.drop(lecture_id)


def test_a_file_is_uploaded_dropped_and_fetched_again_as_it_was(
    shelf: Shelf, copies: RemoteCopies, server: s3.S3Server
) -> None:
    path = shelf.path_of(LECTURE)
    was = sha256_of(path)
    assert (copies.waiting(), copies.droppable(0)) == ([LECTURE], [])
    assert copies.upload(LECTURE)
    assert (copies.waiting(), server.listed()) == ([], [IN_BUCKET])
    assert copies.droppable(1_000_000_000) == []
    Library(shelf.lectures_dir, shelf.data_dir / "cache").camera_file(LECTURE)
    drop_all(copies)
    assert list((shelf.data_dir / "cache").iterdir()) == [], "what was made of it goes with it"
    storage = shelf.storage()
    assert (path.exists(), copies.is_remote_only(LECTURE), shelf.outdated()) == (False, True, [])
    assert (storage.recordings, storage.file_bytes, storage.remote_only, storage.missing) == (1, 0, 1, ())
    assert [one.record.lecture_id for one in search(shelf.catalogue, Query("질문")).lectures] == [LECTURE]
    copies.fetch(LECTURE, quietly)
    assert (sha256_of(path), shelf.outdated(), copies.waiting()) == (was, [], [])
    assert shelf.storage().file_bytes == path.stat().st_size


def test_a_lost_catalogue_is_made_again_from_the_storage(
    shelf: Shelf, copies: RemoteCopies, store: RemoteStore, tmp_path: Path
) -> None:
    copies.upload(LECTURE)
    drop_all(copies)
    with Catalogue(tmp_path / "another.db") as empty:
        again = Shelf(empty, shelf.data_dir, store)
        found = RemoteCopies(again, store)
        assert found.adopt() == [LECTURE]
        found.fetch(LECTURE, quietly)
        assert [one.record.title for one in search(empty, Query("질문")).lectures] == ["Pricing"]
        assert (found.waiting(), found.adopt(), found.droppable(0)) == ([], [], [LECTURE])


def test_the_recycle_bin_goes_for_the_copy_too(shelf: Shelf, copies: RemoteCopies, server: s3.S3Server) -> None:
    bin_ = RecycleBin(shelf)
    copies.upload(LECTURE)
    drop_all(copies)
    bin_.delete(LECTURE, 1000.0)
    assert bin_.unsettled() == [LECTURE]
    bin_.settle(LECTURE)
    assert (bin_.unsettled(), server.listed()) == ([], [f"hallcast/recycle/{LECTURE}.lecture"])
    bin_.restore(LECTURE, 2000.0, LibrarySettings())
    bin_.settle(LECTURE)
    assert server.listed() == [IN_BUCKET]
    bin_.delete(LECTURE, 1000.0)
    bin_.purge(LECTURE)
    assert (server.listed(), copies.adopt(), shelf.all_records()) == ([], [], [])


def test_an_upload_that_is_cut_short_or_changed_under_way_replaces_nothing(
    store: RemoteStore, server: s3.S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some.lecture"
    path.write_bytes(b"good" * 3_000_000)
    good = store.upload(path, key_of("some"))
    path.write_bytes(b"new " * 4_000_000)
    whole = RemoteStore._pieces

    def changing(self: RemoteStore, path: Path, wanted: RemoteFile) -> Iterator[bytes]:
        pieces = whole(self, path, wanted)
        for _ in range(7):
            yield next(pieces)
        with path.open("r+b") as file:
            file.truncate(9_000_000)
        yield from pieces

    monkeypatch.setattr(RemoteStore, "_pieces", changing)
    with pytest.raises(RecordingError) as refused:
        store.upload(path, key_of("some"))
    assert refused.value.error_id == "upload_broken"
    assert store.find(key_of("some")) == good
    assert bytes(obstore.get(server.bucket, "hallcast/lectures/some.lecture").bytes()) == b"good" * 3_000_000


def test_two_programs_that_fetch_the_same_spoil_nothing_for_each_other(
    shelf: Shelf, copies: RemoteCopies, server: s3.S3Server
) -> None:
    copies.upload(LECTURE)
    was = sha256_of(shelf.path_of(LECTURE))
    drop_all(copies)
    partial = shelf.data_dir / "cache" / "fetch" / f"{LECTURE}-{was[:16]}"
    partial.parent.mkdir(parents=True)
    with partial.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(b"half of it")
        other.flush()
        with pytest.raises(RecordingError) as caught:
            copies.fetch(LECTURE, quietly)
        assert caught.value.error_id == "recording_fetching"
        other.truncate(0)
    assert (partial.stat().st_size, shelf.storage().damaged) == (0, ())
    copies.fetch(LECTURE, quietly)
    assert sha256_of(shelf.path_of(LECTURE)) == was


def test_a_download_goes_on_where_it_was_broken_off_and_takes_nothing_damaged(
    store: RemoteStore, tmp_path: Path, server: s3.S3Server
) -> None:
    path, partial = tmp_path / "some.lecture", tmp_path / "parts" / "some"
    path.write_bytes(bytes(range(256)) * 50_000)
    file = store.upload(path, key_of("some"))
    asked: list[int] = []

    def break_off(done: int, total: int) -> None:
        asked.append(done)
        if len(asked) == 2:
            raise OSError("the relay is stopped")

    with pytest.raises(OSError, match="stopped"):
        store.download(file, tmp_path / "got", partial, break_off)
    store.download(file, tmp_path / "got", partial, break_off)
    assert asked == [0, 5 << 20, 5 << 20, 10 << 20]
    assert sha256_of(tmp_path / "got") == file.sha256
    partial.write_bytes(b"\1" * (5 << 20))
    with pytest.raises(RecordingError) as damaged:
        store.download(file, tmp_path / "other", partial, quietly)
    assert (damaged.value.error_id, partial.exists(), (tmp_path / "other").exists()) == ("copy_damaged", False, False)


def test_a_damaged_or_changed_file_is_neither_uploaded_nor_dropped(shelf: Shelf, copies: RemoteCopies) -> None:
    copies.upload(LECTURE)
    path = shelf.path_of(LECTURE)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE entries SET payload = x'00' WHERE seq = (SELECT max(seq) FROM entries)")
    db.close()
    copies.drop(LECTURE)
    assert path.exists()
    shelf.sync()
    shelf.note_scan(LECTURE, problems_of(path), 1.0)
    assert (shelf.storage().damaged, copies.waiting(), copies.droppable(0)) == ((LECTURE,), [], [])


@pytest.mark.parametrize("url", ["s3://", "http://bucket", "s3://key:secret@bucket", "s3://bucket?x"])
def test_a_url_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(RecordingError) as refused:
        RemoteStore(LibrarySettings(storage_url=url))
    assert refused.value.error_id == "storage_invalid"
    assert "secret@" not in refused.value.text


@pytest.fixture
def config(tmp_path: Path, server: s3.S3Server, store: RemoteStore, lectures_dir: Path) -> list[str]:
    """Arguments for a library whose one recording lies in the object storage alone, as its catalogue knows."""
    data, path = tmp_path / "data", tmp_path / "relay.toml"
    shutil.copytree(lectures_dir, data / "lectures")
    values = {name: json.dumps(value) for name, value in server.settings.items()}
    lines = "\n".join(f"{name} = {value}" for name, value in values.items())
    path.write_text(f"[data]\nfolder = {json.dumps(str(data))}\n[library]\n{lines}\n")
    with Catalogue(data / "catalogue.db") as catalogue:
        shelf = Shelf(catalogue, data, store)
        shelf.sync()
        copies = RemoteCopies(shelf, store)
        copies.upload(LECTURE)
        drop_all(copies)
    return ["--config", str(path), "--json"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("info", LECTURE), 0),
        (("verify", LECTURE), 0),
        (("export", LECTURE, "--to", "opus", "--out", "{out}"), 1),
        (("repair", LECTURE, "--from", "{copy}"), 1),
    ],
)
def test_each_command_fetches_what_lies_in_the_storage_alone(
    config: list[str], lecture_path: Path, tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    filled = [word.format(out=tmp_path / "out.opus", copy=lecture_path) for word in words]
    assert main(["recordings", *filled, *config]) == code
    assert (tmp_path / "data" / "lectures" / f"{LECTURE}.lecture").is_file()
    assert main(["recordings", "list", *config]) == 0


def test_an_import_is_merged_into_the_recording_that_lies_in_the_storage_and_never_put_in_its_place(
    config: list[str], lecture_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hall's copy without the second half would be uploaded over the whole."""
    part = tmp_path / f"{LECTURE}.lecture"
    shutil.copyfile(lecture_path, part)
    with sqlite3.connect(part) as db:
        db.execute("DELETE FROM entries WHERE t_ms >= 3000")
    db.close()
    data = tmp_path / "data"
    assert main(["recordings", "import", str(part), "--data", str(data), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["failed"][0]["id"] == "import_elsewhere"
    assert list((data / "lectures").iterdir()) == []
    assert main(["recordings", "import", str(part), *config]) == 0
    (imported,) = json.loads(capsys.readouterr().out)["imported"]
    assert imported["result"] == "unchanged"
    assert main(["recordings", "info", LECTURE, *config]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["duration_ms"], facts["place"]) == (VOICE_MS, "both")


def test_a_mended_recording_is_never_put_in_the_place_of_a_sound_copy(
    config: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recordings", "verify", LECTURE, *config]) == 0
    data = tmp_path / "data"
    path = data / "lectures" / f"{LECTURE}.lecture"
    path.write_bytes(bytes(4096) + path.read_bytes()[4096:])
    for words in (config, ["--data", str(data), "--json"]):
        capsys.readouterr()
        assert main(["recordings", "repair", LECTURE, *words]) == 2
        assert json.loads(capsys.readouterr().out)["error"]["id"] == "sound_copy_elsewhere"
    path.rename(tmp_path / "damaged")
    assert main(["recordings", "verify", LECTURE, *config]) == 0, "it is fetched"
