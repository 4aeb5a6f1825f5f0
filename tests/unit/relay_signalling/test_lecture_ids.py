from __future__ import annotations

import pytest

from lecture.errors import RefusedError
from relay.lecture_ids import check_language, check_lecture_id, check_text, is_lecture_id, new_lecture_id


@pytest.mark.parametrize(
    ("title", "begins"),
    [
        ("Fluid dynamics 3: waves & tides", "fluid-dynamics-3-waves-tides-"),
        ("Ökologie für alle", "okologie-fur-alle-"),
        ("유체 역학", "lecture-"),
        ("--", "lecture-"),
        ("x" * 300, "x" * 40 + "-"),
        ("../../etc/passwd", "etc-passwd-"),
    ],
)
def test_ids_are_made_of_titles_and_differ(title: str, begins: str) -> None:
    first, second = new_lecture_id(title), new_lecture_id(title)
    assert first != second
    assert first.startswith(begins)
    assert is_lecture_id(first)


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a b", "a/b", "..", "a.b", "é", "a" * 64, "a\n", "a\0"])
def test_what_cannot_be_an_id(name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        check_lecture_id(name)
    assert caught.value.error_id == "lecture_id_invalid"


@pytest.mark.parametrize("text", ["", "   ", "a\nb", "a\0", "a" * 201, "\ud800", "a\u2028b", "a\u2029b"])
def test_what_cannot_be_a_title(text: str) -> None:
    with pytest.raises(RefusedError) as caught:
        check_text("title", text, required=True)
    assert caught.value.error_id == "title_invalid"


def test_a_course_may_be_empty() -> None:
    check_text("course", "")
    check_text("title", "유체 역학: Wellen — 3", required=True)


@pytest.mark.parametrize("languages", [("en",), ("en", "ko"), ("pt-BR", "zh-Hant-TW")])
def test_language_tags(languages: tuple[str, ...]) -> None:
    check_language(languages)


@pytest.mark.parametrize(
    "languages", [(), ("",), ("e",), ("en", "en"), ("en", "EN"), ("en_US",), ("../x",), ("en\n",), tuple("abcdefghi")]
)
def test_what_cannot_be_languages(languages: tuple[str, ...]) -> None:
    with pytest.raises(RefusedError) as caught:
        check_language(languages)
    assert caught.value.error_id == "language_invalid"
