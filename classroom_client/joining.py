"""Joining: a hall code for the lecture's address and a token (``POST /join``)."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from urllib.parse import urljoin

import httpx

from lecture.errors import HallcastError
from transport.address import relay_url
from transport.http_client import http_client
from transport.refusal import read_refusal
from transport.trust import untrusted

log = logging.getLogger("hallcast.hall")

_TIMEOUT_S = 10.0
_HOPELESS_S = 60.0


class JoinError(HallcastError):
    """The hall could not join.

    Ids: those of the relay's answer, else ``relay_unreachable``, ``relay_strange`` (no Hallcast relay answers there),
    ``certificate_untrusted``.

    :param retryable: whether trying again can help.
    :param retry_after_s: what the relay asked for by ``Retry-After``, else None.
    """

    def __init__(self, error_id: str, text: str, *, retryable: bool, retry_after_s: float | None = None) -> None:
        super().__init__(error_id, text)
        self.retryable = retryable
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        return _join_error, (self.error_id, self.text, self.retryable, self.retry_after_s)

    @property
    def wait_s(self) -> float:
        """How long to wait at least before the next try. All halls of a site have one address to the relay, which
        takes few wrong codes from it: one hall must not use that up for the others."""
        return max(0.0 if self.retryable else _HOPELESS_S, min(self.retry_after_s or 0.0, _HOPELESS_S))


def _join_error(error_id: str, text: str, retryable: bool, retry_after_s: float | None) -> JoinError:
    return JoinError(error_id, text, retryable=retryable, retry_after_s=retry_after_s)


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
    :raises HallcastError: ``relay_url_malformed``, ``proxy_unusable``.
    """
    base = relay_url(relay) + "/"
    try:
        async with http_client(base, timeout=_TIMEOUT_S, follow_redirects=True) as client:
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
        return JoinError(
            refusal.error_id, refusal.text, retryable=refusal.retryable, retry_after_s=refusal.retry_after_s
        )
    if refusal.retryable:
        return JoinError("relay_unreachable", "The relay cannot be reached.", retryable=True)
    return _strange()


def _strange() -> JoinError:
    return JoinError("relay_strange", "What answers at this address is not a Hallcast relay.", retryable=False)
