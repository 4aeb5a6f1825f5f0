from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from recordings.catalogue import APPLICATION_ID, Catalogue, CatalogueError, LectureRecord
from tests import catalogues


def record(name: str = "waves-1", **facts: object) -> LectureRecord:
    base = LectureRecord(
        lecture_id=name,
        title="파동 1",
        course="Physics",
        languages=("en", "ko"),
        hall_code="ACDE2345",
        hall_code_key=f"key of {name}",
        code_expires_at=2000.5,
        created_at=1000.25,
    )
    return replace(base, **facts)  # type: ignore[arg-type]


def test_a_lecture_comes_back_as_it_was_put_in_also_after_reopening(catalogue_where: Path | str) -> None:
    put = record(
        planned_at=1500.0, state="ended", started_at=1501.0, ended_at=1600.0, duration_ms=99_000, series="Term 1",
        tags=("optics", "교양"), keep_until=9e9,
    )  # fmt: skip
    with Catalogue(catalogue_where) as catalogue:
        catalogue.create(put)
    with Catalogue(catalogue_where) as catalogue:
        assert catalogue.get("waves-1") == put
        assert catalogue.find_by_code("key of waves-1") == put
        assert catalogue.get("waves-2") is None
        assert catalogue.find_by_code("waves-1") is None


def test_update_changes_one_lecture_only(catalogue: Catalogue) -> None:
    catalogue.create(record("a"))
    catalogue.create(record("b"))
    changed = catalogue.update("a", lambda found: replace(found, title="new", state="live"))
    assert changed.title == "new"
    assert catalogue.get("a") == changed
    assert catalogue.get("b") == record("b")


def test_what_lies_in_the_recycle_bin_is_found_only_there(catalogue: Catalogue) -> None:
    deleted = record("a", deleted_at=3000.0)
    catalogue.create(deleted)
    catalogue.create(record("b"))
    assert catalogue.get("a") is None
    assert catalogue.find_by_code("key of a") is None
    assert catalogue.list() == [record("b")]
    assert catalogue.get("a", in_bin=True) == deleted
    assert catalogue.recycled() == [deleted]


def test_lectures_without_a_hall_code_are_no_two_of_a_kind(catalogue: Catalogue) -> None:
    for name in ("a", "b"):
        catalogue.create(record(name, hall_code="", hall_code_key=""))
    assert catalogue.get("a") == record("a", hall_code="", hall_code_key="")
    assert catalogue.find_by_code("") is None


def test_list_is_newest_first_and_can_be_of_one_state(catalogue: Catalogue) -> None:
    catalogue.create(record("created", created_at=50.0))
    catalogue.create(record("planned", created_at=10.0, planned_at=300.0))
    catalogue.create(record("held", created_at=20.0, planned_at=30.0, started_at=100.0, state="ended"))
    assert [found.lecture_id for found in catalogue.list()] == ["planned", "held", "created"]
    assert [found.lecture_id for found in catalogue.list("ended")] == ["held"]


@pytest.mark.parametrize(
    ("error_id", "action"),
    [
        ("lecture_exists", lambda c: c.create(record("a", hall_code_key="other"))),
        ("hall_code_taken", lambda c: c.create(record("b", hall_code_key="key of a"))),
        ("lecture_unknown", lambda c: c.update("b", lambda found: found)),
        ("hall_code_taken", lambda c: c.update("c", lambda found: replace(found, hall_code_key="key of a"))),
    ],
)
def test_impossible_changes_are_refused_and_change_nothing(catalogue: Catalogue, error_id: str, action: object) -> None:
    catalogue.create(record("a"))
    catalogue.create(record("c"))
    with pytest.raises(CatalogueError) as caught:
        action(catalogue)  # type: ignore[operator]
    assert caught.value.error_id == error_id
    assert sorted(catalogue.list(), key=lambda found: found.lecture_id) == [record("a"), record("c")]


def test_a_change_that_raises_leaves_the_catalogue_usable(catalogue: Catalogue) -> None:
    catalogue.create(record("a"))

    def fail(found: LectureRecord) -> LectureRecord:
        raise KeyError

    with pytest.raises(KeyError):
        catalogue.update("a", fail)
    catalogue.update("a", lambda found: replace(found, title="afterwards"))
    found = catalogue.get("a")
    assert found is not None
    assert found.title == "afterwards"


def test_reading_does_not_wait_for_a_writer(catalogue: Catalogue) -> None:
    catalogue.create(record("a"))
    seen: list[LectureRecord | None] = []

    def change(found: LectureRecord) -> LectureRecord:
        reader = Thread(target=lambda: seen.append(catalogue.get("a")))
        reader.start()
        reader.join(timeout=5)
        return replace(found, title="new")

    catalogue.update("a", change)
    assert seen == [record("a")]


def _another_kind(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE something (else_)")
    connection.close()


def _newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize(
    "spoil",
    [lambda path: path.write_bytes(b"no database at all " * 100), _another_kind, _newer, lambda path: path.mkdir()],
    ids=["garbage", "another database", "newer version", "folder"],
)
def test_what_is_no_catalogue_of_ours_is_refused(tmp_path: Path, spoil: object) -> None:
    path = tmp_path / "catalogue.db"
    spoil(path)  # type: ignore[operator]
    with pytest.raises(CatalogueError) as caught:
        Catalogue(path)
    assert caught.value.error_id == "catalogue_unusable"


def test_another_versions_tables_on_a_server_are_refused_and_left_alone(postgres_url: str) -> None:
    catalogues.empty(postgres_url)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE catalogue_version (version integer)")
        connection.execute("INSERT INTO catalogue_version VALUES (99)")
    with pytest.raises(CatalogueError, match="version 99") as caught:
        Catalogue(postgres_url)
    assert caught.value.error_id == "catalogue_unusable"


@pytest.mark.parametrize("url", ["mysql://somewhere/x", "no url", "postgresql://u:secretpw@/x?host=/nowhere/at/all"])
def test_a_server_that_is_not_there_is_told_without_its_password(url: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        Catalogue(url)
    assert caught.value.error_id == "catalogue_unusable"
    assert "secretpw" not in caught.value.text


def test_a_server_that_was_restarted_is_found_again(postgres_url: str) -> None:
    catalogues.empty(postgres_url)
    with Catalogue(postgres_url) as catalogue, psycopg.connect(postgres_url, autocommit=True) as other:
        catalogue.create(record("a"))
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hallcast'")
        assert catalogue.get("a") == record("a")
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hallcast'")
        assert catalogue.update("a", lambda found: replace(found, title="new")).title == "new"
