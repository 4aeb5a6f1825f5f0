"""One lecture as one hall receives it: everything that arrives ends up here, everything shown or heard comes from here.

No sockets, no sound: the clock is an argument.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field, replace

from classroom_client.carrier import CarrierChoice
from classroom_client.copy import HallCopy
from classroom_client.delay import PlayoutDelay
from classroom_client.gaps import Backfill
from classroom_client.live_edge import LiveEdge
from classroom_client.notes import Notes
from classroom_client.pages import PageBook
from classroom_client.questions import Questions
from classroom_client.screen import Screen
from classroom_client.screen_stills import ScreenStills
from classroom_client.settings import HallSettings
from classroom_client.timeline import Policy, Timeline
from classroom_client.voice import VoiceBuffer
from lecture.entries import EncodedFrame, Kind, unpack_frames
from lecture.errors import LectureFileError
from lecture.ink_book import InkBook
from lecture.log import Span
from lecture.message_parts import Have, LectureSummary
from lecture.messages import Clock, Ended, EntryMessage, Filled, HallWelcome, Repaired, State, Want
from lecture.tracks import VOICE_FRAME_MS, VOICE_RUNGS_KBPS
from lecture.wire import BlobFrame, BlobPartFrame, ChunkFrame, EntryFrame, ScreenPartFrame, VoiceFrame

log = logging.getLogger("hallcast.hall")

_LOAD_AHEAD_MS = 60_000
_RETRANSMISSION_MS = 1500
_FOLLOW_MS = 6_000
_LOOK_MS = 3_600_000
_EARLY_PARTS = 300
_TEXT_AFTER_S = 8.0  # a budget that is low for a moment is no reason to do without the voice
_CLOCK_JUMP_MS = 3000
_LAST_VOICE_MS = 1000  # voice that was on its way through the relay when the lecture ended


@dataclass(slots=True)
class _Facts:
    """What the relay said last."""

    summary: LectureSummary
    publisher: str = "none"
    voice_end_ms: int = 0
    budget_kbps: float = 0.0
    ended: Ended | None = None
    languages: dict[int, str] = field(default_factory=dict)
    """Of the relay's voice tracks, by id."""


