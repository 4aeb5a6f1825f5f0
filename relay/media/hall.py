"""One hall's connection: what it says, and what it gets over its socket, in the order of the design's priorities."""

from __future__ import annotations

from typing import Any

from lecture.entries import Entry, Kind
from lecture.errors import HallcastError, ProtocolError, RefusedError
from lecture.messages import (
    Ack,
    Candidate,
    Clock,
    Ended,
    ErrorMessage,
    HallHello,
    HallStatus,
    HallWelcome,
    Message,
    Offer,
    Question,
    Receipt,
    Report,
    State,
    Want,
)
from lecture.session import HallSession
from lecture.wire import pack_chunk
from relay.adaptation.ack_window import AckWindow
from relay.media.backfill import Backfill
from relay.media.blob_push import BlobPush
from relay.media.channel import Channel
from relay.media.connection import Connection
from relay.media.event_tail import EventCursor
from relay.media.hall_media import HallMedia
from relay.media.stage import Stage

RECEIPT_EVERY_S = 5.0
QUESTION_EVERY_S = 1.0


class HallConnection(Connection):
    """Serves one hall. Its socket carries, most urgent first: answers and state, events (page turns, pointer), the page
    shown now, the voice asked for from the log, the pages to come. Pages and voice share a window of unacknowledged
    bytes, so that they never fill the link in front of the live voice."""

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
        self.media = HallMedia(stage, hello, self.control)
        self.report = Report()
        self.window = AckWindow()
        self._stage = stage
        self._events = EventCursor(stage.tail, hello.have.after_seq, for_hall=True)
        self._backfill = Backfill(stage.log, stage.track_of, stage.edge_ms, lambda: stage.state == "ended")
        self._pages = BlobPush(stage.book, stage.get_blob, hello.have.blobs)
        self._receipt: Receipt | None = None
        self._receipt_at = float("-inf")
        self._question_at = float("-inf")
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

    @property
    def wants_voice(self) -> bool:
        """Whether it may be waiting for voice that is recorded from now on."""
        return bool(self._backfill)

    def tell_state(self) -> None:
        """Tell the hall how lecture and publisher are."""
        stage = self._stage
        self.control(State(publisher=stage.publisher_state, lecture=stage.state))
        if stage.state == "ended":
            self.control(Ended(stage.length_ms(), stage.voice_sent_ms(self.media.language)))

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
        """Its links in figures, JSON-ready: what goes over RTP, and what over the socket."""
        subscriber = self.media.subscriber
        return {
            **(subscriber.facts() if subscriber is not None else {"connected": False}),
            "socket_rate_kbps": round(self.window.rate_kbps, 1),
            "socket_in_flight_bytes": self.window.in_flight_bytes,
        }

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
                self.media.report(message, now)
            case Want():
                self._backfill.add(message)
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
        stage = self._stage
        if stage.state != "live":
            return None
        return Clock(stage.now_ms(), stage.voices[self.media.language].recorded_end_ms)

    def next_item(self, now: float) -> Message | bytes | None:
        event = self._events.next()
        if event is not None:
            return event
        size_bytes = self.window.frame_bytes()
        if size_bytes == 0:
            return None
        frame = self._pages.next(size_bytes, urgent=True)
        if frame is None:
            item = self._next_voice()
            if item is not None and not isinstance(item, bytes):
                return item
            frame = item or self._pages.next(size_bytes, urgent=False)
        if frame is None:
            return None
        self.window.sent(len(frame), now)
        return self.session.send_binary(frame)

    def _next_voice(self) -> Message | bytes | None:
        item = self._backfill.next()
        return pack_chunk(item) if isinstance(item, Entry) else item

    def _acknowledged(self, ack: Ack, now: float) -> None:
        try:
            self.window.acknowledged(ack.bytes, now)
        except ValueError as error:
            raise ProtocolError("ack_impossible", "The acknowledged bytes do not add up.") from error

    def _ask(self, question: Question, now: float) -> None:
        if now - self._question_at < QUESTION_EVERY_S:
            raise RefusedError("too_many_questions", "One question a second is enough.", 429)
        self._question_at = now
        self._stage.append_event(Kind.QUESTION, {"hall": self.name, "text": question.text})

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
