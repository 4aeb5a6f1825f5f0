"""The camera of a copy fills the holes of a recording without any network: real pictures, file to file."""

from __future__ import annotations

from pathlib import Path

import pytest

from lecture.entries import EncodedFrame, Flag
from lecture.file import LectureFile
from recordings.merge import merge
from tests.film import FILM, HOLE, own_copy, pictures_of, recording, seen_ms, within, without


def files(folder: Path, given: list[EncodedFrame], kept: list[EncodedFrame], off_ms: int = 0) -> list[LectureFile]:
    """A recording, and a lecturer's own copy that takes lecture time to be so much earlier."""
    return [recording(folder, given), own_copy(folder, kept, off_ms)]


@pytest.mark.parametrize("off_ms", [0, 40, -40, 300, -300])
def test_every_picture_of_a_hole_is_brought_and_leans_on_the_one_it_was_made_after(tmp_path: Path, off_ms: int) -> None:
    target, own = files(tmp_path, without(), FILM, off_ms)
    with target, own:
        merged = merge(target, own)
        assert 2_000 < merged.camera_ms <= HOLE.end_ms - HOLE.start_ms
        found = pictures_of(target)
        assert [(one.data, one.flags) for one in found] == [(one.data, one.flags) for one in FILM]
        assert [one.t_ms for one in found] == pytest.approx([one.t_ms for one in FILM], abs=1)
        assert seen_ms(found) == pytest.approx([one.t_ms for one in FILM], abs=120)
        assert target.verify().ok
        assert not merge(target, own).changed


def test_a_copy_without_the_picture_before_begins_with_a_keyframe(tmp_path: Path) -> None:
    """The laptop was restarted during the outage."""
    target, own = files(tmp_path, without(), [one for one in FILM if one.t_ms >= 2_000])
    with target, own:
        merge(target, own)
        brought = within(pictures_of(target))
        assert brought == [one for one in FILM if 2_700 <= one.t_ms < HOLE.end_ms]
        assert brought[0].flags & Flag.KEYFRAME


def test_between_the_pictures_of_a_slow_camera_nothing_is_missing(tmp_path: Path) -> None:
    slow = [one for one in FILM if one.flags & Flag.KEYFRAME or one.t_ms % 1_000 == 0]
    target, own = files(tmp_path, slow, slow, 70)
    with target, own:
        assert not merge(target, own).changed
        assert pictures_of(target) == slow


def test_a_camera_that_the_recording_never_had_is_brought_whole(tmp_path: Path) -> None:
    target, own = files(tmp_path, [], FILM)
    with target, own:
        assert merge(target, own).changed
        assert pictures_of(target) == FILM
