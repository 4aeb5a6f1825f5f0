"""The interval set against a plain set of milliseconds."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecture.coverage import Coverage
from lecture.log import Span

spans = st.builds(Span, st.integers(0, 60), st.integers(0, 60))
steps = st.lists(st.tuples(st.booleans(), spans), max_size=30)


def played(steps: list[tuple[bool, Span]]) -> tuple[Coverage, set[int]]:
    coverage, model = Coverage(), set[int]()
    for adding, span in steps:
        if adding:
            coverage.add(span)
            model |= set(range(span.start_ms, span.end_ms))
        else:
            coverage.discard(span)
            model -= set(range(span.start_ms, span.end_ms))
    return coverage, model


@given(steps)
def test_it_knows_exactly_what_was_added_and_not_discarded(steps: list[tuple[bool, Span]]) -> None:
    coverage, model = played(steps)
    assert {t for span in coverage for t in range(span.start_ms, span.end_ms)} == model
    assert all(coverage.contains(t) == (t in model) for t in range(-1, 62))
    assert coverage.known_ms() == len(model)
    assert coverage.end_ms == max(model, default=-1) + 1


@given(steps)
def test_its_intervals_are_sorted_apart_and_never_empty(steps: list[tuple[bool, Span]]) -> None:
    intervals = list(played(steps)[0])
    assert all(span.start_ms < span.end_ms for span in intervals)
    assert all(a.end_ms < b.start_ms for a, b in itertools.pairwise(intervals))


@given(steps, spans)
def test_of_a_span_a_part_is_known_and_the_rest_is_missing(steps: list[tuple[bool, Span]], span: Span) -> None:
    coverage, model = played(steps)
    wanted = set(range(span.start_ms, span.end_ms))
    missing = coverage.missing(span)
    assert {t for gap in missing for t in range(gap.start_ms, gap.end_ms)} == wanted - model
    assert missing == sorted(missing, key=lambda gap: gap.start_ms)
    known = coverage.known(span)
    assert {t for one in known for t in range(one.start_ms, one.end_ms)} == wanted & model
    assert known == Coverage(missing).missing(span)
    assert coverage.covers(span) == (wanted <= model)
    assert coverage.known_ms(span) == len(wanted & model)
    for gap in missing:
        coverage.add(gap)
    assert coverage.missing(span) == []


@given(st.lists(spans, max_size=20), st.randoms(use_true_random=False))
def test_the_order_of_adding_does_not_matter(some: list[Span], random: object) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert Coverage(some) == Coverage(shuffled)
    union = Coverage(some[::2])
    union.update(Coverage(some[1::2]))
    assert union == Coverage(some)


def test_touching_intervals_become_one() -> None:
    coverage = Coverage([Span(0, 10), Span(20, 30), Span(10, 20)])
    assert list(coverage) == [Span(0, 30)]
    assert len(coverage) == 1
    assert repr(coverage) == "Coverage(0-30)"


def test_it_is_not_equal_to_other_things_and_cannot_be_a_key() -> None:
    assert Coverage() != []
    with pytest.raises(TypeError):
        hash(Coverage())
