"""A hall's media connection: its offers answered, its subscriber while the connection stands."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from lecture.errors import HallcastError, RefusedError
from lecture.messages import Answer, Candidate, ErrorMessage, HallHello, Message, Offer, Report
from relay.media.hall_carriers import HallCarriers
from relay.media.media_session import MediaSession
from relay.media.stage import Stage
from relay.media.subscriber import PLAYER_START_KBPS, Subscriber
from relay.media.tasks import start_guarded
from transport.sdp import HALLCAST_VOICE, parse_offer

logger = logging.getLogger("hallcast.sessions")

MAX_EARLY_CANDIDATES = 64


class HallMedia:
    """At most one media connection at a time; a new offer replaces the former one.

    :param reply: sends a message to the hall.
    :param carriers: is told of connections.
    """

    def __init__(
        self, stage: Stage, hello: HallHello, reply: Callable[[Message], None], carriers: HallCarriers
    ) -> None:
        self._stage = stage
        self._hello = hello
        self._reply = reply
        self._carriers = carriers
        self._task: asyncio.Task[None] | None = None
        self._session: MediaSession | None = None
        self._early: list[str | None] = []
        self.subscriber: Subscriber | None = None

    async def offer(self, offer: Offer) -> None:
        """Take an offer; the answer comes by ``reply``, or a non-fatal error (the hall goes on without media)."""
        await self.close()
        self._early.clear()
        self._task = start_guarded(asyncio.create_task, "media of a hall", self._run(offer))

    async def candidate(self, message: Candidate) -> None:
        """Take a trickled candidate; those that come before the answer are kept for it."""
        candidate = message.candidate or None
        if self._session is not None:
            await self._session.add_candidate(candidate)
        elif self._task is not None and len(self._early) < MAX_EARLY_CANDIDATES:
            self._early.append(candidate)

    def report(self, report: Report, now: float) -> None:
        """Hand the hall's report to the rung choice."""
        if self.subscriber is not None:
            rtt_s = report.rtt_ms / 1000 or None
            self.subscriber.hall_report(report.fraction_lost, rtt_s, report.playout_delay_ms, now)

    async def close(self) -> None:
        """End the media connection. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, offer: Offer) -> None:
        try:
            await self._serve(offer)
        except HallcastError as error:
            self._reply(ErrorMessage(error.error_id, error.text, fatal=False))

    async def _serve(self, offer: Offer) -> None:
        language = offer.language or self._stage.info.languages[0]
        if language not in self._stage.voices:
            raise RefusedError("language_unknown", "The lecture has no voice in this language.", 404)
        fanout = self._stage.fanout
        ours = HALLCAST_VOICE in self._hello.voice
        policy = fanout.policy(camera=self._hello.camera, hall=ours)
        session = await MediaSession.answer(parse_offer(offer.sdp), policy, self._stage.network)
        self._session = session
        # A browser's link is probed by nothing but its camera: it begins as a player's does.
        start_kbps = self._carriers.start_kbps if ours else PLAYER_START_KBPS
        subscriber = self.subscriber = fanout.add(
            session, language, start_kbps=start_kbps, data=self._carriers.make_data if ours else None
        )
        self._carriers.attach(subscriber)
        try:
            self._reply(Answer(session.answer_sdp))
            for candidate in self._early:
                await session.add_candidate(candidate)
            reason = await session.run()
            logger.info("media of a hall ended: %s", reason)
        finally:
            fanout.remove(subscriber)
            self._carriers.detach(self._stage.now)
            self._session = self.subscriber = None
            await session.close()
