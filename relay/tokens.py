"""Tokens and hall codes: who may do what in which lecture.

Tokens are derived, not stored: HMAC-SHA256 of the relay's secret over the role and the lecture. Whoever has no
token learns nothing, not even whether a lecture exists, because checking one needs no look-up. A hall code is short
enough to be read out over the phone; it is stored with its expiry, and exchanged for a hall token when a hall joins.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from lecture.errors import HallcastError

CODE_ALPHABET = "ACDEFHJKMPRTUWXY23456789"
"""No two of these look alike; of letters that sound alike on a bad line (B/P, M/N, F/S, V/W, G/J) one is here."""

CODE_LENGTH = 8
"""24^8 = 1.1e11 codes; guessing is rate limited besides."""

MIN_SECRET_LENGTH = 16
"""Fewest characters of a staff token that an operator may choose."""

_LOOK_ALIKE = str.maketrans({"B": "8", "G": "6", "S": "5", "Z": "2", "N": "M", "-": None, " ": None})


class Role(StrEnum):
    """What the holder of a token is."""

    LECTURER = "lecturer"
    INTERPRETER = "interpreter"
    HALL = "hall"
    STAFF = "staff"


class Tokens:
    """Makes and checks the tokens of one relay.

    :param secret: the relay's secret, at least 32 random bytes. A new one voids all lecturer and hall tokens.
    :param staff_token: the one token of the relay's staff.
    """

    def __init__(self, secret: bytes, staff_token: str) -> None:
        self._secret = secret
        self._staff_token = staff_token.encode()

    def lecturer(self, lecture_id: str) -> str:
        """The lecturer's token of a lecture."""
        return self._derive(Role.LECTURER, lecture_id)

    def interpreter(self, lecture_id: str) -> str:
        """The interpreters' token of a lecture."""
        return self._derive(Role.INTERPRETER, lecture_id)

    def hall(self, lecture_id: str, hall_code: str) -> str:
        """The token that a hall gets for ``hall_code``; a new code voids it."""
        return self._derive(Role.HALL, lecture_id, hall_code)

    def code_key(self, hall_code: str) -> str:
        """Keyed hash under which a code is looked up: the time of the look-up tells nothing about other codes."""
        return self._derive("code", normalise_code(hall_code) or "")

    def role_of(self, token: str, lecture_id: str, hall_code: str) -> Role | None:
        """The role that ``token`` has in a lecture, None for none. Takes the same time whatever the token is.

        :param hall_code: the lecture's present code, any text if there is no such lecture.
        """
        given = _bytes(token)
        role = None
        for candidate, expected in (
            (Role.LECTURER, self.lecturer(lecture_id).encode()),
            (Role.INTERPRETER, self.interpreter(lecture_id).encode()),
            (Role.HALL, self.hall(lecture_id, hall_code).encode()),
            (Role.STAFF, self._staff_token),
        ):
            if hmac.compare_digest(given, expected):
                role = candidate
        return role

    def is_staff(self, token: str) -> bool:
        """Whether this is the staff token."""
        return hmac.compare_digest(_bytes(token), self._staff_token)

    def is_code(self, given: str, hall_code: str) -> bool:
        """Whether what was typed is ``hall_code``."""
        return hmac.compare_digest((normalise_code(given) or "").encode(), hall_code.encode())

    def _derive(self, *words: str) -> str:
        message = _bytes("\0".join(("hallcast token 1", *words)))
        digest = hmac.new(self._secret, message, hashlib.sha256).digest()
        return _base32(digest[:20])


def _bytes(text: str) -> bytes:
    # JSON can smuggle in lone surrogates, which plain UTF-8 would raise on.
    return text.encode("utf-8", "surrogatepass")


def new_hall_code() -> str:
    """A random hall code, without its dash."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def normalise_code(text: str) -> str | None:
    """The code in what a person typed (any case, spaces, dashes, look-alikes), None if it cannot be one."""
    if len(text) > 64:
        return None
    code = text.strip().upper().translate(_LOOK_ALIKE)
    return code if len(code) == CODE_LENGTH and all(letter in CODE_ALPHABET for letter in code) else None


def group_code(hall_code: str) -> str:
    """A code as people read it: ``ACDE-2345``."""
    return f"{hall_code[:4]}-{hall_code[4:]}"


def load_secret(path: Path) -> bytes:
    """The relay's secret; made at the first start.

    :raises HallcastError: ``secret_unusable``.
    """
    text = _load_or_create(path, lambda: secrets.token_hex(32))
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) < 32:
        raise HallcastError(
            "secret_unusable", f"{path} does not hold a secret; restore it, or remove it for a new one."
        )
    return secret


def load_staff_token(path: Path) -> str:
    """The staff token: ``HALLCAST_STAFF_TOKEN`` if set, else the file's; made at the first start.

    :raises HallcastError: ``staff_token_weak``, ``secret_unusable``.
    """
    token = os.environ.get("HALLCAST_STAFF_TOKEN") or _load_or_create(path, _new_staff_token)
    if len(token) < MIN_SECRET_LENGTH or not token.isascii() or not token.isprintable() or " " in token:
        raise HallcastError(
            "staff_token_weak", f"The staff token needs at least {MIN_SECRET_LENGTH} ASCII characters and no space."
        )
    return token


def _new_staff_token() -> str:
    return _base32(secrets.token_bytes(20))


def _base32(data: bytes) -> str:
    # Letters and digits only: on a command line a token that begins with a dash would be taken for an option.
    return base64.b32encode(data).decode().lower()


def _load_or_create(path: Path, make: Callable[[], str]) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise HallcastError("secret_unusable", f"{path} cannot be read.") from error
    text = make()
    # Whole or not at all, also after a power cut; mkstemp makes it readable by its owner only (0600).
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    return text
