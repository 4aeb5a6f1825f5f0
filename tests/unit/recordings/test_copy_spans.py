"""What copies have said stays in bounds, and is not asked again for that."""

from __future__ import annotations

import json

import pytest

from lecture.log import Span
from recordings.copy_spans import MAX_COPIES, MAX_SPANS, CopySpans


def test_beyond_the_bound_all_that_was_said_is_still_known_and_what_comes_later_is_still_asked() -> None:
    said = CopySpans()
    holes = [Span(at * 10_000, at * 10_000 + (9_000 if at == 7 else 2_000)) for at in range(MAX_SPANS + 3)]
    *before, later = holes
    for hole in before:
        said.add("laptop", hole)
    assert [one for one in holes if said.left("laptop", one)] == [later]
    assert len(said.to_json()["laptop"]) == MAX_SPANS
    between = Span(7 * 10_000 + 9_000, 8 * 10_000)
    assert not said.left("laptop", between), "the two that were closest together became one"


def test_the_copies_that_were_heard_last_are_known_and_each_by_itself() -> None:
    said, hole = CopySpans(), Span(1_000, 3_000)
    assert (said.left("phone", hole), said.left_of_any(hole), bool(said)) == ([hole], [hole], False)
    for number in range(MAX_COPIES):
        said.add(f"copy{number}", hole)
    assert said.left_of_any(hole) == []
    said.add("copy0", Span(0, 0))
    said.add("phone", Span(1_000, 2_000))
    again = CopySpans.of_json(json.loads(json.dumps(said.to_json())))
    for one in (said, again):
        assert list(one.to_json())[-2:] == ["copy0", "phone"]
        assert (one.left("copy0", hole), one.left("copy1", hole)) == ([], [hole])
        assert one.left("phone", hole) == one.left_of_any(hole) == [Span(2_000, 3_000)]


@pytest.mark.parametrize(
    "forged", [[], {"laptop": 3}, {"laptop": [[1]]}, {"laptop": [["x", 2]]}, {"laptop": [[1, 1e999]]}]
)
def test_what_is_nothing_of_the_kind_is_an_error(forged: object) -> None:
    with pytest.raises((ValueError, OverflowError, TypeError, AttributeError)):
        CopySpans.of_json(forged)  # type: ignore[arg-type]
