"""Brings the deck to the relay, as often as it takes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx

from lecture.decks import deck_id, looks_like_pdf
from lecture.errors import HallcastError
from streamer.address import RelayAddress
from streamer.errors import StreamError
from transport.backoff import Backoff
from transport.refusal import read_refusal

PIECE_BYTES = 8192
_TIMEOUT = httpx.Timeout(60.0, connect=15.0)


def read_pdf(path: Path) -> bytes:
    """Read a deck (blocks).

    :raises StreamError: ``slides_unreadable``, ``deck_not_pdf``.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StreamError("slides_unreadable", f"The slides {path} cannot be read: {error.strerror}.") from error
    if not looks_like_pdf(data):
        raise StreamError("deck_not_pdf", f"{path} is not a PDF. Export the slides as PDF and try again.")
    return data


class DeckUpload:
    """One deck on its way to the relay.

    :ivar deck: the deck's id; what the relay answers rules once it is known.
    :ivar sent_bytes: of the present try.
    :ivar accepted: set once the relay has the deck, or has refused it for good.
    """

    def __init__(
        self, address: RelayAddress, token: str, pdf: bytes, *, http: httpx.AsyncClient, title: str = ""
    ) -> None:
        self.pdf = pdf
        # Until the relay has answered (the line may be down for long) our own copy needs a name for it: the same.
        self.deck = deck_id(pdf)
        self.title = title
        self.sent_bytes = 0
        self.accepted = asyncio.Event()
        self._url = address.deck(title)
        self._token = token
        self._http = http

    @property
    def done(self) -> float:
        """0 to 1: how much has been sent."""
        return 1.0 if self.accepted.is_set() else self.sent_bytes / max(1, len(self.pdf))

    async def run(self, say: Callable[[str], None]) -> None:
        """Upload, trying again until it is there.

        :raises StreamError: the relay refuses this deck for good.
        """
        backoff, told = Backoff(), ""
        while True:
            self.sent_bytes = 0
            at_least_s: float | None = None
            try:
                self.deck = await self._put()
                self.accepted.set()
                return
            except httpx.HTTPError:
                trouble = "The slides could not be sent yet; trying again."
            except _TryLater as later:
                at_least_s = later.after_s
                trouble = f"The relay cannot take the slides yet: {later.text}"
            if trouble != told:
                told = trouble
                say(trouble)
            await asyncio.sleep(backoff.next_s(random.random(), at_least_s))

    async def _put(self) -> str:
        headers = {
            "authorization": f"Bearer {self._token}",
            "content-type": "application/pdf",
            "content-length": str(len(self.pdf)),
        }
        response = await self._http.put(self._url, content=self._pieces(), headers=headers, timeout=_TIMEOUT)
        if response.is_success:
            return _deck_of(response) or self.deck
        refusal = read_refusal(response)
        error_id = refusal.error_id or f"http_{response.status_code}"
        if refusal.retryable:
            raise _TryLater(error_id, refusal.text, refusal.retry_after_s)
        raise StreamError(error_id, refusal.text)

    async def _pieces(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.pdf), PIECE_BYTES):
            piece = self.pdf[start : start + PIECE_BYTES]
            yield piece
            self.sent_bytes += len(piece)


class _TryLater(HallcastError):
    def __init__(self, error_id: str, text: str, after_s: float | None) -> None:
        super().__init__(error_id, text)
        self.after_s = after_s


def _deck_of(response: httpx.Response) -> str:
    """The deck's id in the relay's answer, empty if it names none."""
    try:
        body = response.json()
    except ValueError:
        return ""
    return str(body.get("deck") or "") if isinstance(body, dict) else ""
