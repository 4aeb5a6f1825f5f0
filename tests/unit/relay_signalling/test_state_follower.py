from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import relay.state_follower
from recordings.catalogue import Catalogue, CatalogueError, LectureRecord
from relay.state_follower import StateFollower


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    opened = Catalogue(tmp_path / "catalogue.db")
    opened.create(LectureRecord("waves", "Waves", "", ("en",), "ACDE2345", "key", 9.0, 1.0))
    return opened


def stored(catalogue: Catalogue) -> LectureRecord:
    record = catalogue.get("waves")
    assert record is not None
    return record


async def test_the_catalogue_follows_a_lecture_through_its_life(catalogue: Catalogue) -> None:
    async with StateFollower(catalogue) as follower:
        follower.changed("waves", "live", 0, 1000.0)
        await follower.settled()
        assert (stored(catalogue).state, stored(catalogue).started_at) == ("live", 1000.0)
        follower.changed("waves", "ended", 90_000, 1095.0)
        await follower.settled()
    record = stored(catalogue)
    assert (record.state, record.started_at, record.ended_at, record.duration_ms) == ("ended", 1000.0, 1095.0, 90_000)
    catalogue.close()


async def test_news_of_the_same_state_or_of_strangers_changes_nothing(catalogue: Catalogue) -> None:
    before = stored(catalogue)
    async with StateFollower(catalogue) as follower:
        follower.changed("waves", "planned", 0, 1000.0)
        follower.changed("no-such-lecture", "live", 0, 1000.0)
        await follower.settled()
    assert catalogue.list() == [before]
    catalogue.close()


async def test_what_was_not_written_yet_is_written_at_the_end(catalogue: Catalogue) -> None:
    async with StateFollower(catalogue) as follower:
        follower.changed("waves", "live", 5_000, 1000.0)
    assert (stored(catalogue).state, stored(catalogue).started_at) == ("live", 995.0)
    catalogue.close()


async def test_a_disk_that_was_full_for_a_while_is_tried_again(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay.state_follower, "RETRY_S", 0.0)
    update, failures = catalogue.update, iter(range(3))

    def failing(*arguments: object) -> LectureRecord:
        if next(failures, None) is not None:
            raise CatalogueError("catalogue_unusable", "The disk is full.")
        return update(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(catalogue, "update", failing)
    async with asyncio.timeout(5), StateFollower(catalogue) as follower:
        follower.changed("waves", "live", 0, 1000.0)
        await follower.settled()
    assert stored(catalogue).state == "live"
    catalogue.close()
