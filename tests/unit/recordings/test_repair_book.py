"""What the relay wants of which copy, and what counts as missing."""

from __future__ import annotations

import json

from lecture.log import Span
from recordings.copy_spans import MAX_COPIES, MAX_SPANS
from recordings.repair_book import REPAIR_KEY, RepairBook

END_MS = 10_000


def book() -> RepairBook:
    made = RepairBook(["en", "ko"])
    made.know("en", [Span(0, 2_000), Span(2_030, 4_000), Span(6_000, 9_000)])
    return made


def test_holes_are_wanted_but_slivers_and_voices_that_nobody_spoke_are_not_missing() -> None:
    made = book()
    assert made.wanted("en", END_MS) == [Span(4_000, 6_000), Span(9_000, END_MS)]
    assert made.wanted("en", 5_000) == [Span(4_000, 5_000)]
    assert made.missing_ms("en", END_MS) == 3_000
    assert made.missing_ms("ko", END_MS) == 0
    assert made.wanted("ko", END_MS) == [Span(0, END_MS)]


def test_of_a_hole_that_goes_on_the_newest_is_not_told_yet() -> None:
    made = book()
    assert made.wanted("en", END_MS, held_ms=400) == [Span(4_000, 6_000), Span(9_000, 9_600)]
    assert made.wanted("en", END_MS, held_ms=960) == [Span(4_000, 6_000)]
    assert made.wanted("en", 6_001, held_ms=960) == [Span(4_000, 6_000)]
    assert made.missing_ms("en", END_MS) == 3_000


def test_what_a_copy_has_not_is_not_wanted_of_it_again_but_of_others() -> None:
    made = book()
    made.know("en", [Span(4_500, 5_000)])
    made.answered("en", "laptop", Span(4_000, 6_000), 500)
    left = [Span(4_000, 4_500), Span(5_000, 6_000)]
    assert made.wanted("en", END_MS, "laptop") == [*left, Span(9_000, END_MS)], "once more, each by itself"
    made.answered("en", "laptop", Span(4_000, 6_000), 0, was_hole=False)
    assert made.wanted("en", END_MS, "laptop") == [*left, Span(9_000, END_MS)], "the same again tells nothing new"
    for span in left:
        made.answered("en", "laptop", span, 0)
    assert made.wanted("en", END_MS, "laptop") == [Span(9_000, END_MS)]
    assert made.wanted("en", END_MS, "phone") == [Span(4_000, 4_500), Span(5_000, 6_000), Span(9_000, END_MS)]
    assert (made.missing_ms("en", END_MS), made.repaired_ms("en")) == (1_000, 500)
    made.answered("en", "phone", Span(9_000, END_MS), 0)
    assert made.missing_ms("en", END_MS) == 2_500, "each copy has not yet said what it has of the other hole"
    made.answered("en", "phone", Span(4_000, 6_000), 0)
    made.answered("en", "laptop", Span(9_000, END_MS), 0)
    assert made.missing_ms("en", END_MS) == 0


def test_it_is_kept_in_the_lecture_file_and_bounded() -> None:
    made = book()
    made.answered("en", "first", Span(4_000, 6_000), 320)
    for number in range(2 * MAX_COPIES):
        made.answered("en", f"copy{number}", Span(4_000, 6_000), 0)
    again = book()
    again.load({REPAIR_KEY: made.to_meta()}.get)
    assert again.repaired_ms("en") == 320
    last = f"copy{2 * MAX_COPIES - 1}"
    assert again.wanted("en", END_MS, last) == made.wanted("en", END_MS, last) == [Span(9_000, END_MS)]
    assert Span(4_000, 6_000) in again.wanted("en", END_MS, "copy0")
    spans = [[at * 100, at * 100 + 10] for at in range(2 * MAX_SPANS)]
    forged = {"none": {"en": {f"copy{number}": spans for number in range(2 * MAX_COPIES)}}}
    again.load({REPAIR_KEY: json.dumps(forged)}.get)
    kept = json.loads(again.to_meta())["none"]["en"]
    assert (len(kept), {len(one) for one in kept.values()}) == (MAX_COPIES, {MAX_SPANS})
    for broken in ("", "[]", '{"none": {"en": 3}}', "{", '{"repaired_ms": {"en": 1e999}}', "[" * 100_000):
        again.load({REPAIR_KEY: broken}.get)
