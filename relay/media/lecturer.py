"""The lecturer's (or interpreter's) own connection: page turns, pen and pointer in, the halls' state out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Protocol

from lecture.entries import Kind
from lecture.errors import HallcastError, LectureFileError, ProtocolError, RefusedError
from lecture.ink import write_ink, write_pointer
from lecture.lecturer_messages import (
    DeckProgress,
    End,
    Erase,
    Halls,
    Ink,
    LecturerHello,
    LecturerWelcome,
    Mark,
    Ping,
    Pointer,
    Pong,
    Repair,
    Turn,
)
from lecture.messages import Clock, Ended, ErrorMessage, Message, State
from lecture.session import LecturerSession
from lecture.wire import Frame, ScreenFrame
from relay.media.after_commit import AfterCommit
from relay.media.channel import Channel
from relay.media.connection import Connection
from relay.media.event_tail import EventCursor
from relay.media.pointing import Pointing
from relay.media.stage import Role, Stage

HALLS_EVERY_S = 2.0
CONFIRM_LOOK_S = 0.05


class Conductor(Protocol):
    """What a lecturer may do to the lecture (:class:`relay.media.live.LiveLecture`)."""

    def turn(self, deck: str, page: int, *, at_ms: int | None = None) -> None: ...

    def request_end(self) -> None: ...


class LecturerConnection(Connection):
    """Serves one lecturer's or interpreter's socket.

    :param role: what its token allows, whatever ``hello`` says.
    """

    def __init__(
        self,
        stage: Stage,
        conductor: Conductor,
        channel: Channel,
        session: LecturerSession,
        hello: LecturerHello,
        role: Role,
        decks: Callable[[], tuple[DeckProgress, ...]],
        repair: Callable[[], Repair],
    ) -> None:
        super().__init__(
            role, channel, session, send_timeout_s=stage.settings.hall_send_timeout_s, silence_timeout_s=None
        )
        self.role = role
        self._stage = stage
        self._conductor = conductor
        self._events = EventCursor(stage.tail, hello.after_seq, for_hall=False)
        self._halls_at = 0.0
        self._repair = repair
        self._repair_told = Repair()
        self._pointing = Pointing()
        self._unconfirmed: AfterCommit[Ping] = AfterCommit(stage.recorder)
        self._shares_screen = False
        self.control(
            LecturerWelcome(
                v=session.version,
                lecture=stage.summary,
                t_ms=stage.now_ms(),
                deck=stage.book.deck,
                page=stage.book.page,
                tracks=tuple(stage.log.tracks()),
                ice_servers=stage.ice_servers,
                role=role,
            )
        )
        self.tell_state()
        for progress in decks():
            self.control(progress)

    def tell_state(self) -> None:
        """Tell the lecturer how lecture and publisher are."""
        stage = self._stage
        self.control(State(publisher=stage.publisher_state, lecture=stage.state))
        if stage.state == "ended":
            self.control(Ended(stage.length_ms(), stage.voice_sent_ms(stage.info.languages[0])))

    async def handle(self, message: Message, now: float) -> None:
        try:
            self._handle(message, now)
        except ProtocolError:
            raise
        except HallcastError as error:
            self._refused(error)

    def _handle(self, message: Message, now: float) -> None:
        if isinstance(message, Ping):
            if message.sent_ms:
                self._pong(message)  # it asks for the time, and for nothing that may have to wait
            else:
                self._draw(self._pointing.take(message, now))
            return
        if self.role != "lecturer":
            raise RefusedError("role_forbidden", "Only the lecturer may do this.", 403)
        match message:
            case Turn():
                self._conductor.turn(message.deck, message.page, at_ms=message.at_ms)
            case End():
                self._conductor.request_end()
            case Pointer() | Ink() | Erase() | Mark():
                self._note(message, now)

    def handle_frame(self, frame: Frame, now: float) -> None:
        if not isinstance(frame, ScreenFrame):
            return
        try:
            if self.role != "lecturer":
                raise RefusedError("role_forbidden", "Only the lecturer may do this.", 403)
            if self._stage.state == "ended":
                raise RefusedError("lecture_ended", "The lecture has ended.", 410)
            self._shares_screen = True
            self._stage.screen.take(frame.update, frame.t_ms, now, self._refused)
        except HallcastError as error:
            self._refused(error)

    def _refused(self, error: HallcastError) -> None:
        self.control(ErrorMessage(error.error_id, error.text, fatal=False))

    async def serve(self) -> None:
        """Serve until it goes; see :meth:`Connection.serve`."""
        try:
            await super().serve()
        finally:
            self._draw_rest()
            if self._shares_screen:
                self._stage.screen.gone(self._refused, self._stage.now)

    def _draw_rest(self) -> None:
        try:
            self._draw(self._pointing.gone(self._stage.now))
        except LectureFileError:
            return  # the file is closed already

    def _note(self, message: Pointer | Ink | Erase | Mark, now: float) -> None:
        if self._stage.state == "ended":
            raise RefusedError("lecture_ended", "The lecture has ended.", 410)
        if isinstance(message, Mark):
            if not self._stage.overview.knows(message.id):
                fields = {"text": message.text} | ({"id": message.id} if message.id else {})
                self._stage.append_event(Kind.MARK, fields, self._stage.moment(message.at_ms))
            return
        self._draw(self._pointing.take(message, now))

    def _pong(self, ping: Ping) -> None:
        self.control(Pong(ping.id, ping.sent_ms, self._stage.now_ms()))

    def _draw(self, items: Iterable[Pointer | Ink | Erase | Ping]) -> None:
        stage = self._stage
        for item in items:
            if isinstance(item, Ping):
                self._unconfirmed.put(item)
                continue
            if stage.state == "ended":
                continue
            if isinstance(item, Pointer):
                stage.append_event(*write_pointer(item))
                continue
            left = stage.ink.unwritten(item) if isinstance(item, Ink) else item
            if left is not None:
                stage.append_event(*write_ink(stage.ink.next_number, left), stage.moment(left.at_ms))

    def every_second(self, now: float) -> Message | None:
        if now - self._halls_at >= HALLS_EVERY_S:
            self._halls_at = now
            self.control(Halls(self._stage.roster.statuses()))
            repair = self._repair()
            if repair != self._repair_told:
                self._repair_told = repair
                self.control(repair)
        if self._stage.state != "live":
            return None
        return Clock(self._stage.now_ms(), self._stage.voices[self._stage.info.languages[0]].recorded_end_ms)

    def ready_at(self, now: float) -> float:
        return min(self._pointing.due_at(), now + CONFIRM_LOOK_S if self._unconfirmed else math.inf)

    def next_item(self, now: float) -> Message | None:
        self._draw(self._pointing.due(now))
        for ping in self._unconfirmed.due():
            self._pong(ping)
        return self._events.next()
