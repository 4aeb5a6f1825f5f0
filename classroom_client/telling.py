"""Telling people, or programs, what a hall is doing: one line at a time."""

from __future__ import annotations

import asyncio
from typing import Any

from rich.console import Console

from classroom_client.engine import Hall
from classroom_client.notes import Note
from classroom_client.receipt import HallReceipt
from classroom_client.texts import Texts
from classroom_client.view import Link, Sound, View, sign_of
from lecture.json_line import print_json

_LOOK_EVERY_S = 0.25
_PROGRESS_EVERY_S = 2.0


class Teller:
    """Says what changes.

    With ``as_json`` each line is an object with ``event``: ``say`` (``text``), ``page`` (``page``, ``title``,
    ``t_ms``), ``note`` (``text``, ``t_ms``), ``progress`` (everything in
    :class:`classroom_client.view.View`, and ``voice_heard_ms``) and ``receipt``.
    """

    def __init__(self, texts: Texts, *, as_json: bool) -> None:
        self._texts = texts
        self._as_json = as_json
        self._console = Console(highlight=False, soft_wrap=True)
        self._said = ""
        self._page: tuple[str, int] | None = None
        self._note: Note | None = None
        self._was_up = False

    async def follow(self, hall: Hall) -> None:
        """Tell what changes, for ever."""
        loop = asyncio.get_running_loop()
        progress_at = loop.time()
        while True:
            self.look(hall.view)
            if loop.time() >= progress_at:
                progress_at = loop.time() + _PROGRESS_EVERY_S
                self.progress(hall)
            await asyncio.sleep(_LOOK_EVERY_S)

    def look(self, view: View) -> None:
        """Tell what is different since the last look."""
        if view.link is Link.UP and not self._was_up:
            self.say(self._texts("link_up"))
        self._was_up = view.link is Link.UP
        sign = sign_of(view)
        # The countdown in a sentence is no news; the sentence is.
        text_id = sign.text_id if sign else "playing" if view.sound is Sound.PLAYING else ""
        if text_id and text_id != self._said:
            self._said = text_id
            self.say(self._texts(text_id, **(sign.values if sign else {})))
        picture = view.picture
        if picture is not None and (picture.deck, picture.page) != self._page:
            self._page = (picture.deck, picture.page)
            self._page_shown(picture.page, view)
        if view.note is not None and view.note != self._note:
            self._note_shown(view.note)
        self._note = view.note

    def progress(self, hall: Hall) -> None:
        """Tell how far the hall is (programs only)."""
        if self._as_json:
            facts = hall.view.facts()
            self._event("progress", **facts, voice_heard_ms=hall.receipt().voice_heard_ms)

    def say(self, text: str) -> None:
        """Say a sentence."""
        if self._as_json:
            self._event("say", text=text)
        else:
            self._console.print(text, markup=False)

    def receipt(self, receipt: HallReceipt) -> None:
        """What was heard and seen in the end."""
        if self._as_json:
            self._event("receipt", **receipt.facts())
            return
        self._console.print(
            f"Voice: {receipt.voice_heard_ms / 1000:.1f} s heard of {receipt.voice_sent_ms / 1000:.1f} s sent. "
            f"Pages: {receipt.pages_shown} shown of {receipt.pages_turned} turned.\n"
            f"Link: {receipt.link_kbps_mean:.1f} kbit/s mean, {receipt.reconnects} reconnects. "
            f"Longest silence: {receipt.longest_silence_ms / 1000:.1f} s.",
            markup=False,
        )
        if receipt.file:
            self._console.print(f"Kept in {receipt.file}", markup=False)

    def _page_shown(self, page: int, view: View) -> None:
        title = view.page_title if view.page == page else ""
        if self._as_json:
            self._event("page", page=page, title=title, t_ms=view.heard_ms)
        else:
            count = f" / {view.page_count}" if view.page_count else ""
            self._console.print(f"Page {page}{count}{': ' + title if title else ''}", markup=False)

    def _note_shown(self, note: Note) -> None:
        if self._as_json:
            self._event("note", text=note.text, t_ms=note.t_ms)
        else:
            self._console.print(f"{self._texts('note_title')}: {note.text}", markup=False)

    def _event(self, name: str, **facts: Any) -> None:
        print_json({"event": name, **facts})
