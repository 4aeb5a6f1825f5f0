"""Decks: a PDF made into page images, each page once per tier, in a child process that may not harm the relay.

A PDF from outside is hostile until proven otherwise: it is opened by ``relay.media.deck_worker`` in a process of its
own with limits on memory, CPU time and wall-clock time, and what comes back is bounded. A page that fails becomes a
plain placeholder and the deck goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from lecture.errors import RefusedError


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
    deck_timeout_s: float = 600.0
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
    """

    title: str
    page_count: int
    failed_pages: tuple[int, ...] = ()


async def render_deck(
    pdf_path: Path,
    *,
    limits: DeckLimits,
    on_page: Callable[[RenderedPage], Awaitable[None] | None],
    on_open: Callable[[DeckInfo], Awaitable[None] | None] | None = None,
) -> DeckInfo:
    """Render a deck: all pages in tier 1, page 1 first, then all in tier 2. Cancelling kills the child.

    :param on_page: called in the loop for each page as it is ready; if it is a coroutine function it is awaited before
        the next page is rendered.
    :param on_open: called once, before the first page, when the number of pages is known.
    :raises DeckError: pages already handed over stay valid.
    """
    raise NotImplementedError
