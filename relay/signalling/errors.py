"""Errors on their way out: one body, one place that chooses the status, and nothing that should stay inside."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from lecture.errors import HallcastError, ProtocolError, RefusedError
from relay.access import TooManyAttempts

log = logging.getLogger("hallcast.relay")

RETRY_AFTER_S = 5
"""What a client is told to wait when the relay has too much to do."""

# Errors that carry no status of their own. RFC 9725 section 4.2 wants 406 for an offer that cannot be met.
_STATUS_OF_ID = {
    "sdp_malformed": 400,
    "fragment_malformed": 400,
    "sdp_too_large": 413,
    "offer_without_audio": 406,
    "no_common_codec": 406,
    "language_unknown": 422,
    "lecture_unknown": 404,
    "lecture_exists": 409,
    "lecture_ended": 410,
    "recording_unknown": 404,
    "recording_fetching": 503,
    "storage_unavailable": 503,
    "recording_too_long": 422,
    "voice_missing": 404,
    "segment_missing": 404,
    "page_missing": 404,
    "camera_missing": 404,
    "captions_missing": 404,
    "catalogue_unusable": 503,
    "query_invalid": 422,
    "not_recycled": 409,
    "lecture_open": 409,
    "lecture_live": 409,
    "disk_full": 507,
    "file_missing": 404,
    "file_busy": 503,
    "udp_ports_exhausted": 503,
    "no_address": 503,
}

_ID_OF_STATUS = {
    400: "request_malformed",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "body_too_large",
}

_TEXT_OF_STATUS = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    408: "The request took too long to arrive.",
    413: "The body is larger than this address takes.",
}


def status_of(error: HallcastError) -> int:
    """The HTTP status that an error is answered with; 500 if it is no answer to a request."""
    if isinstance(error, RefusedError):
        return error.http_status
    return _STATUS_OF_ID.get(error.error_id, 400 if isinstance(error, ProtocolError) else 500)


def error_response(error: Exception) -> Response:
    """The answer to any exception. What was not expected is logged here, and told only as ``internal_error``."""
    if isinstance(error, HallcastError):
        status = status_of(error)
        if status >= 500 and not isinstance(error, RefusedError):
            log.warning("answered %d: %s", status, error)
        if status == 500:
            return _answer(500, error.error_id, "The relay could not do that; its log says why.")
        return _answer(status, error.error_id, error.text, _headers_of(error, status))
    if isinstance(error, RequestValidationError):
        return _answer(422, "request_invalid", _describe(error))
    if isinstance(error, HTTPException):
        text = _TEXT_OF_STATUS.get(error.status_code, HTTPStatus(error.status_code).phrase + ".")
        return _answer(error.status_code, _ID_OF_STATUS.get(error.status_code, "refused"), text, error.headers)
    if isinstance(error, ClientDisconnect):
        return _answer(400, "request_malformed", "The body was cut short.")
    log.error("unexpected error", exc_info=error)
    return _answer(500, "internal_error", "Something went wrong in the relay.")


def _headers_of(error: HallcastError, status: int) -> dict[str, str]:
    if status == 401:
        return {"WWW-Authenticate": 'Bearer realm="hallcast"'}  # RFC 6750 section 3
    if isinstance(error, TooManyAttempts):
        return {"Retry-After": str(error.retry_after_s)}
    if status == 503:
        return {"Retry-After": str(RETRY_AFTER_S)}
    return {}


def _answer(status: int, error_id: str, text: str, headers: dict[str, str] | object = None) -> Response:
    response = JSONResponse({"error": {"id": error_id, "text": text}}, status)
    for name, value in headers.items() if isinstance(headers, dict) else ():
        response.headers[name] = value
    response.headers["Cache-Control"] = "no-store"
    return response


def _describe(error: RequestValidationError) -> str:
    """Which fields are wrong and why, never what was sent in them."""
    found = []
    for problem in error.errors():
        place = ".".join(str(step) for step in problem["loc"] if step != "body")
        found.append(f"{place}: {problem['msg']}" if place else str(problem["msg"]))
    return "; ".join(found)[:1000]
