"""Standard players (WHEP): one voice and the camera over RTP, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from lecture.errors import RefusedError
from relay.media.media_session import MediaSession
from relay.media.stage import Stage
from relay.media.subscriber import Subscriber
from transport.sdp import parse_offer


class Players:
    """The players of one lecture.

    :param spawn: runs a coroutine as a task of the lecture.
    """

    def __init__(self, stage: Stage, spawn: Callable[[str, Coroutine[Any, Any, object]], object]) -> None:
        self._stage = stage
        self._spawn = spawn
        self._players: dict[str, tuple[MediaSession, Subscriber]] = {}

    def __len__(self) -> int:
        return len(self._players)

    @property
    def subscribers(self) -> list[Subscriber]:
        """What each gets."""
        return [subscriber for _, subscriber in self._players.values()]

    def session(self, session_id: str) -> MediaSession | None:
        """The session of this id."""
        found = self._players.get(session_id)
        return None if found is None or found[0].closed else found[0]

    async def play(self, offer_sdp: str, language: str | None) -> MediaSession:
        """Answer an offer; see :meth:`relay.media.live.LiveLecture.play`."""
        stage = self._stage
        chosen = language or stage.info.languages[0]
        if chosen not in stage.voices:
            raise RefusedError("language_unknown", "The lecture has no voice in this language.", 422)
        if len(self._players) >= stage.settings.max_players:
            raise RefusedError("players_full", "The lecture has no room for more players.", 503)
        offer = parse_offer(offer_sdp)
        session = await MediaSession.answer(offer, stage.fanout.policy(camera=True, hall=False), stage.network)
        subscriber = stage.fanout.add(session, chosen)
        self._players[session.session_id] = (session, subscriber)
        self._spawn("player", self._run(session, subscriber))
        return session

    async def close(self) -> None:
        """End all of them."""
        for session, subscriber in list(self._players.values()):
            await self._leave(session, subscriber)

    async def _run(self, session: MediaSession, subscriber: Subscriber) -> None:
        try:
            await session.run()
        finally:
            await self._leave(session, subscriber)

    async def _leave(self, session: MediaSession, subscriber: Subscriber) -> None:
        if self._players.pop(session.session_id, None) is not None:
            self._stage.fanout.remove(subscriber)
        await session.close()
