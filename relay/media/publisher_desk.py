"""Who publishes: one lecturer, one interpreter for each other language; takeover of dead ones; the lecturer's line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from lecture.errors import HallcastError, RefusedError
from lecture.message_parts import PublisherState
from relay.media.media_session import MediaSession
from relay.media.publisher import Publisher, publisher_policy
from relay.media.stage import Role, Stage
from relay.media.tasks import fenced
from transport.sdp import parse_offer

logger = logging.getLogger("hallcast.publishers")

Slot = tuple[Role, str]
"""A role and the language it speaks."""


class PublisherDesk:
    """The publishers of one lecture, by role and language.

    :param spawn: runs a coroutine as a task of the lecture.
    :param on_media: called before a publisher's first media packet is taken.
    :param on_state: called when :attr:`state` changes.
    """

    def __init__(
        self,
        stage: Stage,
        spawn: Callable[[str, Coroutine[Any, Any, object]], object],
        on_media: Callable[[], None],
        on_state: Callable[[PublisherState], None],
    ) -> None:
        self._stage = stage
        self._spawn = spawn
        self._on_media = on_media
        self._on_state = on_state
        self._publishers: dict[Slot, Publisher] = {}
        self._answering: set[Slot] = set()
        self.state: PublisherState = stage.publisher_state

    def __len__(self) -> int:
        return len(self._publishers)

    @property
    def publishers(self) -> list[Publisher]:
        """Those there now."""
        return list(self._publishers.values())

    def session(self, session_id: str) -> MediaSession | None:
        """The session of this id."""
        for publisher in self._publishers.values():
            if publisher.session.session_id == session_id and not publisher.session.closed:
                return publisher.session
        return None

    async def publish(self, offer_sdp: str, role: Role, language: str | None) -> MediaSession:
        """Answer an offer; see :meth:`relay.media.live.LiveLecture.publish`."""
        stage = self._stage
        slot = (role, self._language(role, language))
        offer = parse_offer(offer_sdp)
        rivals = {other for other in (*self._publishers, *self._answering) if _exclude_each_other(slot, other)}
        if rivals & self._answering or any(self._is_alive(self._publishers[rival]) for rival in rivals):
            raise RefusedError("publisher_exists", f"The lecture has a publisher as {role} already.", 409)
        self._answering.add(slot)
        try:
            for rival in rivals:
                logger.info("%s of %s is replaced", rival[0], stage.lecture_id)
                await self._leave(rival, self._publishers[rival])
            policy = publisher_policy(offer, camera=role == "lecturer")
            session = await MediaSession.answer(offer, policy, stage.network)
        finally:
            self._answering.discard(slot)
        publisher = Publisher(
            session,
            role,
            stage.voices[slot[1]],
            stage.camera if role == "lecturer" else None,
            deadline_s=stage.settings.voice_wait_s,
            keyframe_interval_s=stage.settings.keyframe_interval_s,
            camera_kbps=stage.settings.camera_kbps,
            on_media=self._on_media,
            now=stage.now,
        )
        self._publishers[slot] = publisher
        self._spawn(f"publisher of {stage.lecture_id}", self._run(slot, publisher))
        return session

    def tick(self, now: float) -> None:
        """Let each publisher do what is due, end those that are silent, watch the lecturer's line."""
        for publisher in self.publishers:
            with fenced(f"{publisher.role} of {self._stage.lecture_id}", partial(publisher.session.end, "failed")):
                publisher.tick(now)
            if publisher.silent_s(now) > self._stage.settings.publisher_silence_s:
                publisher.session.end("silent")
        self._watch(now)

    def end_voice(self, language: str) -> None:
        """End whoever speaks a language."""
        for publisher in self.publishers:
            if publisher.voice.language == language:
                publisher.session.end("failed")

    async def close(self) -> None:
        """End all publishers."""
        for slot, publisher in list(self._publishers.items()):
            publisher.session.end()  # by us: no line is down
            await self._leave(slot, publisher)

    async def _run(self, slot: Slot, publisher: Publisher) -> None:
        try:
            reason = await publisher.session.run()
            logger.info("%s of %s ended: %s", publisher.role, self._stage.lecture_id, reason)
        except HallcastError as error:
            logger.warning("%s of %s failed: %s", publisher.role, self._stage.lecture_id, error.error_id)
        finally:
            await self._leave(slot, publisher)

    async def _leave(self, slot: Slot, publisher: Publisher) -> None:
        if self._publishers.get(slot) is publisher:
            del self._publishers[slot]
            publisher.finish(self._stage.now)
            # A lecturer that says goodbye is no line that is down.
            if slot[0] == "lecturer" and publisher.session.end_reason == "closed" and self.state == "live":
                self._set_state("none")
        await publisher.session.close()

    def _is_alive(self, publisher: Publisher) -> bool:
        return (
            not publisher.session.closed
            and publisher.silent_s(self._stage.now) <= self._stage.settings.takeover_silence_s
        )

    def _language(self, role: Role, language: str | None) -> str:
        languages = self._stage.info.languages
        if role == "lecturer":
            chosen = language or languages[0]
        else:
            chosen = language or (languages[1] if len(languages) > 1 else "")
        wrong_role = role == "interpreter" and chosen == languages[0]
        if chosen not in languages or wrong_role:
            raise RefusedError("language_unknown", f"The lecture has no voice of this language for the {role}.", 422)
        return chosen

    def _watch(self, now: float) -> None:
        lecturers = [p for (role, _), p in self._publishers.items() if role == "lecturer" and p.has_media]
        silence_s = self._stage.settings.takeover_silence_s
        if any(publisher.silent_s(now) <= silence_s for publisher in lecturers):
            self._set_state("live")
        elif self.state == "live":
            self._set_state("down")

    def _set_state(self, state: PublisherState) -> None:
        if state != self.state:
            self.state = state
            self._on_state(state)


def _exclude_each_other(one: Slot, other: Slot) -> bool:
    return one[1] == other[1] or one[0] == other[0] == "lecturer"
