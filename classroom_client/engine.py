"""A hall without a screen: connects, buffers, plays, keeps. The window, the command line and tests stand on it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Literal

from classroom_client.camera_queue import CameraQueue
from classroom_client.connection import Connection
from classroom_client.copy import HallCopy, Progress
from classroom_client.joining import Grant
from classroom_client.player import SAMPLE_RATE, Player
from classroom_client.receipt import HallReceipt
from classroom_client.reception import Reception
from classroom_client.reporting import LinkFacts, make_receipt, make_report, make_view
from classroom_client.screen import PageDump
from classroom_client.settings import HallSettings
from classroom_client.sinks import ClockSink, Sink
from classroom_client.view import View
from lecture.errors import HallcastError, LectureFileError
from lecture.message_parts import LectureSummary
from transport.tasks import until_first

log = logging.getLogger("hallcast.hall")

_PLAY_EVERY_S = 0.03
_TICK_EVERY_S = 0.25
_STILLS_EVERY_S = 0.1
_COMMIT_EVERY_S = 0.8


class Hall:
    """One hall in one lecture. Any number of halls may live in one process and event loop.

    ::

        hall = Hall(HallSettings(relay_url=url, code=code, keep=folder))
        receipt = await hall.run()

    :param sink: where the sound goes; the default plays into the air in real time.
    :param decode: False only counts the voice instead of decoding it (load generation).
    :param dump_pages: folder to keep every page in that came on the screen.
    :ivar camera: coded camera pictures for whoever shows them.
    :ivar heard_ms: lecture time that is heard now, None before the first; as fresh as the sound.
    :ivar view: a snapshot, renewed a few times a second; may be read from any thread.
    """

    def __init__(
        self,
        settings: HallSettings,
        *,
        sink: Sink | None = None,
        decode: bool = True,
        dump_pages: Path | None = None,
    ) -> None:
        self.camera = CameraQueue()
        self.view = View()
        self.heard_ms: int | None = None
        self._settings = settings
        self._sink = sink or ClockSink()
        self._decode = decode
        self._dump_pages = dump_pages
        self._dump: PageDump | None = None
        self._link = LinkFacts()
        self._connection = Connection(settings, self._link, self._joined, self.camera)
        self._reception: Reception | None = None
        self._player: Player | None = None
        self._ready = asyncio.Event()
        self._played = asyncio.Event()
        self._leaving = asyncio.Event()
        self._disk_error = ""
        self._report_at = 0.0

    async def run(self) -> HallReceipt:
        """Receive the lecture to its end (or until :meth:`leave`), reconnecting for ever.

        :raises HallcastError: the code is refused, the relay speaks another version, the copy cannot be opened.
        """
        try:
            await until_first(
                self._connection.run(),
                self._play(),
                self._stills(),
                self._tick(),
                self._commit(),
                self._to_the_end(),
            )
            return self.receipt()
        finally:
            await self._close()

    def leave(self) -> None:
        """Let :meth:`run` come to its end now, with the receipt of what was heard so far."""
        self._leaving.set()

    def ask(self, question: str) -> bool:
        """Ask the lecturer something as soon as there is a line; False if it says nothing or too many wait."""
        return self._reception is not None and self._reception.questions.ask(question)

    def receipt(self) -> HallReceipt:
        """What was heard and seen so far."""
        if self._reception is None or self._player is None:
            return HallReceipt(hall=self._settings.name)
        return make_receipt(self._reception, self._player, self._link, self._settings, played=self._played.is_set())

    def picture(self, digest: str) -> tuple[bytes, str] | None:
        """Bytes and media type of a page's picture or a still of the screen; may be called from any thread."""
        if self._reception is None:
            return None
        return self._reception.stills.picture(digest) or self._reception.copy.picture(digest)

    async def _joined(self, grant: Grant) -> Reception:
        """The code was exchanged; the first time this opens the lecture's copy, in a thread: it may be large."""
        if self._reception is not None:
            return self._reception
        reception = await asyncio.to_thread(self._open, grant)
        self._reception = reception
        self._disk_error = "" if reception.copy.kept else "disk_full"
        heard = reception.progress.heard_coverage()
        player = self._player = Player(reception.timeline, decode=self._decode, heard=heard)
        if self._dump_pages is not None:
            self._dump = PageDump(self._dump_pages, self.picture, lambda: self._sounded_ms(player))
            reception.screen.on_shown = self._dump.shown
            reception.screen.on_ink = self._dump.drawn
            reception.notes.on_shown = self._dump.note_shown
        self._ready.set()
        return reception

    def _open(self, grant: Grant) -> Reception:
        language = _language(self._settings.language, grant.languages)
        copy = HallCopy.open(self._settings.keep, grant.lecture_id, grant.title)
        summary = LectureSummary(grant.lecture_id, grant.title, languages=grant.languages)
        return Reception(copy, summary, language, self._settings)

    def _sounded_ms(self, player: Player) -> int:
        """How long there has been sound, as of what is heard now."""
        if player.first_sound is None:
            return 0
        queued = self._sink.queued_samples(_now())
        return max(0, (player.samples - queued - player.first_sound) * 1000 // SAMPLE_RATE)

    async def _play(self) -> None:
        """Keep the sink supplied, and the screen with it."""
        await self._ready.wait()
        assert self._player is not None
        assert self._reception is not None
        while True:
            now = _now()
            queued = self._sink.queued_samples(now)
            while queued < self._sink.ahead_s * SAMPLE_RATE and not self._played.is_set():
                piece = self._player.next(now + queued / SAMPLE_RATE)
                if piece is None:
                    self._played.set()
                    break
                self._sink.write(piece)
                queued += len(piece.pcm)
            self.heard_ms = self._player.heard_ms(queued)
            self._show(self._reception, now)
            await asyncio.sleep(_PLAY_EVERY_S)

    def _show(self, reception: Reception, now: float) -> None:
        """Bring the screen to what is heard."""
        shown_ms = reception.shown_ms(self.heard_ms, now)
        if shown_ms is not None:
            reception.screen.update(shown_ms)
        reception.notes.look(shown_ms, now)
        screen, view = reception.screen, self.view
        changed = screen.picture is not view.picture or screen.drawing is not view.drawing
        if changed or reception.notes.shown is not view.note:
            self._look(now)

    async def _stills(self) -> None:
        """Make the pictures of the lecturer's screen that are due, in a thread."""
        await self._ready.wait()
        assert self._reception is not None
        stills = self._reception.stills
        while True:
            shown_ms = self._reception.shown_ms(self.heard_ms, _now())
            due = [] if shown_ms is None else stills.due(shown_ms)
            if due:
                await asyncio.to_thread(stills.apply, due)
                self._reception.screen.still = stills.still
            await asyncio.sleep(_STILLS_EVERY_S)

    async def _tick(self) -> None:
        while True:
            now = _now()
            self._connection.tick(now)
            reception = self._reception
            if reception is not None:
                reception.tick(now, rtt_s=self._link.rtt_s, fraction_lost=self._link.fraction_lost)
                if self._connection.up:
                    for want in reception.wants(now):
                        self._connection.send(want)
                    question = reception.questions.due(now)
                    if question is not None and self._connection.send(question):
                        reception.questions.sent(now)
            self._look(now)
            if now - self._report_at >= self._settings.report_interval_s and reception is not None:
                self._report_at = now
                report = make_report(self.view, self._player, reception.rung, self._settings.heads)
                self._connection.send(report, droppable=True)
            await asyncio.sleep(_TICK_EVERY_S)

    def _look(self, now: float) -> None:
        self.view = make_view(
            self._reception,
            self._link,
            self.heard_ms,
            now,
            disk_error=self._disk_error,
            finished=self._played.is_set(),
        )

    async def _to_the_end(self) -> None:
        """Wait for the end: all heard and all kept; then tell the relay."""
        leaving = asyncio.ensure_future(self._leaving.wait())
        try:
            await self._played_and_complete(leaving)
            await self._connection.leave(self.receipt().message())
        finally:
            leaving.cancel()

    async def _played_and_complete(self, leaving: asyncio.Task[Literal[True]]) -> None:
        while not leaving.done():
            reception = self._reception
            received = reception is not None and reception.complete and not reception.questions.waiting
            if received and self._played.is_set() and self._connection.up and self._sink.queued_samples(_now()) == 0:
                return
            await asyncio.wait((leaving,), timeout=_TICK_EVERY_S)

    async def _commit(self) -> None:
        await self._ready.wait()
        while True:
            await asyncio.sleep(_COMMIT_EVERY_S)
            self._note_progress()
            try:
                assert self._reception is not None
                await asyncio.to_thread(self._reception.copy.commit)
                self._disk_error = "" if self._reception.copy.kept else "disk_full"
            except LectureFileError as error:
                # The lecture goes on; what could not be written waits in memory, within bounds.
                if not self._disk_error:
                    log.error("the hall's copy cannot be written: %s", error)
                self._disk_error = error.error_id

    def _note_progress(self) -> None:
        """Put down how far we are, so that a hall without power goes on from there."""
        reception, player, link = self._reception, self._player, self._link
        if reception is None or player is None:
            return
        before = reception.progress
        progress = Progress(
            position_ms=self.heard_ms if player.heard.known_ms() else None,
            heard=[(span.start_ms, span.end_ms) for span in player.heard],
            shown=sorted(reception.screen.shown_seqs),
            longest_silence_ms=max(before.longest_silence_ms, player.longest_silence_ms),
            reconnects=before.reconnects + link.reconnects,
            wire_bytes=before.wire_bytes + link.meter.in_bytes + link.meter.out_bytes,
            connected_s=round(before.connected_s + link.connected_s, 1),
            questions=reception.questions.waiting,
            asked=reception.questions.asked,
        )
        reception.copy.set_progress(progress)

    async def _close(self) -> None:
        self._look(_now())
        self._sink.close()
        if self._player is not None:
            self._player.close()
        if self._dump is not None:
            await asyncio.to_thread(self._dump.close)
        if self._reception is not None:
            self._note_progress()
            finished = self._reception.complete
            try:
                await asyncio.to_thread(self._reception.copy.close, finished=finished)
            except LectureFileError as error:
                log.error("the hall's copy could not be closed well: %s", error)


def _language(wanted: str, there_are: tuple[str, ...]) -> str:
    if wanted and there_are and wanted not in there_are:
        text = f"The lecture has no voice in {wanted!r}; there is {', '.join(there_are)}."
        raise HallcastError("language_unknown", text)
    return wanted or (there_are[0] if there_are else "")


def _now() -> float:
    return asyncio.get_running_loop().time()
