"""Repair of the recording from copies (docs/protocol.md, section 14): what is wanted, and what is brought."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from lecture.coverage import Coverage
from lecture.entries import Entry, Kind
from lecture.errors import HallcastError, RefusedError
from lecture.lecturer_messages import Repair
from lecture.log import Span
from lecture.messages import Repaired
from lecture.segment import SEGMENT_BYTES, Segment, parse_segment
from lecture.tracks import VOICE_FRAME_MS
from recordings.align import aligned
from recordings.fill import lacking
from recordings.remake import remake, unmade
from recordings.repair_book import REPAIR_KEY, RepairBook
from relay.media.camera_repair import CameraRepair
from relay.media.refinish import Refinish
from relay.media.stage import Stage
from transport.opus import OpusError, packet_duration_ms

logger = logging.getLogger("hallcast.repair")

MAX_WANTED = 100
SETTLE_MS = 3_000
"""Voice this much older than the longest wait for retransmission is in the log, or on no way to it."""
OPEN_HELD_MS = 1_000
"""Of a hole that nobody knows the end of, the newest is asked for with its end: a rest below what counts as a hole
would never be, and by what follows the end the last words find their place."""

READ_EVERY_S = 10.0
"""At most so often the log is read anew while a full disk makes it lose what it had."""
PIECE_MS = 60_000
"""What is made at once; a multiple of a frame."""


class RepairDesk:
    """Takes segments for one lecture and has the light rungs made of them. Runs in the event loop, but for the making
    and for what reads the log: that may wait for the disk, and no lecture of the relay is to stand still meanwhile.
    :meth:`read` comes first.

    :param spawn: runs a task of the lecture.
    :param tell_halls: says a message to all halls of its language.
    :param done: told when a repair of an ended lecture has come to rest.
    """

    def __init__(
        self,
        stage: Stage,
        spawn: Callable[[str, Coroutine[Any, Any, object]], object],
        tell_halls: Callable[[Repaired], None],
        done: Callable[[], None],
    ) -> None:
        self._stage = stage
        self._spawn = spawn
        self._tell_halls = tell_halls
        self._book = RepairBook(stage.voices)
        self._book.load(stage.log.get_meta)
        spoken = next(iter(stage.voices))
        self._camera = CameraRepair(stage.log, lambda copy: self._book.shift_ms(spoken, copy))
        self._languages = {line.source_track.track_id: language for language, line in stage.voices.items()}
        self._dropped = stage.log.dropped_entries
        self._filling = asyncio.Lock()  # what was read of the log is still so when it is filled
        self._unmade = {language: Coverage() for language in stage.voices}
        self._is_making = False
        self._refinish = Refinish(stage, spawn, done)
        self._before = Span(0, stage.log.last_t_ms())
        self._read_at = 0.0

    def resume(self) -> None:
        """Have the rungs made of what an earlier run repaired, or recorded, and did not come to make."""
        self._make_soon(look=True)

    @property
    def is_at_rest(self) -> bool:
        """Whether the file of an ended lecture is finished, as far as this knows."""
        return not self._refinish.is_due

    def tick(self, now: float) -> None:
        """Do what is due."""
        if not self._is_making:
            self._refinish.tick(now)
        if self._stage.log.dropped_entries != self._dropped and now >= self._read_at:
            self._read_at = math.inf
            self._spawn("reading what a full disk has left", self._read_again())

    async def close(self) -> None:
        """What was brought is in a finished file, as if all had been brought. Nothing comes any more."""
        await self._refinish.close()

    async def read(self) -> None:
        """Learn what the log has: at first, and when a full disk has made it lose something."""
        async with self._filling:
            log, meanwhile = self._stage.log, list[Entry]()
            dropped, unfollow = log.dropped_entries, log.follow(meanwhile.append)
            try:
                covered = await asyncio.to_thread(self._covered)
            finally:
                unfollow()
            self._know_anew(*covered)
            for entry in meanwhile:
                self.appended(entry)
            self._dropped = dropped

    def appended(self, entry: Entry) -> None:
        """An entry is in the log."""
        language = self._languages.get(entry.track_id) if entry.kind == Kind.VOICE else None
        if language is not None:
            self._book.know(language, [Span(entry.t_ms, entry.end_ms)])
        self._camera.appended(entry)

    def status(self) -> Repair:
        """What is missing and what was repaired, in all languages."""
        facts = [self.facts(language) for language in self._stage.voices]
        return Repair(sum(one["missing_ms"] for one in facts), sum(one["repaired_ms"] for one in facts))

    def facts(self, language: str) -> dict[str, int]:
        """``missing_ms`` and ``repaired_ms`` of a voice."""
        return {
            "missing_ms": self._book.missing_ms(language, self._end_ms() - self._held_ms()),
            "repaired_ms": self._book.repaired_ms(language),
        }

    async def wanted(
        self, languages: Sequence[str], copy: str = "", *, asked: bool = False, camera: bool = False
    ) -> dict[str, Any]:
        """The answer to who asks what is wanted, JSON-ready.

        :param languages: of the lecture, those that may be repaired.
        :param asked: they were named, so that one of which there is nothing at all is wanted, too.
        :param camera: it may be repaired, too; behind all voices, and of a copy that is named.
        """
        facts = [self.facts(language) for language in languages]
        spans = [
            # In the copy's own times, so that it goes on where it stopped.
            (max(0, span.start_ms - shift_ms), max(1, span.end_ms - shift_ms), language)
            for language in languages
            if asked or self._book.is_spoken(language)
            for shift_ms in (self._book.shift_ms(language, copy),)
            for span in self._book.wanted(language, self._end_ms(), copy, held_ms=self._held_ms())
        ]
        voices = [
            {"kind": "voice", "language": language, "start_ms": start_ms, "end_ms": end_ms}
            for start_ms, end_ms, language in sorted(spans)[:MAX_WANTED]
        ]
        pictures = []
        if camera and copy:
            async with self._filling:
                pictures = await self._camera.wanted(copy, self._end_ms(), ended=self._stage.state == "ended")
        return {
            "wanted": voices + pictures,
            "language": languages[0] if languages else "",
            "missing_ms": sum(one["missing_ms"] for one in facts),
            "repaired_ms": sum(one["repaired_ms"] for one in facts),
            "segment_bytes": SEGMENT_BYTES,
            "state": self._stage.state,
        }

    async def take(self, body: bytes, sha256: str, languages: Sequence[str], *, camera: bool = False) -> dict[str, Any]:
        """Take a segment; returns what :meth:`wanted` says of its language (of all, for one of the camera) and copy,
        and ``added_ms``.

        :param sha256: what the sender says of ``body``, in hex.
        :param languages: that the sender may repair.
        :param camera: the sender may repair it.
        :raises RefusedError: ``segment_hash_wrong`` (422), ``segment_malformed`` (400), ``language_unknown`` (422),
            ``forbidden`` (403), ``repair_beyond_lecture`` (422), ``disk_full`` (507).
        """
        if hashlib.sha256(body).hexdigest() != sha256:
            raise RefusedError("segment_hash_wrong", "The segment is not what its address says; send it again.", 422)
        segment = parse_segment(body)
        if segment.track.kind == "camera":
            if not camera:
                raise RefusedError("forbidden", "This token may not repair the camera.", 403)
            return await self._take_camera(segment, languages)
        self._check(segment, languages)
        async with self._filling:
            added_ms = await self._fill(segment)
        self._make_soon()
        return await self._answer(added_ms, [segment.track.language], segment.copy, asked=True)

    async def _fill(self, segment: Segment) -> int:
        language, log = segment.track.language, self._stage.log
        track = self._stage.voices[language].source_track
        shift_ms = self._book.shift_ms(language, segment.copy)
        frames, found_ms = await asyncio.to_thread(aligned, log, track.track_id, segment.frames, segment.span, shift_ms)
        self._book.found_shift(language, segment.copy, found_ms)
        # A copy's times do not reach before 0, wherever that lies.
        start_ms = segment.span.start_ms + shift_ms if segment.span.start_ms else 0
        end_ms = segment.span.end_ms + shift_ms
        was_hole = self._book.is_hole(language, Span(start_ms, end_ms))
        if not self._book.has_voice_at(language, end_ms) and end_ms < self._end_ms():
            end_ms += found_ms - shift_ms  # the hole goes on, and so will the copy
        span = Span(max(0, start_ms), min(end_ms, self._end_ms()))
        entries = await asyncio.to_thread(lacking, log, track, frames, span)
        for entry in entries:
            log.append(entry)
        added_ms = sum(entry.duration_ms for entry in entries)
        self._book.answered(language, segment.copy, span, added_ms, was_hole=was_hole)
        log.set_meta(REPAIR_KEY, self._book.to_meta())
        self._to_make(language, [span])
        return added_ms

    async def _take_camera(self, segment: Segment, languages: Sequence[str]) -> dict[str, Any]:
        self._check_room(segment, self._camera.shift_ms(segment.copy))
        async with self._filling:
            added_ms = await self._camera.take(segment, self._end_ms(), ended=self._stage.state == "ended")
        return await self._answer(added_ms, languages, segment.copy, camera=True)

    async def _answer(
        self, added_ms: int, languages: Sequence[str], copy: str, *, asked: bool = False, camera: bool = False
    ) -> dict[str, Any]:
        self._refinish.brought()
        # Only what is on disk is told to be here: the copy may be about to forget it.
        await self._stage.recorder.commit()
        answer = await self.wanted(languages, copy, asked=asked, camera=camera)
        if not answer["wanted"]:
            self._refinish.all_brought()
        return {**answer, "added_ms": added_ms}

    def _check(self, segment: Segment, languages: Sequence[str]) -> None:
        language = segment.track.language
        if language not in self._stage.voices:
            raise RefusedError("language_unknown", "The lecture has no voice in this language.", 422)
        if language not in languages:
            raise RefusedError("forbidden", "This token may not repair that language.", 403)
        self._check_room(segment, self._book.shift_ms(language, segment.copy))
        try:
            sound = all(packet_duration_ms(frame.data) == frame.duration_ms for frame in segment.frames)
        except OpusError:
            sound = False
        if not sound:
            raise RefusedError("segment_malformed", "A frame of the segment is not the Opus it says it is.", 400)

    def _check_room(self, segment: Segment, shift_ms: int) -> None:
        if segment.span.end_ms + shift_ms > self._end_ms():
            raise RefusedError("repair_beyond_lecture", "The lecture has not come so far, or ended before that.", 422)
        if self._stage.recorder.trouble:
            raise RefusedError("disk_full", "The relay's disk takes nothing now; come back later.", 507)

    def _end_ms(self) -> int:
        """Voice before that is in the log, or will not come by itself."""
        stage = self._stage
        if stage.state == "ended":
            return stage.length_ms()
        return max(0, stage.now_ms() - round(stage.settings.voice_wait_s * 1000) - SETTLE_MS)

    def _held_ms(self) -> int:
        return 0 if self._stage.state == "ended" else OPEN_HELD_MS

    def _to_make(self, language: str, spans: Iterable[Span]) -> None:
        for span in spans:
            self._unmade[language].add(Span(max(0, span.start_ms - VOICE_FRAME_MS), span.end_ms + VOICE_FRAME_MS))

    def _make_soon(self, *, look: bool = False) -> None:
        if not self._is_making:
            self._is_making = True
            self._spawn("making repaired voice", self._make(look=look))

    async def _make(self, *, look: bool) -> None:
        """Make the recorded rungs of what lacks them, until there is no more.

        :param look: in the log first, for what was there before.
        """
        failed: list[tuple[str, Span]] = []
        try:
            for language in self._unmade if look else ():
                self._to_make(language, await asyncio.to_thread(unmade, self._stage.log, language, self._before))
            while (piece := self._next_unmade()) is not None:
                try:
                    await self._make_piece(*piece)
                except HallcastError as error:
                    language, span = piece
                    logger.error("rungs of %s, %d to %d ms: %s", language, span.start_ms, span.end_ms, error.text)
                    failed.append(piece)
        finally:
            self._is_making = False
            for language, span in failed:
                self._unmade[language].add(span)  # tried again with the next segment, or the next time it is opened

    def _next_unmade(self) -> tuple[str, Span] | None:
        """The next that is made at once. Whoever closes the lecture does not wait for an hour of it."""
        for language, coverage in self._unmade.items():
            for span in coverage:
                piece = Span(span.start_ms, min(span.end_ms, (span.start_ms // PIECE_MS + 1) * PIECE_MS))
                coverage.discard(piece)
                return language, piece
        return None

    async def _make_piece(self, language: str, span: Span) -> None:
        stage = self._stage
        # What is not even asked for yet is hoped for, too: no frame is made of half its words.
        hopeful = Coverage(self._book.hopeful(language, max(self._end_ms(), stage.now_ms())))
        made = await asyncio.to_thread(remake, stage.log, language, span, hopeful)
        for entry in made:
            stage.log.append(entry)
        if made:
            self._refinish.changed()
            start_ms, end_ms = min(one.t_ms for one in made), max(one.end_ms for one in made)
            stage.voice_repaired(language, end_ms)
            self._tell_halls(Repaired(language, start_ms, end_ms))

    async def _read_again(self) -> None:
        try:
            await self.read()
        finally:
            self._read_at = self._stage.now + READ_EVERY_S

    def _covered(self) -> tuple[dict[str, list[Span]], list[Span]]:
        """What the log has of each voice, and of the camera. Blocking."""
        log = self._stage.log
        whole = Span(0, log.last_t_ms())
        voices = {language: log.covered([track_id], whole) for track_id, language in self._languages.items()}
        return voices, self._camera.covered()

    def _know_anew(self, voices: dict[str, list[Span]], camera: list[Span]) -> None:
        self._book.forget_known()
        for language, spans in voices.items():
            self._book.know(language, spans)
        self._camera.know_anew(camera)
