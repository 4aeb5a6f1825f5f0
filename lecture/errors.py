"""Errors with a stable id.

Each error carries an ``error_id`` (snake_case, never renamed: it is on the wire, in HTTP bodies and in
``docs/protocol.md``) and a ``text`` for people. Whose fault it is shows in the class.
"""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """WebSocket close codes (RFC 6455 section 7.4; 4000-4999 are ours, mirroring the HTTP status)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    TOO_BIG = 1009
    INTERNAL = 1011
    OVERLOADED = 1013
    PROTOCOL = 4400
    UNAUTHORISED = 4401
    FORBIDDEN = 4403
    CONFLICT = 4409
    ENDED = 4410
    VERSION = 4426


class HallcastError(Exception):
    """Base of all errors that people or peers get to see.

    :param error_id: stable snake_case id.
    :param text: one plain English sentence without tokens, codes or file contents.
    """

    def __init__(self, error_id: str, text: str) -> None:
        super().__init__(f"{text} ({error_id})")
        self.error_id = error_id
        self.text = text

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.error_id, self.text)


class ProtocolError(HallcastError):
    """The peer broke the protocol."""


class LocalProtocolError(HallcastError):
    """We tried to send what the protocol does not allow now: a bug of ours."""


class LectureFileError(HallcastError):
    """A lecture file cannot be read or written (``disk_full``, ``not_a_lecture_file``, ``file_too_new``, …)."""


class RefusedError(HallcastError):
    """A well-formed request that is refused.

    :param http_status: the status of an HTTP answer; sockets close with the code that mirrors it.
    """

    def __init__(self, error_id: str, text: str, http_status: int = 400) -> None:
        super().__init__(error_id, text)
        self.http_status = http_status

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.error_id, self.text, self.http_status)


_CODE_OF_STATUS = {
    401: CloseCode.UNAUTHORISED,
    403: CloseCode.FORBIDDEN,
    409: CloseCode.CONFLICT,
    410: CloseCode.ENDED,
    413: CloseCode.TOO_BIG,
    426: CloseCode.VERSION,
    429: CloseCode.OVERLOADED,
    503: CloseCode.OVERLOADED,
}

_CODE_OF_ID = {
    "unauthorised": CloseCode.UNAUTHORISED,
    "forbidden": CloseCode.FORBIDDEN,
    "lecture_ended": CloseCode.ENDED,
    "version_unsupported": CloseCode.VERSION,
    "message_too_large": CloseCode.TOO_BIG,
    "frame_too_large": CloseCode.TOO_BIG,
    "overloaded": CloseCode.OVERLOADED,
    "too_slow": CloseCode.OVERLOADED,
}


def close_code(error: HallcastError) -> CloseCode:
    """The code a socket is closed with because of ``error``."""
    if error.error_id in _CODE_OF_ID:
        return _CODE_OF_ID[error.error_id]
    if isinstance(error, RefusedError):
        return _CODE_OF_STATUS.get(error.http_status, CloseCode.PROTOCOL)
    return CloseCode.PROTOCOL if isinstance(error, ProtocolError) else CloseCode.INTERNAL


def first_of(error: BaseException) -> BaseException:
    """The first error in a group (of groups); one that is none, itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
