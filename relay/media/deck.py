"""Decks: a PDF made into page images, each page once per tier, in a child process that may not harm the relay.

A PDF from outside is hostile until proven otherwise: it is opened by ``relay.media.deck_worker`` in a process of its
own with limits on memory, CPU time and wall-clock time, and what comes back is bounded. A page that fails becomes a
plain placeholder and the deck goes on.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lecture.decks import PDF_HEAD_BYTES, looks_like_pdf
from lecture.errors import RefusedError
from relay.media.deck_pipe import HEADER, MAX_FACTS_BYTES, MAX_IMAGE_BYTES, Facts
from transport import child_process

log = logging.getLogger("hallcast.deck")

_START_S = 20.0
"""What starting Python and opening the PDF may take beyond a page's own time: a busy machine is slow at it."""


class DeckError(RefusedError):
    """A deck that cannot be taken.

    ``error_id`` is one of ``deck_not_pdf`` (415), ``deck_encrypted`` (422), ``deck_too_large`` (413),
    ``deck_too_many_pages`` (422), ``deck_render_timeout`` (422), ``deck_render_failed`` (422).
    """


@dataclass(frozen=True, slots=True)
class DeckLimits:
    """What rendering a deck may cost.

    :param max_pages: more pages are refused before anything is rendered.
    :param max_bytes: a larger PDF is refused.
    :param page_timeout_s: wall-clock time of one page in one tier; then the page becomes a placeholder.
    :param deck_timeout_s: wall-clock time of the whole deck; then the deck is refused.
    :param memory_bytes: address space of the rendering process (where the system can limit it).
    :param max_failed_pages: a deck with more failed pages than this is refused: it is broken or hostile as a whole.
    """

    max_pages: int = 500
    max_bytes: int = 64_000_000
    page_timeout_s: float = 20.0
    deck_timeout_s: float = 1800.0
    memory_bytes: int = 1_500_000_000
    max_failed_pages: int = 10


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """One page in one tier.

    :param page: counted from 1.
    :param tier: 1 first legible (fits 1280×720), 2 full sharpness (fits 1920×1080).
    :param media_type: ``image/avif``.
    :param data: the image.
    :param title: the page's heading, at most 120 characters; empty if it has none.
    :param text: the page's text layer, at most 20,000 characters.
    :param error_id: why this is a placeholder (``deck_render_timeout``, ``deck_render_failed``), empty for a real page.
        A placeholder comes in tier 1 only; a page whose tier 2 alone fails stays at tier 1.
    """

    page: int
    tier: int
    media_type: str
    width: int
    height: int
    data: bytes
    title: str
    text: str
    error_id: str = ""


@dataclass(frozen=True, slots=True)
class DeckInfo:
    """A deck as a whole.

    :param title: from the PDF's metadata, empty if it has none.
    :param page_count: pages in the PDF.
    :param failed_pages: pages that have only a placeholder; empty in ``on_open``.
    :param unrefined_pages: real pages that have no tier 2; empty in ``on_open``.
    """

    title: str
    page_count: int
    failed_pages: tuple[int, ...] = ()
    unrefined_pages: tuple[int, ...] = ()


_TEXTS = {
    "deck_not_pdf": ("This file is not a PDF that can be read.", 415),
    "deck_encrypted": ("This PDF is locked with a password. Save it without one and send it again.", 422),
    "deck_too_large": ("This PDF is too large.", 413),
    "deck_too_many_pages": ("This PDF has too many pages.", 422),
    "deck_render_timeout": ("This PDF takes too long to prepare.", 422),
    "deck_render_failed": ("This PDF could not be prepared: it is broken or needs too much memory.", 422),
}


def deck_error(error_id: str, detail: str = "") -> DeckError:
    """The error of this id with its text for people."""
    text, http_status = _TEXTS.get(error_id, _TEXTS["deck_render_failed"])
    return DeckError(error_id, f"{text} {detail}".strip(), http_status)


def check_pdf_file(pdf_path: Path, limits: DeckLimits) -> None:
    """Refuse what can be refused by a look at the file (blocks on the disk for one small read).

    :raises DeckError: ``deck_too_large``, ``deck_not_pdf``.
    """
    with pdf_path.open("rb") as file:
        if pdf_path.stat().st_size > limits.max_bytes:
            raise deck_error("deck_too_large", f"At most {limits.max_bytes // 1_000_000} MB are taken.")
        if not looks_like_pdf(file.read(PDF_HEAD_BYTES)):
            raise deck_error("deck_not_pdf")


async def render_deck(
    pdf_path: Path,
    *,
    limits: DeckLimits,
    on_page: Callable[[RenderedPage], Awaitable[None] | None],
    on_open: Callable[[DeckInfo], Awaitable[None] | None] | None = None,
) -> DeckInfo:
    """Render a deck: all pages in tier 1, page 1 first, then all in tier 2. Cancelling kills the child.

    A deck that runs out of time among its tier 2 pages is complete all the same (``unrefined_pages``).

    :param on_page: called in the loop for each page as it is ready; if it is a coroutine function it is awaited before
        the next page is rendered.
    :param on_open: called once, before the first page, when the number of pages is known.
    :raises DeckError: pages already handed over stay valid.
    """
    await asyncio.to_thread(check_pdf_file, pdf_path, limits)
    rendering = _Rendering(pdf_path, limits, on_page)
    deadline = asyncio.timeout(limits.deck_timeout_s)
    try:
        async with deadline:
            await rendering.open()
            if on_open is not None:
                await _maybe_await(on_open(rendering.info()))
            for tier in (1, 2):
                await rendering.render_tier(tier)
    except TimeoutError:
        if not deadline.expired():
            raise
        if not rendering.legible:
            raise deck_error("deck_render_timeout") from None
        log.warning("deck of %d pages ran out of time, kept as it is", rendering.page_count)
    finally:
        await rendering.close()
    return rendering.info()


