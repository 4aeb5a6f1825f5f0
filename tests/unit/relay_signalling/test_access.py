from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lecture.errors import RefusedError
from recordings.catalogue import Catalogue, LectureRecord
from relay.access import EVERYONE, PUBLISHERS, Access, Moment, TooManyAttempts
from relay.attempts import Attempts
from relay.tokens import Role, Tokens

TOKENS = Tokens(b"s" * 32, "the-staff-token-of-this-relay")
CODE = "ACDE2345"
EXPIRES_AT = 5_000.0
NOW = Moment("192.0.2.1", now=100.0, wall=1_000.0)
LATE = Moment("192.0.2.1", now=100.0, wall=EXPIRES_AT)


@pytest.fixture
def access(tmp_path: Path) -> Iterator[Access]:
    with Catalogue(tmp_path / "catalogue.db") as catalogue:
        catalogue.create(
            LectureRecord(
                lecture_id="waves",
                title="Waves",
                course="",
                languages=("en",),
                hall_code=CODE,
                hall_code_key=TOKENS.code_key(CODE),
                code_expires_at=EXPIRES_AT,
                created_at=0.0,
            )
        )
        yield Access(catalogue, TOKENS, Attempts(burst=3, per_minute=6))


async def refusal(access: Access, lecture: str, token: str, moment: Moment = NOW) -> tuple[str, str, int]:
    with pytest.raises(RefusedError) as caught:
        await access.require(lecture, token, PUBLISHERS, moment)
    return caught.value.error_id, caught.value.text, caught.value.http_status


@pytest.mark.parametrize(
    ("token", "role"),
    [
        (TOKENS.lecturer("waves"), Role.LECTURER),
        (TOKENS.interpreter("waves"), Role.INTERPRETER),
        (TOKENS.hall("waves", CODE), Role.HALL),
        ("the-staff-token-of-this-relay", Role.STAFF),
        (CODE, Role.HALL),
        ("acde-2345", Role.HALL),
    ],
)
async def test_tokens_and_the_code_give_their_role(access: Access, token: str, role: Role) -> None:
    assert await access.require("waves", token, EVERYONE, NOW) is role


@pytest.mark.parametrize("token", ["", "wrong", TOKENS.lecturer("tides"), TOKENS.hall("waves", ""), "HHHH-2222"])
async def test_a_wrong_token_is_answered_alike_whether_or_not_the_lecture_exists(access: Access, token: str) -> None:
    known, unknown = await refusal(access, "waves", token), await refusal(access, "no-such-lecture", token)
    assert known == unknown
    assert known[0] == "unauthorised"
    assert known[2] == 401


async def test_the_code_of_no_lecture_opens_no_unknown_lecture(access: Access) -> None:
    assert (await refusal(access, "no-such-lecture", TOKENS.hall("no-such-lecture", "")))[0] == "forbidden"
    assert (await refusal(access, "no-such-lecture", CODE))[0] == "unauthorised"


@pytest.mark.parametrize("token", [TOKENS.hall("waves", CODE), "the-staff-token-of-this-relay", CODE])
async def test_a_good_token_of_the_wrong_role_is_forbidden(access: Access, token: str) -> None:
    assert (await refusal(access, "waves", token))[0::2] == ("forbidden", 403)


async def test_an_expired_code_admits_nobody_new_but_those_inside_stay(access: Access) -> None:
    token = TOKENS.hall("waves", CODE)
    assert (await refusal(access, "waves", CODE, LATE))[0::2] == ("join_code_expired", 410)
    assert await access.require("waves", token, EVERYONE, LATE) is Role.HALL
    with pytest.raises(RefusedError) as caught:
        await access.join(CODE, LATE)
    assert caught.value.error_id == "join_code_expired"


async def test_joining_gives_the_lecture_and_a_token_that_works(access: Access) -> None:
    record, token = await access.join("acde 2345", NOW)
    assert record.lecture_id == "waves"
    assert await access.require("waves", token, EVERYONE, NOW) is Role.HALL


@pytest.mark.parametrize("code", ["HHHH-2222", "", "garbage", "A" * 60])
async def test_a_wrong_code_does_not_tell_what_is_wrong_with_it(access: Access, code: str) -> None:
    with pytest.raises(RefusedError) as caught:
        await access.join(code, LATE)
    assert caught.value.error_id == "join_code_wrong"
    assert caught.value.http_status == 403


async def test_guessing_is_limited_across_both_doors_even_for_the_right_code(access: Access) -> None:
    for code in ("HHHH-2222", "HHHH-2223"):
        with pytest.raises(RefusedError):
            await access.join(code, NOW)
    assert (await refusal(access, "waves", "HHHH-2224"))[0] == "unauthorised"
    with pytest.raises(TooManyAttempts) as caught:
        await access.join(CODE, NOW)
    assert caught.value.retry_after_s == 10
    assert (await refusal(access, "waves", CODE))[0::2] == ("too_many_attempts", 429)
    # A token cannot be guessed, and an honest neighbour has another address or only to wait.
    assert await access.require("waves", TOKENS.hall("waves", CODE), EVERYONE, NOW) is Role.HALL
    assert (await access.join(CODE, Moment("192.0.2.2", 100.0, 1_000.0)))[0].lecture_id == "waves"
    assert (await access.join(CODE, Moment("192.0.2.1", 110.0, 1_000.0)))[0].lecture_id == "waves"
