"""Which line of a page is its title, and how large its first tier must be."""

from __future__ import annotations

import pytest

from relay.media.deck_image import enlarged, heading


@pytest.mark.parametrize(
    ("lines", "title"),
    [
        ([], ""),
        ([(12.0, "7")], "7"),
        ([(10.0, "Course 3"), (30.0, "Cash flow"), (12.0, "Money in"), (12.0, "Money out")], "Cash flow"),
        (
            [
                (30.0, "From idea to"),
                (30.0, "first customer"),
                (12.0, "A short"),
                (12.0, "lecture"),
                (12.0, "for everyone"),
            ],
            "From idea to first customer",
        ),
        ([(12.0, "Motivation"), (12.0, "Gradients are the workhorse"), (12.0, "of learning")], "Motivation"),
        ([(20.0, "Chain rule"), (60.0, "∂x1 ) ))"), (12.0, "where")], "Chain rule"),
        ([(20.0, "소유권이 뭔가요?"), (12.0, "러스트의 핵심 기능")], "소유권이 뭔가요?"),
        ([(9.0, "x" * 300)], "x" * 120),
    ],
    ids=["empty", "no word", "tallest", "two lines", "one size", "formula", "Korean", "long"],
)
def test_heading(lines: list[tuple[float, str]], title: str) -> None:
    assert heading(lines) == title


@pytest.mark.parametrize(
    ("letters_px", "larger"), [(0.0, 1.0), (12.0, 1.0), (7.5, 1.0), (6.0, 1.25), (5.0, 1.5), (2.0, 1.5)]
)
def test_pages_of_small_letters_get_a_larger_first_tier(letters_px: float, larger: float) -> None:
    assert enlarged(letters_px) == larger
