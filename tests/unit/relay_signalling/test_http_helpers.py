from __future__ import annotations

import json

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from lecture.errors import HallcastError, LectureFileError, ProtocolError, RefusedError
from relay.access import TooManyAttempts
from relay.signalling.errors import error_response
from relay.signalling.http import accepts, bearer_token
from transport.errors import SdpError, TransportError


def request(**headers: str) -> Request:
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": pairs})


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        (None, True),
        ("", True),
        ("*/*", True),
        ("application/*", True),
        ("application/sdp", True),
        ("APPLICATION/SDP; q=0.1", True),
        ("text/html, application/sdp", True),
        ("text/html", False),
        ("text/*, application/json", False),
        ("application/sdp;q=0", False),
        ("application/sdp;q=0.000, */*;q=1", False),
        ("*/*;q=0, application/sdp", True),
        ("application/sdp;q=nonsense", True),
        (";;,,;q", False),
    ],
)
def test_accept(accept: str | None, taken: bool) -> None:
    assert accepts(request() if accept is None else request(accept=accept), "application/sdp") is taken


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic abc", ""), ("abc", ""), ("", ""), ("Bearer", "")],
)
def test_bearer_tokens(header: str, token: str) -> None:
    assert bearer_token(request(authorization=header)) == token


@pytest.mark.parametrize(
    ("error", "status", "error_id"),
    [
        (RefusedError("publisher_exists", "x", 409), 409, "publisher_exists"),
        (SdpError("sdp_malformed", "x"), 400, "sdp_malformed"),
        (SdpError("no_common_codec", "x"), 406, "no_common_codec"),
        (TransportError("udp_ports_exhausted", "x"), 503, "udp_ports_exhausted"),
        (LectureFileError("disk_full", "x"), 507, "disk_full"),
        (LectureFileError("not_a_lecture_file", "the path of it"), 500, "not_a_lecture_file"),
        (ProtocolError("something_new", "x"), 400, "something_new"),
        (HTTPException(404), 404, "not_found"),
        (HTTPException(405, headers={"Allow": "GET"}), 405, "method_not_allowed"),
        (HTTPException(418), 418, "refused"),
        (KeyError("secret"), 500, "internal_error"),
    ],
)
def test_every_error_has_one_shape_and_its_status(error: Exception, status: int, error_id: str) -> None:
    response = error_response(error)
    body = json.loads(bytes(response.body))
    assert (response.status_code, body["error"]["id"]) == (status, error_id)
    assert set(body) == {"error"}
    assert set(body["error"]) == {"id", "text"}
    if status >= 500 and not isinstance(error, RefusedError | TransportError) and error_id != "disk_full":
        assert "secret" not in body["error"]["text"]
        assert "path" not in body["error"]["text"]
    assert response.headers["cache-control"] == "no-store"


def test_errors_say_what_to_do_next() -> None:
    unauthorised = error_response(RefusedError("unauthorised", "x", 401))
    assert unauthorised.headers["www-authenticate"] == 'Bearer realm="hallcast"'
    assert error_response(RefusedError("players_full", "x", 503)).headers["retry-after"].isdigit()
    assert error_response(TooManyAttempts(7)).headers["retry-after"] == "7"
    assert error_response(HTTPException(405, headers={"Allow": "GET"})).headers["allow"] == "GET"
    assert "retry-after" not in error_response(HallcastError("x", "x")).headers