async def _maybe_await(result: Awaitable[None] | None) -> None:
    if inspect.isawaitable(result):
        await result


class _WorkerLost(Exception):
    """The worker did not answer; it has been killed."""

    def __init__(self, error_id: str) -> None:
        super().__init__(error_id)
        self.error_id = error_id


class _Rendering:
    """One deck on its way through workers; a worker that is lost is replaced at the next page."""

    def __init__(
        self, pdf_path: Path, limits: DeckLimits, on_page: Callable[[RenderedPage], Awaitable[None] | None]
    ) -> None:
        self.page_count = 0
        self.legible = False
        self._title = ""
        self._pdf_path = pdf_path
        self._limits = limits
        self._on_page = on_page
        self._process: Process | None = None
        self._texts: dict[int, tuple[str, str]] = {}
        self._failed: list[int] = []
        self._refined: set[int] = set()

    def info(self) -> DeckInfo:
        """The deck as far as it is known."""
        if not self.legible:
            return DeckInfo(self._title, self.page_count, tuple(self._failed))
        unrefined = tuple(page for page in self._texts if page not in self._refined)
        return DeckInfo(self._title, self.page_count, tuple(self._failed), unrefined)

    async def open(self) -> None:
        """Start a worker and learn the number of pages."""
        facts = await self._start()
        self.page_count, self._title = int(facts["page_count"]), str(facts["title"])
        if self.page_count > self._limits.max_pages:
            detail = f"It has {self.page_count}, at most {self._limits.max_pages} are taken."
            raise deck_error("deck_too_many_pages", detail)

    async def render_tier(self, tier: int) -> None:
        """Render every page in ``tier``; in tier 2 only pages whose tier 1 is real."""
        for page in range(1, self.page_count + 1) if tier == 1 else list(self._texts):
            try:
                rendered = await self._render("page", page, tier)
            except _WorkerLost as lost:
                log.warning("page %d of %d, tier %d: %s", page, self.page_count, tier, lost.error_id)
                if tier == 1:
                    rendered = await self._fail(page, lost.error_id)
                else:
                    continue
            else:
                if tier == 1:
                    self._texts[page] = (rendered.title, rendered.text)
                else:
                    self._refined.add(page)
            await _maybe_await(self._on_page(rendered))
        if tier == 1:
            self.legible = True

    async def _fail(self, page: int, error_id: str) -> RenderedPage:
        self._failed.append(page)
        # A deck none of whose first pages can be rendered is not worth a hall's attention.
        if len(self._failed) > self._limits.max_failed_pages or len(self._failed) == self.page_count:
            raise deck_error(error_id)
        try:
            rendered = await self._render("placeholder", page, 1)
        except _WorkerLost as lost:
            raise deck_error(lost.error_id) from None
        return replace(rendered, error_id=error_id)

    async def _render(self, job: str, page: int, tier: int) -> RenderedPage:
        if self._process is None:
            await self._start()
        line = json.dumps({"job": job, "page": page, "tier": tier}).encode() + b"\n"
        facts, data = await self._ask(line)
        if "error" in facts:
            log.info("page %d, tier %d: %s", page, tier, facts.get("why", ""))
            raise _WorkerLost(str(facts["error"]))
        title, text = self._texts.get(page) or (str(facts["title"]), str(facts["text"]))
        size = int(facts["width"]), int(facts["height"])
        return RenderedPage(page, tier, str(facts["media_type"]), *size, data, title, text)

    async def _start(self) -> Facts:
        limits = {"memory_bytes": self._limits.memory_bytes, "cpu_s": int(self._limits.deck_timeout_s) + 60}
        self._process = await child_process.start(
            "relay.media.deck_worker", str(self._pdf_path), json.dumps(limits), limit=MAX_FACTS_BYTES
        )
        try:
            facts, _ = await self._ask(b"", extra_s=_START_S)
        except _WorkerLost as lost:
            raise deck_error(lost.error_id) from None
        if "error" in facts:
            await self.close()
            raise deck_error(str(facts["error"]))
        return facts

    async def _ask(self, line: bytes, extra_s: float = 0.0) -> tuple[Facts, bytes]:
        """Write a job (nothing: the worker speaks first) and read the one frame that answers it.

        :raises _WorkerLost: no sound answer in time; the worker is gone.
        """
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("no worker")
        page_deadline = asyncio.timeout(self._limits.page_timeout_s + extra_s)
        try:
            async with page_deadline:
                if line:  # a worker that has said why it cannot open the deck may be gone: read it, write nothing
                    process.stdin.write(line)
                    await process.stdin.drain()
                facts_bytes, image_bytes = HEADER.unpack(await process.stdout.readexactly(HEADER.size))
                if facts_bytes > MAX_FACTS_BYTES or image_bytes > MAX_IMAGE_BYTES:
                    raise ValueError("frame too large")
                facts = json.loads(await process.stdout.readexactly(facts_bytes))
                return facts, await process.stdout.readexactly(image_bytes)
        except TimeoutError:
            await self.close()
            if not page_deadline.expired():  # the whole deck's deadline
                raise
            raise _WorkerLost("deck_render_timeout") from None
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            await self.close()
            raise _WorkerLost("deck_render_failed") from None

    async def close(self) -> None:
        """Kill the worker, if there is one, and wait until it is gone."""
        process, self._process = self._process, None
        if process is not None:
            await child_process.end(process)
