"""A fault of ours in one session ends that session."""

from __future__ import annotations

import pytest

from relay.media.tasks import fenced


def test_a_fault_in_one_sessions_part_of_a_common_task_ends_that_session(caplog: pytest.LogCaptureFixture) -> None:
    ended = []
    for name in ("one", "two", "three"):
        with fenced(name, lambda name=name: ended.append(name)):  # type: ignore[misc]
            assert name != "two"
    assert ended == ["two"]
    assert "two failed" in caplog.text
