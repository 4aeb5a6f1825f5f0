"""Brings the relay what its recording lacks, from this machine's copy (docs/protocol.md, section 14)."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from lecture.errors import HallcastError, LectureFileError
from lecture.log import Span
from lecture.segment import CONTENT_TYPE, Segment, pack_segment
from streamer.address import RelayAddress
from streamer.copy_source import CopySource, Wanted
from streamer.spare_rate import SpareRate
from transport.backoff import Backoff
from transport.refusal import read_refusal

log = logging.getLogger("hallcast.streamer")

ASK_EVERY_S = 5.0
ASK_SOON_S = 0.5
"""While the lecture is live, and when nothing but this is left to do."""
LIVE_SEGMENT_S = 4.0
LIVE_SEGMENT_BYTES = 16_384
"""Beside live voice a segment takes about so long, and has that many bytes at least."""
PIECE_BYTES = 1_000
WAIT_S = 0.25
ANSWERED_SPANS = 1_000
_TIMEOUT = httpx.Timeout(60.0, connect=15.0)


@dataclass(frozen=True, slots=True)
class Recording:
    """How the relay's recording is.

    :param state: of the lecture.
    """

    missing_ms: int = 0
    repaired_ms: int = 0
    state: str = ""


class RepairClient:
    """Asks and sends, one segment at a time, for as long as :meth:`run` runs.

    :param rate: beside live voice; None: there is none. A lecture that has ended has none.
    :param camera_fits: whether the line has room to spare beside the live camera, too: the recorded one waits for that.
    :param on_trouble: is told of each error that is going to be tried again.
    :ivar recording: as the relay last told.
    :ivar rested: set while the relay wants nothing that this copy has; cleared by :meth:`hurry`.
    :ivar lacks_pictures: whether the relay wants pictures of this copy that have not been brought yet.
    :ivar unavailable: why the relay does not take part in this at all, empty if it does.
    """

    def __init__(
        self,
        address: RelayAddress,
        token: str,
        source: CopySource,
        *,
        http: httpx.AsyncClient,
        rate: SpareRate | None = None,
        camera_fits: Callable[[], bool] = lambda: False,
        on_recording: Callable[[Recording], None] = lambda recording: None,
        on_trouble: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self.recording = Recording()
        self.rested = asyncio.Event()
        self.lacks_pictures = False
        self.unavailable = ""
        self._url = address.repair
        self._headers = {"authorization": f"Bearer {token}"}
        self._source = source
        self._http = http
        self._rate = rate
        self._camera_fits = camera_fits
        self._on_recording = on_recording
        self._on_trouble = on_trouble
        self._woken = asyncio.Event()
        # What was answered just so is not answered again: the relay asks once more only if something is wrong.
        self._answered: dict[Wanted, None] = {}
        self._sent_to_ms = -1
        self._has_camera = False

    def hurry(self) -> None:
        """There is no live voice any more: everything that is left goes as fast as it can."""
        self._rate = None
        if not self.unavailable:
            self.rested.clear()
            self._woken.set()

    async def run(self) -> None:
        """Repair until cancelled, or until the relay says that it will not have it."""
        backoff = Backoff()
        while not self.unavailable:
            try:
                await self._repair()
                backoff.reset()
                delay_s = ASK_SOON_S if self._rate is None else ASK_EVERY_S
            except (httpx.HTTPError, LectureFileError) as error:
                self._answered.clear()  # the relay may be a new one, which has lost what it was told
                delay_s = backoff.next_s(random.random())
                self._on_trouble(error)
            except _TryLaterError as later:
                delay_s = backoff.next_s(random.random(), later.after_s)
                self._on_trouble(later)
            except (ValueError, OverflowError, KeyError, TypeError, AttributeError, RecursionError) as error:
                # Whatever answers there in the relay's place: the lecture goes on.
                log.warning("the relay's answer about the recording makes no sense: %r", error)
                delay_s = backoff.next_s(random.random())
                self._on_trouble(error)
            if not self.unavailable:
                await self._sleep(delay_s)
        self.rested.set()

    async def _sleep(self, seconds: float) -> None:
        self._woken.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _repair(self) -> None:
        """Send what is wanted until nothing is that this copy has."""
        facts: dict[str, Any] = {}
        is_all = False
        self._has_camera = await asyncio.to_thread(self._source.has_camera)
        asked_with = self._rate
        while not self.unavailable:
            found = await self._next(facts)
            if found is None and not is_all:  # an answer to a segment of a voice tells of that voice only
                facts, is_all = await self._ask(), True
                if facts.get("state") == "ended":
                    self._rate = None
                asked_with = self._rate
                continue
            if found is None:
                self.lacks_pictures = any(
                    one.kind == "camera" and one not in self._answered for one in self._wanted(facts)
                )
                if asked_with is self._rate:  # else this was asked before the last word
                    self.rested.set()
                return
            wanted, segment = found
            self.lacks_pictures |= wanted.kind == "camera"
            await self._until_spare()
            answer = await self._put(segment)
            self._sent_to_ms = segment.span.end_ms
            if answer is None or segment.span == wanted.span:
                self._answered[wanted] = None
                while len(self._answered) > ANSWERED_SPANS:
                    del self._answered[next(iter(self._answered))]
            facts, is_all = answer or facts, is_all and answer is None

    async def _next(self, facts: dict[str, Any]) -> tuple[Wanted, Segment] | None:
        spoken, most_bytes = str(facts.get("language", "")), int(facts.get("segment_bytes", 0))
        if self._rate is not None:
            spare = round(self._rate.kbps * 1000 / 8 * LIVE_SEGMENT_S)
            most_bytes = min(most_bytes, max(LIVE_SEGMENT_BYTES, spare))
        for wanted in self._wanted(facts):
            if wanted in self._answered:
                continue
            if wanted.kind == "camera" and self._rate is not None and not self._camera_fits():
                continue
            goes_on = wanted.span.start_ms == self._sent_to_ms
            segment = await asyncio.to_thread(
                self._source.segment, wanted, max_bytes=most_bytes, spoken=spoken, goes_on=goes_on
            )
            if segment is not None:
                return wanted, segment
        return None

    def _wanted(self, facts: dict[str, Any]) -> list[Wanted]:
        # Without a camera there is one answer to all holes of another's: none.
        return [one for one in _wanted(facts) if one.kind != "camera" or self._has_camera]

    async def _until_spare(self) -> None:
        while self._rate is not None and not self._rate.may_begin(_now()):
            await self._sleep(WAIT_S)

    async def _ask(self) -> dict[str, Any]:
        params = {"copy": self._source.copy_id}
        response = await self._http.get(self._url(), params=params, headers=self._headers, timeout=_TIMEOUT)
        if response.is_success:
            return self._facts(response)
        refusal = read_refusal(response)
        if refusal.retryable:
            raise _TryLaterError(refusal.error_id, refusal.text, refusal.retry_after_s)
        # A wrong token, an older relay: the lecture goes on without.
        self.unavailable = refusal.text
        return {}

    async def _put(self, segment: Segment) -> dict[str, Any] | None:
        body = pack_segment(segment)
        headers = {**self._headers, "content-type": CONTENT_TYPE, "content-length": str(len(body))}
        url = self._url(hashlib.sha256(body).hexdigest())
        response = await self._http.put(url, content=self._paced(body), headers=headers, timeout=_TIMEOUT)
        if response.is_success:
            return self._facts(response)
        refusal = read_refusal(response)
        if refusal.retryable or refusal.error_id == "segment_hash_wrong":
            raise _TryLaterError(refusal.error_id, refusal.text, refusal.retry_after_s)
        log.warning("the relay does not take a segment: %s (%s)", refusal.text, refusal.error_id)
        return None

    async def _paced(self, body: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(body), PIECE_BYTES):
            piece = body[start : start + PIECE_BYTES]
            yield piece
            if self._rate is not None:
                await asyncio.sleep(len(piece) * 8 / (self._rate.kbps * 1000))

    def _facts(self, response: httpx.Response) -> dict[str, Any]:
        facts: dict[str, Any] = response.json()
        missing_ms, repaired_ms = int(facts.get("missing_ms", 0)), int(facts.get("repaired_ms", 0))
        self.recording = Recording(missing_ms, repaired_ms, str(facts.get("state", "")))
        self._on_recording(self.recording)
        return facts


def _wanted(facts: dict[str, Any]) -> list[Wanted]:
    """Voices first; what a newer relay wants besides is left aside."""
    wanted = [
        Wanted(
            str(one.get("language", "")),
            Span(int(one["start_ms"]), int(one["end_ms"])),
            str(one["kind"]),
            str(one.get("after", "")),
        )
        for one in facts.get("wanted", ())
        if one.get("kind") in ("voice", "camera")
    ]
    return sorted(wanted, key=lambda one: one.kind == "camera")


class _TryLaterError(HallcastError):
    def __init__(self, error_id: str, text: str, after_s: float | None) -> None:
        super().__init__(error_id, text)
        self.after_s = after_s


def _now() -> float:
    return asyncio.get_running_loop().time()
