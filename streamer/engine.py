"""The streamer without a screen: gives a lecture to a relay and keeps a full-quality copy of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

import httpx

from lecture.errors import HallcastError, first_of
from lecture.tracks import UNKNOWN_LANGUAGE
from streamer.address import RelayAddress
from streamer.camera_pump import CodedPicture
from streamer.control import Control
from streamer.copy_source import CopySource
from streamer.errors import StreamError
from streamer.events import Event, PageTurned, Said, StreamReceipt, StreamStatus
from streamer.feed import Feed
from streamer.line import Line, LinePart
from streamer.options import StreamOptions
from streamer.own_copy import OwnCopy, open_own_copy
from streamer.own_repair import OwnRepair
from streamer.publisher import Publisher
from streamer.rate import Rate
from streamer.screen_share import CodedScreen, ScreenShare
from streamer.turns import TurnSchedule
from streamer.upload import DeckUpload, read_pdf
from streamer.voice_pump import VoicePacket
from transport.http_client import http_client
from transport.network import NetworkConfig

__all__ = ["StreamOptions", "Streamer"]

log = logging.getLogger("hallcast.streamer")

LAST_WORDS_S, LAST_WORDS_ROUND_TRIPS = 2.0, 4
"""After the last word the connection stays for so long, so that the relay gets again what was lost of it."""
LIVE_WAIT_S = 5.0
"""A lecturer in person is recorded after this time at the latest, connected or not."""
DECK_WAIT_S = 60.0
"""A recorded voice waits for the first page, but not for ever."""


class Streamer:
    """Gives one lecture. Make it and :meth:`run` it once; the rest may be called meanwhile, in the same loop.

    :param on_event: is told what happens.
    :param network: addresses to use for media (tests name the loopback).
    """

    def __init__(
        self,
        options: StreamOptions,
        *,
        on_event: Callable[[Event], None] = lambda event: None,
        network: NetworkConfig | None = None,
    ) -> None:
        self.options = options
        self.address = RelayAddress.parse(options.relay, options.lecture)
        self._on_event = on_event
        self._network = network or NetworkConfig()
        self._line = Line()
        self._schedule = TurnSchedule(options.turns)
        self._rate = Rate()
        self._finish = asyncio.Event()
        self._ended = asyncio.Event()
        self._end_wanted: bool | None = None
        self._pages_turned = 0
        self._t0 = 0.0
        self._upload: DeckUpload | None = None
        self._feed: Feed
        self._publisher: Publisher
        self._control: Control
        self._copy: OwnCopy
        self._repair: OwnRepair
        self._screen: ScreenShare | None = None

    # What the lecturer does

    def turn_to(self, page: int) -> None:
        """Turn to a page (from 1; the nearest that there is)."""
        if self._upload is not None and self._control.pages.turn_to(page):
            self._turned(self._upload)

    def turn_by(self, pages: int) -> None:
        """Turn forward, or back."""
        if self._upload is not None and self._control.pages.turn_by(pages):
            self._turned(self._upload)

    def toggle_screen(self) -> None:
        """Share the screen, or stop it."""
        if self._screen is not None:
            self._screen.toggle()

    def finish(self, *, end: bool) -> None:
        """Stop giving; :meth:`run` then comes to its end. Called again with ``end`` false: at once.

        :param end: end the lecture for everybody, too.
        """
        self._end_wanted = end
        self._finish.set()

    def _turned(self, upload: DeckUpload) -> None:
        pages, now = self._control.pages, _now()
        self._control.turn(pages.page, now)
        self._copy.turn(upload.deck, pages.page, round(self.stream_ms(now)))
        self._pages_turned += 1
        self._on_event(PageTurned(pages.page, pages.title))

    # What others see

    def stream_ms(self, now: float) -> float:
        """Stream time at ``now`` (the loop's clock), in ms: what RTP timestamps and the own copy count."""
        return max(0.0, (now - self._t0) * 1000)

    def status(self) -> StreamStatus | None:
        """How it is going; None before :meth:`run` has opened everything."""
        if not self._t0:
            return None
        publisher, control, feed, upload = self._publisher, self._control, self._feed, self._upload
        self._rate.put(_now(), publisher.sent.wire_bytes)
        return StreamStatus(
            line="up" if self._line.up else "down" if self._line.outages else "connecting",
            link_kbps=self._rate.kbps,
            rtt_s=publisher.rtt_s,
            fraction_lost=publisher.fraction_lost,
            spoken_ms=feed.spoken_ms,
            duration_ms=feed.duration_ms,
            level_db=feed.level_db,
            camera=feed.has_camera,
            page=control.pages.page,
            page_count=control.pages.page_count,
            page_title=control.pages.title,
            deck_sent=upload.done if upload else 1.0,
            deck_rendered=control.rendered,
            halls=control.halls,
            lecture_state=control.lecture_state,
            own_copy=str(self._copy.path),
            own_copy_trouble=self._copy.trouble,
            screen=self._screen.shared if self._screen is not None else None,
            missing_ms=self._repair.missing_ms,
            repaired_ms=self._repair.repaired_ms,
        )

    # The lecture

    async def run(self) -> StreamReceipt:
        """Give the lecture until the voice ends or :meth:`finish` is called.

        :raises HallcastError: what is to be given cannot be read, or the relay refuses it for good; ``proxy_unusable``.
        """
        try:
            receipt = await self._run()
        except ExceptionGroup as group:
            ours, others = group.split(HallcastError)
            if ours is None or others is not None:
                raise
            raise first_of(ours) from None
        self._on_event(receipt)
        return receipt

    async def _run(self) -> StreamReceipt:
        options = self.options
        pdf = await asyncio.to_thread(read_pdf, options.slides) if options.slides else None
        self._feed = await Feed.open(options, on_voice=self._voice_packet, on_picture=self._picture, say=self.say)
        try:
            self._screen = await ScreenShare.open(options.screen, on_update=self._screen_update, say=self.say)
            file = await asyncio.to_thread(open_own_copy, options.keep, options.lecture, options.title)
        except StreamError:
            self._feed.close()
            if self._screen is not None:
                self._screen.close()
            raise
        self._copy = OwnCopy(file, options.language or UNKNOWN_LANGUAGE)
        try:
            async with http_client(self.address.base, timeout=30.0) as http:
                self._publisher = self._make_publisher(http)
                self._repair = OwnRepair(
                    self.address,
                    options.token,
                    CopySource(file),
                    http=http,
                    line=self._line,
                    publisher=self._publisher,
                )
                self._control = Control(
                    self.address,
                    options.token,
                    line=LinePart("control", self.line_is),
                    say=self.say,
                    on_ended=self._ended.set,
                    on_leave=self._finish.set,
                    on_screen_lost=self._screen.begin_anew if self._screen is not None else lambda: None,
                    on_repair=self._repair.recording_is,
                )
                if pdf is not None:
                    self._upload = DeckUpload(self.address, options.token, pdf, http=http, title=options.title)
                    self._control.deck = self._upload.deck
                self._t0 = _now()
                ended = await self._with_connections()
        finally:
            self._line.close(_now())
            await asyncio.to_thread(self._copy.close, finished=self._ended.is_set())
        return self._receipt(ended)

    def _make_publisher(self, http: httpx.AsyncClient) -> Publisher:
        options = self.options
        return Publisher(
            self.address,
            options.token,
            http=http,
            network=self._network,
            language=options.language,
            camera=self._feed.has_camera,
            camera_bps=options.camera_bps,
            line=LinePart("media", self.line_is),
            stream_ms=self.stream_ms,
            on_keyframe=self._feed.keyframes.ask,
            on_camera_share=self._feed.share_camera,
            on_ended=self._ended.set,
        )

    async def _with_connections(self) -> bool:
        """Give the lecture with all that runs beside it; returns whether it was ended for everybody."""
        async with asyncio.TaskGroup() as tasks:
            running: list[asyncio.Task[Any]] = []

            def start(work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
                task = tasks.create_task(work, name=f"hallcast-{name}")
                running.append(task)
                return task

            start(self._publisher.run(), "publisher")
            start(self._control.run(), "control")
            start(self._copy.run(self.say), "own-copy")
            start(self._repair.run(), "repair")
            start(self._repair.watch(), "spare-rate")
            if self._upload is not None:
                start(self._upload_deck(self._upload), "deck")
            over = [start(self._finish.wait(), "finish"), start(self._ended.wait(), "ended")]
            ended = await self._give(start, over)
            await self._stay(ended)
            for task in running:
                task.cancel()
        return ended

    async def _give(self, start: Callable[..., asyncio.Task[Any]], over: list[asyncio.Task[Any]]) -> bool:
        ready = start(self._until_ready(), "ready")
        await asyncio.wait([ready, *over], return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            start_s = time.monotonic() - self.stream_ms(_now()) / 1000
            voice = start(self._feed.give_voice(start_s), "voice")
            given = [voice, start(self._feed.give_camera(start_s), "camera")]
            if self._screen is not None:
                given.append(start(self._screen.run(start_s), "screen"))
            await asyncio.wait([voice, *over], return_when=asyncio.FIRST_COMPLETED)
            for task in given:
                task.cancel()
        if self._ended.is_set():
            self.say("The lecture was ended at the relay.")
            return True
        if not self._finish.is_set():
            self._end_wanted = not self._feed.live if self.options.end is None else self.options.end
            await self._last_words()
        elif self._end_wanted:
            self._finish.clear()
            self.say("The lecture ends as soon as its last words have come to the relay.")
            await self._last_words()
        return await self._end() if self._end_wanted else False

    async def _last_words(self) -> None:
        rtt_s = self._publisher.rtt_s or 0.0
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._finish.wait(), max(LAST_WORDS_S, LAST_WORDS_ROUND_TRIPS * rtt_s))

    async def _end(self) -> bool:
        """End the lecture for everybody, however long the line is down."""
        self._line.drop("media")  # the relay lets go of it as the lecture ends
        self._control.end()
        if not self._line.up:
            self.say("The lecture will be ended as soon as the line is back. Ctrl-C leaves it open.")
        self._finish.clear()
        waits = [asyncio.create_task(event.wait()) for event in (self._ended, self._finish)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self._ended.is_set():
            self.say("The lecture has ended.")
        return self._ended.is_set()

    async def _stay(self, ended: bool) -> None:
        """Stay until the recording has what this machine has of the lecture, or the lecturer leaves."""
        if self._finish.is_set() and not ended:
            return  # left, with Ctrl-C
        if ended:
            self._line.drop("media")  # the relay lets go of it
        self._copy.flush()
        self._finish.clear()
        await self._repair.stay(self._finish, self.say)

    async def _until_ready(self) -> None:
        """A recorded voice waits until somebody can hear and see its beginning; a lecturer in person does not."""
        live, upload = self._feed.live, self._upload
        try:
            async with asyncio.timeout(LIVE_WAIT_S if live else None):
                await self._publisher.connected.wait()
                await self._control.welcomed.wait()
            if upload is not None and not live:
                async with asyncio.timeout(DECK_WAIT_S):
                    await upload.accepted.wait()
                    await self._control.first_page.wait()
        except TimeoutError:
            pass
        now = _now()
        at_ms = round(self.stream_ms(now))
        self._copy.begin(at_ms, self._control.time.at(now) or self._control.welcome_ms)
        if upload is not None:
            self._copy.deck(upload.deck, upload.title, upload.pdf, at_ms)
            if self._control.pages.page == 0 and not self.options.turns:
                self.turn_to(1)

    async def _upload_deck(self, upload: DeckUpload) -> None:
        try:
            await upload.run(self.say)
        except StreamError as error:
            # A class without slides is better than none.
            self.say(f"The relay does not take the slides: {error.text} The lecture goes on without them.")
            upload.accepted.set()
            self._control.first_page.set()
        else:
            self._control.deck = upload.deck
            self._control.deck_is_there()
            self.say(f"The slides are at the relay ({len(upload.pdf) / 1000:.0f} kB).")

    def _voice_packet(self, packet: VoicePacket) -> None:
        self._publisher.send_voice(packet)
        self._copy.voice(packet)
        for turn in self._schedule.due(packet.spoken_ms):
            self.turn_to(turn.page)
        now = _now()
        lecture_ms = self._control.time.of_voice_at(now)
        if lecture_ms is not None:
            self._copy.lecture_time(round(self.stream_ms(now)), lecture_ms)

    def _picture(self, picture: CodedPicture) -> None:
        self._publisher.send_camera(picture)
        self._copy.camera(picture)

    def _screen_update(self, update: CodedScreen) -> None:
        self._control.screen(update.data, self._t0 + update.at_ms / 1000)
        self._copy.screen(update)

    def say(self, text: str) -> None:
        """Tell a plain sentence, if there is one."""
        if text:
            log.info("%s", text)
            self._on_event(Said(text))

    def line_is(self, part: str, why: str | None) -> None:
        """A connection stands (``why`` None) or is down."""
        now = _now()
        if part == "control" and why is not None:
            self._publisher.doubt()
        text = self._line.set_up(part, now) if why is None else self._line.set_down(part, why, now)
        # The relay lets go of us when the lecture ends: no news.
        if not self._ended.is_set():
            self.say(text)

    def _receipt(self, ended: bool) -> StreamReceipt:
        sent, streamed_ms = self._publisher.sent, max(1.0, self.stream_ms(_now()))
        return StreamReceipt(
            lecture=self.options.lecture,
            voice_given_ms=self._feed.spoken_ms,
            voice_sent_ms=sent.voice_ms,
            voice_kbps=round(8 * sent.voice_bytes / max(1, sent.voice_ms), 1),
            camera_pictures=sent.pictures,
            camera_kbps=round(8 * sent.picture_bytes / max(1, sent.voice_ms), 1),
            link_kbps=round(8 * sent.wire_bytes / streamed_ms, 1),
            resent_packets=sent.resent_packets,
            pages=self._control.pages.page_count or 0,
            pages_turned=self._pages_turned,
            outages=self._line.outages,
            outage_s=round(self._line.outage_s, 1),
            own_copy=str(self._copy.path),
            ended=ended,
            missing_ms=self._repair.missing_ms,
            repaired_ms=self._repair.repaired_ms,
            screen_updates=self._screen.updates if self._screen is not None else 0,
            screen_kbps=round(8 * self._screen.update_bytes / streamed_ms, 1) if self._screen is not None else 0.0,
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
