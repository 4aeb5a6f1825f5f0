"""An HTTP answer that is none of success, as a Hallcast relay (or any other server) gives it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

_RETRYABLE: Final = frozenset({408, 409, 425, 429})
_MAX_BODY_CHARS: Final = 65_536
_MAX_TEXT_CHARS: Final = 500


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the answer says.

    :param error_id: the relay's own id, empty where the answer bears none (another server, a proxy between).
    :param text: in plain words; never empty.
    :param retryable: whether the same request may succeed later (408, 409, 425, 429, 5xx).
    :param retry_after_s: what the server asked for by ``Retry-After``, in seconds, else None.
    """

    error_id: str
    text: str
    retryable: bool
    retry_after_s: float | None


def read_refusal(response: httpx.Response) -> Refusal:
    """Read an answer; our relay's body is ``{"error": {"id": id, "text": text}}``."""
    status = response.status_code
    error_id, text = "", f"The server answers {status} {response.reason_phrase}."
    try:
        body: Any = json.loads(response.text[:_MAX_BODY_CHARS])
    except ValueError:
        body = None
    if isinstance(body, dict):
        details = error if isinstance(error := body.get("error"), dict) else body
        given_id, given_text = details.get("id"), details.get("text", details.get("detail"))
        if isinstance(given_id, str) and re.fullmatch(r"[a-z0-9_]{1,64}", given_id):
            error_id = given_id
        if isinstance(given_text, str) and given_text:
            text = given_text[:_MAX_TEXT_CHARS]
    return Refusal(error_id, text, status in _RETRYABLE or status >= 500, _retry_after_s(response))


def _retry_after_s(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    if value.isascii() and value.isdigit():
        return float(value[:6])
    try:
        # Both ends of the difference are the server's clock: ours may be wrong by hours.
        then, now = (parsedate_to_datetime(text) for text in (value, response.headers.get("date", "")))
        return max(0.0, (then - now).total_seconds())
    except (TypeError, ValueError):
        return None
