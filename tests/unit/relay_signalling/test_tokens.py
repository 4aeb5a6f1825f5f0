from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecture.errors import HallcastError
from relay.tokens import (
    CODE_ALPHABET,
    CODE_LENGTH,
    Role,
    Tokens,
    group_code,
    load_secret,
    load_staff_token,
    new_hall_code,
    normalise_code,
)

TOKENS = Tokens(b"s" * 32, "the-staff-token-of-this-relay")
CODE = "ACDE2345"


def test_each_token_has_its_role_in_its_lecture_only() -> None:
    of_role = {
        Role.LECTURER: TOKENS.lecturer("waves"),
        Role.INTERPRETER: TOKENS.interpreter("waves"),
        Role.HALL: TOKENS.hall("waves", CODE),
    }
    assert len(set(of_role.values())) == 3
    for role, token in of_role.items():
        assert TOKENS.role_of(token, "waves", CODE) is role
        assert TOKENS.role_of(token, "tides", CODE) is None
        assert Tokens(b"t" * 32, "another").role_of(token, "waves", CODE) is None


def test_the_staff_token_is_good_for_every_lecture() -> None:
    assert TOKENS.role_of("the-staff-token-of-this-relay", "any", "") is Role.STAFF
    assert TOKENS.is_staff("the-staff-token-of-this-relay")
    assert not TOKENS.is_staff(TOKENS.lecturer("any"))


def test_a_new_hall_code_voids_the_tokens_made_from_the_old_one() -> None:
    assert TOKENS.role_of(TOKENS.hall("waves", CODE), "waves", "ACDE2346") is None


def test_tokens_do_not_change_with_versions() -> None:
    # Handed out weeks before a lecture: an update of the relay must not void them.
    assert TOKENS.lecturer("waves") == "puvygbv5sreiqmx35dvvd4o7aaj6qays"


@given(st.text(), st.text(), st.text(max_size=8))
def test_no_text_breaks_the_check(token: str, lecture: str, code: str) -> None:
    assert TOKENS.role_of(token, lecture, code) is None
    assert not TOKENS.is_staff(token)
    assert not TOKENS.is_code(token, CODE) or normalise_code(token) == CODE


@pytest.mark.parametrize("token", ["", "\ud800", "é" * 40, "a" * 100_000])
def test_odd_tokens_are_wrong_tokens(token: str) -> None:
    assert TOKENS.role_of(token, "waves", CODE) is None


def test_codes_are_random_and_can_be_read_out() -> None:
    codes = {new_hall_code() for _ in range(100)}
    assert len(codes) == 100
    for code in codes:
        assert len(code) == CODE_LENGTH
        assert set(code) <= set(CODE_ALPHABET)
        assert normalise_code(group_code(code)) == code
    assert not set("01OILBSZGVQN") & set(CODE_ALPHABET)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("ACDE-2345", "ACDE2345"),
        (" acde 2345\n", "ACDE2345"),
        ("a-c-d-e-2-3-4-5", "ACDE2345"),
        ("ACDEZBSG", "ACDE2856"),
        ("ACDN2345", "ACDM2345"),
        ("ACDE234", None),
        ("ACDE23456", None),
        ("ACDE234O", None),
        ("ＡCDE2345", None),
        ("", None),
        ("A" * 65, None),
    ],
)
def test_what_a_person_types_is_read_kindly(typed: str, code: str | None) -> None:
    assert normalise_code(typed) == code


def test_the_key_of_a_code_does_not_show_the_code() -> None:
    assert TOKENS.code_key("acde-2345") == TOKENS.code_key(CODE)
    assert CODE.lower() not in TOKENS.code_key(CODE)
    assert TOKENS.code_key("nonsense") == TOKENS.code_key("more nonsense")
    assert TOKENS.code_key(CODE) != TOKENS.code_key("ACDE2346")


@pytest.mark.parametrize("load", [load_secret, load_staff_token])
def test_secrets_are_made_once_and_for_the_owner_only(tmp_path: Path, load: object) -> None:
    path = tmp_path / "secret"
    first = load(path)  # type: ignore[operator]
    assert load(path) == first  # type: ignore[operator]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load(tmp_path / "other") != first  # type: ignore[operator]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["other", "secret"]


@pytest.mark.parametrize(
    ("load", "content", "error_id"),
    [
        (load_secret, "", "secret_unusable"),
        (load_secret, "abcd", "secret_unusable"),
        (load_secret, "not hexadecimal " * 8, "secret_unusable"),
        (load_secret, "é" * 64, "secret_unusable"),
        (load_staff_token, "short", "staff_token_weak"),
        (load_staff_token, "with a space in the midst", "staff_token_weak"),
    ],
)
def test_spoilt_secrets_are_refused_and_kept(tmp_path: Path, load: object, content: str, error_id: str) -> None:
    path = tmp_path / "secret"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(HallcastError) as caught:
        load(path)  # type: ignore[operator]
    assert caught.value.error_id == error_id
    assert path.read_text(encoding="utf-8") == content


def test_no_new_staff_token_looks_like_an_option(tmp_path: Path) -> None:
    tokens = {load_staff_token(tmp_path / f"{n}.token") for n in range(50)}
    assert len(tokens) == 50
    assert all(token.isalnum() and len(token) == 32 for token in tokens)


def test_the_environment_can_set_the_staff_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALLCAST_STAFF_TOKEN", "chosen-by-the-operator")
    assert load_staff_token(tmp_path / "staff.token") == "chosen-by-the-operator"
    assert not (tmp_path / "staff.token").exists()
