"""Joining: a hall code for the lecture's address and a token (``POST /join``)."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from urllib.parse import urljoin

import httpx

from lecture.errors import HallcastError
from transport.address import is_loopback, relay_url
from transport.refusal import read_refusal
from transport.trust import trusted, untrusted

log = logging.getLogger("hallcast.hall")

_TIMEOUT_S = 10.0


class JoinError(HallcastError):
    """The hall could not join.

    Ids: those of the relay's answer, else ``relay_unreachable``, ``relay_strange`` (no Hallcast relay answers there),
    ``certificate_untrusted``.

    :param retryable: whether trying again can help.
    """

    def __init__(self, error_id: str, text: str, *, retryable: bool) -> None:
        super().__init__(error_id, text)
        self.retryable = retryable

    def __reduce__(self) -> tuple[object, ...]:
        return _join_error, (self.error_id, self.text, self.retryable)


def _join_error(error_id: str, text: str, retryable: bool) -> JoinError:
    return JoinError(error_id, text, retryable=retryable)


@dataclass(frozen=True, slots=True)
class Grant:
    """What the relay gave for the code."""

    lecture_id: str
    title: str
    languages: tuple[str, ...]
    socket_url: str
    token: str = field(repr=False)


async def join(relay: str, code: str) -> Grant:
    """Exchange the code.

    :raises JoinError: refused, or not reached.
    :raises AddressError: ``relay_url_malformed``.
    """
    base = relay_url(relay) + "/"
    try:
        async with httpx.AsyncClient(
            timeout=_TIMEOUT_S, follow_redirects=True, trust_env=not is_loopback(base), verify=trusted()
        ) as client:
            answer = await client.post(urljoin(base, "join"), json={"code": _tidy(code)})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        log.info("joining failed: %s", type(error).__name__)
        if reason := untrusted(error):
            raise JoinError("certificate_untrusted", reason, retryable=False) from error
        raise JoinError("relay_unreachable", "The relay cannot be reached.", retryable=True) from error
    if answer.status_code != 200:
        raise _refusal(answer)
    try:
        facts = answer.json()
        languages = tuple(str(language) for language in facts.get("languages", ()))
        socket_url = _as_websocket(urljoin(base, str(facts["ws"]).lstrip("/")))
        return Grant(str(facts["lecture"]), str(facts.get("title", "")), languages, socket_url, str(facts["token"]))
    except (ValueError, KeyError, TypeError) as error:
        raise _strange() from error


def _tidy(code: str) -> str:
    """Codes are read over the phone and typed in any way."""
    return re.sub(r"\s", "", code).upper()


def _as_websocket(url: str) -> str:
    return "ws" + url.removeprefix("http") if url.startswith("http") else url


def _refusal(answer: httpx.Response) -> JoinError:
    refusal = read_refusal(answer)
    if refusal.error_id:
        return JoinError(refusal.error_id, refusal.text, retryable=refusal.retryable)
    if refusal.retryable:
        return JoinError("relay_unreachable", "The relay cannot be reached.", retryable=True)
    return _strange()


def _strange() -> JoinError:
    return JoinError("relay_strange", "What answers at this address is not a Hallcast relay.", retryable=False)
