"""What is on the projector: follows the voice, remembers what was shown, tells who wants to draw or keep it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from classroom_client.notes import Note
from classroom_client.pages import PageBook, PageTurn
from classroom_client.screen_stills import SCREEN_DECK, Still
from lecture.decks import PageImage
from lecture.fields import to_json
from lecture.ink_book import NOTHING, Drawing, InkBook, InkMark

log = logging.getLogger("hallcast.hall")

_ENDINGS = {"image/avif": "avif", "image/png": "png", "image/webp": "webp", "image/jpeg": "jpg"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture came on the screen.

    :param t_ms: lecture time of the turn it belongs to, or of a still of the lecturer's screen.
    :param heard_ms: lecture time of the voice that was heard just then.
    """

    t_ms: int
    heard_ms: int
    deck: str
    page: int
    tier: int
    digest: str


class Screen:
    """Shows what belongs to the voice that is heard.

    :ivar turn: the turn in force; its picture may not be here yet.
    :ivar picture: what is on the screen; stays while a newer page's picture is still on its way.
    :ivar still: the lecturer's screen, which is shown instead of the page.
    :ivar drawing: what the lecturer has drawn on it.
    :ivar shown_seqs: seqs of the turns whose page was seen while in force.
    :ivar on_shown: told of each picture that comes on the screen.
    :ivar on_ink: told of the ink and pointer in force, with the lecture time that is heard, when they change.
    """

    def __init__(self, book: PageBook, shown_seqs: Iterable[int] = (), ink: InkBook | None = None) -> None:
        self.turn: PageTurn | None = None
        self.picture: PageImage | None = None
        self.still: Still | None = None
        self.shown_seqs = set(shown_seqs)
        self.on_shown: Callable[[Shown], None] | None = None
        self.drawing = NOTHING
        self.on_ink: Callable[[list[InkMark], int], None] | None = None
        self._book = book
        self._ink = ink or InkBook()

    @property
    def waiting(self) -> bool:
        """Whether the page that belongs on the screen is not on it yet."""
        turn, picture = self.turn, self.picture
        if self.still is not None:
            return False
        return turn is not None and (picture is None or (picture.deck, picture.page) != (turn.deck, turn.page))

    def update(self, heard_ms: int) -> None:
        """The voice of ``heard_ms`` is heard now."""
        showing = self._book.at(heard_ms)
        turned = showing.turn != self.turn
        self.turn = showing.turn
        if showing.turn is not None and showing.picture is not None:
            self.shown_seqs.add(showing.turn.seq)  # behind a shared screen, too: it is not missed there
        if self.still is not None:
            if self.still.image != self.picture:
                self._show(self.still.image, self.still.t_ms, heard_ms)
        elif showing.turn is not None and showing.picture is not None:
            if turned or showing.picture != self.picture:
                self._show(showing.picture, showing.turn.t_ms, heard_ms)
        elif self.picture is not None and self.picture.deck == SCREEN_DECK:
            self.picture = None  # the screen is shared no longer, and there is no page to go back to
        self._draw(heard_ms)

    def _draw(self, heard_ms: int) -> None:
        """The ink of the page that is seen; while a newer one is still on its way that is the one before."""
        seen = self.picture
        drawing: Drawing = NOTHING if seen is None else self._ink.at(heard_ms, seen.deck, seen.page)
        if drawing is self.drawing:
            return
        self.drawing = drawing
        if self.on_ink is not None and seen is not None:
            self.on_ink(self._ink.marks(heard_ms, seen.deck, seen.page), heard_ms)

    def _show(self, picture: PageImage, t_ms: int, heard_ms: int) -> None:
        self.picture = picture
        if self.on_shown is not None:
            self.on_shown(Shown(t_ms, heard_ms, picture.deck, picture.page, picture.tier, picture.digest))


class PageDump:
    """Keeps every picture that came on the screen as a file, and ``pages.json`` about them.

    Files are named by the turn's lecture time, page and tier. Stills of the lecturer's screen have the deck ``screen``
    and their number for a page. ``pages.json`` is a list of ``t_ms`` (of the turn or still),
    ``heard_ms`` (of the voice heard when it came on), ``deck``, ``page``, ``tier``, ``digest``, ``shown_at_ms`` and
    ``file``; ``shown_at_ms`` counts from the first sound, as the dumped voice does. ``ink.json`` lists in the same way
    what was drawn and pointed at while its page was seen: ``kind`` (``ink``, ``erase``, ``pointer``), ``t_ms``,
    ``heard_ms``, ``shown_at_ms`` and the fields of that message; ``notes.json`` the notes that were shown:
    the same times and ``text``.

    :param picture: bytes and media type of a digest.
    :param shown_at_ms: the place in the dumped voice that is heard now.
    """

    def __init__(
        self, folder: Path, picture: Callable[[str], tuple[bytes, str] | None], shown_at_ms: Callable[[], int]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._picture = picture
        self._shown_at_ms = shown_at_ms
        self._list: list[dict[str, object]] = []
        self._ink: list[dict[str, object]] = []
        self._notes_shown: list[dict[str, object]] = []
        self._marks_kept: set[tuple[str, int, int]] = set()
        self._writer = ThreadPoolExecutor(1, "hallcast-pages")

    def shown(self, shown: Shown) -> None:
        """Keep one, in a thread: disks are slow, and the sound goes on."""
        self._writer.submit(self._keep, shown, self._shown_at_ms())

    def drawn(self, marks: list[InkMark], heard_ms: int) -> None:
        """Keep what of the ink and pointer in force was not kept before; written in a thread, like pages."""
        for mark in marks:
            key = mark.what.KIND, mark.t_ms, mark.order
            if key not in self._marks_kept:
                self._marks_kept.add(key)
                times = {"t_ms": mark.t_ms, "heard_ms": heard_ms, "shown_at_ms": self._shown_at_ms()}
                self._ink.append({"kind": mark.what.KIND, **times, **to_json(mark.what)})
        self._writer.submit(self._write_list, "ink.json", list(self._ink))

    def note_shown(self, note: Note, heard_ms: int) -> None:
        """A note is shown; written in a thread, like pages."""
        times = {"t_ms": note.t_ms, "heard_ms": heard_ms, "shown_at_ms": self._shown_at_ms()}
        self._notes_shown.append({**times, "text": note.text})
        self._writer.submit(self._write_list, "notes.json", list(self._notes_shown))

    def close(self) -> None:
        """Wait until all is written."""
        self._writer.shutdown()

    def _write_list(self, name: str, events: list[dict[str, object]]) -> None:
        try:
            (self._folder / name).write_text(json.dumps(events, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            log.error("%s cannot be kept: %s", name, error)

    def _keep(self, shown: Shown, shown_at_ms: int) -> None:
        try:
            self._write(shown, shown_at_ms)
        except OSError as error:
            log.error("page %d cannot be kept: %s", shown.page, error)

    def _write(self, shown: Shown, shown_at_ms: int) -> None:
        found = self._picture(shown.digest)
        if found is None:
            log.warning("page %d was shown but cannot be read back", shown.page)
            return
        data, media_type = found
        ending = _ENDINGS.get(media_type) or re.sub(r"[^a-z0-9]", "", media_type.rpartition("/")[2]) or "bin"
        name = f"{shown.t_ms:09d}-page-{shown.page:03d}-tier-{shown.tier}.{ending}"
        (self._folder / name).write_bytes(data)
        self._list.append({**asdict(shown), "shown_at_ms": shown_at_ms, "file": name})
        (self._folder / "pages.json").write_text(json.dumps(self._list, indent=1) + "\n", encoding="utf-8")
