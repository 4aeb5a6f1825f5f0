"""What the lecturer's keys mean."""

from __future__ import annotations

import pytest

from streamer.keys import Action, KeyReader

NEXT, BACK, QUIT = Action("next"), Action("previous"), Action("quit")


@pytest.mark.parametrize("key", [b" ", b"n", b"\r", b"\x1b[6~", b"\x1b[C", b"\x1bOC", b"\x1b[B"])
def test_next(key: bytes) -> None:
    assert KeyReader().feed(key) == [NEXT]


@pytest.mark.parametrize("key", [b"b", b"p", b"\x7f", b"\x1b[5~", b"\x1b[D", b"\x1bOD", b"\x1b[A"])
def test_back(key: bytes) -> None:
    assert KeyReader().feed(key) == [BACK]


def test_sharing_the_screen() -> None:
    assert KeyReader().feed(b"s") == [Action("share")]


@pytest.mark.parametrize("key", [b"x", b"5", b"\x1b", b"\x1b[", b"\x1b[15~", "가".encode(), b"\0"])
def test_other_keys_mean_nothing(key: bytes) -> None:
    assert KeyReader().feed(key) == []


def test_several_keys_at_once() -> None:
    assert KeyReader().feed(b"  \x1b[5~n") == [NEXT, NEXT, BACK, NEXT]


def test_a_page_number() -> None:
    keys = KeyReader()
    assert keys.feed(b"g1") == []
    assert "1_" in keys.prompt
    assert keys.feed(b"3\x7f2\r") == [Action("go", 12)]
    assert keys.prompt == ""


@pytest.mark.parametrize("typed", [b"g\r", b"g0\r", b"g12\x1b", b"g12x"])
def test_a_page_number_that_is_none_is_left(typed: bytes) -> None:
    keys = KeyReader()
    assert keys.feed(typed) == []
    assert keys.feed(b" ") == [NEXT]


def test_a_page_number_is_bounded() -> None:
    assert KeyReader().feed(b"g" + b"9" * 50 + b"\n") == [Action("go", 99_999)]


def test_the_end_is_asked_for_twice() -> None:
    keys = KeyReader()
    assert keys.feed(b"q") == []
    assert "End" in keys.prompt
    assert keys.feed(b" ") == []
    assert keys.prompt == ""
    assert keys.feed(b"qy") == [QUIT]
