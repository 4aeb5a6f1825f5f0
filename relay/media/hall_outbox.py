"""What one hall is to get, by class, whichever carrier asks for it. Everything is pulled when its turn has come."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from lecture.coverage import Coverage
from lecture.entries import Entry, readable_frames
from lecture.log import Span
from lecture.messages import Clock, Ended, HallHello, Message, Repaired, Want
from lecture.tracks import VOICE_FRAME_MS
from lecture.wire import MAX_VOICE_FRAMES, pack_chunk, pack_voice
from relay.adaptation.pacer import Class
from relay.media.backfill import RECENT_MS, Backfill
from relay.media.blob_push import BlobPush
from relay.media.event_tail import EventCursor
from relay.media.ink_push import InkPush
from relay.media.screen_push import ScreenPush
from relay.media.stage import Stage

BLOB_PART, VOICE, SCREEN_PART, ENTRY = 3, 4, 6, 7
"""Kinds of binary frames that a hall has to say it takes."""
MAX_MESSAGES = 256
REPEATED_S = 10.0
REPEATED_EVENTS = 8
"""Events handed to the socket so lately may still be in its queue when RTP takes over, and are said there again:
no more than a few of them, since a hall that has just joined was told the whole history."""

LATE_VOICE_S = 1.0
"""Voice that came late comes in many entries: a hall is told of them together."""

Item = Message | str | bytes
"""A message, a message as text already, or a binary frame."""


class HallOutbox:
    """The sources of one hall.

    :ivar language: of the voice that the hall hears, as it last said (:meth:`hears`).
    :ivar clock_every_s: how often the clock is told, with :attr:`budget_kbps` and :attr:`text`.
    :ivar budget_kbps: what the hall's link carries.
    :ivar text: the link is too thin for live voice.
    :ivar urgent_voice: class of recorded voice that is going to be played at once; None: it is as any other.
    :ivar overflown: more messages wait for this hall than is reasonable: drop it.
    """

    def __init__(self, stage: Stage, hello: HallHello) -> None:
        wanted = hello.have.language
        self.language = wanted if wanted in stage.voices else stage.info.languages[0]
        self.clock_every_s = 1.0
        self.budget_kbps = 0.0
        self.text = False
        self.urgent_voice: Class | None = Class.VOICE
        self.overflown = False
        self.backfill = Backfill(
            stage.log, stage.tracks_of, stage.edge_ms, stage.recorded_end_ms, lambda: stage.state == "ended"
        )
        self.pages = BlobPush(
            stage.book,
            stage.get_blob,
            hello.have,
            parts=BLOB_PART in hello.frames,
            prefetch=stage.halls.prefetch,
        )
        self.screen = ScreenPush(stage.screen, hello.have, taken=SCREEN_PART in hello.frames)
        self.ink = InkPush(stage.ink, stage.log, hello.have.ink, taken=ENTRY in hello.frames)
        self._stage = stage
        self._voice_frames = VOICE in hello.frames
        self._events = EventCursor(stage.tail, hello.have.after_seq, for_hall=True)
        self._messages: deque[Message] = deque()
        self._repaired = Coverage()
        self._repaired_at = 0.0
        self._again: dict[Class, deque[Item]] = {class_: deque() for class_ in Class}
        self._clock_at = float("-inf")
        self._said: deque[tuple[float, int]] = deque(maxlen=REPEATED_EVENTS)  # (when, seq before it) of the newest
        start_ms = hello.have.voice_end_ms
        if start_ms is not None:
            self.backfill.follow(wanted or self.language, start_ms, announced=True)

    def message(self, message: Message) -> None:
        """Say this to the hall; beyond :data:`MAX_MESSAGES` that it did not take it is :attr:`overflown`."""
        self._messages.append(message)
        self.overflown = self.overflown or len(self._messages) > MAX_MESSAGES

    def hears(self, language: str) -> None:
        """The hall hears this language of the lecture; it may have been told of another."""
        if language != self.language:
            self.language = language
            self._repaired = Coverage()
            if self._stage.state == "ended":
                self.tell_ended()

    def tell_ended(self) -> None:
        """Say that the lecture has ended."""
        self.message(Ended(self._stage.length_ms(), self._stage.voice_sent_ms(self.language)))

    def recorded(self, entry: Entry) -> bool:
        """An entry with media is in the log. Returns whether there may be something to be sent."""
        span = Span(entry.t_ms, entry.end_ms)
        # The last of the made rungs, so that all of them have it.
        made = entry.track_id == self._stage.voices[self.language].track.track_id
        if made and self.backfill.recorded(self.language, span):
            if not self._repaired:
                self._repaired_at = self._stage.now + LATE_VOICE_S
            self._repaired.add(span)
        return bool(self.backfill)

    def repaired(self, span: Span) -> None:
        """Voice of this span may be wanted again. What is not told yet becomes one, so there is never much to tell."""
        self._repaired.add(span)
        self._repaired_at = 0.0

    def want(self, want: Want) -> None:
        """Take a want; see :meth:`relay.media.backfill.Backfill.add`."""
        self.backfill.add(want)
        self.hears(want.language)

    def hand_over(self, items: Iterable[tuple[int, Item]]) -> None:
        """Take back what another carrier was given and may not have delivered."""
        for class_, item in items:
            self._again[Class(class_)].append(item)

    def owe(self, language: str, spans: Iterable[Span]) -> None:
        """Live voice of these spans may not have arrived."""
        for span in sorted(spans, key=lambda span: span.start_ms, reverse=True):
            self.backfill.owe(language, span)

    def repeat_events(self, now: float) -> None:
        """Say the events of the last seconds again: another carrier may overtake them."""
        recent = [seq for at, seq in self._said if at >= now - REPEATED_S]
        if recent:
            self._events.rewind(min(recent))

    @property
    def page_waiting(self) -> bool:
        """Whether something of the page that is shown now is yet to be sent, or much of the screen."""
        page = not self.screen.covers_page and self.pages.waiting(urgent=True)
        return bool(self._again[Class.PAGE]) or self.screen.late or page

    @property
    def voice_waiting(self) -> bool:
        """Whether recorded voice is yet to be sent."""
        return bool(self._again[Class.CATCH_UP] or self._again[Class.PROTECTION]) or self.backfill.waiting

    def next(self, class_: Class, piece_bytes: int, now: float) -> Item | None:
        """The next item of a class, None while there is none.

        :param piece_bytes: largest piece of a page.
        """
        again = self._again[class_]
        if again:
            return again.popleft()
        match class_:
            case Class.CONTROL:
                return self._control(now)
            case Class.VOICE | Class.PROTECTION:
                if class_ is not self.urgent_voice:
                    return None
                return self._voice(now, from_ms=self._stage.now_ms() - RECENT_MS)
            case Class.PAGE:
                part = self.screen.next(piece_bytes)
                if part is not None or self.screen.covers_page:
                    return part
                return self.pages.next(piece_bytes, urgent=True) or self.ink.frame(self._shown, urgent=True)
            case Class.CATCH_UP:
                return self._voice(now, from_ms=0)
            case Class.BULK:
                return self.ink.frame(self._shown, urgent=False) or self.pages.next(piece_bytes, urgent=False)
        return None

    def clock(self) -> Clock | None:
        """Lecture time now; None while the lecture is not live."""
        stage = self._stage
        if stage.state != "live":
            return None
        voice_end_ms = stage.recorded_end_ms(self.language)
        return Clock(stage.now_ms(), voice_end_ms, round(self.budget_kbps, 1), self.text)

    def _control(self, now: float) -> Message | None:
        if self._messages:
            return self._messages.popleft()
        # What was to go another way may have a "filled" among it, which this would take back before it is said.
        may_tell = self._stage.now >= self._repaired_at and not self._again[Class.CATCH_UP]
        for span in self._repaired if may_tell else ():
            self._repaired.discard(span)
            return Repaired(self.language, span.start_ms, span.end_ms)
        # Nobody speaks: only the clock tells a hall how far the silence reaches, which it may pass over.
        every_s = self.clock_every_s if self._stage.publisher_state == "live" else min(1.0, self.clock_every_s)
        if now - self._clock_at >= every_s:
            self._clock_at = now
            clock = self.clock()
            if clock is not None:
                return clock
        before = self._events.after_seq
        event = self._events.next()
        if event is not None:
            self._said.append((now, before))
            return event
        ink = self.ink.live(self._shown, self._stage.now_ms())
        return ink or self.ink.pointer(self.budget_kbps, now)

    @property
    def _shown(self) -> tuple[str, int]:
        return self._stage.book.deck, self._stage.book.page

    def _voice(self, now: float, *, from_ms: int) -> Item | None:
        # A "filled" that is next must not overtake voice that another carrier was given.
        for handed_over in (self._again[Class.PROTECTION], self._again[Class.CATCH_UP]):
            if handed_over:
                return handed_over.popleft()
        item = self.backfill.next(now, from_ms=from_ms)
        return self._packed(item) if isinstance(item, Entry) else item

    def _packed(self, entry: Entry) -> bytes:
        slots = self._slots(entry) if self._voice_frames else []
        return pack_voice(entry.track_id, entry.t_ms, slots) if slots else pack_chunk(entry)

    def _slots(self, entry: Entry) -> list[bytes]:
        """Its frames as slots of 60 ms, none if they do not fit such."""
        slots = [b""] * MAX_VOICE_FRAMES
        last = -1
        for frame in readable_frames(entry):
            slot, off_ms = divmod(frame.t_ms - entry.t_ms, VOICE_FRAME_MS)
            if off_ms or slot >= MAX_VOICE_FRAMES or frame.duration_ms != VOICE_FRAME_MS:
                return []
            slots[slot], last = frame.data, slot
        return slots[: last + 1]