class Reception:
    """Opened with the lecture's copy; goes on across sockets, relays and restarts of the hall.

    :param language: of the voice.
    """

    def __init__(self, copy: HallCopy, summary: LectureSummary, language: str, settings: HallSettings) -> None:
        progress = copy.progress()
        self.copy = copy
        self.language = language
        self.progress = progress
        self.voice = VoiceBuffer()
        self.edge = LiveEdge()
        self.book = PageBook()
        self.backfill = Backfill(self.voice)
        self.carrier = CarrierChoice()
        self.timeline = Timeline(self.voice, self.edge, settings.playout, progress.position_ms)
        self.ink = InkBook()
        self.screen = Screen(self.book, progress.shown, self.ink)
        self.stills = ScreenStills()
        self.notes = Notes()
        self.questions = Questions(progress.questions, progress.asked)
        self.facts = _Facts(summary)
        self._text_since_s: float | None = None
        # Pieces of pictures that no entry has told of yet. Full: the oldest goes, and comes with the next connection.
        self._early_parts: deque[BlobPartFrame] = deque(maxlen=_EARLY_PARTS)
        self._policy = settings.playout.policy
        self._max_behind_ms = settings.playout.max_behind_ms
        self._frame_bytes = 0.0
        self._head_ms = 0  # the newest frame that came
        self._rtp_from_ms: int | None = None
        self._delay = PlayoutDelay(settings.delay)
        self._restore()

    # What arrives

    def welcome(self, message: HallWelcome, now: float) -> None:
        """A hall socket stands."""
        known = self.edge.live_ms(now)
        if known is not None and abs(known - message.t_ms) > _CLOCK_JUMP_MS:
            self.edge.reset()  # the relay started anew, and its clock with it
        self.facts.summary = message.lecture
        self.facts.languages = {track.track_id: track.language for track in message.tracks if track.kind == "voice"}
        self.copy.describe(message.lecture)
        self.carrier.socket_up(now)
        self.questions.connected()
        self.voice.doubt_absent()  # what was repaired while we were away was told to others
        if message.lecture.state == "planned":
            self.timeline.from_the_start = True
        if message.lecture.state == "live":
            self.edge.observe(message.t_ms, now)

    def disconnected(self) -> None:
        """The hall socket is gone."""
        self.backfill.disconnected()
        self.stills.disconnected()
        self.carrier.socket_down()

    def clock(self, message: Clock, now: float) -> None:
        """Lecture time, and how far the voice reaches at the relay."""
        self.edge.observe(message.t_ms, now)
        self.facts.voice_end_ms = message.voice_end_ms
        self.facts.budget_kbps = message.budget_kbps
        self.carrier.text = message.text
        if not message.text:
            self._text_since_s = None
        elif self._text_since_s is None:
            self._text_since_s = now
        self.carrier.relay_has(message.voice_end_ms, now, got_ms=self.voice.have.end_ms)
        live = self.facts.publisher == "live"
        self.timeline.voice_reaches(message.voice_end_ms, message.t_ms, publisher_live=live)

    def state(self, message: State) -> None:
        """The lecture or its publisher changed."""
        summary = self.facts.summary
        self.facts.publisher = message.publisher
        self.facts.summary = LectureSummary(
            summary.id, summary.title, summary.course, summary.languages, message.lecture
        )

    def ended(self, message: Ended) -> None:
        """The lecture is over."""
        self.facts.ended = message
        self.carrier.text = False
        self._text_since_s = None
        self.timeline.ends_at(message.t_ms)

    def entry(self, message: EntryMessage) -> None:
        """A page turn, a page, a deck, a note, …"""
        self.ink.take(message.entry_kind, message.t_ms, message.seq, message.fields)
        kept = self.copy.keep_event(message)
        if kept is None:
            return
        self.book.take(kept.entry_kind, kept.t_ms, kept.seq, kept.fields)
        self.notes.take(kept.entry_kind, kept.t_ms, kept.seq, kept.fields)
        if kept.entry_kind == Kind.PAGE:
            early = [part for part in self._early_parts if self.book.image(part.short_digest) is not None]
            for part in early:
                self._early_parts.remove(part)
                self.blob_part(part)

    def entry_frame(self, frame: EntryFrame) -> None:
        """Ink that had no haste."""
        try:
            self.entry(EntryMessage.of(frame.entry))
        except ValueError:
            log.warning("an unreadable entry is left out")

    def blob(self, frame: BlobFrame) -> None:
        """A piece of a page's picture."""
        self._keep_piece(frame.digest, frame.media_type, frame.offset, frame.total, frame.data)

    def blob_part(self, frame: BlobPartFrame) -> None:
        """A piece of a page's picture; its entry tells the rest, before or after."""
        image = self.book.image(frame.short_digest)
        if image is None:
            self._early_parts.append(frame)
        else:
            self._keep_piece(image.digest, image.media_type, frame.offset, image.size_bytes, frame.data)

    def _keep_piece(self, digest: str, media_type: str, offset: int, total: int, data: bytes) -> None:
        try:
            if self.copy.keep_blob_part(digest, media_type, offset, total, data):
                self.book.blob_complete(digest)
        except LectureFileError as error:
            log.warning("a page's picture is not kept: %s", error)

    def screen_part(self, frame: ScreenPartFrame) -> None:
        """A piece of what has changed on the lecturer's screen."""
        for timed in self.stills.part(frame):
            try:
                self.copy.keep_screen(timed.t_ms, timed.data, whole=timed.update.is_whole)
            except LectureFileError as error:
                log.warning("a still of the screen is not kept: %s", error)

    def camera(self, codec: str, frame: EncodedFrame) -> None:
        """A coded picture of the camera."""
        try:
            self.copy.keep_camera(codec, frame)
        except LectureFileError as error:
            log.warning("a picture of the camera is not kept: %s", error)

    def voice_frame(self, frame: VoiceFrame, now: float) -> None:
        """Voice from the relay's log, with a small header."""
        if self.facts.languages.get(frame.track_id, self.language) == self.language:
            self._fetched_voice([(item.t_ms, item.data) for item in frame.frames], now)

    def chunk(self, frame: ChunkFrame, now: float) -> None:
        """Voice from the relay's log, asked for."""
        if frame.entry.kind != Kind.VOICE:
            return
        try:
            frames = list(unpack_frames(frame.entry))
        except ValueError:
            log.warning("an unreadable chunk of voice is left out")
            return
        self._fetched_voice([(item.t_ms, item.data) for item in frames if item.duration_ms == VOICE_FRAME_MS], now)

    def media_began(self) -> None:
        """A media connection stands; what was spoken before its first packet cannot come over it."""
        self._rtp_from_ms = None

    def live_voice(self, frames: list[tuple[int, bytes]], now: float) -> None:
        """Voice over RTP."""
        if not frames:
            return
        self.carrier.rtp_voice(now)
        if self._rtp_from_ms is None:
            self._rtp_from_ms = frames[0][0]
        self.edge.observe(frames[-1][0] + VOICE_FRAME_MS, now)
        for _, data in frames:
            self._frame_bytes += (len(data) - self._frame_bytes) / 32 if self._frame_bytes else len(data)
        # What comes a second time, as a copy, was not late.
        self._measure([frame for frame in frames if not self.voice.have.contains(frame[0])], now)
        self._take_voice(frames)

    def filled(self, message: Filled) -> None:
        """A request has been answered."""
        if message.language == self.language:
            self.backfill.filled(Span(message.start_ms, message.end_ms))

    def repaired(self, message: Repaired) -> None:
        """Voice has come to the relay that did not exist there."""
        if message.language == self.language:
            self.voice.doubt_absent(Span(message.start_ms, message.end_ms))

    # What to do

    def have(self, now: float) -> Have:
        """What to tell the relay in a hello; with it goes what is wanted at once."""
        from_ms = self._wanted_from_ms(now)
        if from_ms is not None:
            self.backfill.announced(from_ms, now)
        share, number = self.stills.have
        have = self.copy.have(from_ms, self.language)
        return replace(have, screen_share=share, screen_number=number, ink=self.ink.spans)

    def _wanted_from_ms(self, now: float) -> int | None:
        """All voice from there on is wanted; None where that cannot be told yet, or would be too much."""
        if self._policy is not Policy.CATCH_UP or self.facts.ended is not None:
            return None
        position_ms = self.timeline.position_ms
        if position_ms is None:
            return 0 if self.timeline.from_the_start else None
        live = self.edge.live_ms(now)
        if live is None or live - position_ms > self._max_behind_ms:
            return None
        return self.voice.ready_until(position_ms, _LOOK_MS)

    def wants(self, now: float) -> list[Want]:
        """Voice to ask for now."""
        position_ms = self.timeline.position_ms or 0
        until_ms = self._ask_until_ms(now)
        if until_ms is None:
            return []
        spans = self.backfill.plan(
            now,
            position_ms=position_ms,
            ask_until_ms=until_ms,
            history=not self.screen.waiting,
            spoken_ms=None if self.facts.ended is not None else self.facts.voice_end_ms,
        )
        return [Want(self.language, span.start_ms, span.end_ms) for span in spans]

    def tick(self, now: float, *, rtt_s: float | None, fraction_lost: float) -> None:
        """A few times a second: adjust the playout delay, fetch from the file what is going to be played."""
        self.timeline.delay_ms = self._delay.update(
            now, rtt_s=rtt_s, fraction_lost=fraction_lost, over_socket=self.carrier.over_socket(now)
        )
        self.timeline.tempo.usual_late_ms = self._delay.usual_ms
        self.timeline.held = self.text_rung(now)
        position_ms = self.timeline.position_ms
        if position_ms is None:
            return
        span = self.voice.to_load(position_ms, _LOAD_AHEAD_MS)
        if span is not None:
            found = self.copy.frames(self.language, Span(span.start_ms, min(span.end_ms, span.start_ms + 20_000)))
            for frame in found:
                self.voice.load(frame.t_ms, frame.data)

    def text_rung(self, now: float) -> bool:
        """Whether the link is lastingly too thin for live voice: pages go on without it, the voice comes later."""
        return self._text_since_s is not None and now - self._text_since_s > _TEXT_AFTER_S

    def shown_ms(self, heard_ms: int | None, now: float) -> int | None:
        """Lecture time that the screen follows: the voice, if there is one; None for nothing yet."""
        live = self.edge.live_ms(now)
        if self.timeline.held and self.timeline.stalled_since is not None and live is not None:
            return int(live) - self.timeline.delay_ms
        if heard_ms is None and self.facts.summary.state == "planned":
            return 0  # the first page may be looked at before the lecture begins
        return heard_ms

    def near_ms(self, now: float) -> int:
        """About what lecture time it is."""
        live = self.edge.live_ms(now)
        return int(live) if live is not None else self.voice.have.end_ms

    def gaps(self, now: float) -> list[Span]:
        """Voice that is missing and should be here."""
        until_ms = self._ask_until_ms(now) or 0
        return self.backfill.missing(min(until_ms, max(self.facts.voice_end_ms, self._end_ms())))

    @property
    def rung(self) -> str:
        """The voice's rung as it comes over RTP, judged by its size; empty before the first frame."""
        if not self._frame_bytes:
            return ""
        kbps = self._frame_bytes * 8 / VOICE_FRAME_MS
        return str(min(VOICE_RUNGS_KBPS, key=lambda rung: abs(rung - kbps)))

    @property
    def complete(self) -> bool:
        """Whether the lecture has ended and nothing that exists is missing."""
        return self.facts.ended is not None and not self.backfill.missing(self._end_ms())

    def _end_ms(self) -> int:
        return self.facts.ended.t_ms + _LAST_VOICE_MS if self.facts.ended else 0

    def _ask_until_ms(self, now: float) -> int | None:
        """Voice before this is not going to come by itself."""
        if self.facts.ended is not None:
            return self._end_ms()
        live = self.edge.live_ms(now)
        if live is None or self.facts.summary.state != "live":
            return None
        if self.carrier.text:
            return self.facts.voice_end_ms
        if self.carrier.over_socket(now):
            # Such a request stays open at the relay and follows the lecture; on the frames' grid, so that it is
            # asked for in a few long pieces.
            return (int(live) + _FOLLOW_MS) // _FOLLOW_MS * _FOLLOW_MS
        # Retransmission gets its time first: it costs a few bytes where a request costs whole chunks.
        age_ms = max(_RETRANSMISSION_MS, self.timeline.delay_ms * 17 // 20)
        missed_ms = self._rtp_from_ms if self._rtp_from_ms is not None and self.carrier.rtp_works(now) else 0
        return max(missed_ms, min(int(live) - age_ms, self.facts.voice_end_ms))

    def _fetched_voice(self, frames: list[tuple[int, bytes]], now: float) -> None:
        """Voice that was asked for; over the socket that is the live voice, too."""
        self.carrier.chunk_voice(now)
        if self.carrier.over_socket(now):
            self._measure([frame for frame in frames if frame[0] >= self._head_ms], now)
        self._take_voice(frames)

    def _measure(self, frames: list[tuple[int, bytes]], now: float) -> None:
        """Learn from live voice how late it comes."""
        live_ms = self.edge.live_ms(now)
        for t_ms, _ in frames:
            self._head_ms = max(self._head_ms, t_ms)
            if live_ms is not None:
                self._delay.arrived(t_ms, live_ms, now)

    def _take_voice(self, frames: list[tuple[int, bytes]]) -> None:
        fresh = [EncodedFrame(t_ms, VOICE_FRAME_MS, data) for t_ms, data in frames if self.voice.add(t_ms, data)]
        if fresh:
            self.copy.keep_voice(self.language, fresh)

    def _restore(self) -> None:
        """What the copy already holds."""
        for span in self.copy.voice_spans(self.language):
            self.voice.mark_kept(span)
        for digest in self.copy.complete_blobs():
            self.book.blob_complete(digest)
        for message in self.copy.events():
            self.book.take(message.entry_kind, message.t_ms, message.seq, message.fields)
            self.notes.take(message.entry_kind, message.t_ms, message.seq, message.fields)
            self.ink.take(message.entry_kind, message.t_ms, message.seq, message.fields)
