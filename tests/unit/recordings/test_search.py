"""Searching, on both databases."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recordings.catalogue import Catalogue, LectureRecord
from recordings.errors import SearchError
from recordings.index import write_content
from recordings.passages import QUERY_CHARS, Passage, clean, fold, snippet, terms_of
from recordings.search import PAGE_SIZE, Query, facets, search

HOUR_S = 3600.0


def add(
    catalogue: Catalogue,
    name: str,
    passages: Sequence[Passage] = (),
    *,
    title: str = "",
    course: str = "",
    tags: tuple[str, ...] = (),
    languages: tuple[str, ...] = ("ko",),
    began: float = 0.0,
) -> None:
    record = LectureRecord(
        name, title or name, course, languages, "", "", 0.0, began, state="ended", started_at=began, tags=tags
    )
    catalogue.create(record)
    catalogue.database.write(lambda connection: write_content(connection, name, passages))


def page(number: int, text: str, *moments: int) -> Passage:
    return Passage("page", text, number, moments)


def found(catalogue: Catalogue, text: str, **filters: object) -> list[str]:
    results = search(catalogue, Query(text, **filters))  # type: ignore[arg-type]
    assert results.total == len(results.lectures)
    return [one.record.lecture_id for one in results.lectures]


@pytest.fixture
def library(catalogue: Catalogue) -> Catalogue:
    add(
        catalogue,
        "prices",
        [page(1, "가격이란 무엇인가"), page(2, "수요와 공급의 탄력성", 1500, 9000), page(3, "Straße nach Süden", 4000)],
        title="미시경제학 입문",
        course="Economics",
        tags=("시장", "intro"),
        began=1 * HOUR_S,
    )
    add(
        catalogue,
        "waves",
        [page(1, "Interference: 100% in phase", 0), Passage("question", "왜 파동은 가격과 다른가요?", None, (70_000,))],
        title="Waves",
        course="Physics",
        tags=("optics", "intro"),
        languages=("en", "ko"),
        began=30 * HOUR_S,
    )  # fmt: skip
    return catalogue


@pytest.mark.parametrize(
    ("text", "lectures"),
    [
        ("탄력", ["prices"]),  # two letters of a word
        ("력", ["prices"]),  # one
        ("력성", ["prices"]),
        ("공급의 탄력성", ["prices"]),
        ('"공급의 탄력성"', ["prices"]),
        ('"탄력성 공급의"', []),
        ("TERFEREN", ["waves"]),
        ("strasse", ["prices"]),
        ("ｗａｖｅｓ", ["waves"]),  # full width
        ("가격", ["waves", "prices"]),  # a question counts more than a page
        ("economics 탄력", ["prices"]),  # course and page
        ("intro", ["waves", "prices"]),
        ("미시경제", ["prices"]),
        ("waves 탄력", []),
        ("100%", ["waves"]),
        ("%", ["waves"]),
        ("_", []),
        ("nothing", []),
        ("", ["waves", "prices"]),
    ],
)
def test_parts_of_words_are_found_wherever_they_stand(library: Catalogue, text: str, lectures: list[str]) -> None:
    assert found(library, text) == lectures


def test_a_hit_says_where_it_stands_and_when_it_was_shown(library: Catalogue) -> None:
    (only,) = search(library, Query("탄력")).lectures
    (hit,) = only.hits
    assert (hit.kind, hit.page, hit.moments) == ("page", 2, (1500, 9000))
    assert hit.snippet == ["수요와 공급의 ", "탄력", "성"]
    waves = search(library, Query("파동")).lectures[0]
    assert [(hit.kind, hit.moments) for hit in waves.hits] == [("question", (70_000,))]


def test_filters_narrow_down(library: Catalogue) -> None:
    assert found(library, "", course="Physics") == ["waves"]
    assert found(library, "가격", course="Economics") == ["prices"]
    assert found(library, "", tag="intro") == ["waves", "prices"]
    assert found(library, "", tag="optics") == ["waves"]
    assert found(library, "", tag="optic") == []
    assert found(library, "", language="en") == ["waves"]
    assert found(library, "", since=2 * HOUR_S) == ["waves"]
    assert found(library, "", until=2 * HOUR_S) == ["prices"]
    offered = facets(library)
    assert offered.courses == [("Economics", 1), ("Physics", 1)]
    assert offered.tags == [("intro", 2), ("optics", 1), ("시장", 1)]


def test_what_staff_change_is_found_at_once_and_what_was_no_more(library: Catalogue) -> None:
    from dataclasses import replace

    library.update("waves", lambda record: replace(record, title="Oscillations", tags=("term 2",)))
    assert found(library, "oscilla") == ["waves"]
    assert found(library, "optics") == []
    assert found(library, "interference") == ["waves"]
    library.update("waves", lambda record: replace(record, deleted_at=1.0))
    assert found(library, "interference") == []


def test_results_come_in_pages(catalogue: Catalogue) -> None:
    for number in range(PAGE_SIZE + 3):
        add(catalogue, f"l{number:03}", [page(1, "the same words")], began=float(number))
    for text in ("", "same"):
        first, second = (search(catalogue, Query(text, page=number)) for number in (1, 2))
        assert (first.total, first.pages, len(first.lectures)) == (PAGE_SIZE + 3, 2, PAGE_SIZE)
        assert [one.record.lecture_id for one in second.lectures] == ["l002", "l001", "l000"]
        beyond = search(catalogue, Query(text, page=9))
        assert (beyond.lectures, beyond.total) == ([], PAGE_SIZE + 3)


HOSTILE = [
    '"',
    '""',
    "'",
    "a OR b",
    "NEAR(a b)",
    "*",
    "a*",
    "^a",
    "folded:a",
    "-",
    "\\",
    "/",
    "%_/",
    "\0",
    "\ud800",
    "🎓",
]


def test_hostile_words_are_only_words(library: Catalogue) -> None:
    for text in HOSTILE:
        for query in (text, f"abc{text}def", f'"{text}'):
            search(library, Query(query))
    add(library, "hostile", [page(1, '<b>x</b> "quoted" OR \0 \ud800 %_/ \\ end')])
    (only,) = search(library, Query("<b>x</b>")).lectures
    assert only.hits[0].snippet == ["", "<b>x</b>", ' "quoted" OR %_/ \\ end']
    assert found(library, "%_/ \\") == ["hostile"]


@pytest.mark.parametrize(
    "query",
    [
        Query("x" * 10_000),
        Query(" ".join("abcdefghijk")),
        Query(page=0),
        Query(page=10**9),
        Query(course="\0"),
        Query(tag="\ud800"),
    ],
)
def test_what_cannot_be_searched_is_a_clear_error(library: Catalogue, query: Query) -> None:
    with pytest.raises(SearchError) as caught:
        search(library, query)
    assert caught.value.error_id == "query_invalid"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=QUERY_CHARS // 4))
def test_any_text_can_be_searched_and_finds_the_passage_that_it_is(library: Catalogue, text: str) -> None:
    passage = Passage("mark", f"before {text} after")
    library.database.write(lambda connection: write_content(connection, "waves", [passage]))
    try:
        terms = terms_of(f'"{text}"')
    except SearchError:
        return
    results = search(library, Query(f'"{text}"'))
    if terms and '"' not in text:
        assert "waves" in [one.record.lecture_id for one in results.lectures]


@given(text=st.text(), words=st.lists(st.text(min_size=1, max_size=5), max_size=4))
def test_a_snippet_is_a_part_of_the_text_with_the_matches_marked(text: str, words: list[str]) -> None:
    cleaned = clean(text)
    terms = [folded for word in words if (folded := fold(clean(word)))]
    pieces = snippet(cleaned, terms)
    assert "".join(pieces).removeprefix("…").removesuffix("…") in cleaned + "…"
    assert len(pieces) % 2 == 1
    assert all(any(term in fold(piece) for term in terms) for piece in pieces[1::2])
