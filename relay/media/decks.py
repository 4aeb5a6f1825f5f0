"""The decks of a lecture: taken, rendered in the background, their pages put into the log as they come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from lecture.decks import Deck, PageImage, PageWords, deck_id, looks_like_pdf, write_deck_event
from lecture.errors import HallcastError, RefusedError
from lecture.lecturer_messages import DeckProgress
from lecture.messages import ErrorMessage, Message
from recordings.files import written_whole
from relay.media.deck import DeckInfo, DeckLimits, RenderedPage, render_deck
from relay.media.stage import Stage

logger = logging.getLogger("hallcast.deck")

PAGE_TEXT_CHARS = 2_000
DECK_TEXT_CHARS = 150_000


class Decks:
    """Takes decks one at a time.

    A PDF is kept in ``cache_dir`` until all its pages are in the log, so that a relay that was killed while rendering
    goes on with it (:meth:`resume`).

    :param spawn: runs a coroutine as a task of the lecture.
    :param tell: sends a message to the lecturer's sockets.
    """

    def __init__(
        self,
        stage: Stage,
        cache_dir: Path,
        spawn: Callable[[str, Coroutine[Any, Any, object]], object],
        tell: Callable[[Message], None],
    ) -> None:
        self._stage = stage
        self._cache_dir = cache_dir
        self._spawn = spawn
        self._tell = tell
        self._rendering = ""
        self._progress: dict[str, DeckProgress] = {}
        self.troubles: dict[str, str] = {}
        """Deck id to the error id of a rendering that failed."""

    def progress(self) -> tuple[DeckProgress, ...]:
        """How far decks of this run are."""
        return tuple(self._progress.values())

    def knows(self, deck: str) -> bool:
        """Whether pages of this deck can be turned to."""
        return deck in self._stage.book.decks or deck == self._rendering

    async def take(self, pdf: bytes | Path, title: str) -> str:
        """Take a deck; see :meth:`relay.media.live.LiveLecture.set_deck`."""
        if self._rendering:
            busy = self._rendering
        else:
            busy, self._rendering = "", "?"
        try:
            data = pdf if isinstance(pdf, bytes) else await self._read(pdf)
            self._check(data)
            deck = await asyncio.to_thread(deck_id, data)
            known = self._stage.book.decks.get(deck)
            if deck == busy or (known is not None and known.complete):
                if not busy:
                    self._rendering = ""
                return deck
            if busy:
                raise RefusedError("deck_busy", "Another deck is being rendered.", 409)
            path = self._cache_dir / f"{self._stage.lecture_id}.{deck}.pdf"
            await asyncio.to_thread(_write, path, data)
        except BaseException:
            if not busy:
                self._rendering = ""
            raise
        self._start(deck, path, title)
        return deck

    def resume(self) -> None:
        """Go on with a deck that a former process did not finish."""
        for partial in self._cache_dir.glob(f"{self._stage.lecture_id}.*.pdf.*.part"):
            partial.unlink(missing_ok=True)
        for path in sorted(self._cache_dir.glob(f"{self._stage.lecture_id}.*.pdf"))[:1]:
            deck = path.name.split(".")[-2]
            known = self._stage.book.decks.get(deck)
            self._start(deck, path, known.title if known else "")

    def _start(self, deck: str, path: Path, title: str) -> None:
        self._rendering = deck
        self.troubles.pop(deck, None)
        self._spawn(f"deck {deck}", self._render(deck, path, title))

    async def _render(self, deck: str, path: Path, title: str) -> None:
        settings = self._stage.settings
        limits = DeckLimits(
            max_pages=settings.deck_max_pages,
            max_bytes=settings.deck_max_bytes,
            deck_timeout_s=settings.deck_timeout_s,
        )
        filing = _Filing(self._stage, deck, title, self._report)
        try:
            await render_deck(path, limits=limits, on_page=filing.page, on_open=filing.open)
        except HallcastError as error:
            logger.warning("deck %s of %s: %s", deck, self._stage.lecture_id, error.error_id)
            self.troubles[deck] = error.error_id
            self._progress.pop(deck, None)
            self._tell(ErrorMessage(error.error_id, error.text, fatal=False))
        finally:
            self._rendering = ""
        # Reached unless the relay is being stopped: then the PDF stays for the next run.
        await asyncio.to_thread(path.unlink, missing_ok=True)

    def _report(self, progress: DeckProgress) -> None:
        self._progress[progress.deck] = progress
        self._tell(progress)

    def _check(self, data: bytes) -> None:
        if len(data) > self._stage.settings.deck_max_bytes:
            raise RefusedError("deck_too_large", "The deck is too large.", 413)
        if not looks_like_pdf(data):
            raise RefusedError("deck_not_pdf", "The deck is no PDF.", 415)

    async def _read(self, path: Path) -> bytes:
        size_bytes = (await asyncio.to_thread(path.stat)).st_size
        if size_bytes > self._stage.settings.deck_max_bytes:
            raise RefusedError("deck_too_large", "The deck is too large.", 413)
        return await asyncio.to_thread(path.read_bytes)


class _Filing:
    """Puts one deck's pages into the log."""

    def __init__(self, stage: Stage, deck: str, title: str, report: Callable[[DeckProgress], None]) -> None:
        self._stage = stage
        self._deck = deck
        self._title = title
        self._report = report
        self._page_count = 0
        self._words: dict[int, PageWords] = {}
        self._text_chars = 0

    def open(self, info: DeckInfo) -> None:
        self._title = self._title or info.title
        self._page_count = info.page_count
        self._append_deck()
        self._report(DeckProgress(self._deck, 0, info.page_count))

    def page(self, page: RenderedPage) -> None:
        stage = self._stage
        known = stage.book.decks[self._deck].images.get((page.page, page.tier))
        digest = stage.log.put_blob(page.data, page.media_type)
        if known is None or known.digest != digest:
            size = len(page.data)
            image = PageImage(self._deck, page.page, page.tier, digest, page.media_type, page.width, page.height, size)
            stage.append_event(*write_deck_event(image))
        if page.tier == 1:
            self._note_text(page)
            self._report(DeckProgress(self._deck, len(self._words), self._page_count))
            if len(self._words) == self._page_count:
                self._append_deck()

    def _note_text(self, page: RenderedPage) -> None:
        # One message carries the whole deck's texts: they are for search and captions, not for keeping a book.
        text = page.text[: max(0, min(PAGE_TEXT_CHARS, DECK_TEXT_CHARS - self._text_chars))]
        self._text_chars += len(text)
        self._words[page.page] = PageWords(page.page, page.title, text)

    def _append_deck(self) -> None:
        pages = tuple(self._words[number] for number in sorted(self._words))
        self._stage.append_event(*write_deck_event(Deck(self._deck, self._title, self._page_count, pages)))


def _write(path: Path, data: bytes) -> None:
    # Half of one, left by a full disk or a lost process, would be taken for a deck by the next run.
    with written_whole(path) as partial:
        partial.write_bytes(data)
