"""A lecture that is going on (or is about to, or has just ended): the owner of everything that belongs to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lecture.decks import PageTurn, write_deck_event
from lecture.entries import MEDIA_KINDS, Entry, Kind
from lecture.errors import RefusedError
from lecture.file import LectureFile
from lecture.lecturer_messages import LecturerHello
from lecture.message_parts import LectureState, PublisherState
from lecture.messages import HallHello
from lecture.session import HallSession, LecturerSession
from relay.media.channel import Channel
from relay.media.decks import Decks
from relay.media.endpoint import Endpoint
from relay.media.lecturer import LecturerConnection
from relay.media.people import People
from relay.media.players import Players
from relay.media.publisher_desk import PublisherDesk
from relay.media.repair import RepairDesk
from relay.media.settings import LectureInfo
from relay.media.snapshot import snapshot
from relay.media.stage import Role, Stage
from relay.media.tasks import Crew, fenced
from transport.tasks import until_first

__all__ = ["LectureState", "LiveLecture", "Role"]

logger = logging.getLogger("hallcast.lectures")

TICK_S = 0.03
IDLE_TICK_S = 0.5


class LiveLecture:
    """One lecture. Get it from :meth:`relay.media.directory.LectureDirectory.open`.

    All methods must be called in the loop it was opened in.

    :ivar lecture_id: as in the addresses and the file name.
    :ivar info: title, course, languages.
    :ivar log: the lecture's file, also readable by others (library, replay) while it is live.
    :ivar on_state: called in the loop whenever :attr:`state` changes (the catalogue follows it); set it after opening.
    :ivar on_repaired: called in the loop when a repair of it has come to rest after its end; set it after opening.
    :ivar used_at: loop time of the last request, for closing what is idle.
    :ivar closed: set once it is out of memory and its file closed.
    """

    def __init__(self, stage: Stage, cache_dir: Path) -> None:
        self.lecture_id = stage.lecture_id
        self.info: LectureInfo = stage.info
        self.log: LectureFile = stage.log
        self.on_state: Callable[[LectureState], None] | None = None
        self.on_repaired: Callable[[], None] | None = None
        self.used_at = stage.now
        self._stage = stage
        self._crew = Crew()
        self._people = People(stage)
        self._players = Players(stage, self._crew.spawn)
        self._desk = PublisherDesk(stage, self._crew.spawn, self._media_came, self._publisher_changed)
        self._decks = Decks(stage, cache_dir, self._crew.spawn, self._people.tell_lecturers)
        self._repair = RepairDesk(stage, self._crew.spawn, self._people.tell_halls, self._repaired)
        self.closed = asyncio.Event()
        self._closing = asyncio.Event()
        self._end_lock = asyncio.Lock()

    # Life, for the directory

    async def read(self) -> None:
        """Learn what the file has, before :meth:`run`.

        :raises LectureFileError: it cannot be read.
        """
        await self._repair.read()

    async def run(self, ready: Callable[[], None]) -> None:
        """Be alive until :meth:`shut`; all tasks of the lecture live in here. Leaves the file closed."""
        unfollow = self.log.follow(self._appended)
        self._stage.screen.on_change = self._people.screen_changed
        try:
            async with self._crew:
                if self.state != "ended":
                    self._decks.resume()
                self._repair.resume()
                ready()
                try:
                    await until_first(
                        self._stage.recorder.run(), self._stage.screen.run(), self._tick(), self._until_shut()
                    )
                finally:
                    self._closing.set()
                    await self._people.send_away("relay_stopping")
                    await self._desk.close()
                    await self._players.close()
        finally:
            unfollow()
            for line in self._stage.voices.values():
                line.close(self._stage.now)
            self._stage.camera.finish()
            await asyncio.to_thread(self._stage.camera.join)
            await self._repair.close()
            await self._stage.recorder.close()
            self.closed.set()

    def shut(self) -> None:
        """Let :meth:`run` come to its end: everyone is sent away, nothing is ended."""
        self._closing.set()

    def idle_for(self, now: float) -> float:
        """For how many seconds nobody was here and nothing was asked or done.

        What the disk does not take yet counts as something to do: leaving memory would lose it.
        """
        if (
            self._stage.recorder.trouble
            or len(self._people)
            or len(self._players)
            or len(self._desk)
            or len(self._crew)
            or not self._repair.is_at_rest
        ):
            self.used_at = now
        return now - self.used_at

    # What it is

    @property
    def shutting(self) -> bool:
        """Whether it is about to leave memory."""
        return self._closing.is_set()

    @property
    def state(self) -> LectureState:
        """``planned`` until the first publisher's media, then ``live``, ``ended`` after :meth:`end`."""
        return self._stage.state

    def now_ms(self) -> int:
        """Lecture time now; 0 while planned, the end's time once ended."""
        return self._stage.now_ms()

    def snapshot(self) -> dict[str, Any]:
        """All that staff and ``/metrics`` need, JSON-ready; cheap. Keys and units: :mod:`relay.media.snapshot`."""
        return snapshot(
            self._stage, self._desk.publishers, self._players.subscribers, self._decks.troubles, self._repair
        )

    # Media

    async def publish(self, offer_sdp: str, *, role: Role, language: str | None = None) -> Endpoint:
        """Answer a publisher's offer (WHIP POST). Media is taken as soon as its connection stands.

        The first publisher's media makes the lecture live. ``lecturer`` sends voice and camera, ``interpreter`` voice
        only.

        :param language: of the voice; default the lecture's first for a lecturer, its second for an interpreter.
        :raises SdpError: ``sdp_malformed``, ``sdp_too_large``, ``offer_without_audio``, ``no_common_codec``.
        :raises RefusedError: ``publisher_exists`` (409), ``lecture_ended`` (410), ``language_unknown`` (422).
        :raises TransportError: ``udp_ports_exhausted``, ``no_address``.
        """
        self._check_open()
        return await self._still_open(await self._desk.publish(offer_sdp, role, language))

    async def play(self, offer_sdp: str, *, language: str | None = None) -> Endpoint:
        """Answer a standard player's offer (WHEP POST): one voice and, if it offers video, the camera.

        :raises HallcastError: as :meth:`publish`; also RefusedError ``players_full`` (503).
        """
        self._check_open()
        return await self._still_open(await self._players.play(offer_sdp, language))

    def publication(self, session_id: str) -> Endpoint | None:
        """The publisher's session of this id (WHIP PATCH, DELETE), None once it has ended."""
        return self._desk.session(session_id)

    def playing(self, session_id: str) -> Endpoint | None:
        """The player's session of this id (WHEP PATCH, DELETE), None once it has ended."""
        return self._players.session(session_id)

    # Sockets

    async def serve_hall(self, channel: Channel, session: HallSession, hello: HallHello) -> None:
        """Serve one hall until it goes; closes the channel. Never raises for what the hall does.

        The caller has read and checked ``hello`` (:func:`relay.media.greeting.read_hello`), so that a wrong token
        is answered alike whether or not there is such a lecture.
        """
        await self._people.serve_hall(channel, session, hello)

    async def serve_lecturer(
        self, channel: Channel, session: LecturerSession, hello: LecturerHello, *, role: Role
    ) -> None:
        """Serve the lecturer's (or interpreter's) own socket until it goes; closes the channel.

        All but ``ping`` and ``bye`` of an interpreter is refused (``role_forbidden``).

        :param role: what its token allows, whatever ``hello`` says.
        """
        lecturer = LecturerConnection(
            self._stage, self, channel, session, hello, role, self._decks.progress, self._repair.status
        )
        await self._people.serve_lecturer(lecturer)

    # Conducting

    def turn(self, deck: str, page: int, *, at_ms: int | None = None) -> None:
        """Turn to a page of a deck (counted from 1).

        :param at_ms: lecture time of the turn, default now; see :meth:`relay.media.stage.Stage.moment`.
        :raises RefusedError: ``deck_unknown`` (404), ``page_unknown`` (404), ``lecture_ended`` (410).
        """
        self._check_open()
        if not self._decks.knows(deck):
            raise RefusedError("deck_unknown", "The lecture has no such deck.", 404)
        known = self._stage.book.decks.get(deck)
        if page < 1 or (known is not None and page > known.page_count):
            raise RefusedError("page_unknown", "The deck has no such page.", 404)
        self._stage.append_event(*write_deck_event(PageTurn(deck, page)), self._stage.moment(at_ms))

    async def set_deck(self, pdf: bytes | Path, *, title: str = "") -> str:
        """Take a deck (PDF); returns its deck id as soon as it is accepted. Pages are rendered in the background.

        The same PDF again is the same deck and costs nothing. A :class:`Path` is read, never kept or removed.

        :raises RefusedError: ``deck_not_pdf`` (415), ``deck_too_large`` (413), ``deck_busy`` (409: another one is
            being rendered), ``lecture_ended`` (410). What rendering itself finds (too many pages, time, memory)
            reaches the lecturer's socket as a non-fatal ``error`` and :meth:`snapshot`.
        """
        self._check_open()
        return await self._decks.take(pdf, title)

    async def wanted(self, role: Role, copy: str = "", language: str = "") -> dict[str, Any]:
        """What the recording lacks, JSON-ready: docs/protocol.md, section 14.

        :param copy: id of the copy that asks, which is not asked again for what it has not.
        :param language: of the voice; empty: all that the role may repair, and of a copy the camera.
        :raises RefusedError: ``language_unknown`` (422), ``forbidden`` (403).
        """
        self.used_at = self._stage.now
        allowed = self._repairable(role)
        if not language:
            return await self._repair.wanted(allowed, copy, camera=role == "lecturer")
        if language not in self._stage.voices:
            raise RefusedError("language_unknown", "The lecture has no voice in this language.", 422)
        if language not in allowed:
            raise RefusedError("forbidden", "This token may not repair that language.", 403)
        return await self._repair.wanted([language], copy, asked=True)

    async def repair(self, role: Role, body: bytes, sha256: str) -> dict[str, Any]:
        """Take a segment of a copy; see :meth:`relay.media.repair.RepairDesk.take`."""
        self.used_at = self._stage.now
        return await self._repair.take(body, sha256, self._repairable(role), camera=role == "lecturer")

    def _repairable(self, role: Role) -> list[str]:
        """An interpreter speaks any language but the lecturer's, as for publishing."""
        languages = list(self._stage.voices)
        return languages if role == "lecturer" else languages[1:]

    def request_end(self) -> None:
        """Have :meth:`end` done soon."""
        self._crew.spawn("ending", self.end())

    async def end(self) -> None:
        """End the lecture: rungs flushed, halls told, file finished, publishers closed. Idempotent.

        Halls stay and may come later to fetch what they lack.
        """
        async with self._end_lock:
            stage = self._stage
            if stage.state == "ended":
                return
            await self._desk.close()
            stage.clock.stop(stage.now)
            stage.save_clock()
            stage.publisher_state = "none"
            self._set_state("ended")
            await self._players.close()
            await stage.recorder.finish()
            logger.info("%s has ended after %d s", self.lecture_id, stage.now_ms() // 1000)

    # What happens

    async def _until_shut(self) -> None:
        await self._closing.wait()

    async def _tick(self) -> None:
        stage = self._stage
        while True:
            now = stage.now
            self._desk.tick(now)
            for language, line in stage.voices.items():
                with fenced(f"voice {language} of {self.lecture_id}", partial(self._desk.end_voice, language)):
                    line.tick(now)
            stage.fanout.tick(now, stage.clock.exact_ms(now))
            stage.screen.tick(now)
            self._repair.tick(now)
            await asyncio.sleep(TICK_S if len(self._desk) or len(stage.fanout) else IDLE_TICK_S)

    def _media_came(self) -> None:
        if self.state == "planned":
            self._stage.start_clock()
            self._set_state("live")

    def _publisher_changed(self, state: PublisherState) -> None:
        if self.state == "live" and not self.shutting:
            self._stage.publisher_state = state
            self._note_state()

    def _repaired(self) -> None:
        self._people.tell_state()
        if self.on_repaired is not None:
            self.on_repaired()

    def _set_state(self, state: LectureState) -> None:
        self._stage.state = state
        self.log.set_meta("state", state)
        self._note_state()
        if self.on_state is not None:
            self.on_state(state)

    def _note_state(self) -> None:
        stage = self._stage
        stage.append_event(Kind.STATE, {"lecture": stage.state, "publisher": stage.publisher_state})
        self._people.tell_state()

    def _appended(self, entry: Entry) -> None:
        if entry.kind not in MEDIA_KINDS:
            self._stage.events.apply(entry)
        self._repair.appended(entry)
        self._people.appended(entry)

    def _check_open(self) -> None:
        self.used_at = self._stage.now
        if self.state == "ended":
            raise RefusedError("lecture_ended", "The lecture has ended.", 410)

    async def _still_open(self, endpoint: Endpoint) -> Endpoint:
        """Answering takes time: a lecture that ended meanwhile has closed all sessions but this one."""
        try:
            self._check_open()
        except RefusedError:
            await endpoint.close()
            raise
        return endpoint
