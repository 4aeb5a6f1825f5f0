"""Who gets in: tokens, hall codes and the limit on guessing, for HTTP and sockets alike. Knows no HTTP."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from lecture.errors import RefusedError
from recordings.catalogue import Catalogue, LectureRecord
from relay.attempts import Attempts
from relay.catalogue_reading import read
from relay.tokens import Role, Tokens, normalise_code

PUBLISHERS = frozenset({Role.LECTURER, Role.INTERPRETER})
LECTURER_OR_STAFF = frozenset({Role.LECTURER, Role.STAFF})
EVERYONE = frozenset(Role)


class TooManyAttempts(RefusedError):
    """Too many wrong hall codes came from one address (``too_many_attempts``, 429).

    :param retry_after_s: whole seconds after which the address may try again.
    """

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("too_many_attempts", "Too many wrong codes came from your address; wait a little.", 429)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.retry_after_s,)


@dataclass(frozen=True, slots=True)
class Moment:
    """When and from where somebody asks.

    :param address: the client's IP address.
    :param now: monotonic seconds, for the limit on guessing.
    :param wall: seconds since 1970, for the expiry of codes.
    """

    address: str
    now: float
    wall: float


class Access:
    """Decides about tokens and codes.

    Whatever is wrong with a token (made up, of another lecture, of a lecture that never was) the answer is the same
    and takes the same time: the lecture's existence is not asked for before the token has been found good.
    """

    def __init__(self, catalogue: Catalogue, tokens: Tokens, attempts: Attempts) -> None:
        self._catalogue = catalogue
        self._tokens = tokens
        self._attempts = attempts

    async def require(self, lecture_id: str, token: str, allowed: Collection[Role], moment: Moment) -> Role:
        """The role of ``token``, which may be a hall code too, in a lecture.

        :raises RefusedError: ``unauthorised`` (401: no token or a wrong one), ``forbidden`` (403: a good one of a role
            that may not do this), ``join_code_expired`` (410), ``too_many_attempts`` (429).
        """
        record = await read(self._catalogue, self._catalogue.get, lecture_id)
        hall_code = record.hall_code if record else ""
        role = self._tokens.role_of(token, lecture_id, hall_code)
        if role is None and normalise_code(token) is not None:
            self._admit_guess(moment)
            if not self._tokens.is_code(token, hall_code):
                self._attempts.failed(moment.address, moment.now)
            elif record is not None:
                _require_valid(record, moment.wall)
                role = Role.HALL
        if role is None:
            raise unauthorised()
        if role not in allowed:
            raise RefusedError("forbidden", "This token does not allow that.", 403)
        return role

    def require_staff(self, token: str) -> None:
        """
        :raises RefusedError: ``unauthorised`` (401).
        """
        if not self._tokens.is_staff(token):
            raise unauthorised()

    async def join(self, code: str, moment: Moment) -> tuple[LectureRecord, str]:
        """Exchange a hall code for its lecture and a hall token.

        :raises RefusedError: ``join_code_wrong`` (403), ``join_code_expired`` (410; only of a code that is right),
            ``too_many_attempts`` (429).
        """
        self._admit_guess(moment)
        record = await read(self._catalogue, self._catalogue.find_by_code, self._tokens.code_key(code))
        self._admit_guess(moment)  # others of this address may have failed while the catalogue was asked
        if record is None or not self._tokens.is_code(code, record.hall_code):
            self._attempts.failed(moment.address, moment.now)
            raise RefusedError("join_code_wrong", "No lecture has this code. Codes look like ACDE-2345.", 403)
        _require_valid(record, moment.wall)
        return record, self._tokens.hall(record.lecture_id, record.hall_code)

    def _admit_guess(self, moment: Moment) -> None:
        wait_s = self._attempts.wait_s(moment.address, moment.now)
        if wait_s > 0:
            raise TooManyAttempts(math.ceil(wait_s))


def publisher_role(role: Role) -> Literal["lecturer", "interpreter"]:
    """What the media part calls a publisher with this token: the token says it, so that no address can get it wrong."""
    return "interpreter" if role is Role.INTERPRETER else "lecturer"


def unauthorised() -> RefusedError:
    """The one answer to a missing or wrong token."""
    return RefusedError("unauthorised", "A valid token for this lecture is needed.", 401)


def _require_valid(record: LectureRecord, wall: float) -> None:
    if wall >= record.code_expires_at:
        raise RefusedError("join_code_expired", "This code has expired; ask the staff for a new one.", 410)
