"""One hall's connection: what it says, and what it gets over its socket, in the order of the design's priorities."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from lecture.entries import Entry, Kind
from lecture.errors import HallcastError, ProtocolError, RefusedError
from lecture.log import Span
from lecture.message_parts import HallStatus
from lecture.messages import (
    Ack,
    Asked,
    Candidate,
    ErrorMessage,
    HallHello,
    HallWelcome,
    Message,
    Offer,
    Question,
    Receipt,
    Repaired,
    Report,
    State,
    Want,
)
from lecture.session import HallSession
from relay.adaptation.ack_window import AckWindow
from relay.adaptation.carriers import Carrier
from relay.adaptation.pacer import Class
from relay.media.after_commit import AfterCommit
from relay.media.channel import Channel
from relay.media.connection import Connection
from relay.media.hall_carriers import HallCarriers
from relay.media.hall_media import HallMedia
from relay.media.hall_outbox import HallOutbox
from relay.media.stage import Stage

RECEIPT_EVERY_S = 5.0
QUESTION_EVERY_S = 1.0
SIGN_EVERY_S = 5.0
VOICE_WINDOWS = 2


class HallConnection(Connection):
    """Serves one hall: what it asks is taken here; what it gets lies in its outbox, and goes over RTP where that works,
    else over the socket, each time the most urgent first (:class:`relay.adaptation.pacer.Class`)."""

    session: HallSession

    def __init__(self, stage: Stage, channel: Channel, session: HallSession, hello: HallHello) -> None:
        settings = stage.settings
        super().__init__(
            "hall",
            channel,
            session,
            send_timeout_s=settings.hall_send_timeout_s,
            silence_timeout_s=settings.hall_silence_s,
        )
        self.instance = hello.instance
        self.report = Report()
        self.window = AckWindow()
        self.outbox = HallOutbox(stage, hello)
        self.carriers = HallCarriers(stage, self.outbox, self.window, super().wake, hello.instance)
        self.media = HallMedia(stage, hello, self.control, self.carriers)
        self.on_written = self.carriers.socket_sent
        self._stage = stage
        self._receipt: Receipt | None = None
        self._receipt_at = float("-inf")
        self._question_at = float("-inf")
        self._taken: AfterCommit[str] = AfterCommit(stage.recorder)  # questions
        self._sign_at = stage.now
        self.control(
            HallWelcome(
                v=session.version,
                lecture=stage.summary,
                t_ms=stage.now_ms(),
                tracks=tuple(stage.log.tracks()),
                ice_servers=stage.ice_servers,
            )
        )
        self.tell_state()

    def wake(self) -> None:
        if self.outbox.overflown:
            self.leave("too_slow")
        self.carriers.wake(self._stage.now)

    def control(self, message: Message) -> None:
        super().control(message)
        super().wake()

    def tell_state(self) -> None:
        """Tell the hall how lecture and publisher are."""
        stage = self._stage
        self.outbox.message(State(publisher=stage.publisher_state, lecture=stage.state))
        if stage.state == "ended":
            self.outbox.tell_ended()
        self.wake()

    def recorded(self, entry: Entry) -> None:
        """An entry with media is in the log."""
        if self.outbox.recorded(entry):
            self.wake()

    def repaired(self, message: Repaired) -> None:
        """Voice that was missing at the relay has come."""
        if message.language == self.outbox.language:
            self.outbox.repaired(Span(message.start_ms, message.end_ms))
            self.wake()

    def status(self) -> HallStatus:
        """The hall as lecturer and staff see it."""
        report = self.report
        return HallStatus(
            name=self.name,
            connected=True,
            behind_ms=report.behind_ms,
            page=report.page,
            heads=report.heads,
            rung=report.rung,
            carrier=report.carrier,
            fraction_lost=report.fraction_lost,
            rtt_ms=report.rtt_ms,
            received_kbps=report.received_kbps,
            playout_delay_ms=report.playout_delay_ms,
            gaps=report.gaps,
        )

    def link(self) -> dict[str, Any]:
        """Its link in figures, JSON-ready: see :meth:`relay.media.hall_carriers.HallCarriers.facts`."""
        return self.carriers.facts(self._stage.now)

    async def serve(self) -> None:
        """Serve until it goes; see :meth:`Connection.serve`."""
        try:
            await super().serve()
        finally:
            await self.media.close()
            self._write_receipt()

    async def handle(self, message: Message, now: float) -> None:
        try:
            await self._handle(message, now)
        except RefusedError as error:
            # Well-formed, but not to be had: the hall is told and stays.
            self.control(ErrorMessage(error.error_id, error.text, fatal=False))

    async def _handle(self, message: Message, now: float) -> None:
        match message:
            case Ack():
                self._acknowledged(message, now)
            case Report():
                self.report = message
                self.outbox.pages.heard(max(0, self._stage.now_ms() - message.behind_ms))
                self.media.report(message, now)
            case Want():
                self.outbox.want(message)
            case Offer():
                await self.media.offer(message)
            case Candidate():
                await self.media.candidate(message)
            case Receipt():
                self._receipt = message
            case Question():
                self._ask(message, now)

    def every_second(self, now: float) -> Message | None:
        if now - self._receipt_at >= RECEIPT_EVERY_S and self._receipt is not None:
            self._receipt_at = now
            self._write_receipt()
        for id_ in self._taken.due():
            self.control(Asked(id_))
        self.carriers.every_second(now)
        planned = self._stage.state == "planned"
        told = self.carriers.in_use is Carrier.SOCKET and not planned  # the clock is among the outbox's messages
        if told or now - self._sign_at < SIGN_EVERY_S:
            return None
        # RTP carries everything, or nothing happens yet: what is said here only tells that the socket lives.
        self._sign_at = now
        return State(self._stage.publisher_state, "planned") if planned else self.outbox.clock()

    def next_item(self, now: float) -> Message | str | bytes | None:
        classes: Iterable[Class] = Class
        if self.carriers.in_use is Carrier.RTP:
            classes = (Class.VOICE,) if self.carriers.hedging else ()
        size_bytes = self.window.frame_bytes(now)
        if self.carriers.hedging and size_bytes == 0:
            return None  # RTP may well live: what goes here in vain must not fill the link's queue
        for class_ in classes:
            if class_ is Class.VOICE and not self._has_room_for_voice():
                return None
            if class_ > Class.VOICE and size_bytes == 0:
                return None
            item = self.outbox.next(class_, size_bytes, now)
            if isinstance(item, bytes):
                self.window.sent(len(item), now)
                return self.session.send_binary(item)
            if item is not None:
                return item
        return None

    def ready_at(self, now: float) -> float:
        pointer_at = math.inf
        if self.outbox.ink.pointer_waiting and self.carriers.in_use is Carrier.SOCKET:
            pointer_at = self.outbox.ink.pointer_at(self.outbox.budget_kbps)
        return min((at for at in (self.window.ready_at, pointer_at) if at > now), default=math.inf)

    def _has_room_for_voice(self) -> bool:
        """Live voice goes beyond the window, within reason: TCP has to carry it anyway."""
        return self.window.in_flight_bytes < VOICE_WINDOWS * self.window.window_bytes

    def _acknowledged(self, ack: Ack, now: float) -> None:
        try:
            self.window.acknowledged(ack.bytes, now)
        except ValueError as error:
            raise ProtocolError("ack_impossible", "The acknowledged bytes do not add up.") from error

    def _ask(self, question: Question, now: float) -> None:
        if not question.id:
            self._take_question(question, now)
            return
        if not self._stage.overview.knows(question.id):
            try:
                self._take_question(question, now)
            except HallcastError as refused:
                self.control(Asked(question.id, refused.error_id))
                return
        self._taken.put(question.id)

    def _take_question(self, question: Question, now: float) -> None:
        if now - self._question_at < QUESTION_EVERY_S:
            raise RefusedError("too_many_questions", "One question a second is enough.", 429)
        self._question_at = now
        fields = {"hall": self.name, "text": question.text} | ({"id": question.id} if question.id else {})
        self._stage.append_event(Kind.QUESTION, fields)

    def _write_receipt(self) -> None:
        receipt, self._receipt = self._receipt, None
        if receipt is None:
            return
        try:
            self._stage.append_event(Kind.RECEIPT, {**_fields(receipt), "hall": self.name})
        except HallcastError:
            return  # the file is closed already: the hall sends it again when it next connects


def _fields(receipt: Receipt) -> dict[str, object]:
    return {key: getattr(receipt, key) for key in receipt.__dataclass_fields__ if key != "KIND"}
